"""Whether judgements of one answer differ so much that somebody must decide. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

# The name under which a preference between two answers stands among a rubric's questions.
PREFERENCE: Final = "preference"


def default_rule(question: Mapping[str, Any]) -> str | float:
    """What counts as disagreement where the queue says nothing: texts never, numbers beyond one step."""
    if question["kind"] == "text":
        return "never"
    if question["kind"] == "number":
        return float(question.get("step", 1))
    return "any"


def disagreements(
    *,
    questions: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
    preferences: Sequence[str | None] = (),
    rules: Mapping[str, Any] | None = None,
) -> list[str]:
    """The keys of the questions on which these judgements disagree, in the rubric's order.

    `rules` says by question what counts: "any" difference, "never", or a number that a difference
    must exceed. A question that somebody left out is not judged by them, and no disagreement.
    """
    rules = rules or {}
    found = []
    for question in questions:
        key = question["key"]
        given = [one[key] for one in scores if one.get(key) is not None]
        if _differ(given, rules.get(key, default_rule(question))):
            found.append(key)
    if _differ([one for one in preferences if one], rules.get(PREFERENCE, "any")):
        found.append(PREFERENCE)
    return found


def _differ(values: Sequence[Any], rule: Any) -> bool:
    if rule == "never":
        return False
    if isinstance(rule, int | float) and all(isinstance(value, int | float) for value in values):
        return any(abs(a - b) > rule for a, b in combinations(values, 2))
    return any(a != b for a, b in combinations(values, 2))
