"""Two texts aligned by words: what is equal, replaced, added and removed.

The segments in order give back both texts, white space included, and know where they stand
(offsets in characters, that is code points). Each segment that is not equal is one numbered
difference, so that `n` and `p` step through them. Islands that are equal by accident, like a
space or a comma between two replaced words, are taken into the difference around them: five
replaced words in a row are one difference to a reader, not five.

Texts of more than some 5,000 words a side are aligned by lines first, and by words inside the
lines that differ; `by_lines` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from reviewapp.pure.differences.units import MOST_CELLS, Stretch, align, lines, units

Kind: TypeAlias = Literal["equal", "replaced", "added", "removed"]

# An equal island is taken into the difference around it only up to so many units.
_LONGEST_ISLAND: Final = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one of the texts; `start` and `end` are offsets in characters."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the left text against a piece of the right one. Equal segments have no number."""

    kind: Kind
    left: Span
    right: Span
    number: int | None = None


@dataclass(frozen=True, slots=True)
class TextDifference:
    """Two texts, aligned. Joined, the segments' left texts are the left text, the right ones the right."""

    segments: tuple[Segment, ...]
    by_lines: bool = False

    @property
    def count(self) -> int:
        """How many differences there are."""
        return sum(segment.number is not None for segment in self.segments)

    @property
    def equal(self) -> bool:
        return self.count == 0

    @property
    def shared(self) -> float:
        """The share of both texts' characters that stand in equal segments; 1 for two empty texts."""
        both = sum(len(s.left.text) + len(s.right.text) for s in self.segments)
        same = sum(2 * len(s.left.text) for s in self.segments if s.kind == "equal")
        return same / both if both else 1.0


@dataclass(frozen=True, slots=True)
class TextPart:
    """Where two texts part: the characters and words they share before, and the words that differ.

    A word is None where that text has ended.
    """

    characters: int
    words: int
    left: str | None
    right: str | None


def compare_texts(left: str, right: str) -> TextDifference:
    """The two texts aligned by words, or by lines and then words when they are very long."""
    a, b = units(left), units(right)
    by_lines = len(a) * len(b) > MOST_CELLS
    stretches = _by_lines(left, right, a, b) if by_lines else align(a, b)
    stretches = _without_islands(stretches, a)
    starts_a, starts_b = _starts(a), _starts(b)
    segments: list[Segment] = []
    number = 0
    for equal, i1, i2, j1, j2 in stretches:
        if not equal:
            number += 1
        segments.append(
            Segment(
                kind="equal"
                if equal
                else "replaced"
                if i2 > i1 and j2 > j1
                else "removed"
                if i2 > i1
                else "added",
                left=_span(left, starts_a[i1], starts_a[i2]),
                right=_span(right, starts_b[j1], starts_b[j2]),
                number=None if equal else number,
            )
        )
    return TextDifference(tuple(segments), by_lines)


def where_texts_part(left: str, right: str) -> TextPart | None:
    """The first place where the texts differ; None when they are equal."""
    if left == right:
        return None
    characters = _shared_prefix(left, right)
    # Cut from the start of the line, so that the words come out as in the whole text.
    line = left.rfind("\n", 0, characters) + 1
    a, b = units(left[line : characters + _WORD]), units(right[line : characters + _WORD])
    at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    words = sum(not unit.isspace() for unit in units(left[:line])) + sum(
        not unit.isspace() for unit in a[:at]
    )
    return TextPart(
        characters=characters,
        words=words,
        left=next((unit for unit in a[at:] if not unit.isspace()), None) if at < len(a) else None,
        right=next((unit for unit in b[at:] if not unit.isspace()), None) if at < len(b) else None,
    )


# How far beyond the place where texts part the differing word is looked for, in characters.
_WORD: Final = 400


def _words(pieces: list[str]) -> int:
    """How many of the pieces are words: a comma is none."""
    return sum(any(map(str.isalnum, piece)) for piece in pieces)


def _shared_prefix(left: str, right: str) -> int:
    """Characters the texts share from the start; by halving, since slices compare at memory speed."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _kind(left: bool, right: bool) -> Kind:
    if left and right:
        return "replaced"
    return "removed" if left else "added"


def _starts(pieces: list[str]) -> list[int]:
    return list(accumulate((len(piece) for piece in pieces), initial=0))


def _span(text: str, start: int, end: int) -> Span:
    return Span(start, end, text[start:end])


def _by_lines(left: str, right: str, a: list[str], b: list[str]) -> list[Stretch]:
    """Stretches of units, found by lines first; lines that differ are aligned by words."""
    rows_a, rows_b = lines(left), lines(right)
    at_a, at_b = _units_before_lines(rows_a, a), _units_before_lines(rows_b, b)
    found: list[Stretch] = []
    for equal, i1, i2, j1, j2 in align(rows_a, rows_b):
        x1, x2, y1, y2 = at_a[i1], at_a[i2], at_b[j1], at_b[j2]
        if equal:
            found.append(Stretch(True, x1, x2, y1, y2))
        else:
            inner = align(a[x1:x2], b[y1:y2])
            found += [Stretch(s.equal, x1 + s.i1, x1 + s.i2, y1 + s.j1, y1 + s.j2) for s in inner]
    return found


def _units_before_lines(rows: list[str], pieces: list[str]) -> list[int]:
    """For each line, and for the end, how many units stand before it. A unit never crosses a line's end."""
    ends = {offset: count for count, offset in enumerate(_starts(pieces))}
    return [ends[offset] for offset in _starts(rows)]


def _without_islands(stretches: list[Stretch], a: list[str]) -> list[Stretch]:
    """Stretches with accidental equal islands taken into the differences around them."""
    kept: list[Stretch] = []
    for at, stretch in enumerate(stretches):
        last = kept[-1] if kept else None
        if last is not None and not last.equal and (not stretch.equal or _island(stretches, at, last, a)):
            kept[-1] = Stretch(False, last.i1, stretch.i2, last.j1, stretch.j2)
        else:
            kept.append(stretch)
    return kept


def _island(stretches: list[Stretch], at: int, before: Stretch, a: list[str]) -> bool:
    """Whether this equal stretch says less than the differences on both its sides."""
    stretch = stretches[at]
    if at + 1 >= len(stretches) or stretch.i2 - stretch.i1 > _LONGEST_ISLAND:
        return False
    text = "".join(a[stretch.i1 : stretch.i2])
    if "\n" in text:
        return False
    if not any(character.isalnum() for character in text):
        return True
    after = stretches[at + 1]
    # As in semantic clean-up of diff-match-patch: shorter than what changed before and after.
    size = stretch.i2 - stretch.i1
    return 2 * size <= _size(before) and 2 * size <= _size(after)


def _size(stretch: Stretch) -> int:
    return max(stretch.i2 - stretch.i1, stretch.j2 - stretch.j1)
