"""The probabilities behind tokens: read with care, and compared where both sides had seen the same words.

Vendors' lists need cleaning before two of them may be compared: placeholders (-9999, minus
infinity, zero for everything) are missing values; a token that a list doesn't hold has at most
the list's least probability, and at most what the listed ones leave over. Tokens are keyed by
their bytes, since the same string can stand for two token ids.

How far two distributions are apart is given twice. In nats, as the mean absolute difference of
the listed log probabilities: the usual figure for canaries of one token, but in long answers it
is ruled by alternatives that are next to impossible. And as the share of probability that
moved (total variation), which weighs each word by its chance: 0.01 says that of a hundred
words one would come out differently, and that is what verdicts are made from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reviewapp.pure.exchange import Token

# Log probabilities below this are all the same: next to impossible.
LEAST_LOGPROB: Final = -40.0
_PLACEHOLDER: Final = -9000.0
# How vendors spell the end of an answer where they list it as a token.
END_TOKENS: Final = (
    *(b"", b"</s>", b"<|im_end|>", b"<|endoftext|>", b"<|eot_id|>", b"<|end|>"),
    *(b"<end_of_turn>", b"<|return|>"),
)
# Positions looked at when distributions are compared; more would cost time and tell no more.
_MOST_POSITIONS: Final = 2000


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely a token was at a position. `token` is None for the end of the answer.

    `at_most` says that the list did not hold the token, so that the value is an upper bound.
    `rank` counts from 1 among the listed tokens.
    """

    token: str | None
    logprob: float
    at_most: bool = False
    rank: int | None = None

    @property
    def probability(self) -> float:
        return math.exp(self.logprob)


@dataclass(frozen=True, slots=True)
class Choosing:
    """What one side chose at the divergence, and what it gave to the other side's choice."""

    chosen: Chance
    other: Chance

    @property
    def margin(self) -> float:
        """How much likelier the chosen token was than the other, in nats; at least that where `bounded`."""
        return self.chosen.logprob - self.other.logprob

    @property
    def bounded(self) -> bool:
        return self.other.at_most


@dataclass(frozen=True, slots=True)
class Shift:
    """How far two token sequences' probabilities are apart, over the positions that share all words before.

    Of two repeats of the same request on the same backend this is the noise; `probability` is
    the mean share of probability that moved, the others are absolute differences in nats.
    """

    positions: int
    probability: float
    chosen_mean: float | None
    chosen_max: float | None
    listed_mean: float | None
    listed_max: float | None
    # The shares of probability that moved, position by position.
    profile: tuple[float, ...]
    # Root mean square of the change of the gap between the two likeliest tokens, where they were
    # close enough to compete; None where no position had such a pair on both sides.
    gap: float | None


def token_key(token: Token) -> bytes:
    """What makes two tokens the same token."""
    return token.bytes if token.bytes is not None else token.text.encode("utf-8", "surrogatepass")


def clean_logprob(value: float | None) -> float | None:
    """The log probability, or None where the vendor's value says nothing."""
    if value is None or math.isnan(value) or value <= _PLACEHOLDER or value > 0.01:
        return None
    return max(min(value, 0.0), LEAST_LOGPROB)


def own_logprob(token: Token) -> float | None:
    """The log probability of the token that was chosen."""
    own = clean_logprob(token.logprob)
    if own is None:
        return listed(token).get(token_key(token))
    return own


def listed(token: Token) -> dict[bytes, float]:
    """The alternatives of a position with their log probabilities, cleaned."""
    found: dict[bytes, float] = {}
    for alternative in token.alternatives:
        value = clean_logprob(alternative.logprob)
        if value is None:
            continue
        text = alternative.token.encode("utf-8", "surrogatepass")
        key = alternative.bytes if alternative.bytes is not None else text
        found[key] = max(value, found.get(key, LEAST_LOGPROB))
    # Several tokens can't all be certain: some servers fill the list with zeros.
    return {} if len(found) > 1 and not any(found.values()) else found


def has_chances(tokens: Sequence[Token]) -> bool:
    """Whether the log probabilities say anything. A server that reports zero for everything says nothing."""
    values = [clean_logprob(token.logprob) for token in tokens]
    return any(value is not None for value in values) and (
        len(values) < 5 or any(values) or any(listed(token) for token in tokens)
    )


