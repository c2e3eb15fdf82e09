"""One statistic on one look, with everything that is needed to weigh it.

A look is the rows that one run of a check asked. A `Measure` holds the value, its p, the floor under
which values are ordinary, and the smallest effect a look of this size would have found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from reviewapp.pure.drift import floors, permutation, statistics
from reviewapp.pure.drift.rows import Row, Stratum, logprob_strata, text_strata

StatisticName: TypeAlias = Literal["lp_nearest", "unseen_text", "border_tv", "mmd_hamming"]
Column: TypeAlias = Literal["log probabilities", "text, seed honoured", "text, seed ignored"]

MMD_MINIMUM = 0.02
IDENTICAL_WITHIN = 1e-6
# A text is compared as equal or not, so any distance above this is a new text.
TEXT_CUT = 0.5
SPREAD_DEALS = 999


@dataclass(frozen=True, slots=True)
class Measure:
    """A statistic of one look. `ordinary` is the largest value a left-out baseline session gave.

    `shift` is how far the means of log probabilities moved (Log Probability Tracking). Where most rows have
    none like them, as of a pool too large to be known, it is a second effect with a floor of its own, and `p`
    is of both together. Where rows repeat it has no floor: a pool whose known members take turns otherwise
    moves its means, and nothing has changed.

    `concentration_p` is small when the rows beyond the cut crowd into few questions: requests that went
    astray spread over all of them, while rounding always takes the same ones.
    """

    statistic: StatisticName
    kind: str
    column: Column
    effect: float
    p: float
    floor: float
    ordinary: float
    detectable: float
    questions: int
    baseline_rows: int
    tested_rows: int
    sessions: int
    repeatable_baseline: bool
    differing_share: float
    largest_distance: float
    outliers: statistics.Outliers
    concentration_p: float
    shift: float | None = None
    shift_floor: float | None = None
    jaccard: float | None = None
    rank_biased_overlap: float | None = None

    @property
    def can_tell(self) -> bool:
        """Whether this statistic has room to show a change: a baseline that is always new has none."""
        return self.statistic == "lp_nearest" or self.ordinary <= floors.CANNOT_TELL_ABOVE

    def passes(self, *, p: float) -> bool:
        """Whether it speaks for a change: improbable, and larger than what is ordinary."""
        return self.can_tell and self.p <= p and not self.below_floor

    @property
    def below_floor(self) -> bool:
        """Whether every effect is within ordinary variation."""
        return self.effect < self.floor and not self.has_shifted

    @property
    def has_shifted(self) -> bool:
        """Whether the means of the log probabilities moved by more than is ordinary."""
        return self.shift is not None and self.shift_floor is not None and self.shift >= self.shift_floor

    @property
    def headline(self) -> tuple[str, float, float]:
        """What to show of it: name, value and floor of the effect that is above its floor, else the first."""
        if self.has_shifted and self.effect < self.floor:
            assert self.shift is not None
            assert self.shift_floor is not None
            return "lp_shift", self.shift, self.shift_floor
        return self.statistic, self.effect, self.floor


def measure_look(
    *,
    baseline: Sequence[Row],
    look: Sequence[Row],
    seed_honoured: bool,
    rng: np.random.Generator,
    permutations: int,
) -> list[Measure]:
    """Every statistic that both sides' rows allow, the most telling first."""
    measures: list[Measure] = []
    for kind in dict.fromkeys(row.kind for row in look):
        known = [row for row in baseline if row.kind == kind]
        new = [row for row in look if row.kind == kind]
        for name, strata in _strata(kind, known, new, seed_honoured=seed_honoured):
            measures.append(
                weigh(
                    strata,
                    statistic=name,
                    kind=kind,
                    column=_column(name, seed_honoured=seed_honoured),
                    rng=rng,
                    permutations=permutations,
                )
            )
    return sorted(measures, key=lambda one: _ORDER[one.statistic])


_ORDER: dict[StatisticName, int] = {"lp_nearest": 0, "unseen_text": 1, "border_tv": 2, "mmd_hamming": 3}


def _strata(
    kind: str, known: Sequence[Row], new: Sequence[Row], *, seed_honoured: bool
) -> Iterator[tuple[StatisticName, list[Stratum]]]:
    """The statistics that these rows allow, with what each is computed from."""
    if kind != "border" and (strata := logprob_strata(baseline=known, tested=new)):
        yield "lp_nearest", strata
    if kind == "border":
        name: StatisticName = "border_tv"
        strata = statistics.border_strata(baseline=known, tested=new)
    elif seed_honoured or kind in {"token", "greedy"}:
        # Temperature 0 repeats without a seed; texts at a temperature repeat only where it is honoured.
        name, strata = "unseen_text", text_strata(baseline=known, tested=new)
    else:
        name, strata = "mmd_hamming", statistics.hamming_strata(baseline=known, tested=new)
    if strata:
        yield name, strata


