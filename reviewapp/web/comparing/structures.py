"""JSON beside JSON: each member on its own row, in step; equal branches folded, changes marked.

Inside a changed text the words that differ are marked; the change as a whole is one that the keys
step to. Whole responses are compared without their bulk (log probabilities, vectors), which has
places of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.pure.differences.structure import JsonDifference, Node, compare_json
from reviewapp.pure.differences.words import compare_texts
from reviewapp.templatetags.jsontree import json_tree
from reviewapp.web.comparing.marks import Numbers, Side, marked
from reviewapp.web.rendering import visible

MOST_ROWS: Final = 2_000
# Deeper rows keep the indentation of this depth.
_DEEPEST: Final = 8
# Below this share of equal characters two texts are shown whole, not woven into each other.
_WOVEN: Final = 0.35
_BULK: Final = frozenset(("logprobs", "top_logprobs", "completion_probabilities", "embedding", "tokens"))


def draw_structure(found: JsonDifference, *, numbers: Numbers | None) -> SafeString:
    """The rows of the two values. Without `numbers` the changes are none that keys step to."""
    return _Drawing(numbers).rows(found.tree)


def draw_whole(left: Any, right: Any) -> SafeString:
    """Two whole bodies compared, without their bulk."""
    return draw_structure(compare_json(_without_bulk(left), _without_bulk(right)), numbers=None)


def _without_bulk(value: Any, depth: int = 0) -> Any:
    if depth > 60:
        return "…"
    if isinstance(value, dict):
        return {
            name: "…" if name in _BULK and isinstance(inner, dict | list) else _without_bulk(inner, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_bulk(inner, depth + 1) for inner in value]
    return value


@dataclass(slots=True)
class _Drawing:
    numbers: Numbers | None
    room: int = MOST_ROWS

    def rows(self, tree: Node) -> SafeString:
        drawn = list(self._node(tree, 0))
        if self.room < 0:
            note = _("More members than are drawn here.")
            drawn.append(format_html('<p class="aligned-note">{}</p>', note))
        return mark_safe("".join(drawn))  # noqa: S308  # each part is escaped

    def _node(self, node: Node, depth: int) -> Iterator[SafeString]:
        self.room -= 1
        if self.room < 0:
            return
        if node.kind == "inside":
            opening, closing = ("{", "}") if isinstance(node.left, dict) else ("[", "]")
            yield self._row(_head(node.left_key, opening), _head(node.right_key, opening), depth, equal=True)
            for child in node.children:
                yield from self._node(child, depth + 1)
            yield self._row(_plain(closing), _plain(closing), depth, equal=True)
        elif node.kind == "equal":
            yield self._row(
                _tree(node.left_key, node.left), _tree(node.right_key, node.right), depth, equal=True
            )
        else:
            yield self._row(*self._change(node), depth, equal=False)

    def _change(self, node: Node) -> tuple[SafeString | None, SafeString | None]:
        number = self.numbers.next() if self.numbers is not None else None
        if node.kind == "removed":
            return _block(_changed(node.left_key, node.left), "left", number), None
        if node.kind == "added":
            return None, _block(_changed(node.right_key, node.right), "right", number)
        if node.kind == "moved":
            note = format_html('<span class="json-note"> {}</span>', _("moved"))
            return (
                _block(_changed(node.left_key, node.left), "left", number) + note,
                _block(_changed(node.right_key, node.right), "right", number) + note,
            )
        if isinstance(node.left, str) and isinstance(node.right, str):
            left, right = _woven(node.left, node.right, number)
            return _key(node.left_key) + left, _key(node.right_key) + right
        return (
            _block(_changed(node.left_key, node.left), "left", number),
            _block(_changed(node.right_key, node.right), "right", number),
        )

    def _row(
        self, left: SafeString | None, right: SafeString | None, depth: int, *, equal: bool
    ) -> SafeString:
        return aligned_row(left, right, equal=equal, extra=f"indent-{min(depth, _DEEPEST)}")


def aligned_row(
    left: SafeString | None, right: SafeString | None, *, equal: bool, extra: str = ""
) -> SafeString:
    """The markup of a row, as templates/pages/compare.html draws it."""
    return format_html(
        '<div class="aligned-row{}">{}{}</div>',
        " is-equal" if equal else "",
        _cell(left, extra, _("original")),
        _cell(right, extra, _("replay")),
    )


def _cell(inner: SafeString | None, extra: str, side: str) -> SafeString:
    return format_html(
        '<div class="aligned-cell {}" data-side="{}"{}><div dir="ltr">{}</div></div>',
        extra,
        side,
        mark_safe(" data-empty") if inner is None else "",
        inner or "",
    )


def _key(key: str | int | None) -> SafeString:
    if key is None:
        return mark_safe("")
    return format_html('<span class="syntax-key">{}</span>: ', visible(str(key)))


def _plain(text: str) -> SafeString:
    return format_html('<span class="json-note">{}</span>', text)


def _head(key: str | int | None, opening: str) -> SafeString:
    return _key(key) + _plain(opening)


def _tree(key: str | int | None, value: Any, *, open_levels: int = 0) -> SafeString:
    return json_tree(value, open_levels=open_levels, name=None if key is None else str(key))


def _changed(key: str | int | None, value: Any) -> SafeString:
    """A value that differs is what people came to see: it stands open."""
    return _tree(key, value, open_levels=3)


def _block(drawn: SafeString, side: Side, number: int | None) -> SafeString:
    """A whole value that only this side has, or that is another one here."""
    tag = "del" if side == "left" else "ins"
    attribute = "" if number is None else format_html(' data-difference="{}"', number)
    return format_html('<{} class="is-block"{}>{}</{}>', tag, attribute, drawn, tag)


def _woven(left: str, right: str, number: int | None) -> tuple[SafeString, SafeString]:
    found = compare_texts(left, right)
    if found.shared < _WOVEN:
        return _quoted(marked(left, side="left", number=number)), _quoted(
            marked(right, side="right", number=number)
        )
    sides: list[list[SafeString]] = [[], []]
    for segment in found.segments:
        for at, span in enumerate((segment.left, segment.right)):
            if segment.number is None:
                sides[at].append(format_html("{}", visible(span.text)))
            elif span.text:
                sides[at].append(marked(span.text, side="right" if at else "left", number=number))
    return _quoted(_joined(sides[0])), _quoted(_joined(sides[1]))


def _joined(parts: list[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _quoted(inner: SafeString) -> SafeString:
    return format_html('<span class="syntax-string" dir="auto">"{}"</span>', inner)
