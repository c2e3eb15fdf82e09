"""Hits found, put in order, and replaced."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from reviewapp.pure.redaction.detectors import Hit, find
from reviewapp.pure.redaction.policies import Policy, compiled

# So many matches of one pattern in one text; from there on all of it is hidden.
MOST_MATCHES: Final = 20_000
# A text within a text within a text: arguments of a tool that hold JSON that holds JSON.
_DEEPEST: Final = 3
_escape: Final = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_PLAIN: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_half: Final = re.compile("[\ud800-\udfff]").sub
_inline_data: Final = re.compile(
    r"data:[a-zA-Z0-9.+-]{1,60}/[a-zA-Z0-9.+;=-]{1,120};base64,[A-Za-z0-9+/=_-]*"
).fullmatch
_TOKEN_LENGTH: Final = 12


@dataclass(slots=True)
class Found:
    """What was hidden: how many different values of each kind, and which pseudonym stands for which."""

    values: set[tuple[str, str]] = field(default_factory=set)
    pseudonyms: dict[str, tuple[str, str]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Different values by detector."""
        return dict(Counter(detector for detector, _ in self.values))

    def __len__(self) -> int:
        return len(self.values)


class Hider:
    """Hides what a policy says. With a key it writes pseudonyms."""

    def __init__(self, policy: Policy, *, key: bytes | None = None) -> None:
        self._key = key
        self._detectors = frozenset(policy.detectors)
        self._patterns = [(one.name, compiled(one.pattern)) for one in policy.patterns]
        names = "|".join(sorted([*self._detectors, *(one.name for one in policy.patterns)]))
        self._placeholder = re.compile(rf"\[(?:{names})(?::[a-z2-7]{{{_TOKEN_LENGTH}}})?\]")

    def hits(self, text: str, *, own: bool = True) -> list[Hit]:
        """What is to be hidden, in order and apart from each other. `own`: by own patterns too."""
        if len(text) < 2 or _inline_data(text):
            return []
        found = list(self._look(text, own=own))
        view, places = text, None
        for _ in range(_DEEPEST):
            if "\\" not in view:
                break
            view, places = _unescaped(view, places)
            found += [
                Hit(places[hit.start], places[hit.end], hit.detector) for hit in self._look(view, own=own)
            ]
        return self._apart(text, found) if found else []

    def text(self, text: str, found: Found) -> str:
        """The text with what is found replaced, and noted."""
        hits = self.hits(text)
        if not hits:
            return text
        pieces = []
        at = 0
        for hit in hits:
            pieces += [text[at : hit.start], self.replacement(hit.detector, text[hit.start : hit.end], found)]
            at = hit.end
        return "".join([*pieces, text[at:]])

    def replacement(self, detector: str, value: str, found: Found) -> str:
        """What stands in its place."""
        plain = canonical(detector, value)
        found.values.add((detector, plain))
        if self._key is None:
            return f"[{detector}]"
        token = pseudonym(self._key, detector, plain)
        found.pseudonyms[token] = (detector, value)
        return f"[{detector}:{token}]"

    def _look(self, text: str, *, own: bool) -> list[Hit]:
        found = list(find(text, self._detectors)) if self._detectors else []
        if own and self._patterns:
            # RE2 reads UTF-8, in which half a surrogate pair has no place.
            clean = text if text.isascii() else _half("\ufffd", text)
            for name, pattern in self._patterns:
                for number, match in enumerate(pattern.finditer(clean)):
                    if number == MOST_MATCHES:
                        found.append(Hit(match.start(), len(text), name))
                        break
                    if match.end() > match.start():
                        found.append(Hit(match.start(), match.end(), name))
        return found

    def _apart(self, text: str, found: list[Hit]) -> list[Hit]:
        there = [match.span() for match in self._placeholder.finditer(text)]
        apart: list[Hit] = []
        for hit in sorted(found, key=lambda hit: (hit.start, -hit.end)):
            if any(start <= hit.start and hit.end <= end for start, end in there):
                continue  # hidden before, and sent again by a replay
            if apart and hit.start < apart[-1].end:
                last = apart[-1]
                apart[-1] = last._replace(end=max(last.end, hit.end))
            else:
                apart.append(hit)
        return apart


def canonical(detector: str, value: str) -> str:
    """The value as the same one is recognised by, however it was written."""
    if detector in {"iban", "card"}:
        return re.sub(r"[^A-Za-z0-9]", "", value).upper()
    if detector == "phone":
        return re.sub(r"[^0-9+]", "", value)
    return value.lower().replace("%40", "@") if detector == "email" else value


def pseudonym(key: bytes, detector: str, value: str) -> str:
    """The same for the same value and key; says nothing of the value without the key."""
    said = f"{detector}\x00{canonical(detector, value)}".encode("utf-8", "surrogatepass")
    digest = hmac.new(key, said, hashlib.sha256).digest()
    # Small letters and 2 to 7: no detector takes it for a number.
    return base64.b32encode(digest).decode().lower()[:_TOKEN_LENGTH]


def _unescaped(text: str, places: Sequence[int] | None) -> tuple[str, list[int]]:
    """The text with JSON's escapes read, and where each character, and the end, stands in the first one."""
    pieces: list[str] = []
    mapped: list[int] = []
    at = 0
    for match in _escape.finditer(text):
        pieces.append(text[at : match.start()])
        mapped += range(at, match.start())
        plain, code = match.groups()
        pieces.append(chr(int(code, 16)) if code else _PLAIN.get(plain, plain))
        mapped.append(match.start())
        at = match.end()
    pieces.append(text[at:])
    mapped += range(at, len(text) + 1)
    if places is not None:
        mapped = [places[place] for place in mapped]
    return "".join(pieces), mapped
