"""From plain tables to partitioned ones, without copying a row and while everybody goes on working.

1. A check tells that no id in the tables is of a month from the next boundary on: first of new rows alone,
   then of all, which reads them once and hinders nobody.
2. The switch, one transaction of changes to the catalogue: each table is renamed and becomes the default
   partition of a new one with its name, beside the months ahead; the check spares the database a look at its
   rows. Foreign keys are put to the new table; what was there is believed.
3. The foreign keys are validated, which hinders nobody.

Each step looks first whether it is done, so after a power cut the command is simply run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, connection
from psycopg import sql
from psycopg.errors import CheckViolation

from reviewapp.models.partitions import REST, TABLES, are_partitioned, bounds_in
from reviewapp.pure.ids import least_id
from reviewapp.stages.administer.partitions.shaping import (
    CHECK,
    CannotPartition,
    Part,
    Patience,
    ahead,
    bounds_of_check,
    create,
    foreign_keys,
    forget_keys,
    in_a_moment,
    lock,
    lock_all,
    make_months,
    month_of,
    months_ahead,
    one_at_a_time,
    own_like,
    put_back_keys,
    run,
    validate_keys,
)

# Foreign keys of partitioned tables that are not validated at once came with it.
OLDEST_VERSION: Final = 18
# The boundary is so far ahead that the reading is over before it.
AT_LEAST_AHEAD: Final = timedelta(days=10)
# A partitioning that was cut off before its switch is given up so long before what it checks would come true.
GIVE_UP: Final = timedelta(days=3)
# So far ids of months are told from others that carry no time (by the year 8919 they would be).
SPAN_MONTHS: Final = 120
SHORTEST_SPAN: Final = 24


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What partitioning would do now: `parts` to be made, and `steps` in sentences, none when all is done."""

    parts: list[Part] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def foresee(*, now: datetime, months: int) -> Foreseen:
    """What `partition` would do. Raises CannotPartition."""
    if are_partitioned():
        with connection.cursor() as cursor:
            keys = [key for key in foreign_keys(cursor) if not key.is_valid]
        parts = months_ahead(now=now, months=months)
        steps = [f"Make the months {', '.join(part.name for part in parts)}."] if parts else []
        steps += (
            [f"Validate {len(keys)} foreign keys; reads whole tables and hinders nobody."] if keys else []
        )
        return Foreseen(parts, steps)
    check_able()
    start, end = _bounds(now)
    parts = _parts(start, end, now, months)
    with connection.cursor() as cursor:
        keys = foreign_keys(cursor)
        cursor.execute(
            "SELECT sum(pg_relation_size(oid))::bigint, max(greatest(reltuples, 0))::bigint"
            " FROM pg_class WHERE oid = ANY(%s::regclass[])",
            [list(TABLES)],
        )
        size, rows = cursor.fetchone()
    names = ", ".join(part.name for part in parts)
    others = len({key.table for key in keys} - set(TABLES))
    switch = (
        f"Switch: what is there becomes the partition “{REST}”, and beside it come {names}. For about a "
        f"second nobody uses these tables, the {others} that refer to them, and projects, providers and "
        "sources, to which they refer. No row is copied."
    )
    steps = [
        f"Add the check {CHECK} to {', '.join(TABLES)}: a lock for some milliseconds.",
        f"Validate it: reads about {size / 1024**3:.1f} GB ({rows:,} interactions) once; nobody waits.",
        switch,
        f"Validate {len(keys)} foreign keys: reads whole tables and indexes; nobody waits.",
        "It needs no more room than the new, empty tables: some megabytes.",
    ]
    return Foreseen(parts, steps)


def partition(
    *, now: datetime, months: int, tell: Callable[[str], None], patience: Patience | None = None
) -> None:
    """Do what is left of it. Raises CannotPartition; Busy, after which it can be run again."""
    patience = patience or Patience()
    one_at_a_time(lambda: _partition(now, months, tell, patience))


def _partition(now: datetime, months: int, tell: Callable[[str], None], patience: Patience) -> None:
    if not are_partitioned():
        began = time.monotonic()
        check_able()
        start, end = _check(now, tell, patience)
        parts = _parts(start, end, now, months)

        def switch(cursor: Any) -> None:
            if start <= now + timedelta(seconds=time.monotonic() - began):
                raise _TooLate
            _switch(cursor, parts)

        tell(f"Switching; beside what is there: {', '.join(part.name for part in parts)}")
        try:
            in_a_moment(switch, patience=patience, tell=tell)
        except _TooLate:
            # From now on it would keep everybody from recording.
            take_check_away(patience=patience, tell=tell)
            raise CannotPartition(
                f"Reading the tables took until {start:%d %B %Y}, when the first month of its own began; "
                "they are as they were. Run it again."
            ) from None
    else:
        make_months(now=now, months=months, patience=patience, tell=tell)
    validate_keys(patience=patience, tell=tell)
    tell("Counting what the planner must know")
    with connection.cursor() as cursor:
        for table in TABLES:
            run(cursor, "ANALYZE {table}", table=table)


