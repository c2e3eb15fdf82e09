"""What counts as the same answer.

Identical is the same text, refusal and tool calls, in each of the n choices. Equivalent is what
differs only in what the project says does not matter; by default white space, the order of
JSON keys (and how JSON is laid out), and the ids of tool calls, which vendors draw at random.
Reasoning, token counts and finish reasons are no part of the answer: a reviewer judged what
the user would see.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.differences.structure import read_structure
from reviewapp.pure.exchange import Choice, Reply, ToolCall

Sameness: TypeAlias = Literal["identical", "equivalent", "different"]
Excuse: TypeAlias = Literal["white_space", "json_layout", "tool_call_ids"]

# Part of the digest: whoever changes what an answer is must change it, and the golden values in the tests.
_VERSION: Final = "a1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """What does not matter to a project."""

    white_space: bool = True
    json_layout: bool = True
    tool_call_ids: bool = True


DEFAULT_EQUIVALENCE: Final = Equivalence()


@dataclass(frozen=True, slots=True)
class Likeness:
    """Whether two replies are the same answer, and by which excuses if not to the letter."""

    sameness: Sameness
    excuses: tuple[Excuse, ...] = ()
    # The first choice that differs, by its place; None where the number of choices does, or nothing.
    choice: int | None = None

    @property
    def same(self) -> bool:
        return self.sameness != "different"


def likeness(original: Reply, attempt: Reply, *, rules: Equivalence = DEFAULT_EQUIVALENCE) -> Likeness:
    """How alike two replies' answers are."""
    if len(original.choices) != len(attempt.choices):
        return Likeness("different")
    excuses: list[Excuse] = []
    for place, pair in enumerate(zip(in_order(original), in_order(attempt), strict=True)):
        found = _choice(*pair, rules)
        if found is None:
            return Likeness("different", choice=place)
        excuses += found
    return Likeness("equivalent" if excuses else "identical", tuple(dict.fromkeys(excuses)))


def in_order(reply: Reply) -> tuple[Choice, ...]:
    """The choices by their index: a stream may send the second before the first."""
    return tuple(sorted(reply.choices, key=lambda choice: choice.index))


def answer_digest(reply: Reply) -> bytes:
    """The same 32 bytes for identical answers, tool-call ids aside, so that equal answers can be grouped."""
    answer = [
        [choice.text or "", choice.refusal or "", [[c.kind, c.name, c.arguments] for c in choice.tool_calls]]
        for choice in in_order(reply)
    ]
    return hashlib.sha256(f"{_VERSION}\n{canonical_json(answer)}".encode("ascii")).digest()


def same_text(left: str, right: str, rules: Equivalence = DEFAULT_EQUIVALENCE) -> list[Excuse] | None:
    """The excuses under which the texts are the same; none needed for equal texts, None if they differ."""
    if left == right:
        return []
    if rules.white_space and _collapsed(left) == _collapsed(right):
        return ["white_space"]
    if rules.json_layout:
        a, b = read_structure(left), read_structure(right)
        if a is not None and b is not None and canonical_json(a) == canonical_json(b):
            return ["json_layout"]
    return None


def _choice(left: Choice, right: Choice, rules: Equivalence) -> list[Excuse] | None:
    found: list[Excuse] = []
    for one, other in ((left.text, right.text), (left.refusal, right.refusal)):
        excuses = same_text(one or "", other or "", rules)
        if excuses is None:
            return None
        found += excuses
    if len(left.tool_calls) != len(right.tool_calls):
        return None
    for a, b in zip(left.tool_calls, right.tool_calls, strict=True):
        excuses = same_call(a, b, rules)
        if excuses is None:
            return None
        found += excuses
    return found


def same_call(
    left: ToolCall, right: ToolCall, rules: Equivalence = DEFAULT_EQUIVALENCE
) -> list[Excuse] | None:
    """The same for two tool calls: name and arguments count, the id may be excused."""
    if (left.kind, left.name) != (right.kind, right.name):
        return None
    excuses = same_text(left.arguments, right.arguments, rules)
    if excuses is None or left.id == right.id:
        return excuses
    return [*excuses, "tool_call_ids"] if rules.tool_call_ids else None


def _collapsed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
