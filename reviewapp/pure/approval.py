"""Whether a judgement approves an answer, and how far a sample speaks for all.

A rubric's deciding questions are its required yes/no and choice questions; where none is required,
the first of that kind. A judgement approves when each of them is answered with *yes* or with the
first choice, so choices are written best first, and yes/no questions so that *yes* is good. A
judgement with a correction does not approve: somebody wanted another answer. One without an answer
to a deciding question has no opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_DECIDING: Final = frozenset({"boolean", "choice"})


def approves(
    *, questions: Sequence[Mapping[str, Any]], scores: Mapping[str, Any], correction: str | None = None
) -> bool | None:
    """What one judgement says of the answer; None where it says nothing."""
    deciding = [question for question in questions if question.get("kind") in _DECIDING]
    deciding = [question for question in deciding if question.get("required")] or deciding[:1]
    given = [(question, scores.get(question["key"])) for question in deciding]
    if correction is not None:
        return False
    if any(answer is not None and not _is_positive(question, answer) for question, answer in given):
        return False
    if not given or any(answer is None for _, answer in given):
        return None
    return True


def _is_positive(question: Mapping[str, Any], answer: Any) -> bool:
    if question["kind"] == "boolean":
        return answer is True
    choices = question.get("choices") or [{}]
    return bool(answer == choices[0].get("value"))


def is_approved(opinions: Iterable[bool | None]) -> bool:
    """Whether an answer is approved: somebody approves, and nobody does not."""
    told = [opinion for opinion in opinions if opinion is not None]
    return bool(told) and all(told)


@dataclass(frozen=True, slots=True)
class Share:
    """A share, and between what it lies with 95 % confidence. All the same where everything was measured."""

    low: float
    share: float
    high: float


def share_of(*, found: int, measured: int, population: int) -> Share | None:
    """The share of `found` among `population`, of which only so many were measured (Wilson's interval,
    narrowed towards the share as the sample becomes all there is). None where nothing was measured."""
    if measured <= 0:
        return None
    share = found / measured
    if measured >= population:
        return Share(share, share, share)
    # Here, not above: 60 MB, which only who computes shall pay.
    from scipy.stats import binomtest

    interval = binomtest(found, measured).proportion_ci(confidence_level=0.95, method="wilson")
    narrowed = ((population - measured) / (population - 1)) ** 0.5
    return Share(
        low=max(0.0, share - (share - interval.low) * narrowed),
        share=share,
        high=min(1.0, share + (interval.high - share) * narrowed),
    )
