"""How sure a coefficient of agreement is, and who agrees with whom.

Intervals come from the bootstrap over items: items are drawn again with replacement, all
judgements of an item together, since they depend on each other. Percentile intervals; a resample
in which the coefficient can't be computed is left out, and with too many such there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np

from reviewapp.pure.agreement.chance import Ratings, Value, cohen_kappa, percent_agreement

Statistic: TypeAlias = Callable[[Ratings], float | None]

# An interval from fewer usable resamples than this share would speak for the lucky ones only.
_USABLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """A coefficient with its interval; `low` and `high` are None where none could be drawn."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How two raters agree on the items that both judged."""

    first: str
    second: str
    items: int
    percent: float | None
    kappa: float | None


def bootstrap(
    ratings: Ratings,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 1,
) -> Interval:
    """The coefficient with its bootstrap interval; the same ratings and seed give the same interval."""
    value = statistic(ratings)
    count = len(ratings)
    if value is None or count < 2:
        return Interval(value, None, None, count, confidence)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = statistic([ratings[at] for at in generator.integers(0, count, size=count)])
        if drawn is not None:
            found.append(drawn)
    if len(found) < _USABLE * resamples:
        return Interval(value, None, None, count, confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(value, float(low), float(high), count, confidence)


def pair_matrix(
    ratings: Ratings,
    raters: Sequence[str],
    *,
    kappa: Callable[[Sequence[Value | None], Sequence[Value | None]], float | None] = cohen_kappa,
) -> tuple[PairAgreement, ...]:
    """The agreement of each two raters, in the raters' order."""
    columns = {rater: [row[at] for row in ratings] for at, rater in enumerate(raters)}
    found = []
    for first, second in combinations(raters, 2):
        a, b = columns[first], columns[second]
        both = [[x, y] for x, y in zip(a, b, strict=True) if x is not None and y is not None]
        found.append(PairAgreement(first, second, len(both), percent_agreement(both), kappa(a, b)))
    return tuple(found)
