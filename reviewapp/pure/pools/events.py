"""What happened in a pool: the few things in its history that a person wants to know.

The history is walked once, bucket by bucket (an hour's counts, or single calls). Until
`LEARNING_CALLS` nothing is an event. After that:

- A value never seen before. Where one value answered nearly everything, at its first call; in a
  rotating pool only once it takes a share, since such pools gain small members all the time. Values
  that come within a day of each other are one event. Where both old and new value name their parts,
  the event names the parts that changed.
- A lasting shift: two blocks of calls in a row, each over a day long, that agree with each other
  and not with what was usual. A usual value that neither block has any more is *gone*.
- Reporting stopped or started: no value says nothing about the backend, so it is its own event.

In a pool whose values are random per answer, values are no events at all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from reviewapp.pure.pools.grades import ENOUGH, RANDOM_SHARE
from reviewapp.pure.pools.overlaps import LEARNING_CALLS
from reviewapp.pure.pools.parts import changed_parts, part_name, read_parts
from reviewapp.pure.said import Figure, Joined, Param, Said, said, say
from reviewapp.pure.verdicts.messages import percent, short

# A pool is steady while one value has this share of its answers; then one call with another is news.
STEADY_SHARE: Final = 0.95
# In a rotating pool a new value must have answered so often, with such a share since it came.
NEW_CALLS: Final = 3
NEW_SHARE: Final = 0.2
# After so many calls without reaching it, a value is a small member like others.
NEW_PATIENCE: Final = 200
TOGETHER: Final = timedelta(days=1)
BLOCK_CALLS: Final = 30
BLOCK_TIME: Final = timedelta(days=1)
SHIFT_DISTANCE: Final = 0.4
SHIFT_AGREEMENT: Final = 0.25
GONE_SHARE: Final = 0.3
SILENT_CALLS: Final = 5
HEARD_CALLS: Final = 3
# Share of answers with a value, above or below which a pool is said to report or not to.
REPORTS: Final = 0.9


class EventKind(StrEnum):
    """What happened to a pool."""

    NEW = "new_value"
    PARTS = "parts_changed"
    SHIFT = "shares_shifted"
    GONE = "value_gone"
    STOPPED = "reporting_stopped"
    STARTED = "reporting_started"


@dataclass(frozen=True, slots=True)
class Bucket:
    """The answers of one stretch of time by value; None: no fingerprint reported."""

    at: datetime
    counts: Mapping[str | None, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent:
    """One event, with the values it is about and the share of the traffic they had then."""

    kind: EventKind
    at: datetime
    values: tuple[str, ...] = ()
    share: float | None = None
    parts: tuple[tuple[str, str, str], ...] = ()

    @property
    def sentence(self) -> Said:
        """What happened, in words."""
        names, share = names_of(self.values), Figure(percent(self.share or 0.0))
        match self.kind:
            case EventKind.NEW:
                return said("pool_new", names=names, share=share, values=len(self.values))
            case EventKind.PARTS:
                parts = Joined(tuple(_moved(*part) for part in self.parts), by="; ")
                return said("pool_parts", parts=parts, names=names, share=share)
            case EventKind.GONE:
                return said("pool_gone", names=names, share=share)
            case EventKind.SHIFT:
                return said("pool_shift", names=names, share=share)
            case EventKind.STOPPED:
                return said("pool_stopped")
        return said("pool_started", names=names)


def names_of(values: Sequence[str]) -> Param:
    """Some values by name, the first of many."""
    names = Joined(tuple(short(value, length=40) for value in values[:3]))
    return names if len(values) <= 3 else say("names_more", names=names, more=len(values) - 3)


def _moved(name: str, old: str, new: str) -> Param:
    nothing = say("part_none")
    return say("part_moved", name=part_name(name), old=old or nothing, new=new or nothing)


@dataclass(slots=True)
class _Candidate:
    """A value that may become an event: since when it is there, its calls, and everybody's."""

    at: datetime
    calls: int = 0
    of: int = 0


