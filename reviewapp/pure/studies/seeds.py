"""How much a seed determines: do answers of one seed agree more than answers of different seeds?

Agreement is the share of pairs of answers that are equal, word for word. What the seed determines is how
far agreement within a seed goes beyond what different seeds have in common anyway, of what there is to
gain: 1 where the seed settles the answer, 0 where it does nothing (Cohen's kappa has the same form).

Pairs are not independent: each answer is in many. Intervals are therefore as wide as those of the pairs
that share no answer would be, and between seeds of the pairs that share no seed.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from reviewapp.pure.studies.shares import Share, share

_DEALS: Final = 999


@dataclass(frozen=True, slots=True)
class Determination:
    """What one temperature shows. `determined` is None where it can't be told."""

    seeds: int
    answers: int
    distinct: int
    within: Share
    between: Share
    determined: float | None
    low: float | None
    high: float | None
    # How often chance alone would show as much; None where there is nothing to compare.
    p: float | None


def determination(groups: Sequence[Sequence[Hashable]], *, seed: int = 1) -> Determination:
    """Judge the answers, grouped by the seed that they were asked with."""
    groups = [group for group in groups if group]
    everything = [answer for group in groups for answer in group]
    alike, pairs = _within(groups)
    equal, all_pairs = _equal_pairs(everything), len(everything) * (len(everything) - 1) // 2
    within = share(alike, pairs, trials=sum(len(group) // 2 for group in groups))
    between = share(equal - alike, all_pairs - pairs, trials=len(groups) // 2)
    determined = _gain(within.value, between.value)
    known = determined is not None
    return Determination(
        seeds=len(groups),
        answers=len(everything),
        distinct=len(set(everything)),
        within=within,
        between=between,
        determined=determined,
        # Where the intervals end at "all alike anyway" there may be nothing that a seed adds.
        low=(_gain(within.low, between.high) or 0.0) if known else None,
        high=(_gain(within.high, between.low) or 0.0) if known else None,
        p=_by_chance(groups, alike, seed) if known else None,
    )


def _gain(within: float | None, between: float | None) -> float | None:
    """What a seed adds, of what there is to add; None where all answers are equal whatever the seed."""
    if within is None or between is None or between >= 1:
        return None
    return max(0.0, (within - between) / (1 - between))


def _within(groups: Sequence[Sequence[Hashable]]) -> tuple[int, int]:
    return (
        sum(_equal_pairs(group) for group in groups),
        sum(len(group) * (len(group) - 1) // 2 for group in groups),
    )


def _equal_pairs(answers: Sequence[Hashable]) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(answers).values())


def _by_chance(groups: Sequence[Sequence[Hashable]], alike: int, seed: int) -> float:
    """The share of random deals of the same answers to the same seeds that agree as much within them."""
    rng = random.Random(seed)  # noqa: S311
    everything = [answer for group in groups for answer in group]
    sizes = list(itertools.accumulate(len(group) for group in groups))
    as_much = 1
    for _ in range(_DEALS):
        rng.shuffle(everything)
        dealt = [everything[end - len(group) : end] for end, group in zip(sizes, groups, strict=True)]
        as_much += _within(dealt)[0] >= alike
    return as_much / (_DEALS + 1)
