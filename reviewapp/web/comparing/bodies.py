"""Two answers as blocks of rows, side by side or unified: texts, refusals, reasoning, tool calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reviewapp.pure.differences.calls import CallDifference, compare_calls
from reviewapp.pure.differences.equivalence import in_order
from reviewapp.pure.differences.rows import Fold, Line, Row, folded, side_by_side, unified
from reviewapp.pure.differences.structure import JsonDifference
from reviewapp.pure.differences.words import TextDifference, compare_texts
from reviewapp.pure.exchange import Choice, Reply
from reviewapp.web.comparing.marks import Numbers, Side, draw_pieces, marked
from reviewapp.web.comparing.structures import draw_structure
from reviewapp.web.rendering import visible

_NOTHING: Choice = Choice()
# Rows of a block that are drawn; a page with more would be slow, and nobody reads on.
MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A line beside a line, drawn. `kind` is for the unified form: equal, removed or added."""

    # None where a side has no line here; a line may be empty.
    left: SafeString | None
    right: SafeString | None
    equal: bool
    kind: str = "equal"


@dataclass(frozen=True, slots=True)
class ShownFold:
    """Equal rows that are folded away."""

    rows: list[ShownRow]

    @property
    def count(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the answers. `kind` is text, refusal, reasoning, call or structure."""

    kind: str
    title: str = ""
    note: str = ""
    rows: list[ShownRow | ShownFold] = field(default_factory=list)
    # A structure draws itself.
    drawn: SafeString | None = None
    equal: bool = False
    left_out: int = 0


def word_blocks(original: Reply, attempt: Reply, *, numbers: Numbers, one_column: bool) -> list[Block]:
    """The blocks of all the answers, in order; `one_column` is the unified form."""
    return list(_blocks(original, attempt, numbers, one_column))


def _blocks(original: Reply, attempt: Reply, numbers: Numbers, one_column: bool) -> Iterator[Block]:
    pairs = list(zip_longest(in_order(original), in_order(attempt)))
    for at, (left, right) in enumerate(pairs, start=1):
        title = _("Answer %(n)d of %(all)d") % {"n": at, "all": len(pairs)} if len(pairs) > 1 else ""
        note = _("only the original has it") if right is None else ""
        note = _("only the replay has it") if left is None else note
        yield from _choice(left or _NOTHING, right or _NOTHING, title, note, numbers, one_column)


def _choice(
    left: Choice, right: Choice, title: str, note: str, numbers: Numbers, one_column: bool
) -> Iterator[Block]:
    if left.reasoning or right.reasoning:
        # Reasoning is no part of the answer: its differences are shown, not counted.
        found = compare_texts(left.reasoning or "", right.reasoning or "")
        yield _text_block("reasoning", _("Reasoning"), "", found, None, one_column)
    texts = left.text or left.refusal or "", right.text or right.refusal or ""
    calls = left.tool_calls or right.tool_calls
    if any(texts) or not calls:
        refused = bool(left.refusal and not left.text), bool(right.refusal and not right.text)
        if refused[0] != refused[1]:
            note = _("the replay refused") if refused[1] else _("the original refused")
        kind = "refusal" if all(refused) else "text"
        numbers.begin_block()
        yield _text_block(kind, title, note, compare_texts(*texts), numbers, one_column)
    for call in compare_calls(left.tool_calls, right.tool_calls):
        yield call_block(call, numbers=numbers, one_column=one_column)


def _text_block(
    kind: str, title: str, note: str, found: TextDifference, numbers: Numbers | None, one_column: bool
) -> Block:
    rows, left_out = text_rows(found, numbers=numbers, one_column=one_column)
    return Block(kind=kind, title=title, note=note, rows=rows, equal=found.equal, left_out=left_out)


def text_rows(
    found: TextDifference, *, numbers: Numbers | None, one_column: bool
) -> tuple[list[ShownRow | ShownFold], int]:
    """The rows of two texts, long equal runs folded; and how many were left out."""
    rows = side_by_side(found)
    shown: list[ShownRow | ShownFold] = []
    run: list[Row] = []
    for item in folded(rows[:MOST_ROWS]):
        if isinstance(item, Fold):
            shown += _drawn(run, numbers, one_column)
            run = []
            away = rows[item.start : item.start + item.count]
            shown.append(ShownFold(_drawn(away, numbers, one_column)))
        else:
            run.append(item)
    shown += _drawn(run, numbers, one_column)
    if not any(isinstance(item, ShownRow) for item in shown):
        # Equal from end to end: a fold over everything would hide what people came to read.
        shown = [row for item in shown for row in (item.rows if isinstance(item, ShownFold) else [item])]
    return shown, max(0, len(rows) - MOST_ROWS)


def _drawn(rows: Sequence[Row], numbers: Numbers | None, one_column: bool) -> list[ShownRow]:
    if not one_column:
        return [
            ShownRow(_line(row.left, "left", numbers), _line(row.right, "right", numbers), row.equal)
            for row in rows
        ]
    shown = []
    for line in unified(rows):
        side: Side = "right" if line.kind == "added" else "left"
        drawn = draw_pieces(line.line.pieces, side=side, numbers=numbers)
        shown.append(ShownRow(drawn, None, line.kind == "equal", kind=line.kind))
    return shown


def _line(line: Line | None, side: Side, numbers: Numbers | None) -> SafeString | None:
    return None if line is None else draw_pieces(line.pieces, side=side, numbers=numbers)


def call_block(call: CallDifference, *, numbers: Numbers, one_column: bool = False) -> Block:
    """A tool call beside the one it became."""
    numbers.begin_block()
    name = visible(call.name)
    if call.left is None or call.right is None:
        only = call.left or call.right
        side: Side = "left" if call.left is not None else "right"
        drawn = marked(only.arguments if only else "", side=side, number=numbers.next())
        row = ShownRow(
            drawn if side == "left" or one_column else None,
            drawn if side == "right" and not one_column else None,
            equal=False,
            kind="removed" if side == "left" else "added",
        )
        note = _("only the original calls it") if side == "left" else _("only the replay calls it")
        return Block(kind="call", title=name, note=note, rows=[row])
    if isinstance(call.arguments, JsonDifference):
        drawn = draw_structure(call.arguments, numbers=numbers)
        return Block(kind="call", title=name, drawn=drawn, equal=call.kind == "equal")
    found = call.arguments or compare_texts(call.left.arguments, call.right.arguments)
    rows, left_out = text_rows(found, numbers=numbers, one_column=one_column)
    note = _("arguments that are no JSON")
    return Block(kind="call", title=name, note=note, rows=rows, equal=found.equal, left_out=left_out)
