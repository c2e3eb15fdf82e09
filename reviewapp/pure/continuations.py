"""Words of an answer with the probability of each, and what may follow what is being typed.

A word's probability is the product of its tokens'. Contexts end with a sentence: what stands before
a full stop says little about what comes after it.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from reviewapp.pure.exchange import Token
from reviewapp.pure.searching import FIELDS
from reviewapp.pure.words import storable

# The most words of context; the longest word; the words of an answer that are looked at.
ORDER: Final = 3
LONGEST: Final = 40
MOST_WORDS: Final = 120
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_STOP = re.compile(r"[.!?:;\n]")


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another word that could have stood there."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Following:
    """A word and the words before it in its sentence, the nearest last."""

    text: str
    before: tuple[str, ...]
    probability: float
    alternatives: tuple[Alternative, ...] = ()

    @property
    def contexts(self) -> Iterator[str]:
        """None, one, up to `ORDER` words of what stands before."""
        for length in range(min(ORDER, len(self.before)) + 1):
            yield context_of(self.before, length)


def context_of(before: Sequence[str], length: int) -> str:
    """The last `length` words as a context is kept."""
    return " ".join(before[len(before) - length :])


def key_of(word: str) -> str:
    """The word as it is compared."""
    return word.lower()


def following(tokens: Sequence[Token]) -> Iterator[Following]:
    """The words of an answer whose tokens all have a log probability."""
    # Words are at most some tokens long, and spaces and signs are tokens too.
    tokens = tokens[: MOST_WORDS * 6]
    text = storable("".join(token.text for token in tokens))
    ends = list(accumulate(len(token.text) for token in tokens))
    before: list[str] = []
    end = 0
    for count, match in enumerate(_WORD.finditer(text)):
        if count == MOST_WORDS:
            return
        if _STOP.search(text, end, match.start()):
            before = []
        end = match.end()
        if len(match[0]) > LONGEST:
            before = []
            continue
        first = bisect_right(ends, match.start())
        parts = tokens[first : bisect_right(ends, match.end() - 1) + 1]
        logprobs = [token.logprob for token in parts if token.logprob is not None]
        if len(logprobs) == len(parts):
            yield Following(
                text=match[0],
                before=tuple(before[-ORDER:]),
                probability=math.exp(min(0.0, sum(logprobs))),
                alternatives=_alternatives(parts[0], key_of(match[0])),
            )
        before.append(key_of(match[0]))


def _alternatives(token: Token, chosen: str) -> tuple[Alternative, ...]:
    """Those of a word's first token that look like words; whether they are whole, the vocabulary tells."""
    found = []
    for one in token.alternatives:
        word = storable(one.token).strip()
        if one.logprob is None or key_of(word) == chosen or len(word) > LONGEST:
            continue
        if one.token[:1].isspace() == token.text[:1].isspace() and _WORD.fullmatch(word):
            found.append(Alternative(word, math.exp(min(0.0, one.logprob))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Typed:
    """What is being typed: the words before, and the beginning of the one at the end (maybe none yet)."""

    before: tuple[str, ...] = ()
    begun: str = ""
    # What stays as it was typed.
    head: str = ""

    @property
    def can_go_on(self) -> bool:
        return bool(self.begun or self.before)


def typed_of(text: str) -> Typed:
    """The words at the end of a search that go on; nothing after a `field:value` or an unwanted word."""
    tail = text.rsplit('"', 1)[-1]
    # A phrase that is closed is said; one that is open goes on.
    if text.count('"') % 2 == 0 and '"' in text and not tail[:1].isspace():
        return Typed()
    last = re.split(r"\s", tail)[-1]
    if last.startswith("-") or last.endswith("*") or re.match(rf"(?:{'|'.join(FIELDS)}|is):", last):
        return Typed()
    plain = re.sub(r"\S+:\S*|(?<!\S)-\S+", "\n", tail)
    sentence = _STOP.split(plain)[-1]
    words = _WORD.findall(sentence)
    goes_on = bool(words) and sentence.endswith(words[-1])
    begun = words.pop() if goes_on else ""
    if not goes_on and sentence[-1:] and not sentence[-1].isspace():
        return Typed()
    return Typed(
        before=tuple(key_of(word) for word in words[-ORDER:]),
        begun=key_of(begun),
        head=text[: len(text) - len(begun)],
    )
