"""What asking a judged answer again showed, from the verdicts of its attempts and people's word on them.

A judged answer is asked several times, because one replay alone seldom tells chance from a change.
A person's word on a comparison counts more than its verdict; what could not be measured never
counts as a difference.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

_SAME = frozenset({"identical", "equivalent"})


class Outcome(enum.StrEnum):
    """What became of one judged answer."""

    # The same answer: what people said of it still holds.
    KEPT = "kept"
    # Another answer, and chance does not explain it.
    CHANGED = "changed"
    # Another answer, as could have come without a change.
    VARIED = "varied"
    # Another answer, and nobody can tell why.
    UNCLEAR = "unclear"
    # No answer that could be compared.
    UNMEASURED = "unmeasured"


def is_same(verdict: str, decision: str | None) -> bool:
    """Whether one attempt's answer stands for the judged one."""
    return decision == "same" or (decision is None and verdict in _SAME)


def outcome_of(attempts: Sequence[tuple[str, str | None]]) -> Outcome:
    """The outcome of one answer's attempts, each as (verdict, person's decision)."""
    decisions = {decision for _, decision in attempts}
    if "regression" in decisions:
        return Outcome.CHANGED
    if "same" in decisions:
        return Outcome.KEPT
    measured = [verdict for verdict, _ in attempts if verdict != "failed"]
    if not measured:
        return Outcome.UNMEASURED
    if "backend_changed" in measured:
        return Outcome.CHANGED
    # While a change is rolled out some attempts still meet the old backend: a single one is no proof.
    if 2 * sum(verdict in _SAME for verdict in measured) >= len(measured):
        return Outcome.KEPT
    return Outcome.UNCLEAR if "inconclusive" in measured else Outcome.VARIED
