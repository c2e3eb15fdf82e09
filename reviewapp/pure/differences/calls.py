"""Tool calls of two answers, aligned: which call became which, and what its arguments changed.

Calls are paired by name in their order; ids are ignored, since vendors draw them at random.
Arguments are compared by structure where both are JSON, by words where one is not (models do
write broken JSON, and that is what a reviewer must see).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from reviewapp.pure.differences.equivalence import same_call
from reviewapp.pure.differences.structure import JsonDifference, compare_json, read_structure
from reviewapp.pure.differences.units import align
from reviewapp.pure.differences.words import TextDifference, compare_texts
from reviewapp.pure.exchange import ToolCall


@dataclass(frozen=True, slots=True)
class CallDifference:
    """A call beside a call; one side is None where a call was added or removed."""

    kind: Literal["equal", "changed", "added", "removed"]
    left: ToolCall | None
    right: ToolCall | None
    arguments: JsonDifference | TextDifference | None = None

    @property
    def name(self) -> str:
        call = self.left or self.right
        return call.name if call else ""


def compare_calls(left: Sequence[ToolCall], right: Sequence[ToolCall]) -> tuple[CallDifference, ...]:
    """The calls of both answers, in order."""
    return tuple(_compare(left, right))


def _compare(left: Sequence[ToolCall], right: Sequence[ToolCall]) -> Iterator[CallDifference]:
    names = [[(call.kind, call.name) for call in calls] for calls in (left, right)]
    for equal, i1, i2, j1, j2 in align(names[0], names[1]):
        if equal:
            yield from (_pair(a, b) for a, b in zip(left[i1:i2], right[j1:j2], strict=True))
        else:
            yield from (CallDifference("removed", call, None) for call in left[i1:i2])
            yield from (CallDifference("added", None, call) for call in right[j1:j2])


def _pair(left: ToolCall, right: ToolCall) -> CallDifference:
    a, b = read_structure(left.arguments), read_structure(right.arguments)
    arguments = (
        compare_json(a, b)
        if a is not None and b is not None
        else compare_texts(left.arguments, right.arguments)
    )
    kind: Literal["equal", "changed"] = "equal" if same_call(left, right) is not None else "changed"
    return CallDifference(kind, left, right, arguments)
