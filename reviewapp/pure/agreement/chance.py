"""Agreement corrected for chance.

Percent agreement is what people understand; it is high by itself where one answer is common.
Kappa and alpha say how much of the agreement that chance does not bring was reached: 1 is all
of it, 0 is what chance brings, below 0 is worse than chance.

- Cohen's kappa (Cohen 1960, A coefficient of agreement for nominal scales; weighted: Cohen
  1968): two raters who judged the same items; each rater's own habits count as chance. Weighted
  for ordered answers: linear, or quadratic, which is close to a correlation.
- Fleiss' kappa (Fleiss 1971, Measuring nominal scale agreement among many raters): any raters,
  the same number of judgements for each item, nominal.
- Krippendorff's alpha (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability): any
  number of raters, gaps allowed, and any level of measurement. The one to show by default.

The worked examples of these papers are in the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = Hashable
Ratings: TypeAlias = Sequence[Sequence[Value | None]]
Level: TypeAlias = Literal["nominal", "ordinal", "interval", "ratio"]
Weights: TypeAlias = Literal["linear", "quadratic"]
Floats: TypeAlias = NDArray[np.float64]

# Expected disagreement below this is rounding: everybody always said the same.
_NOTHING: Final = 1e-12


class InvalidRatings(ValueError):
    """These ratings can't be compared in this way; the message says why."""


def percent_agreement(ratings: Ratings) -> float | None:
    """The share of pairs of judgements on the same item that agree."""
    agreeing = pairs = 0
    for values in _given(ratings):
        counts = Counter(values)
        agreeing += sum(count * (count - 1) for count in counts.values())
        pairs += len(values) * (len(values) - 1)
    return agreeing / pairs if pairs else None


def cohen_kappa(
    first: Sequence[Value | None],
    second: Sequence[Value | None],
    *,
    weights: Weights | None = None,
    order: Sequence[Value] | None = None,
) -> float | None:
    """Cohen's kappa of two raters; items that either left out are left out.

    `order` is the order of the answers, needed for weights unless they are numbers. With it the
    distance between two answers is how many places they are apart; between numbers it is their
    difference.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    values = _distinct([value for pair in pairs for value in pair], order)
    if weights is None:
        distance = 1.0 - np.eye(len(values))
    else:
        places = _places(values, order)
        distance = np.abs(places[:, None] - places[None, :]) ** (1 if weights == "linear" else 2)
    index = {value: at for at, value in enumerate(values)}
    table = np.zeros((len(values), len(values)))
    for a, b in pairs:
        table[index[a], index[b]] += 1
    table /= len(pairs)
    expected = float((np.outer(table.sum(axis=1), table.sum(axis=0)) * distance).sum())
    return _corrected(float((table * distance).sum()), expected)


def fleiss_kappa(ratings: Ratings) -> float | None:
    """Fleiss' kappa. Each item must have been judged equally often, at least twice."""
    items = [values for values in (_present(row) for row in ratings) if values]
    if not items:
        return None
    judgements = len(items[0])
    if any(len(values) != judgements for values in items):
        raise InvalidRatings("Fleiss' kappa needs equally many judgements of each item.")
    if judgements < 2:
        return None
    counts = _counts(items)
    shares = counts.sum(axis=0) / counts.sum()
    observed = (counts * (counts - 1)).sum() / (len(items) * judgements * (judgements - 1))
    return _corrected(1 - float(observed), 1 - float((shares**2).sum()))


def krippendorff_alpha(
    ratings: Ratings, *, level: Level = "nominal", order: Sequence[Value] | None = None
) -> float | None:
    """Krippendorff's alpha. Items judged once, or not at all, say nothing and are left out.

    Ordinal answers need `order` unless they are numbers; interval and ratio need numbers.
    """
    items = _given(ratings)
    if not items:
        return None
    values = _distinct([value for row in items for value in row], order)
    counts = _counts(items, values)
    return level_alpha_of_counts(counts, np.ones(len(counts)), values, level=level, order=order)


def counts_of(ratings: Ratings, *, order: Sequence[Value] | None = None) -> tuple[Floats, tuple[Value, ...]]:
    """How often each item was given each answer (a row for each item), and the answers."""
    items = [_present(row) for row in ratings]
    values = _distinct([value for row in items for value in row], order)
    return _counts(items, values), tuple(values)


def percent_of_counts(counts: Floats, sizes: Floats) -> float | None:
    """Percent agreement from such a table; `sizes` says how often each row occurs."""
    judgements = counts.sum(axis=1)
    pairs = float((judgements * (judgements - 1)) @ sizes)
    return float((counts * (counts - 1)).sum(axis=1) @ sizes) / pairs if pairs > 0 else None


def again_of_counts(counts: Floats, sizes: Floats, at: int) -> float | None:
    """How often a second judgement of an item gives the answer that another gave: specific agreement.

    Fleiss 1971 calls it the conditional probability of agreement on a category.
    """
    chosen, judgements = counts[:, at], counts.sum(axis=1)
    pairs = float((chosen * (judgements - 1)) @ sizes)
    return float((chosen * (chosen - 1)) @ sizes) / pairs if pairs > 0 else None


