"""Whether a seed does anything: does one seed agree with itself more often than other seeds agree with it?

Judged by Fisher's exact test, one-sided: what the same seed gave again, and what others gave, are two
rows of trials. Where few trials can't tell, more are asked for; a seed that after all of them agrees no
oftener than chance is taken for ignored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# How many answers of each row are asked for at a time, until it is sure.
ROUNDS: Final = (4, 6, 6)
MOST_ASKED: Final = sum(ROUNDS)
_SURE: Final = 0.02
_LIKELY: Final = 0.1


@dataclass(frozen=True, slots=True)
class SeedTrials:
    """Answers that were equal to the first one: of the same seed, and of others.

    `echoed` is what the provider said of the seed it used: the one that was sent (True), another one
    (False), nothing (None).
    """

    same: int
    asked: int
    chance: int
    others: int
    echoed: bool | None = None


@dataclass(frozen=True, slots=True)
class SeedJudgement:
    """`honoured` is None where it can't be told; `sure` says that more trials would change nothing."""

    honoured: bool | None
    sure: bool
    p: float


def judge_seed(trials: SeedTrials) -> SeedJudgement:
    """What the trials say so far."""
    p = by_chance(trials)
    over = trials.asked >= MOST_ASKED
    if trials.asked and trials.chance == trials.others and trials.same == trials.asked:
        # One answer whatever the seed: the question leaves nothing to chance.
        return SeedJudgement(None, True, p)
    if p <= _SURE:
        return SeedJudgement(True, True, p)
    if not over:
        return SeedJudgement(None, False, p)
    if p <= _LIKELY:
        return SeedJudgement(None, True, p)
    return SeedJudgement(False, True, p)


def by_chance(trials: SeedTrials) -> float:
    """How probable at least so many agreements of the same seed are, if the seed did nothing."""
    agreed = trials.same + trials.chance
    everything = trials.asked + trials.others
    if not trials.asked or not trials.others:
        return 1.0
    ways = sum(
        math.comb(trials.asked, n) * math.comb(trials.others, agreed - n)
        for n in range(trials.same, min(trials.asked, agreed) + 1)
        if agreed - n <= trials.others
    )
    return ways / math.comb(everything, agreed)
