"""One statistic on one look, with everything that is needed to weigh it.

A look is the rows that one run of a check asked. A `Measure` holds the value, its p, the floor under
which values are ordinary, and the smallest effect a look of this size would have found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    jaccard: float | None = None
    rank_biased_overlap: float | None = None

    @property
    def can_tell(self) -> bool:
        """Whether this statistic has room to show a change: a baseline that is always new has none."""
        return self.statistic == "lp_nearest" or self.ordinary <= floors.CANNOT_TELL_ABOVE

    def passes(self, *, p: float) -> bool:
        """Whether it speaks for a change: improbable, and larger than what is ordinary."""
        return self.can_tell and self.p <= p and self.effect >= self.floor

    @property
    def below_floor(self) -> bool:
        """Whether the effect is within ordinary variation."""
        return self.effect < self.floor


def measure_look(
    *,
    baseline: Sequence[Row],
    look: Sequence[Row],
    seed_honoured: bool,
    rng: np.random.Generator,
    permutations: int,
    logprob_minimum: float = floors.LOGPROB_MINIMUM,
) -> list[Measure]:
    """Every statistic that both sides' rows allow, the most telling first."""
    measures: list[Measure] = []
    for kind in dict.fromkeys(row.kind for row in look):
        known = [row for row in baseline if row.kind == kind]
        new = [row for row in look if row.kind == kind]
        strata = logprob_strata(baseline=known, tested=new)
        if strata and kind != "border":
            measures.append(
                _weigh(
                    strata,
                    "lp_nearest",
                    kind,
                    "log probabilities",
                    rng=rng,
                    permutations=permutations,
                    floor=lambda ordinary: floors.logprob_floor(ordinary, minimum=logprob_minimum),
                    least_cut=logprob_minimum,
                )
            )
        measures += _measure_text(
            kind, known, new, seed_honoured=seed_honoured, rng=rng, permutations=permutations
        )
    return sorted(measures, key=lambda one: _ORDER[one.statistic])


_ORDER: dict[StatisticName, int] = {"lp_nearest": 0, "unseen_text": 1, "border_tv": 2, "mmd_hamming": 3}


def _measure_text(
    kind: str,
    known: Sequence[Row],
    new: Sequence[Row],
    *,
    seed_honoured: bool,
    rng: np.random.Generator,
    permutations: int,
) -> list[Measure]:
    # Temperature 0 repeats without a seed; texts at a temperature repeat only where it is honoured.
    repeatable = seed_honoured or kind in {"token", "greedy"}
    column: Column = "text, seed honoured" if seed_honoured else "text, seed ignored"
    if kind == "border":
        strata = statistics.border_strata(baseline=known, tested=new)
        name: StatisticName = "border_tv"
        floor, least_cut = floors.border_floor, TEXT_CUT
    elif repeatable:
        strata = text_strata(baseline=known, tested=new)
        name, floor, least_cut = "unseen_text", floors.text_floor, TEXT_CUT
    else:
        strata = statistics.hamming_strata(baseline=known, tested=new)
        name, floor, least_cut = "mmd_hamming", _mmd_floor, TEXT_CUT
    if not strata:
        return []
    return [
        _weigh(
            strata,
            name,
            kind,
            column,
            rng=rng,
            permutations=permutations,
            floor=floor,
            least_cut=least_cut,
        )
    ]


def _mmd_floor(ordinary: floors.Ordinary) -> float:
    return max(MMD_MINIMUM, floors.FACTOR * ordinary.largest)


_STATISTICS: dict[StatisticName, permutation.Statistic] = {
    "lp_nearest": permutation.nearest,
    "unseen_text": permutation.nearest,
    "border_tv": permutation.total_variation,
    "mmd_hamming": permutation.mean_discrepancy,
}


def _weigh(
    strata: Sequence[Stratum],
    name: StatisticName,
    kind: str,
    column: Column,
    *,
    rng: np.random.Generator,
    permutations: int,
    floor: Callable[[floors.Ordinary], float],
    least_cut: float,
) -> Measure:
    statistic = _STATISTICS[name]
    value, p, null = permutation.permutation_test(statistic, strata, rng=rng, permutations=permutations)
    rows = max(1, round(sum(stratum.tested for stratum in strata) / len(strata)))
    ordinary = floors.leave_one_session_out(strata, statistic, rows=rows)
    lowest = floor(ordinary)
    cut = max(least_cut, lowest) if name == "lp_nearest" else TEXT_CUT
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
        statistic=name,
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
        differing_share=float(np.mean(distances > least_cut)),
        largest_distance=float(distances.max()),
        outliers=strayed,
        concentration_p=_concentration(strata, cut=cut, rng=rng),
        shift=statistics.lp_shift(strata) if name == "lp_nearest" else None,
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
