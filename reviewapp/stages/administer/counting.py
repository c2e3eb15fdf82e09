"""Counting over all web processes.

**How often somebody comes** is decided in each process from memory, a bucket each (pure/rates.py). Once a
second a process tells what came and hears how full the common buckets are, in two statements, however many
calls there were. In the second before it heard, each process may let a bucket's worth through; what was too
much is owed, and the mean is the limit again.

**What is kept** are the few values of signing in, each asked for when it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db import connection, transaction

from reviewapp.models import Kept

# What was heard of before need not be told again; twice as long as anybody is away who is there.
_LATELY: Final = "interval '10 seconds'"
# More than so many are told to nobody: the emptiest first.
_MOST: Final = 10_000

# In the order of names, so that two processes wait for each other in no circle.
_TELL: Final = """
INSERT INTO reviewapp_ratelevel AS old (name, level, per_minute, at)
SELECT name, per_minute - came, per_minute, clock_timestamp()
FROM unnest(%s::text[], %s::int[], %s::float8[]) AS told (name, per_minute, came) ORDER BY name
ON CONFLICT (name) DO UPDATE SET
  level = least(
      EXCLUDED.per_minute,
      old.level + greatest(0, extract(epoch FROM EXCLUDED.at - old.at)) * EXCLUDED.per_minute / 60
    ) - (EXCLUDED.per_minute - EXCLUDED.level),
  per_minute = EXCLUDED.per_minute,
  at = greatest(old.at, EXCLUDED.at)
"""
_NOW: Final = "least(per_minute, level + extract(epoch FROM clock_timestamp() - at) * per_minute / 60)"
_HEAR: Final = f"""
SELECT name, {_NOW}::float8 FROM reviewapp_ratelevel
WHERE at > clock_timestamp() - {_LATELY} ORDER BY 2 LIMIT {_MOST}
"""  # noqa: S608  # constants of this module
# Who has a full bucket needs no place. A row that is being told of just now is left: to wait for it while
# holding others might be a circle.
_FORGET: Final = f"""
DELETE FROM reviewapp_ratelevel WHERE name IN (
  SELECT name FROM reviewapp_ratelevel WHERE at < clock_timestamp() - {_LATELY} AND {_NOW} >= per_minute
  ORDER BY name FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608  # constants of this module

_KEEP: Final = """
INSERT INTO reviewapp_kept AS old (key, value, expires_at) VALUES (%s, %s::jsonb, %s)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
"""


@dataclass(frozen=True, slots=True)
class Came:
    """How often somebody came since it was told last."""

    name: str
    per_minute: int
    times: int


def share_counts(*, came: Iterable[Came]) -> dict[str, float]:
    """Tell the other processes; gives how many calls each who came lately has left, by name.

    Both or neither: who could not hear tells everything again.
    """
    told = list(came)
    with transaction.atomic(), connection.cursor() as cursor:
        if told:
            columns = zip(*((one.name, one.per_minute, one.times) for one in told), strict=True)
            cursor.execute(_TELL, [list(column) for column in columns])
        cursor.execute(_HEAR)
        return dict(cursor.fetchall())


def forget_counts(*, now: datetime) -> None:
    """Make room: buckets that are full again, values that expired."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
    Kept.objects.filter(expires_at__lte=now).delete()


def make_room(*, now: datetime) -> None:
    """The same where no web process takes calls, and sessions of browsers that did not come back in time."""
    forget_counts(now=now)
    Session.objects.filter(expire_date__lt=now).delete()


def keep(*, key: str, value: Any, expires_at: datetime) -> None:
    """Keep a value, in place of another."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [key, json.dumps(value), expires_at])


def keep_first(*, key: str, value: Any, expires_at: datetime, now: datetime) -> bool:
    """Keep a value unless there is one: of several who try at once, one is told that it was the first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_KEEP} WHERE old.expires_at <= %s",
            [key, json.dumps(value), expires_at, now],
        )
        return bool(cursor.rowcount == 1)


def kept(*, key: str, now: datetime) -> Any:
    """The value, or None."""
    return Kept.objects.filter(key=key, expires_at__gt=now).values_list("value", flat=True).first()


def drop(*, key: str) -> bool:
    """Keep it no longer; gives whether there was one."""
    return Kept.objects.filter(key=key).delete()[0] > 0


def drop_all() -> None:
    """Keep nothing any longer."""
    Kept.objects.all().delete()
