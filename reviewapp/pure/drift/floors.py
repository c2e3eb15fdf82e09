"""Effect floors: how large ordinary variation is, and what is the smallest change that could be seen.

Each session of the baseline is treated in turn as if it were the one under test. That is the only
estimate of ordinary variation that contains what happens between days: other load, other machines,
another hour. The floor is 1.1 times the largest value so found, at the same number of rows for each
question as the check has. On real daily data of an unchanged endpoint a permutation test alone fired on
6 of 15 days; with this floor on none.

The left-out session meets a smaller baseline than a check does, so the floor errs on the high side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reviewapp.pure.drift.permutation import Statistic, observed
from reviewapp.pure.drift.rows import Floats, Stratum

FACTOR = 1.1
# What a bit-identical baseline's floor is at least: below lies the rounding of one batch size or another.
LOGPROB_MINIMUM = 1e-4
# At least half of the texts: a server that batches gives a second text to two questions in five.
TEXT_MINIMUM = 0.5
BORDER_MINIMUM = 0.2
CANNOT_TELL_ABOVE = 0.9
# How large a confirmed change of log probabilities must be to write to somebody, and to wake somebody
# (the level of TrackLLM, arXiv 2512.03816), in nats.
WORTH_A_MAIL = 0.02
WORTH_WAKING = 0.1
SESSIONS_NEEDED = 3


@dataclass(frozen=True, slots=True)
class Ordinary:
    """The values that the baseline's own sessions give when each is left out in turn."""

    values: tuple[float, ...]
    sessions: int

    @property
    def largest(self) -> float:
        """The largest of them; 0 where none could be made."""
        return max(self.values, default=0.0)


def leave_one_session_out(strata: Sequence[Stratum], statistic: Statistic, *, rows: int) -> Ordinary:
    """The statistic of each baseline session against the others, with `rows` rows of each question.

    A session with more rows than that gives several values, from rows that do not overlap.
    """
    values = [float(statistic(split, observed(split))[0]) for split in left_out_sessions(strata, rows=rows)]
    names = {name for stratum in strata for name in stratum.sessions[: stratum.baseline]}
    return Ordinary(values=tuple(values), sessions=len(names))


