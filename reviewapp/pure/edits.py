"""Graded edits of a prompt: small changes that leave its meaning alone, from one place to all of them.

An edit of a kind is made at places; which come first is drawn from a seed, and a larger edit changes
the places of the smaller one and more, so that sizes of one kind can be compared. The size of an edit
is what it did to the text: the Levenshtein distance, as a share of the longer of the two.
"""

from __future__ import annotations

import enum
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rapidfuzz.distance import Levenshtein

from reviewapp.pure.synonyms import SYNONYMS


class EditKind(enum.StrEnum):
    """In which way a prompt is changed."""

    NONE = "none"
    WHITE_SPACE = "white_space"
    CASE = "case"
    PUNCTUATION = "punctuation"
    TYPO = "typo"
    SYNONYM = "synonym"
    PARAPHRASE = "paraphrase"
    REORDER = "reorder"
    APPEND = "append"
    SYSTEM = "system"


# Those that can be made by themselves; a paraphrase and another system prompt are written by people.
AUTOMATIC: Final = (
    EditKind.WHITE_SPACE,
    EditKind.CASE,
    EditKind.PUNCTUATION,
    EditKind.TYPO,
    EditKind.SYNONYM,
    EditKind.REORDER,
    EditKind.APPEND,
)
# Which share of the places is edited; 0: one place.
AMOUNTS: Final = (0.0, 0.1, 0.4, 1.0)

# A piece of the text and what takes its place.
Place: TypeAlias = tuple[int, int, str]

_CONTEXT: Final = (
    "Thank you in advance.",
    "I am writing from my office.",
    "It is Tuesday afternoon.",
    "The weather is fine today.",
    "My colleague asked me the same thing last week.",
    "I have a cup of tea beside me.",
    "We moved to this building two years ago.",
    "The train was on time this morning.",
    "There is a park across the street.",
    "I will read your answer after lunch.",
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One edited prompt: the whole text, and how far it is from where it began."""

    kind: EditKind
    amount: float
    text: str
    size: float


def size_of(before: str, after: str) -> float:
    """How much was changed: 0 for the same text, 1 where nothing stayed."""
    return float(Levenshtein.normalized_distance(before, after))


def edit(*, text: str, kind: EditKind, amount: float, seed: int) -> str | None:
    """The text edited at one place (`amount` 0) up to all places (1); None where that can't be done to it."""
    if kind not in _PLACES:
        raise ValueError(f"{kind} is not made by itself")
    if not 0 <= amount <= 1:
        raise ValueError("the amount is a share, from 0 to 1")
    # Drawn for kind and seed, not for the amount: the larger edit must begin with the smaller one's places.
    rng = random.Random(f"{seed}:{kind}")  # noqa: S311
    if kind is EditKind.APPEND:
        return _appended(text, amount, rng)
    if kind is EditKind.REORDER:
        return _reordered(text, amount, rng)
    places = list(_PLACES[kind](text, rng))
    if not places:
        return None
    rng.shuffle(places)
    return _replaced(text, places[: max(1, round(amount * len(places)))])


def graded(
    *,
    text: str,
    seed: int,
    kinds: Iterable[EditKind] = AUTOMATIC,
    amounts: Sequence[float] = AMOUNTS,
) -> list[Edit]:
    """Edits of each kind, the smallest first; each text once, and none that left the prompt as it was."""
    found: list[Edit] = []
    seen = {text}
    for kind in kinds:
        for amount in sorted(amounts):
            edited = edit(text=text, kind=kind, amount=amount, seed=seed)
            if edited is not None and edited not in seen:
                seen.add(edited)
                found.append(Edit(kind, amount, edited, size_of(text, edited)))
    return found


# ---- where an edit may be made ----


def _white_space(text: str, _rng: random.Random) -> Iterable[Place]:
    """One space more between two words, one line break more between two lines."""
    for match in re.finditer(r"\s+", text):
        yield match.end(), match.end(), match[0][-1]


def _case(text: str, _rng: random.Random) -> Iterable[Place]:
    """A word in capitals, or one in capitals made small."""
    for match in _words(text):
        word = match[0]
        other = word.lower() if word.isupper() else word.upper()
        if other != word:
            yield match.start(), match.end(), other


def _punctuation(text: str, _rng: random.Random) -> Iterable[Place]:
    """A mark left out, and one set at the end where there was none."""
    # Not within a number or an address: 3.5 and example.org would be others without.
    for match in re.finditer(r"[.,;:!?…。、!?](?=\s|$)", text):
        yield match.start(), match.end(), ""
    if text and text[-1].isalnum():
        yield len(text), len(text), "."


def _typo(text: str, rng: random.Random) -> Iterable[Place]:
    """Two letters of a word changed about, one of them lost, or one typed twice."""
    for match in _words(text):
        word = match[0]
        if len(word) < 4:
            continue
        at = rng.randrange(1, len(word) - 1)
        kinds = [word[:at] + word[at] + word[at:], word[:at] + word[at + 1 :]]
        if word[at] != word[at + 1]:
            kinds.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
        yield match.start(), match.end(), rng.choice(kinds)


def _synonym(text: str, _rng: random.Random) -> Iterable[Place]:
    for match in _words(text):
        other = SYNONYMS.get(match[0].lower())
        if other is not None:
            yield match.start(), match.end(), _cased_like(match[0], other)


def _cased_like(word: str, other: str) -> str:
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def _words(text: str) -> Iterable[re.Match[str]]:
    return re.finditer(r"[^\W\d_]+", text)


_PLACES: Final[dict[EditKind, Callable[[str, random.Random], Iterable[Place]]]] = {
    EditKind.WHITE_SPACE: _white_space,
    EditKind.CASE: _case,
    EditKind.PUNCTUATION: _punctuation,
    EditKind.TYPO: _typo,
    EditKind.SYNONYM: _synonym,
    EditKind.REORDER: lambda _text, _rng: (),
    EditKind.APPEND: lambda _text, _rng: (),
}


def _replaced(text: str, places: Iterable[Place]) -> str:
    for start, end, other in sorted(places, reverse=True):
        text = text[:start] + other + text[end:]
    return text


# ---- edits of the whole ----


def _appended(text: str, amount: float, rng: random.Random) -> str:
    """Sentences that say nothing to the matter: one, up to as much as there was."""
    sentences = list(_CONTEXT)
    rng.shuffle(sentences)
    added = ""
    for number in range(10_000):
        if added and len(added) >= amount * len(text):
            break
        added += f" {sentences[number % len(sentences)]}"
    return text.rstrip() + added


def _reordered(text: str, amount: float, rng: random.Random) -> str | None:
    """Sentences change places with their neighbours; the last one, mostly the question, may move too."""
    pieces = re.split(r"((?<=[.!?…。!?])\s+|\n+)", text)
    sentences, between = pieces[::2], pieces[1::2]
    if not sentences[-1]:
        sentences.pop()
        tail = between.pop() if between else ""
    else:
        tail = ""
    pairs = list(range(len(sentences) - 1))
    if not pairs:
        return None
    rng.shuffle(pairs)
    for at in pairs[: max(1, round(amount * len(pairs)))]:
        sentences[at], sentences[at + 1] = sentences[at + 1], sentences[at]
    joined = sentences[0] + "".join(b + s for b, s in zip(between, sentences[1:], strict=True))
    return joined + tail