class _TooLate(Exception):
    """The first month of its own has begun: what came in it is with the rest."""


def _parts(start: datetime, end: datetime, now: datetime, months: int) -> list[Part]:
    return ahead(start=start, end=end, until=max(start, month_of(now, plus=months)))


def check_able() -> None:
    """Raise CannotPartition where something is here that this would not carry over."""
    with connection.cursor() as cursor:
        version = connection.pg_version // 10_000  # type: ignore[attr-defined]  # PostgreSQL's
        if version < OLDEST_VERSION:
            raise CannotPartition(
                f"This needs PostgreSQL {OLDEST_VERSION} or later, and the database is version {version}."
            )
        for what, question in _UNKNOWN.items():
            cursor.execute(question, {"tables": list(TABLES)})
            found = [name for (name,) in cursor.fetchall()]
            if found:
                raise CannotPartition(
                    f"The tables have {what} that the app did not make, which would be lost: "
                    f"{', '.join(found)}. Remove them, and make them again afterwards."
                )


_UNKNOWN: Final = {
    "triggers": "SELECT tgname FROM pg_trigger"
    " WHERE NOT tgisinternal AND tgrelid = ANY(%(tables)s::regclass[])",
    "policies": "SELECT polname FROM pg_policy WHERE polrelid = ANY(%(tables)s::regclass[])",
    "views": "SELECT DISTINCT ev_class::regclass::text FROM pg_rewrite JOIN pg_depend"
    " ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid"
    " WHERE refclassid = 'pg_class'::regclass AND refobjid = ANY(%(tables)s::regclass[])",
    "publications": "SELECT pubname FROM pg_publication_rel JOIN pg_publication p ON p.oid = prpubid"
    " WHERE prrelid = ANY(%(tables)s::regclass[])",
    "statistics": "SELECT stxname FROM pg_statistic_ext WHERE stxrelid = ANY(%(tables)s::regclass[])",
    "children": "SELECT inhrelid::regclass::text FROM pg_inherits"
    " WHERE inhparent = ANY(%(tables)s::regclass[])",
    "grants on columns": "SELECT attname FROM pg_attribute"
    " WHERE attacl IS NOT NULL AND attrelid = ANY(%(tables)s::regclass[])",
}


# ---- the check ----


def _bounds(now: datetime) -> tuple[datetime, datetime]:
    """From when to when months can be made: what an earlier run decided, or now. Raises CannotPartition."""
    known = bounds_of_check()
    if known is not None and known[0] - now > GIVE_UP:
        return known
    with connection.cursor() as cursor:
        start = month_of(now + AT_LEAST_AHEAD, plus=1)
        end = month_of(start, plus=SPAN_MONTHS)
        cursor.execute(
            "SELECT id FROM reviewapp_interaction WHERE id >= %s ORDER BY id LIMIT 1", [least_id(start)]
        )
        (first,) = cursor.fetchone() or (None,)
        if first is not None and first < least_id(end):
            # Ids that carry no time, or a wrong one: they stay with the rest if they are few.
            end = month_of(_time_in(first))
        if end < month_of(start, plus=SHORTEST_SPAN):
            cursor.execute(
                "SELECT count(*) FROM (SELECT FROM reviewapp_interaction WHERE id >= %s LIMIT 100000) AS few",
                [least_id(start)],
            )
            raise CannotPartition(
                f"{cursor.fetchone()[0]:,} interactions (or more) have ids that carry no time or one in "
                f"the future; the first is {first}. Partitions by month would not hold what their months "
                "say. Ids that clients give should be UUIDs of version 7."
            )
    return start, end


def _time_in(id_: Any) -> datetime:
    found = bounds_in(f"{id_} {id_}")
    assert found
    return found[0]


