"""A line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: ours, the floor of the same run, and the bound that their ratio must keep.

    `at_least` and `at_most` bound ours / floor; without a floor they bound ours.
    """

    name: str
    ours: float
    floor: float | None
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    # What else is to be told of it.
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.ours / self.floor

    @property
    def met(self) -> bool:
        value = self.ours if self.ratio is None else self.ratio
        return not (
            (self.at_least is not None and value < self.at_least)
            or (self.at_most is not None and value > self.at_most)
        )

    def __str__(self) -> str:
        floor = "" if self.floor is None else f"{self.floor:,.1f}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        bound = f"≥ {self.at_least:g}" if self.at_least is not None else ""
        bound = f"≤ {self.at_most:g}" if self.at_most is not None else bound
        mark = "" if not bound else " ok" if self.met else " MISSED"
        note = f"  ({self.note})" if self.note else ""
        figures = f"{self.ours:>12,.1f} {floor:>12} {ratio:>7}"
        return f"{f'{self.name} ({self.unit})':<62} {figures}  {bound}{mark}{note}"