def _column(name: StatisticName, *, seed_honoured: bool) -> Column:
    if name == "lp_nearest":
        return "log probabilities"
    return "text, seed honoured" if seed_honoured else "text, seed ignored"


def _mmd_floor(ordinary: floors.Ordinary) -> float:
    return max(MMD_MINIMUM, floors.FACTOR * ordinary.largest)


@dataclass(frozen=True, slots=True)
class _Method:
    """How a statistic is computed, what its floor is, and beyond what a row is off the baseline."""

    compute: permutation.Statistic
    floor: Callable[[floors.Ordinary], float]
    cut: float


_METHODS: dict[StatisticName, _Method] = {
    "lp_nearest": _Method(permutation.nearest, floors.logprob_floor, floors.LOGPROB_MINIMUM),
    "unseen_text": _Method(permutation.unseen, floors.text_floor, TEXT_CUT),
    "border_tv": _Method(permutation.total_variation, floors.border_floor, TEXT_CUT),
    "mmd_hamming": _Method(permutation.mean_discrepancy, _mmd_floor, TEXT_CUT),
}


def weigh(
    strata: Sequence[Stratum],
    *,
    statistic: StatisticName,
    kind: str,
    column: Column,
    rng: np.random.Generator,
    permutations: int,
) -> Measure:
    """One statistic of one look, weighed against its own null and the baseline's own sessions."""
    method = _METHODS[statistic]
    numbers = statistic == "lp_nearest"
    by_means = numbers and permutation.is_sparse(strata, within=floors.LOGPROB_MINIMUM)
    computed = [method.compute, permutation.shift] if by_means else [method.compute]
    values, p, nulls = permutation.joint_test(computed, strata, rng=rng, permutations=permutations)
    value, null = values[0], nulls[0]
    rows = max(1, round(sum(stratum.tested for stratum in strata) / len(strata)))
    if statistic == "unseen_text":
        # How soon texts part ranks the deals; the effect is the share of new ones.
        value = float(permutation.nearest(strata, permutation.observed(strata))[0])
    if statistic in {"lp_nearest", "unseen_text"}:
        ordinary = floors.nearest_left_out(strata, rows=rows)
    else:
        ordinary = floors.leave_one_session_out(strata, method.compute, rows=rows)
    lowest = method.floor(ordinary)
    cut = max(method.cut, lowest) if statistic == "lp_nearest" else TEXT_CUT
    left_out = floors.left_out_distances(strata)
    strayed = statistics.outliers(
        strata,
        cut=cut,
        ordinary=int(np.count_nonzero(left_out > cut)),
        ordinary_total=len(left_out),
    )
    distances = np.concatenate([statistics.nearest_of_each(stratum) for stratum in strata])
    overlaps = [stratum.overlap for stratum in strata if stratum.overlap is not None]
    return Measure(
        statistic=statistic,
        kind=kind,
        column=column,
        effect=value,
        p=p,
        floor=lowest,
        ordinary=ordinary.largest,
        detectable=floors.detectable_effect(floor=lowest, null=null, ordinary=ordinary),
        questions=len(strata),
        baseline_rows=sum(stratum.baseline for stratum in strata),
        tested_rows=len(distances),
        sessions=ordinary.sessions,
        repeatable_baseline=floors.bit_identical(strata, tolerance=IDENTICAL_WITHIN),
        differing_share=float(np.mean(distances > method.cut)),
        largest_distance=float(distances.max()),
        outliers=strayed,
        concentration_p=_concentration(strata, cut=cut, rng=rng),
        shift=statistics.lp_shift(strata) if numbers else None,
        shift_floor=floors.logprob_floor(floors.shift_left_out(strata, rows=rows)) if by_means else None,
        jaccard=float(np.mean([one.jaccard for one in overlaps])) if overlaps else None,
        rank_biased_overlap=float(np.mean([one.rank_biased for one in overlaps])) if overlaps else None,
    )


def _concentration(strata: Sequence[Stratum], *, cut: float, rng: np.random.Generator) -> float:
    """How improbable it is that strayed rows, dealt at random, would meet so few questions."""
    tested = [stratum.tested for stratum in strata]
    strayed = np.concatenate([statistics.nearest_of_each(stratum) > cut for stratum in strata])
    if not strayed.any():
        return 1.0
    starts = np.cumsum([0, *tested[:-1]])
    hit = int(np.count_nonzero(np.add.reduceat(strayed.astype(np.int64), starts)))
    ranks = rng.random((SPREAD_DEALS, len(strayed))).argsort(axis=1) < np.count_nonzero(strayed)
    dealt = np.count_nonzero(np.add.reduceat(ranks.astype(np.int64), starts, axis=1), axis=1)
    return float((1 + np.count_nonzero(dealt <= hit)) / (SPREAD_DEALS + 1))
