"""Shares with their intervals, and how alike two texts are."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import Levenshtein

# The 97.5 % point of the normal distribution: intervals are of 95 %.
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's interval; of none nothing is known."""

    part: int
    whole: int
    # What the interval is as wide as, where the whole is not of independent trials.
    trials: int | None = None

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def low(self) -> float:
        return self._interval()[0]

    @property
    def high(self) -> float:
        return self._interval()[1]

    def _interval(self) -> tuple[float, float]:
        # Wilson's: also near 0 and 1, and with few trials, it covers about what it says.
        n = self.whole if self.trials is None else self.trials
        if not self.whole or n <= 0:
            return 0.0, 1.0
        p = self.part / self.whole
        middle = p + _Z * _Z / (2 * n)
        reach = _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
        scale = 1 + _Z * _Z / n
        # At the ends it is exact, whatever rounding makes of it.
        low = 0.0 if self.part == 0 else max(0.0, (middle - reach) / scale)
        high = 1.0 if self.part == self.whole else min(1.0, (middle + reach) / scale)
        return low, high


def share(part: int, whole: int, *, trials: int | None = None) -> Share:
    """Checked. Raises ValueError where the part is no part of the whole."""
    if not 0 <= part <= whole:
        raise ValueError(f"{part} is no part of {whole}")
    return Share(part, whole, trials)


def similarity(left: str, right: str) -> float:
    """The share of words that stayed in their order, of the longer text's: 1 for the same words."""
    if left == right:
        return 1.0
    # Marks are pieces of their own, so that a comma more does not make a word another.
    a, b = _pieces(left), _pieces(right)
    if not a and not b:
        return 1.0
    return float(Levenshtein.normalized_similarity(a, b))


def _pieces(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)
