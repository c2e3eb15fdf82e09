"""Partitions as statements: which there shall be, and how they are made while others go on working.

Whatever has to lock the tables does nothing but change the catalogue, in one transaction that waits for no
lock longer than a moment: who comes behind it in the queue waits as long. It is tried until it succeeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from reviewapp.models.partitions import HOT, LATER, REST, TABLES, bounds_in, partitions
from reviewapp.pure.ids import least_id

Given = TypeVar("Given")
# By it the database knows, without reading the rest, that nothing of a later month is in it.
CHECK: Final = "interaction_id_not_ahead"
# Any number, as long as every version of the app takes the same.
_LOCK: Final = 0x7061727473
_ASIDE: Final = "aside"
# Well below PostgreSQL's `deadlock_timeout`, a second where nobody changed it.
_TOGETHER_MS: Final = 400


class CannotPartition(Exception):
    """The sentence says why and what to do; nothing was changed."""


class Busy(Exception):
    """The tables could not be locked, or not for as long as it takes; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a lock is waited for (milliseconds), how often, and the pause (seconds) between.

    `locked_ms`: how long a statement may take that looks at rows while everybody waits.
    """

    wait_ms: int = 1_500
    tries: int = 40
    pause: float = 5.0
    locked_ms: int = 3_000


@dataclass(frozen=True, slots=True)
class Part:
    """A partition that shall be made: [start, end) by the time in the id."""

    name: str
    start: datetime
    end: datetime


def month_of(at: datetime, *, plus: int = 0) -> datetime:
    """When the month of this moment began (UTC), or so many months later."""
    months = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 + plus
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def name_of(month: datetime) -> str:
    return f"{month:%Y_%m}"


def ahead(*, start: datetime, end: datetime, until: datetime) -> list[Part]:
    """Months from `start` up to `until`, which is in the last of them, and what is later up to `end`."""
    found = []
    while start < end and start <= until:
        found.append(Part(name_of(start), start, month_of(start, plus=1)))
        start = found[-1].end
    return found if start >= end else [*found, Part(LATER, start, end)]


def create(cursor: Any, parts: Iterable[Part], *, like: str | None = None) -> None:
    """Make partitions of all three tables. `like`: the name of one whose owner and grants they shall have."""
    for part in parts:
        for table in TABLES:
            run(
                cursor,
                "CREATE TABLE {part} PARTITION OF {table} FOR VALUES FROM ({start}) TO ({end})",
                table=table,
                part=f"{table}_{part.name}",
                start=sql.Literal(str(least_id(part.start))),
                end=sql.Literal(str(least_id(part.end))),
            )
            if like is not None:
                own_like(cursor, f"{table}_{part.name}", like=f"{table}_{like}")


def drop(cursor: Any, names: Iterable[str]) -> None:
    """Take partitions of these names out of all three tables, with all that is in them."""
    for name in names:
        # What refers to others first. Dropped as it is a partition, it would have to be locked twice as long.
        for table in reversed(TABLES):
            run(cursor, "ALTER TABLE {table} DETACH PARTITION {part}", table=table, part=f"{table}_{name}")
            run(cursor, "DROP TABLE {part}", part=f"{table}_{name}")


def own_like(cursor: Any, table: str, *, like: str) -> None:
    """Give a table the owner of another, and let those use it who may use that."""
    cursor.execute(
        "SELECT made.relowner <> other.relowner, other.relowner::regrole::text"
        " FROM pg_class made, pg_class other WHERE made.oid = %s::regclass AND other.oid = %s::regclass",
        [table, like],
    )
    differs, owner = cursor.fetchone()
    if differs:
        run(cursor, "ALTER TABLE {table} OWNER TO {owner}", table=table, owner=sql.SQL(owner))
    cursor.execute(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,"
        " is_grantable"
        " FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner",
        [like],
    )
    for privilege, grantee, grantable in cursor.fetchall():
        run(
            cursor,
            "GRANT {privilege} ON {table} TO {grantee} {grantable}",
            table=table,
            privilege=sql.SQL(privilege),
            grantee=sql.SQL(grantee),
            grantable=sql.SQL("WITH GRANT OPTION" if grantable else ""),
        )


def run(cursor: Any, statement: str, **names: Any) -> None:
    """Execute a statement; plain strings are the names of tables, constraints and columns."""
    said = {key: sql.Identifier(one) if isinstance(one, str) else one for key, one in names.items()}
    cursor.execute(sql.SQL(statement).format(**said).as_string(None))


# ---- months ----


def months_ahead(*, now: datetime, months: int) -> list[Part]:
    """What is to be made so that so many months after this one have a partition; nothing when they have."""
    later = next((one for one in partitions() if one.name == LATER), None)
    until = month_of(now, plus=months)
    if later is None or later.start is None or later.end is None or later.start > until:
        return []
    return ahead(start=later.start, end=later.end, until=until)


def make_months(*, now: datetime, months: int, patience: Patience, tell: Callable[[str], None]) -> None:
    """Make the months up to so many after this one, out of what is later. Raises Busy."""
    parts = months_ahead(now=now, months=months)
    if not parts:
        return
    tell(f"Making {', '.join(part.name for part in parts)}")
    in_a_moment(lambda cursor: _divide_later(cursor, parts), patience=patience, tell=tell)
    validate_keys(patience=patience, tell=tell)


def _divide_later(cursor: Any, parts: list[Part]) -> None:
    """Later is empty as a rule. Else its rows are moved: few, and foreign keys are put aside meanwhile."""
    lock_all(cursor)
    if is_empty(cursor, LATER):
        drop(cursor, [LATER])
        create(cursor, parts, like=REST)
        return
    keys = foreign_keys(cursor)
    forget_keys(cursor, keys)
    for table in TABLES:
        run(cursor, "ALTER TABLE {table} DETACH PARTITION {part}", table=table, part=f"{table}_{LATER}")
        run(
            cursor, "ALTER TABLE {part} RENAME TO {aside}", part=f"{table}_{LATER}", aside=f"{table}_{_ASIDE}"
        )
    # Its indexes keep their names until it is dropped; those of the new ones are chosen beside them.
    create(cursor, parts, like=REST)
    for table in TABLES:
        columns = sql.SQL(", ").join(map(sql.Identifier, _columns(cursor, table)))
        run(
            cursor,
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {aside}",
            table=table,
            columns=columns,
            aside=f"{table}_{_ASIDE}",
        )
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in TABLES:
        run(cursor, "DROP TABLE {aside}", aside=f"{table}_{_ASIDE}")
    put_back_keys(cursor, keys)


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        [table],
    )
    return [name for (name,) in cursor.fetchall()]


def is_empty(cursor: Any, name: str) -> bool:
    """Whether no row of any of the three tables is in the partition."""
    found = sql.SQL(" OR ").join(
        sql.SQL("EXISTS (SELECT FROM {})").format(sql.Identifier(f"{table}_{name}")) for table in TABLES
    )
    cursor.execute(sql.SQL("SELECT {}").format(found).as_string(None))
    return not cursor.fetchone()[0]


def lock_all(cursor: Any) -> None:
    """The three tables with all their partitions, all that they refer to, and all that refer to them.

    To make or drop a partition locks what it refers to as well: so that has to be among them.
    """
    others = sorted({key.table for key in foreign_keys(cursor)} - set(TABLES))
    lock(cursor, [*TABLES, *_referred_to(cursor), *others])


def _referred_to(cursor: Any) -> list[str]:
    """The tables to which the three refer, without themselves and without what they are divided into."""
    cursor.execute(
        "SELECT DISTINCT relname FROM pg_constraint c JOIN pg_class ON pg_class.oid = confrelid"
        " WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY(%(tables)s::regclass[])"
        " AND NOT confrelid = ANY(%(tables)s::regclass[]) ORDER BY relname",
        {"tables": list(TABLES)},
    )
    return [name for (name,) in cursor.fetchall()]


def bounds_of_check() -> tuple[datetime, datetime] | None:
    """From when to when there may be months, as the check of the plain table says; None without one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = %s AND conrelid = %s::regclass",
            [CHECK, HOT],
        )
        said = cursor.fetchone()
    return bounds_in(said[0]) if said else None


