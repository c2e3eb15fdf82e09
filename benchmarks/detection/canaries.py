"""Hourly canaries on fifty endpoints for thirty days: false alarms without a change, delay with one.

Simulated at the level of rows, with the noise that real endpoints were seen to have: bit-identical ones,
servers whose rounding depends on load and so on the hour, fleets and crowds whose members take other
shares every day, and continuous noise that grows with the load and lies a little apart each day. The
rolling baseline, the statistics, the floors, the decision, fresh requests, the evidence gathered over
checks and e-BH over all endpoints are the product's own: `reviewapp.pure.drift.watching`, by which the
watch stage runs canaries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.rule import NO_AGREEMENT, NO_LABELS
from reviewapp.pure.drift import floors, permutation, watching
from reviewapp.pure.drift.decision import CHANGE_P, Check, Decision, judge
from reviewapp.pure.drift.measures import Measure, weigh
from reviewapp.pure.drift.panel import CONFIRMING_ROWS
from reviewapp.pure.drift.rows import Stratum, pairwise_distances
from reviewapp.pure.drift.sequential import Detector
from reviewapp.pure.drift.watching import Kept, Standing

START = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS, TOKENS = 20, 20
WARM_UP_HOURS = 7 * 24
# Every so many hours p is computed although nothing asks for it, to show what p alone would do.
SAMPLED = 145
Kind = Literal["bit-identical", "batching", "fleet", "crowd", "noisy"]
KINDS: tuple[Kind, ...] = ("bit-identical", "batching", "fleet", "crowd", "noisy")
MEMBERS = {"bit-identical": 1, "batching": 3, "fleet": 6, "crowd": 24, "noisy": 1}
APART = {"bit-identical": 0.0, "batching": 1e-4, "fleet": 0.02, "crowd": 0.02, "noisy": 0.0}
NOISE = 0.003
SIZES = (0.002, 0.007, 0.02)

Numbers = NDArray[np.float64]


class Endpoint:
    """One endpoint: asked at an hour, it answers every question with a row."""

    def __init__(self, kind: Kind, rng: np.random.Generator) -> None:
        self.kind = kind
        self.rng = rng
        base = -rng.uniform(1, 6, size=(1, QUESTIONS, TOKENS))
        apart = APART[kind] * rng.standard_normal((MEMBERS[kind], QUESTIONS, TOKENS))
        self.members = base + apart
        self.moved = rng.choice([-1.0, 1.0], size=(QUESTIONS, TOKENS))
        self._day = -1
        self._shares: Numbers = np.ones(MEMBERS[kind]) / MEMBERS[kind]
        self._offset: Numbers = np.zeros((QUESTIONS, TOKENS))

    def ask(self, hour: int, *, rows: int, change: float = 0.0) -> Numbers:
        """(questions, rows, tokens)"""
        self._new_day(hour // 24)
        load = 0.5 - 0.5 * math.cos(2 * math.pi * (hour % 24 - 3) / 24)
        shares = self._shares
        if self.kind == "batching":
            shares = np.array([1 - load, 0.7 * load, 0.3 * load])
        drawn = self.rng.choice(len(self.members), p=shares, size=(QUESTIONS, rows))
        values: Numbers = self.members[drawn, np.arange(QUESTIONS)[:, None]] + change * self.moved[:, None]
        if self.kind == "noisy":
            values = values + self._offset[:, None]
            values = values + NOISE * (0.7 + 0.6 * load) * self.rng.standard_normal(values.shape)
        return values

    def _new_day(self, day: int) -> None:
        if day == self._day:
            return
        self._day = day
        if self.kind in {"fleet", "crowd"}:
            self._shares = self.rng.dirichlet(np.full(len(self.members), 4.0))
        if self.kind == "noisy":
            self._offset = 0.0005 * self.rng.standard_normal((QUESTIONS, TOKENS))


@dataclass
class Watch:
    """One endpoint being watched, by the product's own rule: its baseline, its evidence so far."""

    endpoint: Endpoint
    rng: np.random.Generator
    kept: list[Kept] = field(default_factory=list)
    known: Numbers = field(default_factory=lambda: np.empty((QUESTIONS, 0, TOKENS)))
    # Between the baseline's rows, by question; only what comes in is computed anew.
    distances: Numbers = field(default_factory=lambda: np.empty((QUESTIONS, 0, 0)))
    detector: Detector = field(default_factory=Detector)
    changed: bool = False
    requests: int = 0
    usual_floor: float = floors.LOGPROB_MINIMUM
    _floors: dict[int, float] = field(default_factory=dict)

    def learn(self, hour: int) -> None:
        """A row for the baseline, before checks begin."""
        self._keep(hour, self.endpoint.ask(hour, rows=1))

    def _keep(self, hour: int, row: Numbers) -> None:
        new = Kept(id=UUID(int=hour), at=_at(hour), captured=False)
        standing = set(watching.rolling([*self.kept, new], now=new.at))
        stays = [place for place, one in enumerate(self.kept) if one.id in standing]
        if len(stays) < len(self.kept):
            self.kept = [self.kept[place] for place in stays]
            self.known = self.known[:, stays]
            self.distances = self.distances[:, stays][:, :, stays]
            self._floors.clear()
        if new.id in standing:
            beside = np.abs(self.known - row).mean(axis=2)[:, :, None]
            above = np.concatenate([self.distances, beside], axis=2)
            below = np.concatenate([beside.transpose(0, 2, 1), np.zeros((QUESTIONS, 1, 1))], axis=2)
            self.distances = np.concatenate([above, below], axis=1)
            self.known = np.concatenate([self.known, row], axis=1)
            self.kept.append(new)
            self._floors.clear()

    @property
    def _days(self) -> tuple[str, ...]:
        """Of three days and more, so each day is a session: see `watching.in_sessions`."""
        return tuple(one.at.date().isoformat() for one in self.kept)

    def _strata(self, new: Numbers) -> list[Stratum]:
        names = self._days
        strata = []
        for question in range(QUESTIONS):
            vectors = np.concatenate([self.known[question], new[question]])
            strata.append(
                Stratum(
                    prompt=str(question),
                    distances=pairwise_distances(vectors),
                    baseline=len(names),
                    sessions=(*names, *(("check",) * new.shape[1])),
                    vectors=vectors,
                )
            )
        return strata

    def floor(self, *, rows: int) -> float:
        """What is ordinary, from the baseline as it stands."""
        if rows not in self._floors:
            names = self._days
            strata = [
                Stratum(prompt=str(place), distances=between, baseline=len(names), sessions=names)
                for place, between in enumerate(self.distances)
            ]
            self._floors[rows] = floors.logprob_floor(floors.nearest_left_out(strata, rows=rows))
        return self._floors[rows]

    def _effect(self, new: Numbers) -> float:
        distances = np.abs(new[:, :, None, :] - self.known[:, None, :, :]).mean(axis=3)
        return float(distances.min(axis=2).mean())

    def _measure(self, new: Numbers) -> Measure:
        return weigh(
            self._strata(new),
            statistic="lp_nearest",
            kind="token",
            column="log probabilities",
            rng=self.rng,
            permutations=watching.ROUTINE_PERMUTATIONS,
        )

    def p_alone(self, hour: int) -> float:
        """What p alone would say of a check at this hour."""
        strata = self._strata(self.endpoint.ask(hour, rows=1))
        return permutation.permutation_test(permutation.nearest, strata, rng=self.rng)[1]

    def check(self, hour: int, *, others: Sequence[float], change: float = 0.0) -> bool:
        """One hourly check: whether it alarms.

        The rule alarms on nothing whose first look is below the floor, so there p is not computed; and
        the floor is not where the effect is below half of what it was at midnight.
        """
        rows = CONFIRMING_ROWS if self.changed else 1
        new = self.endpoint.ask(hour, rows=rows, change=change)
        self.requests += rows * QUESTIONS
        effect = self._effect(new)
        if hour % 24 == 0:
            self.usual_floor = self.floor(rows=1)
        if effect < 0.5 * self.usual_floor or effect < self.floor(rows=rows):
            self.detector = self.detector.after(p=1.0)
            self.changed = False
            self._keep(hour, new[:, :1])
            return False
        looks: tuple[tuple[Measure, ...], ...] = ((self._measure(new),),)
        decision = _judged(looks)
        if decision.wants_confirmation:
            fresh = self.endpoint.ask(hour, rows=CONFIRMING_ROWS, change=change)
            self.requests += CONFIRMING_ROWS * QUESTIONS
            looks = (*looks, (self._measure(fresh),))
            decision = _judged(looks)
        self.detector = watching.gathered(self.detector, looks)
        self.changed = watching.is_confirmed(decision)
        return watching.alarms(
            own=Standing(evidence=self.detector.evidence, confirmed=self.changed),
            others=[Standing(evidence=value) for value in others],
        )

    def renew(self) -> None:
        """The alarm was looked at: begin to gather again."""
        self.detector, self.changed = Detector(), False


