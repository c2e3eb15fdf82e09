"""Hourly canaries on fifty endpoints for thirty days: false alarms without a change, delay with one.

Simulated at the level of rows, with the noise that real endpoints were seen to have: bit-identical ones,
servers whose rounding depends on load and so on the hour, fleets and crowds whose members take other
shares every day, and continuous noise that grows with the load and lies a little apart each day. The
statistics, floors, permutations and alarms are the product's own.

The baseline rolls: every second check of the last seven days, so that all hours of the day are in it.
Its sessions are its days, for a day is what the next one may differ by. A check whose effect is above the
floor never enters it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reviewapp.pure.drift import floors, permutation
from reviewapp.pure.drift.rows import Stratum, pairwise_distances
from reviewapp.pure.drift.sequential import Detector

QUESTIONS, TOKENS = 20, 20
WARM_UP_HOURS = 7 * 24
EVERY = 2
CHANGE_P = 0.01
CONFIRMING_ROWS = 5
# The share of checks whose p is computed although nothing asks for it, to show what p alone would do.
SAMPLED = 12
Kind = Literal["bit-identical", "batching", "fleet", "crowd", "noisy"]
KINDS: tuple[Kind, ...] = ("bit-identical", "batching", "fleet", "crowd", "noisy")
MEMBERS = {"bit-identical": 1, "batching": 3, "fleet": 6, "crowd": 24, "noisy": 1}
APART = {"bit-identical": 0.0, "batching": 1e-4, "fleet": 0.02, "crowd": 0.02, "noisy": 0.0}
NOISE = 0.003
SIZES = (0.002, 0.007, 0.02, 0.05)

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
    """One endpoint being watched: its rolling baseline, the floor, the evidence so far."""

    endpoint: Endpoint
    rng: np.random.Generator
    rows: list[tuple[int, Numbers]] = field(default_factory=list)
    detector: Detector = field(default_factory=Detector)
    floor: float = floors.LOGPROB_MINIMUM

    def learn(self, hour: int) -> None:
        """A row for the baseline, before checks begin."""
        if hour % EVERY == 0:
            self.rows.append((hour, self.endpoint.ask(hour, rows=1)))

    def _strata(self, new: Numbers) -> list[Stratum]:
        known = np.concatenate([row for _, row in self.rows], axis=1)
        names = tuple(str(hour // 24) for hour, _ in self.rows)
        strata = []
        for question in range(QUESTIONS):
            vectors = np.concatenate([known[question], new[question]])
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

    def refresh_floor(self) -> None:
        """Once a day, from the baseline as it stands."""
        strata = self._strata(self.rows[-1][1])
        ordinary = floors.nearest_left_out(strata, rows=1)
        self.floor = floors.logprob_floor(ordinary)

    def _effect(self, new: Numbers) -> float:
        known = np.concatenate([row for _, row in self.rows], axis=1)
        distances = np.abs(new[:, :, None, :] - known[:, None, :, :]).mean(axis=3)
        return float(distances.min(axis=2).mean())

    def _p(self, new: Numbers) -> float:
        return permutation.permutation_test(permutation.nearest, self._strata(new), rng=self.rng)[1]

    def check(self, hour: int, *, change: float = 0.0) -> tuple[bool, float | None]:
        """One hourly check: whether it alarms, and its p where that was computed."""
        new = self.endpoint.ask(hour, rows=1, change=change)
        effect = self._effect(new)
        above = effect >= self.floor
        p = self._p(new) if above or hour % SAMPLED == 0 else None
        self.detector = self.detector.after(p=p if p is not None else 1.0, effect=effect, floor=self.floor)
        alarm = self.detector.alarms
        if above and p is not None and p <= CHANGE_P:
            fresh = self.endpoint.ask(hour, rows=CONFIRMING_ROWS, change=change)
            alarm = alarm or (self._effect(fresh) >= self.floor and self._p(fresh) <= CHANGE_P)
        if not above and hour % EVERY == 0:
            self.rows.append((hour, new))
            self.rows = [(at, row) for at, row in self.rows if hour - at <= WARM_UP_HOURS]
        if hour % 24 == 0:
            self.refresh_floor()
        return alarm, p


@dataclass(frozen=True)
class Days:
    """What came of it."""

    endpoints: int
    days: int
    checks: int
    false_alarms: int
    p_alone: float
    delays: dict[str, dict[str, float]]

    def as_values(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "endpoints": self.endpoints,
            "days": self.days,
            "checks": self.checks,
            "false_alarms": self.false_alarms,
            "p_alone": self.p_alone,
            "delays": self.delays,
        }


def _watches(endpoints: int, rng: np.random.Generator) -> list[Watch]:
    watches = []
    for number in range(endpoints):
        endpoint = Endpoint(KINDS[number % len(KINDS)], np.random.default_rng(rng.integers(2**62)))
        watch = Watch(endpoint, np.random.default_rng(rng.integers(2**62)))
        for hour in range(WARM_UP_HOURS):
            watch.learn(hour)
        watch.refresh_floor()
        watches.append(watch)
    return watches


def watch_days(
    *,
    rng: np.random.Generator,
    days: int = 30,
    endpoints: int = 50,
    sizes: Sequence[float] = SIZES,
    delay_days: int = 3,
) -> Days:
    """Days without a change, then each size of change on all endpoints, until the alarm."""
    watches = _watches(endpoints, rng)
    false_alarms, computed, small = 0, 0, 0
    for watch in watches:
        for hour in range(WARM_UP_HOURS, WARM_UP_HOURS + 24 * days):
            alarm, p = watch.check(hour)
            if alarm:
                false_alarms += 1
                watch.detector = Detector()
            if hour % SAMPLED == 0 and p is not None:
                computed += 1
                small += p <= CHANGE_P
    delays: dict[str, dict[str, float]] = {}
    for size in sizes:
        delays[f"{size:g}"] = _delays(endpoints, size, days=delay_days, rng=rng)
    return Days(
        endpoints=endpoints,
        days=days,
        checks=24 * days * endpoints,
        false_alarms=false_alarms,
        p_alone=small / max(1, computed),
        delays=delays,
    )


def _delays(endpoints: int, size: float, *, days: int, rng: np.random.Generator) -> dict[str, float]:
    """Share found within the days and the median hours until then, over all kinds and by kind."""
    hours: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for watch in _watches(endpoints, rng):
        found = math.inf
        start = WARM_UP_HOURS + int(rng.integers(24))
        for hour in range(start, start + 24 * days):
            if watch.check(hour, change=size)[0]:
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
