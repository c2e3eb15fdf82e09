"""The passage of a text that a search found, with the found words marked.

A passage is a list of plain parts, each found or not: whoever draws it escapes each part, so no
markup is ever made of what a model or a person wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from reviewapp.pure.words import spaced_out, terms

LENGTH: Final = 220
# How much stands before the first word found, so that it is seen where only the beginning has room.
BEFORE: Final = 24
# Further in nothing is looked for; the index goes no further either.
SEARCHED_CHARACTERS: Final = 100_000
_MARKS: Final = 12


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a passage; `found` where the search matched it."""

    text: str
    found: bool = False


Passage: TypeAlias = tuple[Part, ...]


def pattern_of(search: str) -> re.Pattern[str] | None:
    """What to mark for this search; None where it only says what is unwanted, or nothing."""
    wanted = [term for term in terms(search) if not term.unwanted]
    found = [one for term in wanted if (one := _pattern(term.text, begins=term.begins))]
    # The longest first: of a phrase and one of its words the phrase is marked.
    found.sort(key=len, reverse=True)
    return re.compile("|".join(found), re.IGNORECASE) if found else None


def _pattern(text: str, *, begins: bool) -> str:
    """The words of one term, next to each other; characters of unspaced scripts need no room between."""
    words = re.findall(r"[^\W_]+", spaced_out(text))
    if not words:
        return ""
    # A word of one unspaced character has neighbours on both sides in any text of its script.
    alone = [spaced_out(word) != word for word in words]
    pattern = r"[\W_]*".join(map(re.escape, words)) if any(alone) else r"[\W_]+".join(map(re.escape, words))
    before = "" if alone[0] else r"(?<![^\W_])"
    after = "" if alone[-1] else (r"[^\W_]*" if begins else r"(?![^\W_])")
    return f"{before}{pattern}{after}"


def passage_of(text: str, pattern: re.Pattern[str], *, length: int = LENGTH) -> Passage:
    """Where the text first matches, in one line; empty where it does not."""
    text = text[:SEARCHED_CHARACTERS]
    first = pattern.search(text)
    if first is None:
        return ()
    start = _start(text, first.start())
    cut = text[start : start + length * 2]
    parts: list[Part] = [Part("…")] if start else []
    at = 0
    for count, match in enumerate(pattern.finditer(cut)):
        if match.start() >= length or count == _MARKS:
            break
        parts += [Part(_line(cut[at : match.start()])), Part(_line(match[0]), found=True)]
        at = match.end()
    parts.append(Part(_line(cut[at : max(at, length)])))
    if start + max(at, length) < len(text):
        parts.append(Part("…"))
    return tuple(part for part in parts if part.text)


def _start(text: str, found: int) -> int:
    """Where the passage begins: at a word, a little before what was found."""
    if found <= BEFORE * 2:
        return 0
    start = found - BEFORE
    space = re.compile(r"\s").search(text, start, found)
    return space.end() if space else start


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text)
