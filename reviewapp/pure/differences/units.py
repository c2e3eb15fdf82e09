"""A text cut into units that a reader takes as one, and two sequences of units aligned.

A unit is a word, a number, one mark of punctuation, a line break, or a run of other white
space. Chinese, Japanese, Thai and their like write no spaces, and without a dictionary a
character with the marks that belong to it is the honest unit: a difference is then drawn
around the characters that differ, not around the paragraph. Emoji stay whole, with skin
tones, joiners and flags. The units of a text put together again are the text.

Alignment is the longest common subsequence (rapidfuzz, bit-parallel). Its time and memory
grow with the product of the lengths: 40,000 units on both sides take 0.7 s and 200 MB, so
above `MOST_CELLS` the sequences are first cut at units, or at short runs of units, that occur
once on both sides (as in patience diff). What has no such anchor is given as replaced, rather
than not at all.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cache
from typing import Final, NamedTuple

from rapidfuzz.distance import Indel

# Units on one side times units on the other: 30 ms and 30 MB at the bound.
MOST_CELLS: Final = 100_000_000
# How often a stretch between two anchors is searched for anchors of its own.
_DEEPEST: Final = 8
# Three words and what stands between them: long enough to be unique where no word is.
_RUN: Final = 6

# Scripts written without spaces between words.
_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u0f00-\u0fff"  # Tibetan
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f"  # Han and kana
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_FLAG: Final = "[\U0001f1e6-\U0001f1ff]{2}"


class Stretch(NamedTuple):
    """Units [i1:i2] on the left stand against [j1:j2] on the right."""

    equal: bool
    i1: int
    i2: int
    j1: int
    j2: int


def units(text: str) -> list[str]:
    """The units of the text, in order; joined they are the text."""
    return _pattern().findall(text)


def lines(text: str) -> list[str]:
    """The lines of the text with their line breaks; joined they are the text."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def align(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Stretch]:
    """Both sequences as alternating stretches, equal and not; together they cover both sides."""
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(unit, len(numbers)) for unit in left]
    b = [numbers.setdefault(unit, len(numbers)) for unit in right]
    found: list[Stretch] = []
    _align(a, b, 0, 0, found, 0)
    return _joined(found)


def _align(a: list[int], b: list[int], i: int, j: int, found: list[Stretch], depth: int) -> None:
    """Appends the stretches of a and b, which stand at i and j of the whole."""
    head = _shared_head(a, b)
    if head:
        found.append(Stretch(True, i, i + head, j, j + head))
        a, b, i, j = a[head:], b[head:], i + head, j + head
    tail = _shared_head(a[::-1], b[::-1])
    end_a, end_b = len(a) - tail, len(b) - tail
    _align_middle(a[:end_a], b[:end_b], i, j, found, depth)
    if tail:
        found.append(Stretch(True, i + end_a, i + end_a + tail, j + end_b, j + end_b + tail))


def _align_middle(a: list[int], b: list[int], i: int, j: int, found: list[Stretch], depth: int) -> None:
    if not a or not b:
        if a or b:
            found.append(Stretch(False, i, i + len(a), j, j + len(b)))
        return
    if len(a) * len(b) <= MOST_CELLS:
        found.extend(
            Stretch(op.tag == "equal", i + op.src_start, i + op.src_end, j + op.dest_start, j + op.dest_end)
            for op in Indel.opcodes(a, b)
        )
        return
    anchors: list[tuple[int, int]] = []
    if depth < _DEEPEST:
        anchors = _anchors(a, b) or _anchors(_runs(a), _runs(b))
    if not anchors:
        found.append(Stretch(False, i, i + len(a), j, j + len(b)))
        return
    at_a = at_b = 0
    for x, y in [*anchors, (len(a), len(b))]:
        if x >= at_a and y >= at_b:
            _align(a[at_a:x], b[at_b:y], i + at_a, j + at_b, found, depth + 1)
            at_a, at_b = x, y


def _shared_head(a: list[int], b: list[int]) -> int:
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return at
    return min(len(a), len(b))


def _runs(a: list[int]) -> list[tuple[int, ...]]:
    """For each place the run of units that starts there."""
    return list(zip(*(a[at:] for at in range(_RUN)), strict=False))


def _anchors(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Places of units that occur once on both sides, as many as keep their order."""
    count_a, count_b = Counter(a), Counter(b)
    place_b = {unit: at for at, unit in enumerate(b) if count_b[unit] == 1}
    pairs = [(at, place_b[unit]) for at, unit in enumerate(a) if count_a[unit] == 1 and unit in place_b]
    # Longest increasing run of the right-hand places, by patience sorting.
    tops: list[int] = []
    top_pairs: list[int] = []
    before: list[int] = []
    for at, (_, y) in enumerate(pairs):
        pile = bisect_left(tops, y)
        before.append(top_pairs[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(y)
            top_pairs.append(at)
        else:
            tops[pile] = y
            top_pairs[pile] = at
    chain: list[tuple[int, int]] = []
    at = top_pairs[-1] if top_pairs else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """Neighbours of the same kind made one."""
    joined: list[Stretch] = []
    for stretch in stretches:
        if joined and joined[-1].equal == stretch.equal:
            last = joined[-1]
            joined[-1] = Stretch(last.equal, last.i1, stretch.i2, last.j1, stretch.j2)
        else:
            joined.append(stretch)
    return joined


@cache
def _pattern() -> re.Pattern[str]:
    """The units' pattern. Python's `re` knows no combining marks, so they are listed (20 ms, once)."""
    mark = _marks()
    letter = rf"[^\W{_UNSPACED}]"
    body = f"(?:{letter}|[{mark}])"
    return re.compile(
        "|".join(
            (
                r"\r?\n",
                r"[^\S\n\r]+|\r",
                _FLAG,
                rf"[{_UNSPACED}][{mark}]*",
                # 3.14 and 1,000 are one number; don't is one word.
                rf"\d+(?:[.,]\d+)+(?!{letter})",
                rf"{letter}{body}*(?:['’]{letter}{body}*)*",
                rf".[{mark}]*(?:\u200d.[{mark}]*)*",
            )
        ),
        re.DOTALL,
    )


def _marks() -> str:
    """What belongs to the character before it, as the inside of a character class."""
    codes = [
        code
        for code in range(0x300, 0x20000)
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me") or 0x1F3FB <= code <= 0x1F3FF
    ]
    # Joiners inside words of Indic and Arabic scripts, variation selectors, flags of regions.
    codes += [0x200C, *range(0xE0020, 0xE0080), *range(0xE0100, 0xE01F0)]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges if high <= sys.maxunicode)
