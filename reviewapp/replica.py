"""Lists and exports are read from a replica, where the settings name one; all else from the primary.

    replica.read(lambda: page(request))

A replica is always a little behind. So that nobody misses what they just flagged, or an export what was
recorded before it was asked for, the replica answers only once it has replayed **everything that the primary
had when it was asked**: the primary tells how far its log is, the replica how far it has come. A list waits
for the rest of the way for a moment (`REVIEWAPP_REPLICA_WAIT_MS`), an export for longer, and then the primary
answers. Nothing has to be remembered of who wrote what, where, or when.

A replica that is away, too far behind or none at all is not asked again for some seconds; one that fails in
the middle of an answer leaves it to the primary, which gives it anew. Writes never go there, nor does what is
read inside a transaction. Whether the replica is used is decided here alone; `Router` only tells Django.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from reviewapp import metrics

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

ALIAS: Final = "replica"
# How long an export waits for the replica to come as far as the primary is.
EXPORT_SECONDS: Final = 30.0
# So long one that is of no use is left alone: each try may cost a list its patience.
ASIDE_SECONDS: Final = 5.0
# What either says when the other side is gone, in whatever way.
LOST: Final = (OperationalError, InterfaceError)
_LOOK_SECONDS: Final = 0.002
_LOOK_SECONDS_AT_MOST: Final = 0.05

# Which cluster and database it is: a position in one cluster's log means nothing in another's.
_IDENTITY: Final = "(SELECT system_identifier FROM pg_control_system()), current_database()"
# What is committed is in the log on the disk, unless `synchronous_commit` is off: then a moment later.
_POSITION: Final = f"SELECT pg_current_wal_flush_lsn()::text, {_IDENTITY}"
_PROGRESS: Final = f"""
SELECT pg_is_in_recovery(), {_IDENTITY},
    coalesce(pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn()), 1)::bigint,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float
"""  # noqa: S608  # constants of this module


class Unusable(Exception):
    """The replica can't answer for the primary now; the message says why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the replica is behind: bytes of the primary's log, and how old the last change is that it has.

    Nothing is missing: no bytes, no seconds. `seconds` is None where it has replayed nothing since its start.
    """

    bytes: int
    seconds: float | None


@dataclass(slots=True)
class Place:
    """Where one answer is read."""

    is_replica: bool

    def leave(self, error: BaseException) -> bool:
        """Go on at the primary after `error`. False where it was the primary that failed."""
        if not self.is_replica:
            return False
        self.is_replica = False
        _memory.put_aside(_first_line(error))
        with suppress(*LOST):
            connections[ALIAS].close()
        return True


@dataclass(slots=True)
class _Memory:
    """What this process knows of the replica."""

    reason: str = ""
    until: float = field(default=0.0)

    def put_aside(self, reason: str) -> None:
        if not self.reason:
            log.warning("The replica answers no lists and exports for now, the primary does: %s", reason)
        self.reason = reason
        self.until = time.monotonic() + ASIDE_SECONDS

    def may_try(self) -> bool:
        """Whether it is worth a look. After trouble one looks at a time, and nobody else waits for it."""
        now = time.monotonic()
        if now < self.until:
            return False
        if self.reason:
            self.until = now + ASIDE_SECONDS
        return True

    def found_well(self) -> None:
        if self.reason:
            log.warning("The replica answers lists and exports again.")
        self.reason, self.until = "", 0.0


_memory = _Memory()
_place: ContextVar[Place | None] = ContextVar("replica_place", default=None)


class Router:
    """For Django: reads go where `reading` says, writes and migrations to the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return alias()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        """A row is the same row, wherever it was read."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == ALIAS else None


def is_configured() -> bool:
    """Whether the settings name a replica."""
    return ALIAS in connections.settings


def alias() -> str:
    """The database that is read at this place of the program."""
    place = _place.get()
    if place is None or not place.is_replica or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return DEFAULT_DB_ALIAS
    return ALIAS


def connection() -> BaseDatabaseWrapper:
    """Its connection, for statements that are not Django's."""
    return connections[alias()]


def read(ask: Callable[[], Answer]) -> Answer:
    """A list's answer, from the replica if it has all that the primary has. `ask` may be called twice."""
    with reading(wait_seconds=settings.REPLICA_WAIT_SECONDS) as place:
        try:
            return ask()
        except LOST as error:
            if not place.leave(error):
                raise
        return ask()


@contextmanager
def reading(*, wait_seconds: float) -> Iterator[Place]:
    """Read at the replica in this block, if it has within that time all that the primary has now."""
    place = Place(is_replica=_is_usable(wait_seconds))
    if is_configured():
        metrics.LIST_READS.labels("replica" if place.is_replica else "primary").inc()
    token = _place.set(place)
    try:
        yield place
    finally:
        _place.reset(token)


def _is_usable(wait_seconds: float) -> bool:
    if not is_configured() or connections[DEFAULT_DB_ALIAS].in_atomic_block or not _memory.may_try():
        return False
    try:
        catch_up(wait_seconds=wait_seconds)
    except Unusable as error:
        _memory.put_aside(str(error))
        return False
    _memory.found_well()
    return True


def catch_up(*, wait_seconds: float) -> Lag:
    """Wait until the replica has all that the primary has now; gives how far it was behind at first.

    Raises Unusable.
    """
    end = time.monotonic() + wait_seconds
    pause = _LOOK_SECONDS
    try:
        position = _position()
        first = now = _progress(position)
        while now.bytes > 0:
            if time.monotonic() > end:
                since = "" if now.seconds is None else f", its last change is {now.seconds:.1f} s old"
                raise Unusable(f"it is {now.bytes / 1024:,.0f} kB of the primary's log behind{since}.")
            time.sleep(pause)
            pause = min(pause * 2, _LOOK_SECONDS_AT_MOST)
            now = _progress(position)
    except (DatabaseError, InterfaceError) as error:
        _close_broken()
        raise Unusable(_first_line(error)) from error
    return first


def lag() -> Lag:
    """How far the replica is behind at this moment. Raises Unusable."""
    try:
        return _progress(_position())
    except (DatabaseError, InterfaceError) as error:
        _close_broken()
        raise Unusable(_first_line(error)) from error


@dataclass(frozen=True, slots=True)
class _Position:
    """A place in the log of a cluster, and whose it is."""

    lsn: str
    cluster: int
    database: str


def _position() -> _Position:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_POSITION)
        return _Position(*cursor.fetchone())


def _progress(position: _Position) -> Lag:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_PROGRESS, [position.lsn])
        follows, cluster, database, missing, age = cursor.fetchone()
    if not follows:
        raise Unusable("it follows no primary: promoted, or not what REVIEWAPP_REPLICA_DATABASE_URL is for.")
    if (cluster, database) != (position.cluster, position.database):
        raise Unusable("it copies another database: REVIEWAPP_REPLICA_DATABASE_URL names the wrong one.")
    return Lag(bytes=missing, seconds=age) if missing > 0 else Lag(bytes=0, seconds=0.0)


def _close_broken() -> None:
    """A connection that failed is of no use to who comes next."""
    with suppress(*LOST):
        connections[ALIAS].close()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
