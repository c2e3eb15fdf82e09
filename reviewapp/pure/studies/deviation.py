"""How far a prompt may deviate before its seed stops bringing the answer back.

Asking again without any edit says how often the answer comes back at all: the noise floor. Each edited
prompt is a trial of one size. Over the sizes of all trials the share of answers that came back is
smoothed to one that can only fall (isotonic regression, weighted by how often each was asked), and where
it passes half of the floor is the tolerance: up to there the seed is worth more than half of what it is
worth for the prompt itself. Its interval comes from the bootstrap over trials, since two edits of one
size may do quite different things. Half, and not the floor itself, because of the few times that
anything is asked: no number of repeats that people would pay for could tell 100 % from 95 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reviewapp.pure.studies.shares import Share, share

_RESAMPLES: Final = 500
_HALF: Final = 0.5
# A floor that may be below this is no ground to stand on: the answer hardly comes back by itself.
_LEAST_FLOOR: Final = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """One edited prompt: how far from the original, and how often its answer was the same."""

    kind: str
    size: float
    same: int
    asked: int
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The size of edit at which the share falls below half of the floor.

    None means beyond what was tried: `at` that it never fell, `high` that it may not have. An `at` of 0 means
    that the smallest edit was too much already.
    """

    at: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class OfKind:
    """All trials of one kind of edit together."""

    kind: str
    trials: int
    smallest: float
    largest: float
    came_back: Share
    similarity: float | None
    # The largest size up to which the answer came back at least half as often as without an edit.
    holds_to: float | None


@dataclass(frozen=True, slots=True)
class Deviation:
    """What the study shows. `tolerance` is None while nothing can be said, or nothing is to be said."""

    floor: Share
    floor_similarity: float | None
    edited: Share
    kinds: tuple[OfKind, ...]
    tolerance: Tolerance | None
    # Whether the answer comes back often enough without an edit for the question to have an answer.
    has_floor: bool
    # The smallest and the largest edit that was tried.
    smallest: float = 0.0
    largest: float = 0.0


def deviation(
    *, floor: Share, floor_similarity: float | None, trials: Sequence[Trial], seed: int = 1
) -> Deviation:
    """Judge the trials against the floor; those that were never answered count for nothing."""
    asked = [trial for trial in trials if trial.asked]
    has_floor = floor.value is not None and floor.value >= _LEAST_FLOOR
    line = (floor.value or 0.0) * _HALF
    kinds = tuple(
        _of_kind(kind, [trial for trial in asked if trial.kind == kind], line)
        for kind in dict.fromkeys(trial.kind for trial in asked)
    )
    return Deviation(
        floor=floor,
        floor_similarity=floor_similarity,
        edited=share(sum(trial.same for trial in asked), sum(trial.asked for trial in asked)),
        kinds=kinds,
        tolerance=_tolerance(floor, asked, line, seed) if has_floor and asked else None,
        has_floor=has_floor,
        smallest=min((trial.size for trial in asked), default=0.0),
        largest=max((trial.size for trial in asked), default=0.0),
    )


def _of_kind(kind: str, trials: Sequence[Trial], line: float) -> OfKind:
    holds_to = None
    for trial in sorted(trials, key=lambda one: one.size):
        if trial.same / trial.asked < line:
            break
        holds_to = trial.size
    known = [trial.similarity for trial in trials if trial.similarity is not None]
    return OfKind(
        kind=kind,
        trials=len(trials),
        smallest=min(trial.size for trial in trials),
        largest=max(trial.size for trial in trials),
        came_back=share(sum(trial.same for trial in trials), sum(trial.asked for trial in trials)),
        similarity=sum(known) / len(known) if known else None,
        holds_to=holds_to,
    )


def _tolerance(floor: Share, trials: Sequence[Trial], line: float, seed: int) -> Tolerance:
    rng = random.Random(seed)  # noqa: S311
    gaps = [_gap(floor, rng.choices(trials, k=len(trials)), line) for _ in range(_RESAMPLES)]
    # Nothing is known of what lies between the last size that held and the first that did not, so that
    # the interval goes from ends of the one kind to ends of the other.
    lows = sorted(before for before, _ in gaps)
    highs = sorted(math.inf if after is None else after for _, after in gaps)
    high = highs[math.ceil(0.975 * _RESAMPLES) - 1]
    before, after = _gap(floor, trials, line)
    at = None if after is None else (before + after) / 2 if before else 0.0
    return Tolerance(at=at, low=lows[int(0.025 * _RESAMPLES)], high=None if high == math.inf else high)


def _gap(floor: Share, trials: Sequence[Trial], line: float) -> tuple[float, float | None]:
    """The sizes between which the smoothed share passes the line; None for the second if it never does."""
    # The floor is the share at size 0; with its weight, it holds the curve where no edit was tried.
    points = [(0.0, float(floor.part), floor.whole)]
    points += [(trial.size, float(trial.same), trial.asked) for trial in sorted(trials, key=_by_size)]
    before = 0.0
    for sizes, value in _falling(points):
        if value < line:
            return before, sizes[0]
        before = sizes[-1]
    return before, None


def _by_size(trial: Trial) -> float:
    return trial.size


def _falling(points: Sequence[tuple[float, float, int]]) -> list[tuple[list[float], float]]:
    """Pool neighbours until the shares only fall (the pool-adjacent-violators algorithm)."""
    blocks: list[tuple[list[float], float, int]] = []
    for size, same, asked in points:
        block = ([size], same, asked)
        while blocks and _value(blocks[-1]) <= _value(block):
            sizes, part, whole = blocks.pop()
            block = ([*sizes, *block[0]], part + block[1], whole + block[2])
        blocks.append(block)
    return [(sizes, same / asked) for sizes, same, asked in blocks]


def _value(block: tuple[list[float], float, int]) -> float:
    return block[1] / block[2]