def _at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def _judged(looks: tuple[tuple[Measure, ...], ...]) -> Decision:
    return judge(looks=looks, check=Check(looks=(), asked=0), labels=NO_LABELS, agreement=NO_AGREEMENT)


@dataclass(frozen=True)
class Days:
    """What came of days without a change."""

    endpoints: int
    days: int
    checks: int
    false_alarms: int
    p_alone: float
    sampled: int
    requests_a_check: float


def _watches(endpoints: int, rng: np.random.Generator) -> list[Watch]:
    watches = []
    for number in range(endpoints):
        endpoint = Endpoint(KINDS[number % len(KINDS)], np.random.default_rng(rng.integers(2**62)))
        watch = Watch(endpoint, np.random.default_rng(rng.integers(2**62)))
        for hour in range(WARM_UP_HOURS):
            watch.learn(hour)
        watch.usual_floor = watch.floor(rows=1)
        watches.append(watch)
    return watches


def watch_days(*, rng: np.random.Generator, days: int = 30, endpoints: int = 50) -> Days:
    """Days without a change."""
    watches = _watches(endpoints, rng)
    false_alarms, sampled, small = 0, 0, 0
    for hour in range(WARM_UP_HOURS, WARM_UP_HOURS + 24 * days):
        for watch in watches:
            others = [other.detector.evidence for other in watches if other is not watch]
            if watch.check(hour, others=others):
                false_alarms += 1
                watch.renew()
            if hour % SAMPLED == 0:
                sampled += 1
                small += watch.p_alone(hour) <= CHANGE_P
    checks = 24 * days * endpoints
    return Days(
        endpoints=endpoints,
        days=days,
        checks=checks,
        false_alarms=false_alarms,
        p_alone=small / max(1, sampled),
        sampled=sampled,
        requests_a_check=sum(watch.requests for watch in watches) / max(1, checks),
    )


