"""Two token sequences aligned, and the place where an answer and its replay part.

The first divergence is what a verdict turns on: up to there both sides had seen the same
words, so their probabilities may be compared; after it each goes its own way, and more
differences say nothing more. Where only one side has tokens, the place is found in the other
side's text; where none has, by words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reviewapp.pure.differences.chances import (
    END_TOKENS,
    Choosing,
    choosing,
    has_chances,
    listed,
    token_key,
)
from reviewapp.pure.differences.units import align
from reviewapp.pure.differences.words import TextPart, where_texts_part
from reviewapp.pure.exchange import Choice, Token


@dataclass(frozen=True, slots=True)
class TokenStretch:
    """Tokens [left_start:left_end] against [right_start:right_end]. Equal stretches have no number."""

    left_start: int
    left_end: int
    right_start: int
    right_end: int
    number: int | None


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two answers part, and how sure each side was there.

    `position` counts tokens from 1 where tokens are known, words otherwise; `original` and
    `attempt` are the differing tokens or words, None at the end of that answer. `total` is the
    original's length in the same unit, None where it can't be told. The two sides' `Choosing` is
    None where that side reported no log probabilities, or had ended.
    """

    by_tokens: bool
    position: int
    total: int | None
    characters: int
    original: str | None
    attempt: str | None
    in_original: Choosing | None = None
    in_attempt: Choosing | None = None

    @property
    def shared(self) -> int:
        """How many tokens (or words) agree before."""
        return self.position - 1

    @property
    def margin_original(self) -> float | None:
        """In the original: how much likelier its token was than the replay's (nats)."""
        return self.in_original.margin if self.in_original else None

    @property
    def margin_attempt(self) -> float | None:
        """In the replay: how much likelier its token was than the original's (nats)."""
        return self.in_attempt.margin if self.in_attempt else None

    @property
    def moved(self) -> float | None:
        """By how much the balance between the two tokens moved (nats); None unless both sides tell."""
        if self.in_original is None or self.in_attempt is None:
            return None
        return self.in_original.margin + self.in_attempt.margin

    @property
    def moved_is_least(self) -> bool:
        """Whether `moved` is a lower bound, since a list did not hold the other side's token."""
        return any(side is not None and side.bounded for side in (self.in_original, self.in_attempt))


def compare_tokens(left: Sequence[Token], right: Sequence[Token]) -> tuple[TokenStretch, ...]:
    """The two token sequences aligned; together the stretches cover both."""
    stretches = align([token_key(token) for token in left], [token_key(token) for token in right])
    found = []
    number = 0
    for equal, i1, i2, j1, j2 in stretches:
        number += not equal
        found.append(TokenStretch(i1, i2, j1, j2, None if equal else number))
    return tuple(found)


def first_divergence(original: Choice, attempt: Choice) -> Divergence | None:
    """Where the two choices' texts part; None when they are equal."""
    left, right = original.text or original.refusal or "", attempt.text or attempt.refusal or ""
    part = where_texts_part(left, right)
    if part is None:
        return None
    found = None
    tokens = told_tokens(original), told_tokens(attempt)
    if tokens[0] and tokens[1]:
        found = _by_both(tokens[0], tokens[1])
    elif tokens[0] and _are_of(left, tokens[0]):
        found = _by_one(tokens[0], right, part, mirrored=False)
    elif tokens[1] and _are_of(right, tokens[1]):
        found = _by_one(tokens[1], left, part, mirrored=True)
    if found is not None:
        return found
    return Divergence(
        by_tokens=False,
        position=part.words + 1,
        total=len(left.split()),
        characters=part.characters,
        original=part.left,
        attempt=part.right,
    )


def told_tokens(choice: Choice) -> tuple[Token, ...]:
    """The choice's tokens without the end mark, if they tell probabilities."""
    tokens = choice.tokens
    while tokens and token_key(tokens[-1]) in END_TOKENS:
        tokens = tokens[:-1]
    return tokens if tokens and has_chances(tokens) else ()


def _are_of(text: str, tokens: Sequence[Token]) -> bool:
    """Whether these are the tokens of the text, so that places in one are places in the other."""
    text, told = text.strip(), _text(tokens).strip()
    # Half a character that came without its bytes reads as the replacement character: compare up to it.
    whole, broken, _ = told.partition("\ufffd")
    return told == text or (bool(broken) and text.startswith(whole))


def _text(tokens: Sequence[Token]) -> str:
    return _bytes(tokens).decode("utf-8", "replace")


def _bytes(tokens: Sequence[Token]) -> bytes:
    return b"".join(token_key(token) for token in tokens)


def _by_both(left: Sequence[Token], right: Sequence[Token]) -> Divergence | None:
    shared = 0
    for one, other in zip(left, right, strict=False):
        if token_key(one) != token_key(other):
            break
        shared += 1
    mine = left[shared] if shared < len(left) else None
    theirs = right[shared] if shared < len(right) else None
    if mine is None and theirs is None:
        return None
    return Divergence(
        by_tokens=True,
        position=shared + 1,
        total=len(left),
        characters=len(_bytes(left[:shared]).decode("utf-8", "ignore")),
        original=mine.text if mine else None,
        attempt=theirs.text if theirs else None,
        in_original=choosing(mine, theirs) if mine else None,
        in_attempt=choosing(theirs, mine) if theirs else None,
    )


def _by_one(tokens: Sequence[Token], text: str, part: TextPart, *, mirrored: bool) -> Divergence | None:
    """Where tokens part from a text that has none; `mirrored` when the tokens are the replay's."""
    data = text.encode("utf-8", "surrogatepass")
    start = shared = 0
    for token in tokens:
        key = token_key(token)
        if data[start : start + len(key)] != key:
            break
        start += len(key)
        shared += 1
    mine: str | None = None
    rest = part.left if mirrored else part.right
    chosen = None
    # Where these tokens have ended and the text goes on, nothing is known of the end's chance.
    if shared < len(tokens):
        other = _listed_start(tokens[shared], data[start:])
        chosen = choosing(tokens[shared], other)
        mine, rest = tokens[shared].text, other.text if other else None
    return Divergence(
        by_tokens=True,
        position=shared + 1,
        total=None if mirrored else len(tokens),
        characters=len(data[:start].decode("utf-8", "ignore")),
        original=rest if mirrored else mine,
        attempt=mine if mirrored else rest,
        in_original=None if mirrored else chosen,
        in_attempt=chosen if mirrored else None,
    )


def _listed_start(token: Token, data: bytes) -> Token | None:
    """The token with which the other text goes on: the longest listed one that it starts with.

    Without one, the text's next word, whose chance then is at most what the list leaves. None where
    the text has ended.
    """
    if not data:
        return None
    fits = [key for key in listed(token) if key and data.startswith(key)]
    key = max(fits, key=len) if fits else b" ".join(data.split(maxsplit=1)[:1]) or data[:1]
    return Token(text=key.decode("utf-8", "replace"), logprob=None, bytes=key)
