"""Where a replay leaves its record, and whether rounding can explain it.

At temperature 0 the token with the largest log probability wins. Noise of the serving stack moves the
gap between the first two candidates by a little; a replay that leaves the record where the gap was far
wider than that was not pushed by noise. z = gap / sd of the gap, with the sd measured on the baseline's
own replays over the prefix they share with the record. On an unchanged fleet of six, 35 % of replays
diverge and none at z above 4; after 100 fine-tuning steps more than a quarter diverge at z above 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from reviewapp.pure.exchange import Token

WIDE_Z = 5.0
NARROW_Z = 4.0
SMALLEST_SPREAD = 1e-6

Margin: TypeAlias = Literal["same", "narrow", "between", "wide", "unknown"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first position where a replay differs (None: nowhere), the record's gap there, and z."""

    position: int | None
    gap: float | None = None
    z: float | None = None

    @property
    def margin(self) -> Margin:
        """In words: narrow is within rounding, wide is not."""
        if self.position is None:
            return "same"
        if self.z is None:
            return "unknown"
        if self.z > WIDE_Z:
            return "wide"
        return "narrow" if self.z <= NARROW_Z else "between"


def gap_at(token: Token) -> float | None:
    """The distance between the two largest log probabilities at a position; None when not reported."""
    values = sorted(
        (one.logprob for one in token.alternatives if one.logprob is not None and one.logprob > -9998),
        reverse=True,
    )
    return values[0] - values[1] if len(values) > 1 else None


def first_difference(record: Sequence[Token], replay: Sequence[Token]) -> int | None:
    """The first position where the tokens differ; the shorter one's end counts when it came early."""
    for position, (one, other) in enumerate(zip(record, replay, strict=False)):
        if _identity(one) != _identity(other):
            return position
    return None if len(record) == len(replay) else min(len(record), len(replay))


def _identity(token: Token) -> bytes | str:
    return token.bytes if token.bytes is not None else token.text


def gap_spread(record: Sequence[Token], replays: Sequence[Sequence[Token]]) -> float | None:
    """The sd of the change of the gap over the prefixes that baseline replays share with the record.

    The same two candidates are followed: the gap of the replay is taken between the record's first two.
    """
    changes: list[float] = []
    for replay in replays:
        end = first_difference(record, replay)
        for one, other in zip(record[:end], replay[:end], strict=False):
            before, after = _followed_gaps(one, other)
            if before is not None and after is not None:
                changes.append(after - before)
    if len(changes) < 2:
        return None
    return max(float(np.sqrt(np.mean(np.square(changes)))), SMALLEST_SPREAD)


def _followed_gaps(record: Token, replay: Token) -> tuple[float | None, float | None]:
    listed = [one for one in record.alternatives if one.logprob is not None and one.logprob > -9998]
    if len(listed) < 2:
        return None, None
    ranked = sorted(listed, key=lambda one: -(one.logprob or 0.0))[:2]
    values = {one.bytes or one.token: one.logprob for one in replay.alternatives if one.logprob is not None}
    first, second = (values.get(one.bytes or one.token) for one in ranked)
    if first is None or second is None:
        return None, None
    return gap_at(record), first - second


def first_divergence(*, record: Sequence[Token], replay: Sequence[Token], spread: float | None) -> Divergence:
    """Where the replay leaves the record, and how many spreads wide the record's gap was there."""
    position = first_difference(record, replay)
    if position is None:
        return Divergence(position=None)
    gap = gap_at(record[position]) if position < len(record) else None
    if gap is None or spread is None:
        return Divergence(position=position, gap=gap)
    return Divergence(position=position, gap=gap, z=gap / spread)


def prefix_logprob_change(record: Sequence[Token], replay: Sequence[Token]) -> float | None:
    """Mean absolute change of the recorded tokens' log probabilities up to the divergence, in nats."""
    end = first_difference(record, replay)
    changes = [
        abs(one.logprob - other.logprob)
        for one, other in zip(record[:end], replay[:end], strict=False)
        if one.logprob is not None and other.logprob is not None
    ]
    return float(np.mean(changes)) if changes else None
