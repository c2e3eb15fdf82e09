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

from reviewapp.pure.agreement.chance import Floats, Ratings, Value, cohen_kappa, percent_agreement

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
    # For ordered answers: kappa in which a difference counts by how many places it is.
    weighted: float | None = None


def bootstrap_counts(
    counts: Floats,
    statistic: Callable[[Floats, Floats], float | None],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 1,
) -> Interval:
    """What `bootstrap` gives, for a statistic of a table of counts and of how often each row was drawn.

    The items are counted once, not at each draw, so it takes a fiftieth of the time.
    """
    count = len(counts)

    def drawn(generator: np.random.Generator) -> float | None:
        chosen = generator.integers(0, count, size=count)
        return statistic(counts, np.bincount(chosen, minlength=count).astype(np.float64))

    value = statistic(counts, np.ones(count)) if count else None
    return _interval(value, count, drawn, confidence=confidence, resamples=resamples, seed=seed)


def bootstrap(
    ratings: Ratings,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 1,
) -> Interval:
    """The coefficient with its bootstrap interval; the same ratings and seed give the same interval."""
    count = len(ratings)

    def drawn(generator: np.random.Generator) -> float | None:
        return statistic([ratings[at] for at in generator.integers(0, count, size=count)])

    return _interval(statistic(ratings), count, drawn, confidence=confidence, resamples=resamples, seed=seed)


def _interval(
    value: float | None,
    count: int,
    drawn: Callable[[np.random.Generator], float | None],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> Interval:
    if value is None or count < 2:
        return Interval(value, None, None, count, confidence)
    generator = np.random.default_rng(seed)
    found = [one for _ in range(resamples) if (one := drawn(generator)) is not None]
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
    is_ordered: bool = False,
    order: Sequence[Value] | None = None,
) -> tuple[PairAgreement, ...]:
    """The agreement of each two raters, in the raters' order.

    With `is_ordered` also by linearly weighted kappa, over numbers or in the order given.
    """
    columns = {rater: [row[at] for row in ratings] for at, rater in enumerate(raters)}
    found = []
    for first, second in combinations(raters, 2):
        a, b = columns[first], columns[second]
        both = [[x, y] for x, y in zip(a, b, strict=True) if x is not None and y is not None]
        weighted = cohen_kappa(a, b, weights="linear", order=order) if is_ordered else None
        found.append(PairAgreement(first, second, len(both), percent_agreement(both), kappa(a, b), weighted))
    return tuple(found)
