"""What a call costs by what its provider asks for a million tokens, in US dollars.

Prices are by the model asked for: `{"gpt-4o-mini": {"input": 0.15, "output": 0.60}}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens read, and for a million written."""

    input: float
    output: float

    def of(self, read: float | None, written: float | None) -> float:
        """US dollars for so many tokens; what was not told counts nothing."""
        return max(0, read or 0) * self.input / _MILLION + max(0, written or 0) * self.output / _MILLION


def price_of(prices: Any, model: str) -> Price | None:
    """The price of the model among a provider's; None where there is none, or none that can be read."""
    found = prices.get(model) if isinstance(prices, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    values = [found.get("input", 0), found.get("output", 0)]
    if not all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values):
        return None
    return Price(float(values[0]), float(values[1]))


def cost_of(prices: Any, model: str, read: int | None, written: int | None) -> float | None:
    """What one call cost; None where no price is known, or no tokens were reported."""
    if read is None and written is None:
        return None
    price = price_of(prices, model)
    return None if price is None else price.of(read, written)