@dataclass(slots=True)
class _Walk:
    events: list[PoolEvent] = field(default_factory=list)
    calls: int = 0
    told: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    last_seen: dict[str, datetime] = field(default_factory=dict)
    candidates: dict[str, _Candidate] = field(default_factory=dict)
    reports: bool | None = None
    silent: int = 0
    heard: int = 0
    usual: dict[str, float] = field(default_factory=dict)
    block: Counter[str] = field(default_factory=Counter)
    block_from: datetime | None = None
    earlier: dict[str, float] = field(default_factory=dict)

    def step(self, bucket: Bucket) -> None:
        values = {value: n for value, n in bucket.counts.items() if value and n > 0}
        nulls = sum(n for value, n in bucket.counts.items() if not value)
        self._reporting(bucket.at, values, nulls)
        self._arrivals(bucket.at, values)
        self._shares(bucket.at, values)
        self.calls += nulls + sum(values.values())

    @property
    def _is_random(self) -> bool:
        return self.told >= ENOUGH and len(self.seen) >= RANDOM_SHARE * self.told

    @property
    def _is_steady(self) -> bool:
        return bool(self.seen) and max(self.block_shares().values(), default=1.0) >= STEADY_SHARE

    def block_shares(self) -> dict[str, float]:
        """The shares before now: of what is usual, else of everything so far."""
        return self.usual or _shares(self.seen)

    def _reporting(self, at: datetime, values: Mapping[str, int], nulls: int) -> None:
        told = sum(values.values())
        self.silent = self.silent + nulls if not told else 0
        self.heard = self.heard + told if not nulls else 0
        if self.calls < LEARNING_CALLS:
            return
        if self.reports is None:
            share = self.told / self.calls
            if share >= REPORTS or share <= 1 - REPORTS:
                self.reports = share >= REPORTS
        if self.reports and self.silent >= SILENT_CALLS:
            self.reports = False
            self.events.append(PoolEvent(kind=EventKind.STOPPED, at=at))
        elif self.reports is False and self.heard >= HEARD_CALLS:
            self.reports = True
            self.events.append(PoolEvent(kind=EventKind.STARTED, at=at, values=tuple(values)[:3]))
            # What it reports now is what there is to know: it is learnt, not asked about.
            for value in values:
                self.seen[value] += 0
            self._forget_usual()

    def _arrivals(self, at: datetime, values: Mapping[str, int]) -> None:
        learning = self.calls < LEARNING_CALLS or self._is_random
        total = sum(values.values())
        steady = self._is_steady
        for value, n in values.items():
            if value not in self.seen and not learning and self.told:
                self.candidates[value] = _Candidate(at)
            if value in self.candidates:
                self.candidates[value].calls += n
        for value, candidate in list(self.candidates.items()):
            candidate.of += total
            share = candidate.calls / max(candidate.of, 1)
            if steady or (candidate.calls >= NEW_CALLS and share >= NEW_SHARE):
                del self.candidates[value]
                self._announce(value, at, share)
            elif candidate.of > NEW_PATIENCE:
                del self.candidates[value]
        for value, n in values.items():
            self.seen[value] += n
            self.last_seen[value] = at
            self.told += n

    def _announce(self, value: str, at: datetime, share: float) -> None:
        last = self.events[-1] if self.events else None
        parts = self._changed_parts(value)
        kind = EventKind.PARTS if parts else EventKind.NEW
        if last is not None and last.kind is kind and at - last.at <= TOGETHER and not parts:
            self.events[-1] = replace(
                last, values=(*last.values, value), share=min(1.0, max(last.share or 0.0, share))
            )
        else:
            self.events.append(PoolEvent(kind=kind, at=at, values=(value,), share=share, parts=parts))
        self._forget_usual()

    def _changed_parts(self, value: str) -> tuple[tuple[str, str, str], ...]:
        parts = read_parts(value)
        before = [v for v in sorted(self.last_seen, key=self.last_seen.__getitem__) if v != value]
        earlier = read_parts(before[-1]) if before else None
        return changed_parts(earlier, parts) if parts and earlier else ()

    def _forget_usual(self) -> None:
        self.usual, self.earlier, self.block, self.block_from = {}, {}, Counter(), None

    def _shares(self, at: datetime, values: Mapping[str, int]) -> None:
        if self._is_random or not values:
            return
        self.block.update(values)
        self.block_from = self.block_from or at
        if self.block.total() < BLOCK_CALLS or at - self.block_from < BLOCK_TIME:
            return
        now, self.block, self.block_from = _shares(self.block), Counter(), None
        if not self.usual:
            self.usual = now
        elif _distance(self.usual, now) < SHIFT_DISTANCE:
            # The usual follows slowly, so that a slow drift does show in the end.
            self.earlier = {}
            self.usual = {
                v: 0.8 * self.usual.get(v, 0.0) + 0.2 * now.get(v, 0.0) for v in {*self.usual, *now}
            }
        elif self.earlier and _distance(self.earlier, now) < SHIFT_AGREEMENT:
            self._shifted(at, now)
            self.usual, self.earlier = now, {}
        else:
            self.earlier = now

    def _shifted(self, at: datetime, now: Mapping[str, float]) -> None:
        gone = [
            value
            for value, share in self.usual.items()
            if share >= GONE_SHARE and not now.get(value) and not self.earlier.get(value)
        ]
        if gone:
            share = sum(self.usual[value] for value in gone)
            self.events.append(PoolEvent(kind=EventKind.GONE, at=at, values=tuple(gone), share=share))
            return
        most = max(now, key=lambda value: now[value] - self.usual.get(value, 0.0))
        self.events.append(PoolEvent(kind=EventKind.SHIFT, at=at, values=(most,), share=now[most]))


def pool_events(history: Iterable[Bucket]) -> tuple[PoolEvent, ...]:
    """The events of one provider's and model's history, oldest first. The buckets come in time order."""
    walk = _Walk()
    for bucket in history:
        walk.step(bucket)
    return tuple(walk.events)


def naive_changes(values: Sequence[str | None]) -> int:
    """How often a value differs from the one before it: the rule that cries wolf, for comparison."""
    return sum(one != other for one, other in itertools.pairwise(values))


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = counts.total()
    return {value: n / total for value, n in counts.items()} if total else {}


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation: the share of answers that would have to carry another value."""
    return sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other}) / 2
