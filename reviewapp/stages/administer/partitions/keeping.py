"""What partitioned interactions need each day: months ahead, and that emptied ones give their room back.

Retention deletes rows, whatever the tables. In a plain table that leaves dead rows for vacuum, and indexes
that stay as large as they were. A month of which nothing is left is dropped: its files are gone at once. What
may still be imported into it goes to one partition for all such months.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.db import connection

from reviewapp.models.partitions import EARLY, LATER, REST, TABLES, Partition, are_partitioned, partitions
from reviewapp.pure.said import Month, said
from reviewapp.stages.administer.partitions.converting import GIVE_UP, is_left_half, take_check_away
from reviewapp.stages.administer.partitions.shaping import (
    CHECK,
    Part,
    Patience,
    bounds_of_check,
    create,
    drop,
    foreign_keys,
    in_a_moment,
    is_empty,
    lock_all,
    make_months,
    month_of,
    one_at_a_time,
    run,
)

log = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 3
# So many partitions are dropped while everybody waits; between two times all who came meanwhile go on.
AT_ONCE: Final = 3


def keep(
    *,
    now: datetime,
    months: int = MONTHS_AHEAD,
    patience: Patience | None = None,
    tell: Callable[[str], None] = log.info,
) -> None:
    """The day's work; nothing where the tables are plain. Raises Busy, and comes again tomorrow."""
    patience = patience or Patience(tries=20)
    if not are_partitioned():
        if is_left_half():
            one_at_a_time(lambda: _give_up(now, patience, tell))
        return
    one_at_a_time(lambda: _keep(now, months, patience, tell))


def _keep(now: datetime, months: int, patience: Patience, tell: Callable[[str], None]) -> None:
    try:
        make_months(now=now, months=months, patience=patience, tell=tell)
        while names := _emptied(now)[:AT_ONCE]:
            tell(f"Dropping what is empty: {', '.join(names)}")
            _drop_in_a_moment(names, patience, tell)
    finally:
        with connection.cursor() as cursor:
            for table in TABLES:
                # The partitions' own figures are seen to by autovacuum; those of the whole are not.
                run(cursor, "ANALYZE ONLY {table}", table=table)


def _drop_in_a_moment(names: list[str], patience: Patience, tell: Callable[[str], None]) -> None:
    in_a_moment(lambda cursor: _give_back(cursor, names, patience), patience=patience, tell=tell)


def _give_up(now: datetime, patience: Patience, tell: Callable[[str], None]) -> None:
    bounds = bounds_of_check()
    if bounds is not None and now > bounds[0] - GIVE_UP:
        tell(f"Taking the check {CHECK} away: partitioning was not gone on with")
        take_check_away(patience=patience, tell=tell)


def _oldest_first() -> list[Partition]:
    return [one for one in partitions() if one.start is not None and one.name != LATER]


def _emptied(now: datetime) -> list[str]:
    """The oldest months, as far as they are over and empty, and what gathers them; none: nothing is new."""
    found: list[str] = []
    with connection.cursor() as cursor:
        for one in _oldest_first():
            # The month before this one may still get what comes late.
            if one.end is None or one.end >= month_of(now, plus=-1) or not is_empty(cursor, one.name):
                break
            found.append(one.name)
    return found if found and found != [EARLY] else []


def _give_back(cursor: Any, names: list[str], patience: Patience) -> None:
    lock_all(cursor)
    # Everybody waits now. What was deleted and not vacuumed yet is read to its end to see that it is empty,
    # and who refers to it is looked for: each is done quickly, or not today.
    cursor.execute(f"SET LOCAL statement_timeout = '{int(patience.locked_ms)}ms'")
    parts = {one.name: one for one in partitions()}
    if any(not is_empty(cursor, name) for name in names):
        return  # something came meanwhile; tomorrow again
    start, end = parts[names[0]].start, parts[names[-1]].end
    assert start is not None
    assert end is not None
    drop(cursor, names)
    create(cursor, [Part(EARLY, start, end)], like=REST)


def worry(*, now: datetime) -> str | None:
    """In a sentence, what an operator should see to by `manage.py partition_interactions`; None: nothing."""
    if not are_partitioned():
        return said("partitions_half") if is_left_half() else None
    with connection.cursor() as cursor:
        open_keys = [key for key in foreign_keys(cursor) if not key.is_valid]
    if open_keys:
        return said("partitions_keys", count=len(open_keys))
    later = next((one for one in partitions() if one.name == LATER), None)
    if later is None or later.start is None:
        return said("partitions_none_ahead")
    if later.start <= month_of(now, plus=1):
        return said("partitions_missing", month=Month(later.start.year, later.start.month))
    return None
