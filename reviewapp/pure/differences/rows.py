"""The aligned texts as rows: side by side, and unified.

A row is a line of the left text beside a line of the right one, each in pieces that are equal
or belong to a numbered difference. Equal line breaks keep both sides in step; inside a
difference lines are paired in order, and what one side has more of stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reviewapp.pure.differences.units import lines
from reviewapp.pure.differences.words import Span, TextDifference


@dataclass(frozen=True, slots=True)
class Piece:
    """Text within a line, without the line break. `number` is its difference's; None is equal."""

    text: str
    start: int
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text; `number` counts from 1."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Row:
    """A line beside a line; a side is None where it has no line here."""

    left: Line | None
    right: Line | None

    @property
    def equal(self) -> bool:
        return (
            self.left is not None
            and self.right is not None
            and all(piece.number is None for piece in (*self.left.pieces, *self.right.pieces))
        )


@dataclass(frozen=True, slots=True)
class UnifiedLine:
    """A line of the unified form: in both texts, or only in one."""

    kind: Literal["equal", "removed", "added"]
    line: Line
    left_number: int | None
    right_number: int | None


@dataclass(frozen=True, slots=True)
class Fold:
    """Equal rows left out, `count` of them, from `start`."""

    start: int
    count: int


class _Writer:
    """Collects the lines of one side."""

    def __init__(self) -> None:
        self.done: list[Line] = []
        self.pieces: list[Piece] = []
        self.number = 1

    def write(self, span: Span, number: int | None) -> None:
        if not span.text:
            return
        start = span.start
        if number is not None and not span.text.strip("\n"):
            # Nothing but line breaks: an empty piece marks where they stood.
            self.pieces.append(Piece("", start, number))
        for at, part in enumerate(span.text.split("\n")):
            if at:
                self.end_line()
            if part:
                self.pieces.append(Piece(part, start, number))
            start += len(part) + 1

    def end_line(self) -> None:
        self.done.append(Line(self.number, tuple(self.pieces)))
        self.pieces = []
        self.number += 1

    def take(self) -> list[Line]:
        done, self.done = self.done, []
        return done


def side_by_side(difference: TextDifference) -> tuple[Row, ...]:
    """The rows of both texts, every line of each exactly once."""
    left, right = _Writer(), _Writer()
    rows: list[Row] = []
    for segment in difference.segments:
        if segment.kind != "equal":
            left.write(segment.left, segment.number)
            right.write(segment.right, segment.number)
            continue
        at = 0
        for line in lines(segment.left.text):
            left.write(_part(segment.left, at, line), None)
            right.write(_part(segment.right, at, line), None)
            at += len(line)
            if line.endswith("\n"):
                rows += _paired(left.take(), right.take())
    left.end_line()
    right.end_line()
    return (*rows, *_paired(left.take(), right.take()))


def _part(span: Span, at: int, text: str) -> Span:
    return Span(span.start + at, span.start + at + len(text), text)


def _paired(left: list[Line], right: list[Line]) -> list[Row]:
    """Lines up to an equal line break, as rows. Only the first and the last can hold equal text."""
    short, long = sorted((left, right), key=len)
    # Where one line stands against several, it stands beside the one it shares more with.
    late = len(short) > 1 or (len(short) == 1 and _equal_size(long[-1]) > _equal_size(long[0]))
    head = len(short) - late
    gap: list[Line | None] = [None] * (len(long) - len(short))
    padded: list[Line | None] = [*short[:head], *gap, *short[head:]]
    return [
        Row(one, other) if short is left else Row(other, one) for one, other in zip(padded, long, strict=True)
    ]


def _equal_size(line: Line) -> int:
    return sum(len(piece.text) for piece in line.pieces if piece.number is None)


def unified(rows: Sequence[Row]) -> tuple[UnifiedLine, ...]:
    """The rows as one column: equal lines once, lines that differ as removed and then added."""
    out: list[UnifiedLine] = []
    removed: list[UnifiedLine] = []
    added: list[UnifiedLine] = []
    for row in rows:
        if row.equal and row.left is not None and row.right is not None:
            out += [*removed, *added, UnifiedLine("equal", row.left, row.left.number, row.right.number)]
            removed, added = [], []
            continue
        if row.left is not None:
            removed.append(UnifiedLine("removed", row.left, row.left.number, None))
        if row.right is not None:
            added.append(UnifiedLine("added", row.right, None, row.right.number))
    return (*out, *removed, *added)


def folded(rows: Sequence[Row], *, context: int = 3) -> tuple[Row | Fold, ...]:
    """The rows with long equal runs left out, but for `context` rows around each difference."""
    near = [False] * len(rows)
    for at, row in enumerate(rows):
        if not row.equal:
            for close in range(max(0, at - context), min(len(rows), at + context + 1)):
                near[close] = True
    out: list[Row | Fold] = []
    for at, row in enumerate(rows):
        if near[at]:
            out.append(row)
        elif out and isinstance(out[-1], Fold):
            out[-1] = Fold(out[-1].start, out[-1].count + 1)
        else:
            out.append(Fold(at, 1))
    # A fold of one row would take the row's own place.
    return tuple(rows[item.start] if isinstance(item, Fold) and item.count == 1 else item for item in out)