# ---- foreign keys ----


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key to the interactions: of which table, and what it says."""

    table: str
    name: str
    definition: str
    is_valid: bool


def foreign_keys(cursor: Any) -> list[ForeignKey]:
    """Those that refer to the interactions, their own included, without what they are divided into."""
    cursor.execute(
        "SELECT relname, conname, pg_get_constraintdef(c.oid), convalidated FROM pg_constraint c"
        " JOIN pg_class ON pg_class.oid = conrelid WHERE contype = 'f' AND conparentid = 0"
        " AND confrelid = ANY(%s::regclass[]) ORDER BY relname, conname",
        [list(TABLES)],
    )
    return [
        ForeignKey(table, name, said.removesuffix(" NOT VALID"), valid)
        for table, name, said, valid in cursor.fetchall()
    ]


def forget_keys(cursor: Any, keys: Iterable[ForeignKey]) -> None:
    for key in keys:
        run(cursor, "ALTER TABLE {table} DROP CONSTRAINT {name}", table=key.table, name=key.name)


def put_back_keys(cursor: Any, keys: Iterable[ForeignKey]) -> None:
    """As they were, but that what is there is believed until `validate_keys`, which locks nobody out."""
    for key in keys:
        run(
            cursor,
            "ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID",
            table=key.table,
            name=key.name,
            definition=sql.SQL(key.definition),  # the database's own words
        )


def validate_keys(*, patience: Patience, tell: Callable[[str], None]) -> None:
    """Have the database see for itself that every foreign key holds; reads whole tables, hinders nobody."""
    with connection.cursor() as cursor:
        keys = [key for key in foreign_keys(cursor) if not key.is_valid]
    for key in keys:
        tell(f"Validating the foreign key {key.name} of {key.table} (nobody waits)")

        def validate(cursor: Any, key: ForeignKey = key) -> None:
            run(cursor, "ALTER TABLE {table} VALIDATE CONSTRAINT {name}", table=key.table, name=key.name)

        in_a_moment(validate, patience=patience, tell=tell)


# ---- locks ----


def one_at_a_time(deed: Callable[[], Given]) -> Given:
    """Do it while nobody else does anything to partitions. Raises Busy."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise Busy("Somebody else is at the partitions just now: wait for them.")
        try:
            return deed()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def in_a_moment(deed: Callable[[Any], Given], *, patience: Patience, tell: Callable[[str], None]) -> Given:
    """Do it in one transaction that waits but a moment for each lock, until it succeeds.

    Raises Busy when the tries are used up, and at once when a statement took longer than `deed` allowed it.
    """
    for left in reversed(range(patience.tries)):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # To read a large table may take longer than the database allows a page.
                cursor.execute(
                    f"SET LOCAL lock_timeout = '{int(patience.wait_ms)}ms'; SET LOCAL statement_timeout = 0"
                )
                return deed(cursor)
        except OperationalError as error:
            if isinstance(error.__cause__, QueryCanceled):
                raise Busy(
                    "It took longer than the tables may be locked, or somebody cancelled it; nothing is half "
                    "done. Run it again at a calmer hour."
                ) from error
            if not isinstance(error.__cause__, (LockNotAvailable, DeadlockDetected)):
                raise
            who = _holders()
            if not left:
                raise Busy(
                    f"The tables could not be locked in {patience.tries} tries; nothing is half done. "
                    f"They are held by: {who}. Let these end, or run it at a calmer hour."
                ) from error
            tell(f"The tables are in use; trying again in {patience.pause:g} s ({left} tries left): {who}")
            time.sleep(patience.pause)
    raise AssertionError("unreachable")


