"""How much a model's fingerprint can tell, judged from its own data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reviewapp.pure.pools.parts import read_parts
from reviewapp.pure.said import Figure, Said, said
from reviewapp.pure.verdicts.messages import percent
from reviewapp.pure.verdicts.values import Grade

# Values that software writes whatever it runs.
CONSTANTS: Final = frozenset({"fp_ollama", "v1", "fp_none", "none", "default", "unknown"})
ENOUGH: Final = 8
CONSTANT_CALLS: Final = 100
CONSTANT_TIME: Final = timedelta(days=90)
# Of the answers that report a value, the share that must be different ones.
RANDOM_SHARE: Final = 0.9
INFORMATIVE_SHARE: Final = 0.9
# Of the shorter of two lives, the share that they must have in common.
TOGETHER_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Life:
    """One value of a pool (None: none reported): when it was seen first and last, and how often."""

    value: str | None
    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Graded:
    """The grade, and one sentence on what the fingerprint can and cannot tell."""

    grade: Grade
    sentence: Said


def grade_of(lives: Sequence[Life], *, shared: Collection[str] = ()) -> Graded:
    """Grade a provider's and model's values; `shared` are those that its other models report too."""
    reported = [life for life in lives if life.value]
    calls = sum(life.count for life in lives)
    told = sum(life.count for life in reported)
    if not told:
        return _none(calls)
    values = len(reported)
    if told >= ENOUGH and values >= RANDOM_SHARE * told:
        return Graded("random", said("grade_random", values=values, told=told))
    if all(life.value in CONSTANTS or life.value in shared for life in reported):
        return Graded("constant", said("grade_constant"))
    readable = sum(life.count for life in reported if read_parts(life.value or ""))
    if readable >= INFORMATIVE_SHARE * told:
        newest = max(reported, key=lambda life: life.last)
        parts = read_parts(newest.value or "")
        named = parts.words if parts else newest.value or ""
        return Graded("informative", said("grade_informative", parts=named))
    return _opaque(reported, told, calls)


def _none(calls: int) -> Graded:
    if calls < ENOUGH:
        return Graded("unknown", said("grade_few"))
    return Graded("none", said("grade_none", calls=calls))


def _opaque(reported: Sequence[Life], told: int, calls: int) -> Graded:
    if len(reported) == 1:
        life = reported[0]
        if told >= CONSTANT_CALLS and life.last - life.first >= CONSTANT_TIME:
            days = (life.last - life.first).days
            return Graded("constant", said("grade_constant_long", told=told, days=days))
        return Graded("unknown", said("grade_one_value", told=told, calls=calls))
    values = len(reported)
    if any(_together(one, other) for i, one in enumerate(reported) for other in reported[i + 1 :]):
        share = Figure(percent(max(life.count for life in reported) / told))
        return Graded("rotating", said("grade_rotating", values=values, share=share))
    if sum(life.count >= 3 for life in reported) >= 2:
        return Graded("informative", said("grade_informative_turns", values=values))
    return Graded("unknown", said("grade_few_each"))


def _together(one: Life, other: Life) -> bool:
    if min(one.count, other.count) < 3:
        return False
    common = min(one.last, other.last) - max(one.first, other.first)
    shorter = min(one.last - one.first, other.last - other.first)
    return common > timedelta(0) and common >= TOGETHER_SHARE * shorter
