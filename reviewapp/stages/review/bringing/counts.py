"""What a file brought, or would bring, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

_REASONS_KEPT: Final = 50


@dataclass(slots=True)
class Brought:
    """By kind: how many are new and how many were here; `absent` are of answers that the project lacks."""

    new: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    items: int = 0
    absent: int = 0
    # Of each who judged: their name, and whether they have an account here.
    people: set[tuple[str, bool]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def count(self, kind: str, *, known: bool) -> None:
        (self.known if known else self.new)[kind] += 1

    @property
    def is_something(self) -> bool:
        """Whether anything is new."""
        return bool(self.new.total() or self.items)

    def add(self, other: Brought) -> None:
        """Take in what another part of the file brought."""
        self.new.update(other.new)
        self.known.update(other.known)
        self.items += other.items
        self.absent += other.absent
        self.people |= other.people
        self.wrong += other.wrong[: max(0, _REASONS_KEPT - len(self.wrong))]

    @property
    def outside(self) -> list[str]:
        """The names of those who have no account here."""
        return sorted(name for name, has_account in self.people if not has_account)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "judgements": self.new["judgements"],
            "flags": self.new["flags"],
            "judgements_known": self.known["judgements"],
            "flags_known": self.known["flags"],
            "items": self.items,
            "absent": self.absent,
            "people": sorted(name for name, has_account in self.people if has_account),
            "outside": self.outside,
            "wrong": self.wrong[:_REASONS_KEPT],
        }
