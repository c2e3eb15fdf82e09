"""The search box's language: `field:value` terms and words, in any order.

    model:gpt-4o-mini fingerprint:none seed:100..199 flagged:yes "exact words" -unwanted

A term whose field is not known is taken as words, so that pasting a URL or a time into the box searches for
it; `unknown_terms` tells which ones may have been meant as filters. Values with spaces stand in quotes:
source:"support bot". `is:canary`, `is:replay`, `is:flagged`, `is:discussed` and `is:error` are short for
canaries:yes, discussed:open and so on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FIELDS: tuple[str, ...] = (
    "source",
    "provider",
    "model",
    "fingerprint",
    "seed",
    "status",
    "flagged",
    "discussed",
    "tag",
    "trace",
    "request_hash",
    "since",
    "until",
    "endpoint",
    "session",
    "user",
    "finish_reason",
    "cost",
    "verdict",
    "regressions",
    "selection",
    "replays",
    "canaries",
)
# What `is:word` stands for.
_IS = {
    "canary": ("canaries", "yes"),
    "replay": ("replays", "yes"),
    "flagged": ("flagged", "yes"),
    "discussed": ("discussed", "open"),
    "error": ("status", "error"),
}

# What other tools, and people, call some of the fields.
_ALSO = {
    "after": "since",
    "app": "source",
    "before": "until",
    "fp": "fingerprint",
    "hash": "request_hash",
    "price": "cost",
    "system_fingerprint": "fingerprint",
    "user_id": "user",
}

# In words that are left a quoted phrase is meant as words, and so is a URL.
_MEANT = re.compile(
    r'-?"[^"]*"|(?P<term>(?P<field>[A-Za-z][A-Za-z_-]*):(?P<value>"[^"]*"|[^\s"/][^\s"]*))|\S+'
)
_TERM = re.compile(r'(?P<field>[a-z_]+):(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))|(?P<words>-?"[^"]*"|\S+)')


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody typed: the fields it narrows by, and the words to look for."""

    fields: dict[str, str] = field(default_factory=dict)
    words: str = ""


def parse_search(text: str) -> Search:
    """Fields and words of a search; of a field given twice the last counts."""
    fields: dict[str, str] = {}
    words: list[str] = []
    for match in _TERM.finditer(text):
        name = match["field"]
        if name == "is" and match["plain"] in _IS:
            name, value = _IS[match["plain"]]
            fields[name] = value
        elif name is not None and name in FIELDS:
            fields[name] = match["quoted"] if match["quoted"] is not None else match["plain"]
        else:
            words.append(match[0])
    return Search(fields=fields, words=" ".join(words))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A term that looks like a filter and is none, the one nearest to it ("" where none is near), and the
    same text as a phrase, which says that words are meant.
    """

    name: str
    term: str
    instead: str
    quoted: str


def unknown_terms(text: str) -> list[Unknown]:
    """What of a search has the form of a filter and is none; one whose value can't be used is one."""
    found = []
    for match in _MEANT.finditer(parse_search(text).words):
        if match["term"] is None:
            continue
        name, value = match["field"], match["value"]
        bare = value.strip('"')
        if name.lower() == "is":
            near = _nearest(bare, [*_IS])
            found.append(Unknown(f"{name}:{bare}", match["term"], near and f"is:{near}", f'"{name}:{bare}"'))
            continue
        near = _nearest(name, FIELDS)
        found.append(Unknown(name, match["term"], near and f"{near}:{value}", f'"{name}:{bare}"'))
    return found


def _nearest(name: str, known: Sequence[str]) -> str:
    name = name.lower().replace("-", "_")
    if name in _ALSO and _ALSO[name] in known:
        return _ALSO[name]
    beginning = [one for one in known if len(name) > 2 and one.startswith(name)]
    return next(iter([*beginning, *difflib.get_close_matches(name, known, 1, 0.7)]), "")


def write_search(fields: Mapping[str, str], words: str = "") -> str:
    """The text that `parse_search` reads as these fields and words."""
    terms = [
        f'{name}:"{value}"' if re.search(r"[\s\"]", value) or not value else f"{name}:{value}"
        for name, value in fields.items()
    ]
    return " ".join([*terms, words]).strip()
