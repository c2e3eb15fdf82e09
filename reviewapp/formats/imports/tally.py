"""What an import would bring in, counted: the answer of a dry run, and of an import when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from reviewapp.formats.imports.lines import Line
from reviewapp.formats.interchange import read_recorded
from reviewapp.formats.openai import seed_of
from reviewapp.pure.said import to_store

# So many reasons are kept, each with its line; the rest is counted.
REASONS_KEPT: Final = 200


@dataclass(slots=True)
class Tally:
    """Counts by endpoint of what is taken, by kind of what is left out, and the lines that are wrong."""

    format: str = ""
    taken: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    wrong_count: int = 0
    seeds: int = 0
    fingerprints: int = 0
    # What people said: how many judgements and flags.
    judgements: int = 0
    flags: int = 0
    # Replays that exported lines tell of, which an import leaves where they were.
    not_brought: Counter[str] = field(default_factory=Counter)
    # Those of `taken` that the project has already, where somebody looked.
    known: int = 0

    def add(self, line: Line, *, look_inside: bool = False) -> None:
        """Count a line; `look_inside` reads seeds and fingerprints too, which takes most of the time."""
        if line.said is not None:
            self.judgements += len(line.said.judgements)
            self.flags += len(line.said.flags)
        if line.recorded is not None:
            self.taken[line.recorded.endpoint] += 1
            self.not_brought.update(line.not_brought)
            if look_inside:
                exchange = read_recorded(line.recorded)
                self.seeds += seed_of(exchange.request) is not None
                self.fingerprints += bool(exchange.reply.fingerprint)
        elif line.said is not None:
            return
        elif line.left_out:
            self.left_out[line.left_out] += 1
        else:
            self.add_wrong(line.number, line.reason)

    def add_wrong(self, number: int, reason: str) -> None:
        self.wrong_count += 1
        if len(self.wrong) < REASONS_KEPT:
            self.wrong.append((number, reason))

    @property
    def total(self) -> int:
        """How many interactions there are."""
        return sum(self.taken.values())

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": self.format,
            "taken": dict(self.taken),
            "left_out": dict(self.left_out),
            "wrong": [list(pair) for pair in self.wrong],
            "wrong_count": self.wrong_count,
            "seeds": self.seeds,
            "fingerprints": self.fingerprints,
            "not_brought": dict(self.not_brought),
            "known": self.known,
            "judgements": self.judgements,
            "flags": self.flags,
            "messages": self._messages(),
        }

    def _messages(self) -> dict[str, Any]:
        """What the texts were composed of, so that readers of other languages have them in theirs."""
        left_out = {text: to_store(text=text) for text in self.left_out}
        return {
            "wrong": [(to_store(text=reason) or {}).get("text") for _number, reason in self.wrong],
            "left_out": {text: kept["text"] for text, kept in left_out.items() if kept is not None},
        }


def tallied(lines: Iterator[Line], *, format: str) -> Tally:  # noqa: A002
    """What there is in a file, without recording it."""
    tally = Tally(format)
    for line in lines:
        tally.add(line, look_inside=True)
    return tally
