"""How heavy the probabilities weigh: chance, more than chance, or not to be told.

At temperature 0 the likeliest token wins, so a flip shows that the balance between two tokens
crossed zero: it moved at least by the margin that one side reports, and by the sum of both
margins where both do. z is that move in standard deviations of the ordinary noise.

When tokens are drawn (temperature above 0, or not stated) a margin says nothing: an unlikely
token is drawn whenever the draw falls there, and a change in the last digit may move the draw
to the neighbouring token. Measured on llama.cpp, a third to a half of seeded replays under load
part at some unlikely token although no probability moved by more than 0.0002. Then only the
move of the balance counts, which takes both sides' lists.

Beside the flip, the shift of all probabilities on the shared words counts: it sees a change
also where the flip itself is a near tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from reviewapp.pure.canonical import SEED_FIELDS
from reviewapp.pure.differences.chances import Shift, positions, shift_between
from reviewapp.pure.differences.equivalence import in_order
from reviewapp.pure.differences.tokens import Divergence, first_divergence, told_tokens
from reviewapp.pure.exchange import Choice, Exchange
from reviewapp.pure.verdicts.noise import WIDE_Z, Noise, is_doubtful, is_shifted

# moved: more than chance; doubtful: wide or shifted, but the backend's noise is not known well enough
# to say so; chance: no more than noise; unknown: no probabilities that could tell.
Leaning: TypeAlias = Literal["moved", "doubtful", "between", "chance", "unknown"]


@dataclass(frozen=True, slots=True)
class Weight:
    """What the probabilities of two answers say about their difference."""

    divergence: Divergence | None
    shift: Shift | None
    noise: Noise
    greedy: bool
    # By how much the balance moved, in nats, or at least did; None where it can't be told.
    moved: float | None
    at_least: bool

    @property
    def z(self) -> float | None:
        return None if self.moved is None else self.moved / self.noise.gap

    @property
    def wide(self) -> bool:
        """Whether the balance moved too far for noise."""
        return self.z is not None and self.z > WIDE_Z

    @property
    def shifted(self) -> bool:
        """Whether the probabilities on the shared words moved too far for noise."""
        return is_shifted(self.shift, self.noise)

    @property
    def strong(self) -> bool:
        """Whether the move stands also where nobody announced one: by measured noise, or twice as far."""
        if self.noise.measured:
            return self.wide or self.shifted
        far = self.z is not None and self.z > 2 * WIDE_Z
        return far or (
            self.shifted and self.shift is not None and self.shift.probability > 2 * self.shift_floor
        )

    @property
    def shift_floor(self) -> float:
        """From where on the shift of this comparison is more than noise."""
        return self.noise.shift_floor(self.shift.positions if self.shift else 0)

    @property
    def leaning(self) -> Leaning:
        if self.wide or self.shifted:
            return "moved"
        if is_doubtful(self.shift, self.noise):
            return "doubtful"
        if self.divergence is None:
            return "unknown"
        if self.z is not None and not self.at_least:
            return "chance" if self.z <= self.noise.narrow_z else "between"
        # The lists hold too little of the two tokens, but the rest of the probabilities stayed.
        return "chance" if self._both_told and self.shift is not None else "unknown"

    @property
    def _both_told(self) -> bool:
        found = self.divergence
        return found is not None and found.in_original is not None and found.in_attempt is not None


def weigh(original: Exchange, attempt: Exchange, *, noise: Noise, choice: int = 0) -> Weight:
    """The weight of the probabilities in the choice at this place."""
    greedy = is_greedy(original.request)
    left, right = _choice(original, choice), _choice(attempt, choice)
    if left is None or right is None:
        return Weight(None, None, noise, greedy, None, at_least=False)
    divergence = first_divergence(left, right)
    moved, at_least = _moved(divergence, greedy=greedy)
    tokens = told_tokens(left), told_tokens(right)
    shift = shift_between(positions(tokens[0]), positions(tokens[1])) if tokens[0] and tokens[1] else None
    return Weight(divergence, shift, noise, greedy, moved, at_least)


def _choice(exchange: Exchange, place: int) -> Choice | None:
    choices = in_order(exchange.reply)
    return choices[place] if place < len(choices) else None


def _moved(divergence: Divergence | None, *, greedy: bool) -> tuple[float | None, bool]:
    """How far the balance of the two tokens moved, and whether that is only a lower bound."""
    if divergence is None or not divergence.by_tokens:
        return None, False
    both = divergence.moved
    if both is not None and not divergence.moved_is_least:
        return abs(both), False
    margins = [m for m in (divergence.margin_original, divergence.margin_attempt) if m is not None]
    if both is not None:
        # A negative bound bounds nothing.
        return (max(both, 0.0), True) if greedy or both > 0 else (None, False)
    if greedy and margins:
        side = divergence.in_original or divergence.in_attempt
        return max(margins[0], 0.0), side is not None and side.bounded
    return None, False


def is_greedy(request: dict[str, Any]) -> bool:
    """Whether the request asks for the likeliest token each time."""
    temperature, top_k, top_p = (request.get(name) for name in ("temperature", "top_k", "top_p"))
    return (
        (_is_number(temperature) and temperature == 0)
        or (_is_number(top_k) and top_k == 1)
        or (_is_number(top_p) and top_p == 0)
    )


def has_seed(request: dict[str, Any]) -> bool:
    """Whether the request carries a seed, under whichever name."""
    return any(_is_number(request.get(name)) for name in SEED_FIELDS)


def sent_seed(request: dict[str, Any]) -> int | None:
    """The seed that was sent."""
    values = (request.get(name) for name in SEED_FIELDS)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
