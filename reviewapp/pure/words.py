"""Words for full-text search: what is indexed of a text, and the query of what somebody typed.

PostgreSQL's parser takes a run of Chinese, Japanese or Thai for one word, which nobody types
whole. Those scripts are therefore indexed character by character, and a run of them in a query
is a phrase of characters: it finds what holds that run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Scripts written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han, and the fullwidth forms.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003134f]"
)
# What a text column can't hold: NUL, and surrogates that are half of nothing.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# Beyond this a text is not searched: the index would hold more words than anybody looks for.
INDEXED_CHARACTERS = 200_000


def storable(text: str) -> str:
    """The text as a column can hold it: NUL and lone surrogates become U+FFFD."""
    # Nearly all texts are, and this is ten times as quickly seen.
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def indexable(text: str) -> str:
    """What is given to the index for this text."""
    text = storable(text[:INDEXED_CHARACTERS])
    return text if text.isascii() else _UNSPACED.sub(r" \g<0> ", text)


def spaced_out(text: str) -> str:
    """The text with room around each character of the scripts that are written without spaces."""
    return _UNSPACED.sub(r" \g<0> ", text)


_PART = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a search: a word, the beginning of one, or a phrase; wanted or unwanted."""

    text: str
    begins: bool = False
    unwanted: bool = False


def terms(text: str) -> list[Term]:
    """The parts of a search: words, "phrases", -unwanted, begin*; what holds no word is left out."""
    found: list[Term] = []
    for match in _PART.finditer(storable(text)):
        word = match["word"]
        begins = word is not None and word.endswith("*")
        plain = (word.rstrip("*") if begins else word) if word is not None else match["phrase"]
        if plain and any(character.isalnum() for character in plain):
            found.append(Term(plain, begins=begins, unwanted=bool(match["minus"])))
    return found


def query(text: str) -> str:
    """The `to_tsquery` text of a search: words (all of them), "phrases", -unwanted, begin*.

    Empty when there is nothing in it that could be found.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for term in terms(text):
        written = _quoted(term.text) + (":*" if term.begins else "")
        if term.unwanted:
            unwanted.append(f"!{written}")
        else:
            wanted.append(written)
    return " & ".join([*wanted, *unwanted])


def _quoted(text: str) -> str:
    # Inside single quotes PostgreSQL takes several words for a phrase.
    spaced = " ".join(spaced_out(text).split())
    return "'" + spaced.replace("\\", "\\\\").replace("'", "''") + "'"
