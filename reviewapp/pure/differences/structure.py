"""Two JSON values compared by structure: for structured output and the arguments of tool calls.

The order of an object's keys says nothing; the order of a list does. Lists are aligned, so that
an item put in front is one addition and not a change of everything after it; items that stand
against each other and look alike are compared inside. What left one place of a list and
appears at another is moved, not removed and added. The result is a list of changes with their
paths, and a tree for display in the left value's order.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.differences.units import align
from reviewapp.pure.rawjson import InvalidJson, parse

Path: TypeAlias = tuple[str | int, ...]
NodeKind: TypeAlias = Literal["equal", "changed", "added", "removed", "moved", "inside"]

# Below this depth values are compared whole: nobody reads differences down there.
_DEEPEST: Final = 40
# By these keys two objects in a list are taken for the same thing.
_NAMING: Final = ("id", "name", "key", "title", "type")
_PLAIN_KEY: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the tree: equal, added, removed, changed, moved, or with differences inside.

    `left` and `right` hold the values, None on the side that lacks the node; `left_key` and
    `right_key` are its keys or indices there.
    """

    kind: NodeKind
    left_key: str | int | None
    right_key: str | int | None
    left: Any = None
    right: Any = None
    children: tuple[Node, ...] = ()

    @property
    def key(self) -> str | int | None:
        return self.left_key if self.left_key is not None else self.right_key


@dataclass(frozen=True, slots=True)
class JsonChange:
    """One change: its paths on both sides (None where it isn't), and the values."""

    kind: Literal["changed", "added", "removed", "moved"]
    left_path: Path | None
    right_path: Path | None
    left: Any = None
    right: Any = None

    @property
    def path(self) -> str:
        """Where, as a reader writes it: `items[2].price`."""
        return written_path(self.left_path if self.left_path is not None else self.right_path or ())


@dataclass(frozen=True, slots=True)
class JsonDifference:
    """Two JSON values, compared."""

    tree: Node

    @property
    def changes(self) -> tuple[JsonChange, ...]:
        return tuple(_changes(self.tree, (), ()))

    @property
    def equal(self) -> bool:
        return self.tree.kind == "equal"


def read_structure(text: str | None) -> dict[str, Any] | list[Any] | None:
    """The object or array that the whole text is; None for any other text, a bare number included."""
    if not text or text.strip()[:1] not in ("{", "["):
        return None
    try:
        value = parse(text.strip())
    except InvalidJson:
        return None
    return value if isinstance(value, (dict, list)) else None


def compare_json(left: Any, right: Any) -> JsonDifference:
    """The two values compared, whatever they are."""
    return JsonDifference(_node(None, None, left, right, 0))


def written_path(path: Path) -> str:
    """The path as a reader writes it; empty for the whole value."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            out += f".{step}" if out else step
        else:
            out += f"[{canonical_json(step)}]"
    return out


def _node(left_key: str | int | None, right_key: str | int | None, left: Any, right: Any, depth: int) -> Node:
    if canonical_json(left) == canonical_json(right):
        return Node("equal", left_key, right_key, left, right)
    compare: Callable[[Any, Any, int], Sequence[Node]] | None = None
    if depth < _DEEPEST and isinstance(left, dict) and isinstance(right, dict):
        compare = _members
    elif depth < _DEEPEST and isinstance(left, list) and isinstance(right, list):
        compare = _items
    if compare is None:
        return Node("changed", left_key, right_key, left, right)
    children = tuple(compare(left, right, depth + 1))
    return Node("inside", left_key, right_key, left, right, children)


def _members(left: dict[str, Any], right: dict[str, Any], depth: int) -> list[Node]:
    nodes = [
        _node(key, key, value, right[key], depth) if key in right else Node("removed", key, None, left=value)
        for key, value in left.items()
    ]
    return nodes + [Node("added", None, key, right=right[key]) for key in right if key not in left]


def _items(left: list[Any], right: list[Any], depth: int) -> list[Node]:
    keys_a, keys_b = [canonical_json(item) for item in left], [canonical_json(item) for item in right]
    nodes: list[Node] = []
    for equal, i1, i2, j1, j2 in align(keys_a, keys_b):
        if equal:
            pairs = zip(range(i1, i2), range(j1, j2), strict=True)
            nodes += [Node("equal", i, j, left[i], right[j]) for i, j in pairs]
        else:
            nodes += _replaced(left, right, range(i1, i2), range(j1, j2), depth)
    return _with_moves(nodes)


def _replaced(left: list[Any], right: list[Any], a: range, b: range, depth: int) -> Iterator[Node]:
    """Items of a stretch that differs: those alike in pairs, in order, the rest removed and added."""
    i, j = a.start, b.start
    for equal, i1, i2, j1, j2 in align([_likeness(left[n]) for n in a], [_likeness(right[n]) for n in b]):
        if not equal:
            continue
        yield from _alone(left, right, range(i, a.start + i1), range(j, b.start + j1))
        for n in range(i2 - i1):
            at = a.start + i1 + n, b.start + j1 + n
            yield _node(at[0], at[1], left[at[0]], right[at[1]], depth)
        i, j = a.start + i2, b.start + j2
    yield from _alone(left, right, range(i, a.stop), range(j, b.stop))


def _alone(left: list[Any], right: list[Any], a: range, b: range) -> Iterator[Node]:
    yield from (Node("removed", n, None, left=left[n]) for n in a)
    yield from (Node("added", None, n, right=right[n]) for n in b)


def _likeness(item: Any) -> str:
    """What two items must share to be compared inside rather than as removed and added."""
    if isinstance(item, dict):
        named = next((key for key in _NAMING if isinstance(item.get(key), (str, int))), None)
        return f"object {named}={canonical_json(item[named])}" if named else "object"
    return "list" if isinstance(item, list) else "value"


def _with_moves(nodes: list[Node]) -> list[Node]:
    """Equal items that were removed here and added there become one moved item at its new place."""
    gone: dict[str, list[int]] = defaultdict(list)
    for at, node in enumerate(nodes):
        if node.kind == "removed":
            gone[canonical_json(node.left)].append(at)
    dropped: set[int] = set()
    for at, node in enumerate(nodes):
        places = gone.get(canonical_json(node.right)) if node.kind == "added" else None
        if places:
            source = nodes[places[0]]
            dropped.add(places.pop(0))
            nodes[at] = replace(node, kind="moved", left_key=source.left_key, left=source.left)
    return [node for at, node in enumerate(nodes) if at not in dropped]


def _changes(node: Node, left: Path, right: Path) -> Iterator[JsonChange]:
    if node.left_key is not None:
        left = (*left, node.left_key)
    if node.right_key is not None:
        right = (*right, node.right_key)
    if node.kind == "inside":
        for child in node.children:
            yield from _changes(child, left, right)
    elif node.kind != "equal":
        yield JsonChange(
            kind=node.kind,
            left_path=left if node.kind != "added" else None,
            right_path=right if node.kind != "removed" else None,
            left=node.left,
            right=node.right,
        )