def _check(now: datetime, tell: Callable[[str], None], patience: Patience) -> tuple[datetime, datetime]:
    start, end = _bounds(now)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, convalidated, pg_get_constraintdef(c.oid) FROM pg_constraint c"
            " JOIN pg_class ON pg_class.oid = conrelid WHERE conname = %s AND conrelid = ANY(%s::regclass[])",
            [CHECK, list(TABLES)],
        )
        there = {table: valid for table, valid, said in cursor.fetchall() if bounds_in(said) == (start, end)}

    def add(cursor: Any) -> None:
        lock(cursor, TABLES)
        for table, key in TABLES.items():
            run(cursor, "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}", table=table, name=CHECK)
            run(
                cursor,
                "ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({key} < {start} OR {key} >= {end})"
                " NOT VALID",
                table=table,
                name=CHECK,
                key=key,
                start=sql.Literal(str(least_id(start))),
                end=sql.Literal(str(least_id(end))),
            )

    if len(there) < len(TABLES):
        tell(f"Adding the check {CHECK}")
        in_a_moment(add, patience=patience, tell=tell)
        there = {}
    for table in TABLES:
        if there.get(table):
            continue

        def validate(cursor: Any, table: str = table) -> None:
            run(cursor, "ALTER TABLE {table} VALIDATE CONSTRAINT {name}", table=table, name=CHECK)

        tell(f"Validating the check of {table} (nobody waits)")
        try:
            in_a_moment(validate, patience=patience, tell=tell)
        except IntegrityError as error:
            if not isinstance(error.__cause__, CheckViolation):
                raise
            take_check_away(patience=patience, tell=tell)
            raise CannotPartition(
                "An interaction came meanwhile whose id carries a time in the future. Run it again."
            ) from error
    return start, end


def take_check_away(*, patience: Patience, tell: Callable[[str], None]) -> None:
    """Leave the plain tables as they were."""

    def take(cursor: Any) -> None:
        lock(cursor, TABLES)
        for table in TABLES:
            run(cursor, "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}", table=table, name=CHECK)

    in_a_moment(take, patience=patience, tell=tell)


def is_left_half() -> bool:
    """Whether a run was cut off before the switch: the tables are plain, and have the check."""
    if are_partitioned():
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = %s AND conrelid = ANY(%s::regclass[]))",
            [CHECK, list(TABLES)],
        )
        return bool(cursor.fetchone()[0])


# ---- the switch ----


def _switch(cursor: Any, parts: list[Part]) -> None:
    """All of it, or nothing."""
    lock_all(cursor)
    keys = foreign_keys(cursor)
    told = {table: _told(cursor, table) for table in TABLES}
    forget_keys(cursor, keys)
    for table, key in TABLES.items():
        _put_above(cursor, table, key, told[table])
    for table in TABLES:
        run(
            cursor,
            "ALTER TABLE {table} ATTACH PARTITION {rest} DEFAULT",
            table=table,
            rest=f"{table}_{REST}",
        )
        _join_indexes(cursor, told[table].indexes)
    # The check says what the database would look for in the rest otherwise.
    create(cursor, parts, like=REST)
    # After the rest is attached: before it, its rows would be looked at.
    put_back_keys(cursor, keys)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the catalogue says of a table: constraints and indexes by name, with their definitions."""

    primary: tuple[str, str]
    foreign: dict[str, str]
    indexes: dict[str, str]


def _told(cursor: Any, table: str) -> _Told:
    cursor.execute(
        "SELECT conname, contype::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('p', 'f') AND NOT confrelid = ANY(%s::regclass[])",
        [table, list(TABLES)],
    )
    rows = cursor.fetchall()
    cursor.execute(
        "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE indrelid = %s::regclass AND NOT indisprimary AND indisvalid",
        [table],
    )
    return _Told(
        primary=next((name, said) for name, kind, said in rows if kind == "p"),
        foreign={name: said for name, kind, said in rows if kind == "f"},
        indexes=dict(cursor.fetchall()),
    )


def _put_above(cursor: Any, table: str, key: str, told: _Told) -> None:
    """Rename a table, and make an empty one of its name that is partitioned and has all that it has."""
    rest = f"{table}_{REST}"
    run(cursor, "ALTER TABLE {table} RENAME TO {rest}", table=table, rest=rest)
    for name in (told.primary[0], *told.indexes):
        run(cursor, "ALTER INDEX {name} RENAME TO {rest}", name=name, rest=f"{name}_{REST}"[:63])
    run(
        cursor,
        "CREATE TABLE {table} (LIKE {rest} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE"
        " INCLUDING COMPRESSION INCLUDING GENERATED INCLUDING COMMENTS) PARTITION BY RANGE ({key})",
        table=table,
        rest=rest,
        key=key,
    )
    run(cursor, "ALTER TABLE {table} DROP CONSTRAINT {name}", table=table, name=CHECK)
    own_like(cursor, table, like=rest)
    for name, said in {told.primary[0]: told.primary[1], **told.foreign}.items():
        run(
            cursor,
            "ALTER TABLE {table} ADD CONSTRAINT {name} {said}",
            table=table,
            name=name,
            said=sql.SQL(said),  # the database's own words
        )


def _join_indexes(cursor: Any, indexes: dict[str, str]) -> None:
    """Those of the whole, by names that are free again, with those that the rest has.

    One by one: should the two not be alike, this fails, where attaching the table would have made another.
    """
    for name, said in indexes.items():
        cursor.execute(said.replace(" ON ", " ON ONLY ", 1))
        run(cursor, "ALTER INDEX {name} ATTACH PARTITION {rest}", name=name, rest=f"{name}_{REST}"[:63])