def _holders() -> str:
    """Who works on the tables for longest, in a line."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT pid, state, xact_start, left(query, 60)"
            " FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE relation = %s::regclass AND granted AND pid <> pg_backend_pid()"
            " ORDER BY xact_start LIMIT 3",
            [HOT],
        )
        rows = cursor.fetchall()
    return "; ".join(f"{pid} ({state}) {query!r}" for pid, state, _, query in rows) or "nobody any more"


def lock(cursor: Any, tables: Iterable[str], *, mode: str = "ACCESS EXCLUSIVE") -> None:
    """All of them, before anything is done. Raises OperationalError, also when it would take long.

    The first is waited for with empty hands; then the others must come within `_TOGETHER_MS`. No order suits
    everybody: pages read the project first, recording writes the interaction first and has the database look
    for the project afterwards. Who waits for this meanwhile would after a second (`deadlock_timeout`) find
    that it waits for them too, and be the one whose work is cut off; this gives up before.
    """
    first, *others = map(sql.Identifier, tables)
    run(cursor, "LOCK TABLE {first} IN {mode} MODE", first=first, mode=sql.SQL(mode))
    if not others:
        return
    cursor.execute(f"SET LOCAL statement_timeout = '{_TOGETHER_MS}ms'")
    try:
        run(
            cursor,
            "LOCK TABLE {others} IN {mode} MODE",
            others=sql.SQL(", ").join(others),
            mode=sql.SQL(mode),
        )
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise OperationalError("Some of the tables are in use.") from LockNotAvailable()
        raise
    cursor.execute("SET LOCAL statement_timeout = 0")