def choosing(token: Token, other: Token | None) -> Choosing | None:
    """What a side chose, against the other side's token (None: the other side's answer had ended)."""
    own = own_logprob(token)
    if own is None:
        return None
    known = listed(token)
    ranks = sorted(known, key=lambda key: -known[key])
    key = token_key(token)
    chosen = Chance(token.text, own, rank=ranks.index(key) + 1 if key in known else None)
    return Choosing(chosen, _chance(other, known | {key: own}, ranks))


def _chance(token: Token | None, known: dict[bytes, float], ranks: list[bytes]) -> Chance:
    text = token.text if token is not None else None
    keys = [token_key(token)] if token is not None else [end for end in END_TOKENS if end in known]
    for key in keys:
        if key in known:
            return Chance(text, known[key], rank=ranks.index(key) + 1 if key in ranks else None)
    rest = 1 - sum(map(math.exp, known.values()))
    bound = max(math.log(rest), LEAST_LOGPROB) if rest > 0 else LEAST_LOGPROB
    if ranks:
        bound = min(bound, known[ranks[-1]])
    return Chance(text, bound, at_most=True)


@dataclass(frozen=True, slots=True)
class Position:
    """A token as shifts are computed from: its key, its own log probability, and the cleaned list."""

    key: bytes
    own: float | None
    listed: dict[bytes, float]


def positions(tokens: Sequence[Token]) -> tuple[Position, ...]:
    """The tokens, cleaned once, for sequences that are compared with several others."""
    return tuple(
        Position(token_key(token), own_logprob(token), listed(token)) for token in tokens[:_MOST_POSITIONS]
    )


def shift_between(left: Sequence[Position], right: Sequence[Position]) -> Shift | None:
    """How far the probabilities moved up to and including the first position where the tokens differ.

    That position counts too: both sides had seen the same words before it. None where there is
    nothing to compare.
    """
    chosen: list[float] = []
    nats: list[float] = []
    moved: list[float] = []
    gaps: list[float] = []
    for one, other in zip(left, right, strict=False):
        same = one.key == other.key
        if same and one.own is not None and other.own is not None:
            chosen.append(abs(one.own - other.own))
        a, b = _row(one, other), _row(other, one)
        if a and b:
            pairs = _columns(a, b)
            nats += [abs(x - y) for x, y in pairs]
            moved.append(min(1.0, sum(abs(math.exp(x) - math.exp(y)) for x, y in pairs) / 2))
            gap = _gap_change(a, b)
            if gap is not None:
                gaps.append(gap)
        elif same and one.own is not None and other.own is not None:
            moved.append(abs(math.exp(one.own) - math.exp(other.own)))
        if not same:
            break
    if not moved:
        return None
    return Shift(
        positions=len(moved),
        probability=sum(moved) / len(moved),
        chosen_mean=sum(chosen) / len(chosen) if chosen else None,
        chosen_max=max(chosen, default=None),
        listed_mean=sum(nats) / len(nats) if nats else None,
        listed_max=max(nats, default=None),
        profile=tuple(moved),
        gap=math.sqrt(sum(gap * gap for gap in gaps) / len(gaps)) if gaps else None,
    )


def _row(one: Position, other: Position) -> dict[bytes, float]:
    """The list of a position, without a sampled token that was listed only because it was sampled."""
    row = one.listed
    if one.key != other.key and len(row) > 1 and row.get(one.key) == min(row.values()):
        return {key: value for key, value in row.items() if key != one.key}
    return row


def _columns(a: dict[bytes, float], b: dict[bytes, float]) -> list[tuple[float, float]]:
    """Both lists' values, token by token. What a list lacks has its least value: an upper bound.

    The longer list is cut to the shorter one's length, so that another k is no difference.
    """
    k = min(len(a), len(b))
    a, b = _top(a, k), _top(b, k)
    least_a, least_b = min(a.values()), min(b.values())
    # In the order of the lists, so that sums come out the same each time.
    return [(a.get(key, least_a), b.get(key, least_b)) for key in {**a, **b}]


def _top(row: dict[bytes, float], k: int) -> dict[bytes, float]:
    if len(row) == k:
        return row
    return {key: row[key] for key in sorted(row, key=lambda key: -row[key])[:k]}


# Tokens further apart than this, in nats, don't compete: one is twenty times as likely as the other.
_COMPETING: Final = 3.0


def _gap_change(a: dict[bytes, float], b: dict[bytes, float]) -> float | None:
    first, *rest = sorted(a, key=lambda key: -a[key])
    if not rest or first not in b or rest[0] not in b or a[first] - a[rest[0]] > _COMPETING:
        return None
    second = rest[0]
    return (a[first] - a[second]) - (b[first] - b[second])
