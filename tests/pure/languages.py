"""A language to tell messages in, for tests."""

from __future__ import annotations

import datetime as dt

from reviewapp.pure.said.templates import TEMPLATES


class Invented:
    """Says the given messages otherwise, by key; writes figures with a comma, days by number, names in <>."""

    def __init__(self, **words: str) -> None:
        self._words = {TEMPLATES[key]: said for key, said in words.items()}

    def one(self, words: str) -> str:
        return self._words.get(words, words)

    def several(self, one: str, many: str, number: int) -> str:
        return f"{number}: {one if number == 1 else many}"

    def figure(self, written: str) -> str:
        return written.replace(".", ",")

    def day(self, day: dt.date, *, with_year: bool) -> str:
        return f"{day.day}/{day.month}/{day.year}" if with_year else f"{day.day}/{day.month}"

    def month(self, month: dt.date) -> str:
        return f"{month.month}/{month.year}"

    def name(self, name: str) -> str:
        return name

    def between(self, sign: str) -> str:
        return sign
