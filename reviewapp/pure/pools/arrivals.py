"""Which values that came after the learning phase are worth telling: the rule of `events`, exactly.

The history by the hour shows when a pool's shares move; when a value came, and how many answers
there were since, the counting knows to the call. So what is new is judged from the counts, within
seconds and also in a pool's first hour, and by the same measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reviewapp.pure.pools.events import NEW_CALLS, NEW_SHARE, STEADY_SHARE, EventKind, PoolEvent
from reviewapp.pure.pools.grades import ENOUGH, RANDOM_SHARE
from reviewapp.pure.pools.parts import changed_parts, read_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One value of a pool: since when it is there, its answers, and everybody's before it came."""

    value: str
    first: datetime
    last: datetime
    count: int
    before: int
    # Came after the pool was learnt, in an answer of its time, and nobody has decided about it.
    is_news: bool = False


def arrivals(values: Sequence[Arrival], *, calls: int) -> tuple[PoolEvent, ...]:
    """The new values that are events, oldest first. `calls` are the pool's answers altogether."""
    told = sum(value.count for value in values)
    if told >= ENOUGH and len(values) >= RANDOM_SHARE * told:
        return ()
    events = []
    for value in sorted(values, key=lambda value: value.first):
        if not value.is_news:
            continue
        earlier = [one for one in values if one.first < value.first]
        share = min(1.0, value.count / max(calls - value.before, value.count, 1))
        if not _was_steady(earlier) and (value.count < NEW_CALLS or share < NEW_SHARE):
            continue
        parts = _changed(earlier, value.value)
        events.append(
            PoolEvent(
                kind=EventKind.PARTS if parts else EventKind.NEW,
                at=value.first,
                values=(value.value,),
                share=share,
                parts=parts,
            )
        )
    return tuple(events)


def _was_steady(earlier: Sequence[Arrival]) -> bool:
    """Whether one value had nearly all answers: then a single one with another is news."""
    counts = [one.count for one in earlier]
    return bool(counts) and max(counts) >= STEADY_SHARE * sum(counts)


def _changed(earlier: Sequence[Arrival], value: str) -> tuple[tuple[str, str, str], ...]:
    """The parts in which the value differs from the one that came before it."""
    parts = read_parts(value)
    last = max(earlier, key=lambda one: one.first, default=None)
    before = read_parts(last.value) if last else None
    return changed_parts(before, parts) if parts and before else ()
