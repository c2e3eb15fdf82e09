"""Where words that somebody selected on a page stand in the text as it was recorded.

A page draws Markdown without its signs and the browser changes space and line ends, so what was
selected is looked up by its *ink*: the characters that both have. Of several places the one nearest
to where the words stood on the page is meant. static/js/marks.js does the same the other way round.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_SIGNS: Final = frozenset("*_`~#>|\\-")


class Ink(NamedTuple):
    """The characters that count, and where each of them stands in the text."""

    text: str
    places: list[int]


def inked(text: str) -> Ink:
    """The ink of a text."""
    places = [at for at, one in enumerate(text) if one not in _SIGNS and not one.isspace()]
    return Ink("".join(text[at] for at in places), places)


def find_words(*, text: str, words: str, near: int) -> tuple[int, int] | None:
    """From where to where the words stand; `near` is how much ink the page has before them. None: nowhere."""
    whole, wanted = inked(text), inked(words).text
    if not wanted:
        return None
    best, at = -1, whole.text.find(wanted)
    while at >= 0:
        if best < 0 or abs(at - near) < abs(best - near):
            best = at
        if at > near:
            break
        at = whole.text.find(wanted, at + 1)
    if best < 0:
        return None
    return whole.places[best], whole.places[best + len(wanted) - 1] + 1


def ink_before(text: str, start: int) -> int:
    """How much ink a text has before this character."""
    return len(inked(text[:start]).places)
