"""What happened to pools, to the moment: what was noted when it was seen, and what the history shows beside.

What was noted has its moment and the backend change that it belongs to. The history also shows what came
before anybody watched; it is read by the hour or the day, so an event of it begins with one, and where it
is about new values, their first answer tells the moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from reviewapp.models.change import ChangeEvent
from reviewapp.models.pools import Pool
from reviewapp.models.project import Project
from reviewapp.models.traffic import PoolKey
from reviewapp.pure.pools import Bucket, EventKind, PoolEvent, pool_events
from reviewapp.pure.said import stored

_ARRIVALS: Final = frozenset({EventKind.NEW, EventKind.PARTS})
# Late answers move the moment of what the history shows.
_NEAR: Final = timedelta(days=2)
# Older ones nobody looks for on a chart.
_MOST: Final = 1000

# A project's noted events by pool.
Noted: TypeAlias = Mapping[PoolKey, Sequence[ChangeEvent]]


@dataclass(frozen=True, slots=True)
class Happening:
    """One event: when, in words, and the backend change that it belongs to."""

    at: datetime
    sentence: str
    change: UUID | None = None


def noted_of(*, project: Project) -> Noted:
    """The project's noted events by pool. One query."""
    found: dict[PoolKey, list[ChangeEvent]] = defaultdict(list)
    rows = ChangeEvent.objects.filter(project=project).order_by("-at", "-id").defer("evidence")
    for row in rows[:_MOST]:
        found[row.provider_id, row.model].append(row)
    return found


def happenings(*, pool: Pool, history: Sequence[Bucket], noted: Sequence[ChangeEvent]) -> list[Happening]:
    """What happened to this pool, the latest first."""
    first = {value.value: value.first_seen for value in pool.values}
    found = [
        Happening(row.at, stored(row.sentence, (row.said or {}).get("sentence")), row.change_id)
        for row in noted
    ]
    found += [
        Happening(_moment(event, first), event.sentence)
        for event in pool_events(history)
        if not any(_is_same(event, row) for row in noted)
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _moment(event: PoolEvent, first: dict[str | None, datetime]) -> datetime:
    if event.kind not in _ARRIVALS:
        return event.at
    return max(event.at, min((first[value] for value in event.values if value in first), default=event.at))


def _is_same(event: PoolEvent, row: ChangeEvent) -> bool:
    """Whether what the history shows is what was noted: the same new value, or the same kind at that time."""
    if event.kind in _ARRIVALS:
        return row.kind in _ARRIVALS and bool(set(row.values) & set(event.values))
    return bool(row.kind == event.kind.value and abs(row.at - event.at) <= _NEAR)