def time_to_detection(
    *,
    rng: np.random.Generator,
    sizes: Sequence[float] = SIZES,
    changed: int = 10,
    endpoints: int = 50,
    days: int = 3,
) -> dict[str, dict[str, float]]:
    """For each size of change, on so many endpoints: the share found, and the hours until the alarm."""
    return {f"{size:g}": _delays(changed, size, among=endpoints, days=days, rng=rng) for size in sizes}


def _delays(
    changed: int, size: float, *, among: int, days: int, rng: np.random.Generator
) -> dict[str, float]:
    """Share found within the days and the median hours until then, over all kinds and by kind.

    Each endpoint changes alone, `among` so many that are watched.
    """
    hours: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for watch in _watches(changed, rng):
        found = math.inf
        start = WARM_UP_HOURS + int(rng.integers(24))
        for hour in range(start, start + 24 * days):
            if watch.check(hour, change=size, others=[1.0] * (among - 1)):
                found = hour - start + 1
                break
        hours[watch.endpoint.kind].append(found)
    everything = [hour for told in hours.values() for hour in told]
    return {
        "found": float(np.mean(np.isfinite(everything))),
        "median hours": _median(everything),
        **{f"{kind}, median hours": _median(told) for kind, told in hours.items()},
    }


def _median(hours: Sequence[float]) -> float:
    """The median; -1 where most were not found."""
    middle = float(np.median(hours)) if hours else math.inf
    return middle if math.isfinite(middle) else -1.0