def nearest_left_out(strata: Sequence[Stratum], *, rows: int) -> Ordinary:
    """The same for the statistic `nearest`, at once: a long baseline has hundreds of sessions."""
    names = sorted({name for stratum in strata for name in stratum.sessions[: stratum.baseline]})
    place = {name: number for number, name in enumerate(names)}
    largest: Counter[str] = Counter()
    for stratum in strata:
        largest |= _counts(stratum)
    # A session's rows beyond its last whole handful are left; one that has not a whole one gives what it has.
    whole_ones = np.array([max(1, largest[name] // rows) for name in names], dtype=np.intp)
    handfuls = int(whole_ones.max(initial=1))
    sums = np.zeros((len(names), handfuls))
    counts = np.zeros((len(names), handfuls))
    for stratum in strata:
        known = stratum.sessions[: stratum.baseline]
        numbers = np.array([place[name] for name in known])
        nearest = np.where(
            numbers[:, None] == numbers[None, :],
            np.inf,
            stratum.distances[: stratum.baseline, : stratum.baseline],
        ).min(axis=1)
        own = np.zeros((len(names), handfuls))
        own_counts = np.zeros((len(names), handfuls))
        seen: Counter[str] = Counter()
        handful = []
        for name in known:
            handful.append(seen[name] // rows)
            seen[name] += 1
        usable = np.isfinite(nearest) & (np.array(handful) < whole_ones[numbers])
        at = (numbers[usable], np.array(handful)[usable])
        np.add.at(own, at, nearest[usable])
        np.add.at(own_counts, at, 1)
        met = own_counts > 0
        sums[met] += own[met] / own_counts[met]
        counts[met] += 1
    # A handful that most questions lack would be a value over other questions.
    whole = 2 * counts > len(strata)
    values = sums[whole] / counts[whole]
    return Ordinary(values=tuple(float(value) for value in values), sessions=len(names))


def shift_left_out(strata: Sequence[Stratum], *, rows: int) -> Ordinary:
    """The same for the statistic `shift`: means of handfuls against the mean of the other sessions."""
    names = sorted({name for stratum in strata for name in stratum.sessions[: stratum.baseline]})
    largest: Counter[str] = Counter()
    for stratum in strata:
        largest |= _counts(stratum)
    starts = {name: max(1, largest[name] // rows) for name in names}
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for stratum in strata:
        if stratum.vectors is None:
            continue
        known = stratum.vectors[: stratum.baseline]
        at: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(stratum.sessions[: stratum.baseline]):
            at[name].append(number)
        total = known.sum(axis=0)
        for name, own in at.items():
            rest = stratum.baseline - len(own)
            if not rest:
                continue
            others = (total - known[own].sum(axis=0)) / rest
            for handful in range(starts[name]):
                taken = own[handful * rows : (handful + 1) * rows]
                if taken:
                    moved = np.abs(known[taken].mean(axis=0) - others).mean()
                    found[name, handful].append(float(moved))
    # A handful that most questions lack would be a value over other questions.
    values = [float(np.mean(moved)) for moved in found.values() if 2 * len(moved) > len(strata)]
    return Ordinary(values=tuple(values), sessions=len(names))


def _counts(stratum: Stratum) -> Counter[str]:
    return Counter(stratum.sessions[: stratum.baseline])


def left_out_sessions(strata: Sequence[Stratum], *, rows: int) -> Iterator[list[Stratum]]:
    """For each baseline session and each handful of its rows: the strata with those rows under test."""
    names = sorted({name for stratum in strata for name in stratum.sessions[: stratum.baseline]})
    if len(names) < 2:
        return
    for name in names:
        largest = max(stratum.sessions[: stratum.baseline].count(name) for stratum in strata)
        for start in range(0, max(1, largest - rows + 1), rows):
            split = [
                part
                for stratum in strata
                if (part := _left_out(stratum, name, start=start, rows=rows)) is not None
            ]
            # A handful that most questions lack would be a value over other questions.
            if 2 * len(split) > len(strata):
                yield split


def _left_out(stratum: Stratum, name: str, *, start: int, rows: int) -> Stratum | None:
    known = [i for i in range(stratum.baseline) if stratum.sessions[i] != name]
    own = [i for i in range(stratum.baseline) if stratum.sessions[i] == name][start : start + rows]
    if not known or not own:
        return None
    order: NDArray[np.intp] = np.array([*known, *own])
    return Stratum(
        prompt=stratum.prompt,
        distances=stratum.distances[np.ix_(order, order)],
        baseline=len(known),
        sessions=tuple(stratum.sessions[i] for i in order),
        vectors=None if stratum.vectors is None else stratum.vectors[order],
    )


def left_out_distances(strata: Sequence[Stratum]) -> Floats:
    """The distance of every baseline row to the nearest row of another session."""
    values: list[float] = []
    for stratum in strata:
        names = np.array(stratum.sessions[: stratum.baseline])
        same = names[:, None] == names[None, :]
        if same.all():
            continue
        blocked = np.where(same, np.inf, stratum.distances[: stratum.baseline, : stratum.baseline])
        nearest = blocked.min(axis=1)
        values.extend(nearest[np.isfinite(nearest)].tolist())
    return np.array(values)


def logprob_floor(ordinary: Ordinary, *, minimum: float = LOGPROB_MINIMUM) -> float:
    """The floor of `lp_nearest` and `lp_shift`, in nats."""
    return max(minimum, FACTOR * ordinary.largest)


def text_floor(ordinary: Ordinary) -> float:
    """The floor of `unseen_text`: the same rule, but never more than half way from there to all."""
    return max(TEXT_MINIMUM, min(FACTOR * ordinary.largest, (1 + ordinary.largest) / 2))


def border_floor(ordinary: Ordinary) -> float:
    """The floor of `border_tv`."""
    return max(BORDER_MINIMUM, FACTOR * ordinary.largest)


def detectable_effect(*, floor: float, null: Floats, ordinary: Ordinary, p: float = 0.01) -> float:
    """The smallest effect that a check of this size would find nine times in ten.

    It must clear both the floor and the null distribution's critical value; the spread of the left-out
    sessions stands for the spread of the check's own value, 1.28 of it on top for nine in ten.
    """
    critical = float(np.quantile(null, 1 - p)) if len(null) else 0.0
    spread = float(np.std(ordinary.values)) if len(ordinary.values) > 1 else 0.0
    return max(floor, critical) + 1.28 * spread


def bit_identical(strata: Sequence[Stratum], *, rows: int = 14, tolerance: float = 0.0) -> bool:
    """Whether every question has so many baseline rows, all equal."""
    if not strata:
        return False
    for stratum in strata:
        known = stratum.distances[: stratum.baseline, : stratum.baseline]
        if stratum.baseline < rows or known.max() > tolerance:
            return False
    return True
