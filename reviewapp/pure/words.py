"""Words for full-text search: what is indexed of a text, and the query of what somebody typed.

PostgreSQL's parser takes a run of Chinese, Japanese or Thai for one word, which nobody types
whole. Those scripts are therefore indexed character by character, and a run of them in a query
is a phrase of characters: it finds what holds that run.
"""

from __future__ import annotations

import re

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


_PART = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


def query(text: str) -> str:
    """The `to_tsquery` text of a search: words (all of them), "phrases", -unwanted, begin*.

    Empty when there is nothing in it that could be found.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for match in _PART.finditer(storable(text)):
        prefix = match["word"] is not None and match["word"].endswith("*")
        plain = (
            (match["word"] or match["phrase"] or "").rstrip("*")
            if prefix
            else match["word"] or match["phrase"]
        )
        if not plain or not any(character.isalnum() for character in plain):
            continue
        term = _quoted(plain) + (":*" if prefix else "")
        if match["minus"]:
            unwanted.append(f"!{term}")
        else:
            wanted.append(term)
    return " & ".join([*wanted, *unwanted])


def _quoted(text: str) -> str:
    # Inside single quotes PostgreSQL takes several words for a phrase.
    spaced = " ".join(_UNSPACED.sub(r" \g<0> ", text).split())
    return "'" + spaced.replace("\\", "\\\\").replace("'", "''") + "'"
