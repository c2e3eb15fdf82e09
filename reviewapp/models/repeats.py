"""What an interaction's very request, with the same seed, was answered before: recorded again or replayed.

Equal requests have the same hash. Of one that a source asks all day only some answers are taken: the
earliest after the original tell how the backend varied then, the latest how it does now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db import connection

# Of each end of the time between the original and its replays.
MOST: Final = 20
# Recorded answers further apart than this are of two sessions.
SESSION: Final = timedelta(minutes=5)
# How many of one request are looked at, so that a request asked a million times costs no more.
_LOOKED_AT: Final = 500

# Two forms, since an index is used for "= seed" and for "is null", and for neither in "is not distinct".
# Canaries are decided from their own sessions.
_QUERY: Final = """
SELECT original.id, earlier.id, earlier.started_at, attempt.run_id
FROM unnest(%s::uuid[], %s::timestamptz[]) AS wanted(id, before)
JOIN reviewapp_interaction original ON original.id = wanted.id
CROSS JOIN LATERAL (
    SELECT one.id, one.started_at FROM reviewapp_interaction one
    WHERE one.project_id = original.project_id
      AND one.request_hash = original.request_hash
      AND {seed}
      AND one.provider_id = original.provider_id
      AND one.endpoint = original.endpoint
      AND one.status BETWEEN 200 AND 299
      AND one.started_at > original.started_at
      AND one.started_at < wanted.before
    LIMIT {limit}
) AS earlier
LEFT JOIN reviewapp_attempt attempt ON attempt.id = earlier.id
LEFT JOIN reviewapp_replayrun run ON run.id = attempt.run_id
WHERE earlier.id <> original.id AND run.kind IS DISTINCT FROM 'canary'
ORDER BY original.id, earlier.started_at, earlier.id
"""
_SEEDED: Final = _QUERY.format(seed="one.seed = original.seed", limit=_LOOKED_AT)
_UNSEEDED: Final = _QUERY.format(seed="one.seed IS NULL AND original.seed IS NULL", limit=_LOOKED_AT)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An answer to the same request; `session` is equal for those that were asked together."""

    interaction: UUID
    session: str


def repeats_before(
    *, seeded: Mapping[UUID, datetime], unseeded: Mapping[UUID, datetime]
) -> dict[UUID, list[Repeat]]:
    """For each interaction the answers to its request since then and before this time, oldest first."""
    found: dict[UUID, list[Repeat]] = {}
    for query, wanted in ((_SEEDED, seeded), (_UNSEEDED, unseeded)):
        if not wanted:
            continue
        with connection.cursor() as cursor:
            cursor.execute(query, [list(wanted), list(wanted.values())])
            rows = cursor.fetchall()
        for original, own in groupby(rows, key=lambda row: row[0]):
            told = _in_sessions([(id_, at, run) for _, id_, at, run in own])
            found[original] = told if len(told) <= 2 * MOST else [*told[:MOST], *told[-MOST:]]
    return found


def _in_sessions(rows: list[tuple[UUID, datetime, UUID | None]]) -> list[Repeat]:
    found: list[Repeat] = []
    session, last = "", None
    for id_, at, run in rows:
        if run is not None:
            session, last = str(run), None
        elif last is None or at - last > SESSION:
            session, last = at.isoformat(), at
        else:
            last = at
        found.append(Repeat(id_, session))
    return found