def level_alpha_of_counts(
    counts: Floats, sizes: Floats, values: Sequence[Value], *, level: Level, order: Sequence[Value] | None
) -> float | None:
    """Alpha at a level of measurement from such a table."""
    distance = _squared_distances(values, counts * sizes[:, None], level, order, counts.sum(axis=1) >= 2)
    return alpha_of_counts(counts, distance, sizes=sizes)


def alpha_of_counts(counts: Floats, distance: Floats, *, sizes: Floats | None = None) -> float | None:
    """Alpha from a table of counts (items by values); `sizes` says how often each row occurs."""
    times = np.ones(len(counts)) if sizes is None else sizes
    return alpha_of_coincidences(coincidences_of_counts(counts, times), distance)


def coincidences_of_counts(counts: Floats, sizes: Floats) -> Floats:
    """How often each two answers meet on an item: those of several tables can be added up."""
    judgements = counts.sum(axis=1)
    rows = judgements >= 2
    counts = counts[rows]
    weighted = counts * (sizes[rows] / (judgements[rows] - 1))[:, None]
    return np.asarray(weighted.T @ counts - np.diag(weighted.sum(axis=0)))


def alpha_of_coincidences(coincidences: Floats, distance: Floats) -> float | None:
    """Alpha from how often each two answers meet."""
    totals = coincidences.sum(axis=1)
    total = float(totals.sum())
    if total <= 1:
        return None
    observed = float((coincidences * distance).sum()) / total
    expected = float((np.outer(totals, totals) * distance).sum()) / (total * (total - 1))
    return _corrected(observed, expected)


def nominal_distances(count: int) -> Floats:
    """Different answers differ, all alike."""
    return np.asarray(1.0 - np.eye(count), dtype=np.float64)


def _squared_distances(
    values: Sequence[Value],
    counts: Floats,
    level: Level,
    order: Sequence[Value] | None,
    paired: NDArray[np.bool_],
) -> Floats:
    if level == "nominal":
        return nominal_distances(len(values))
    if level == "ordinal":
        # How many judgements lie between two answers, the two themselves by half.
        totals = counts[paired].sum(axis=0)
        # Values stand in their order already; sorting here is for numbers given without one.
        ranks = np.argsort(np.argsort(_places(values, order)))
        ordered = np.empty_like(totals)
        ordered[ranks] = totals
        middle = (np.cumsum(ordered) - ordered / 2)[ranks]
        return np.asarray((middle[:, None] - middle[None, :]) ** 2, dtype=np.float64)
    numbers = _places(values, None)
    difference = numbers[:, None] - numbers[None, :]
    if level == "interval":
        return np.asarray(difference**2, dtype=np.float64)
    if (numbers < 0).any():
        raise InvalidRatings("Ratios need numbers that are not negative.")
    total = numbers[:, None] + numbers[None, :]
    return np.asarray(np.divide(difference, total, out=np.zeros_like(total), where=total > 0) ** 2)


def _present(row: Sequence[Value | None]) -> list[Value]:
    return [value for value in row if value is not None]


def _given(ratings: Ratings) -> list[list[Value]]:
    """The items that were judged at least twice, without the gaps."""
    return [values for values in (_present(row) for row in ratings) if len(values) >= 2]


def _distinct(values: Sequence[Value], order: Sequence[Value] | None) -> list[Value]:
    """The different answers, in their order where one is given."""
    found = dict.fromkeys(values)
    if order is None:
        return list(found)
    unknown = [value for value in found if value not in set(order)]
    if unknown:
        raise InvalidRatings(f"“{unknown[0]}” is none of the answers in the order given.")
    return list(order)


def _counts(items: Sequence[Sequence[Value]], values: Sequence[Value] | None = None) -> Floats:
    if values is None:
        values = _distinct([value for row in items for value in row], None)
    index = {value: at for at, value in enumerate(values)}
    counts = np.zeros((len(items), len(values)))
    for at, row in enumerate(items):
        for value in row:
            counts[at, index[value]] += 1
    return counts


def _places(values: Sequence[Value], order: Sequence[Value] | None) -> Floats:
    """Where the answers stand: their places in the order, or the numbers that they are."""
    if order is not None:
        place = {value: at for at, value in enumerate(order)}
        return np.array([place[value] for value in values], dtype=np.float64)
    numbers: list[Any] = list(values)
    if not all(isinstance(value, (int, float)) for value in numbers):
        raise InvalidRatings("These answers are no numbers, so their order must be given.")
    return np.array(numbers, dtype=np.float64)


def _corrected(observed: float, expected: float) -> float | None:
    """1 minus observed over expected disagreement; None where disagreement can't be expected."""
    return None if expected <= _NOTHING else 1 - observed / expected
