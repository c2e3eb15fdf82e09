"""How much a backend's probabilities move by themselves, and from where on a move is a change.

Two figures, see `differences.chances`: the gap, by how much the balance of two competing tokens
moves (nats); and the shift, which share of the probability moves on the words that two answers
share. Both are measured among other replays of the same request where three or more came
with log probabilities: between each two of them, the median, so that a stray replay or a second
pool member does not rule it.

The bounds, with what they were drawn from:

- gpt-4-0613, a frozen model, asked the same for two weeks (recordings of others): the gap of the
  first two tokens has a standard deviation of 0.20 nats within days, which is what is assumed of
  a backend nobody measured; shift 0.007 at most. gpt-3.5-turbo-0125, within days: shift 0.021.
- llama.cpp, same model under other traffic: gap 0.001, shift 0.0002 at most. A fleet whose members
  differ by 1 % noise of the weights: gap 0.04 (0.11 at most), shift 0.005 (0.011 at most). Replays
  that agree to the bit may all have met the same machine, so that measured noise below this
  fleet's counts as this fleet's.
- after 100 fine-tuning steps: shift 0.02; 4-bit quantised: 0.04.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median
from typing import Final

from reviewapp.pure.differences.chances import Shift, positions, shift_between
from reviewapp.pure.differences.tokens import told_tokens
from reviewapp.pure.exchange import Exchange

# A flip at a margin above this many standard deviations of the gap is not rounding.
WIDE_Z: Final = 5.0
# Up to here noise explains it; measured noise is taken at its word further than assumed noise.
NARROW_Z: Final = 4.0
NARROW_Z_ASSUMED: Final = 2.5

ASSUMED_GAP: Final = 0.2
LEAST_GAP: Final = 0.04

ASSUMED_SHIFT_FLOOR: Final = 0.03
# Between this and the floor, an unmeasured backend may or may not do so by itself.
DOUBTFUL_SHIFT: Final = 0.015
LEAST_SHIFT_FLOOR: Final = 0.012
# Up to here the probabilities are the same: one machine's noise, not that between machines.
STILL_SHIFT: Final = 0.003
SHIFT_FACTOR: Final = 3.0
# A mean over fewer positions is one uncertain word's chance, not the backend's behaviour.
LEAST_POSITIONS: Final = 8

REPLAYS_NEEDED: Final = 3
# So many replays are compared with each other, and so many of their positions: 28 pairs, 0.1 s.
_MOST_REPLAYS: Final = 8
_MOST_POSITIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Noise:
    """What a backend does by itself: `gap` in nats, `profile` as shares of probability by position."""

    gap: float = ASSUMED_GAP
    profile: tuple[float, ...] = ()
    replays: int = 0

    @property
    def measured(self) -> bool:
        return self.replays > 0

    @property
    def narrow_z(self) -> float:
        return NARROW_Z if self.measured else NARROW_Z_ASSUMED

    @property
    def wide_from(self) -> float:
        """The smallest margin, in nats, that would count as too wide for chance."""
        return WIDE_Z * self.gap

    def shift_floor(self, positions: int) -> float:
        """From where on a mean shift over so many positions is more than noise.

        Replays part at places where words compete, and there the noise is larger than elsewhere, so
        that it is taken over as many positions.
        """
        if not self.measured:
            return ASSUMED_SHIFT_FLOOR
        part = self.profile[: max(positions, 1)]
        return max(LEAST_SHIFT_FLOOR, SHIFT_FACTOR * fmean(part)) if part else LEAST_SHIFT_FLOOR


ASSUMED_NOISE: Final = Noise()


def measure_noise(replays: Sequence[Exchange]) -> Noise:
    """The noise among these replays of one request; assumed where too few told probabilities."""
    told = []
    for replay in replays:
        tokens = told_tokens(replay.reply.choices[0]) if replay.reply.choices else ()
        if tokens:
            told.append(positions(tokens[:_MOST_POSITIONS]))
    found = [shift_between(one, other) for one, other in combinations(told[:_MOST_REPLAYS], 2)]
    shifts = [shift for shift in found if shift is not None]
    if len(told) < REPLAYS_NEEDED or not shifts:
        return ASSUMED_NOISE
    gaps = [shift.gap for shift in shifts if shift.gap is not None]
    longest = max(shift.positions for shift in shifts)
    return Noise(
        gap=max(LEAST_GAP, median(gaps)) if gaps else ASSUMED_GAP,
        profile=tuple(
            median(shift.profile[at] for shift in shifts if at < shift.positions) for at in range(longest)
        ),
        replays=len(told),
    )


def is_shifted(shift: Shift | None, noise: Noise) -> bool:
    """Whether the probabilities moved by more than this noise explains."""
    return (
        shift is not None
        and shift.probability > noise.shift_floor(shift.positions)
        and (noise.measured or shift.positions >= LEAST_POSITIONS)
    )


def is_doubtful(shift: Shift | None, noise: Noise) -> bool:
    """Whether an unmeasured backend's probabilities moved by more than most backends' do."""
    return shift is not None and not noise.measured and shift.probability > DOUBTFUL_SHIFT
