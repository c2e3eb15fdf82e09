"""JSON whose source text is kept exactly as it came.

A recorded request or response is never serialised again: what is stored, exported and sent
anew is the text that arrived, so that NUL escapes, lone surrogates, duplicate keys, NaN,
1.0 against 1 and integers beyond 64 bits all survive. This module finds where the members
of an object or array begin and end, and reads their values on the way.

Values are read by the C scanner of the standard library; only the outermost level is walked
in Python, so an array of a thousand interactions costs little more than `json.loads`.

Accepted beyond RFC 8259: NaN, Infinity and -Infinity, and a byte order mark in front.
Refused with `InvalidJson`, whatever the standard library would raise or do instead: bytes
that are not UTF-8, nesting deeper than `MAX_DEPTH` (the scanner's own bound depends on how
deep the caller's stack is), and integers of more digits than Python converts (4,300).
Where a key occurs twice, the last one is the value, and both stay in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from json.decoder import JSONDecodeError
from typing import Any, NamedTuple, TypeAlias, TypeVar

from reviewapp.pure.said import Said, figure, said

# Deep enough for any schema or conversation seen, shallow enough for recursion over the value
# from within a web framework's stack.
MAX_DEPTH = 200

Item = TypeVar("Item")

_BOM = "\ufeff"
# The value that starts at a position, read in C, and where it ends.
_scan = json.JSONDecoder().raw_decode
_blank = re.compile(r"[ \t\n\r]*").match
# A member's name without escapes, as nearly all are, up to where its value starts.
_plain_name = re.compile(r'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*').match
_SPACES = " \t\n\r"
_BLANKS = frozenset(_SPACES)
# What the standard library says, without the "at" that some of its texts end with: of a string without an
# end, and how it begins of an escape that is none.
_ENDLESS = "Unterminated string starting"
_ESCAPE = "Invalid \\"
_half_escape = re.compile(r"\\?(u[0-9A-Fa-f]{0,4})?").fullmatch
# What a value that is no string may go on with.
_TAILS = ("true", "false", "null", "-0", ".0", "e-0", "e+0", "E-0", "E+0")


class InvalidJson(Exception):
    """The text is not JSON, or is JSON beyond what can be read. `position` is a character offset.

    `is_cut` tells that nothing is wrong but that the text ends too early.
    """

    def __init__(self, reason: str, *, position: int | None = None, text: str | None = None) -> None:
        self.reason = reason
        self.position = position
        self.is_cut = position is not None and text is not None and _is_cut(reason, text, position)
        super().__init__(said("json_cut") if self.is_cut else _placed(reason, text, position))


def _is_cut(reason: str, text: str, position: int) -> bool:
    """Whether what is wrong at the position is that the text ends.

    In a text that is cut within a string, the end of its line is the character that stands there.
    """
    rest = text[position:].strip(_SPACES)
    if not text[:position].strip(_SPACES):
        return False
    if reason.startswith(_ESCAPE):
        return _half_escape(rest) is not None
    # Where nothing is left, that is the beginning of each.
    return reason == _ENDLESS or any(tail.startswith(rest) for tail in _TAILS)


def _placed(reason: str, text: str | None, position: int | None) -> Said:
    """The reason with its place; what is told of a file is read in many languages."""
    if position is None:
        return said("json_ends", ours=reason)
    if text is None:
        return said("json_at_character", ours=reason, character=figure(position + 1))
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    if "\n" not in text.strip(_SPACES):
        # A line of a file has its own number there, which isn't 1.
        return said("json_at_column", ours=reason, column=figure(column))
    return said("json_at", ours=reason, line=figure(line), column=figure(column))


class RawMember(NamedTuple):
    """The value of a member, and the text it was read from."""

    value: Any
    text: str


Members: TypeAlias = dict[str, RawMember]


class _Span(NamedTuple):
    """Where a member of an object stands: its key, and its value's value, start and end."""

    key: str
    value: Any
    start: int
    end: int


def parse(data: bytes | str) -> Any:
    """The value of a whole JSON text."""
    text = decode(data)
    value, end = _value(text, _start(text))
    _finish(text, end)
    return value


def members(text: str) -> Members:
    """The members of the object that the text is, each with its own text."""
    found, end = _members(text, _start(text))
    _finish(text, end)
    return found


def items(text: str) -> list[RawMember]:
    """The items of the array that the text is, each with its own text."""
    return _items(text, _raw_value)


def items_members(text: str) -> list[Members | RawMember]:
    """The items of an array in one reading: the members of those that are objects, the others as they are."""
    return _items(text, _members_or_value)


def splice(text: str, *, set: Mapping[str, str] = {}, drop: Collection[str] = ()) -> str:  # noqa: A002
    """The object's text with top-level members set to raw JSON texts or dropped, all else byte for byte.

    A key that occurs twice is set, or dropped, at each place, so that no reader sees the old value.
    New members come last, in the order given.
    """
    for replacement in set.values():
        parse(replacement)
    start = _start(text)
    spans, end = _spans(text, start)
    _finish(text, end)
    kept = [span for span in spans if span.key in set or span.key not in drop]
    if len(kept) < len(spans):
        return _rebuild(text, start, end, spans, kept, set)
    out = []
    at = 0
    for span in spans:
        if span.key in set:
            out += [text[at : span.start], set[span.key]]
            at = span.end
    tail = spans[-1].end if spans else start + 1
    out.append(text[at:tail])
    present = {span.key for span in spans}
    new = [f"{json.dumps(key)}:{raw}" for key, raw in set.items() if key not in present]
    if new:
        out.append(("," if spans else "") + ",".join(new))
    out.append(text[tail:])
    return "".join(out)


def decode(data: bytes | str) -> str:
    """The text of a JSON document as received; a byte order mark is left out."""
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidJson(
                said("json_not_utf8", byte=f"{error.object[error.start]:#04x}"), position=error.start
            ) from None
    return data.removeprefix(_BOM)


def to_bytes(text: str) -> bytes:
    """The text as bytes to store; lone surrogates, which UTF-8 forbids, are kept."""
    return text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """The text that `to_bytes` stored."""
    return data.decode("utf-8", "surrogatepass")


def read_body(data: bytes) -> tuple[str, bool]:
    """An HTTP body as text to keep, and whether it is JSON.

    Bytes that are not UTF-8 become lone surrogates (`surrogateescape`), so that no body is lost.
    """
    try:
        text = decode(data)
        parse(text)
    except InvalidJson:
        return data.decode("utf-8", "surrogateescape"), False
    return text, True


def _start(text: str) -> int:
    return _skip(text, 1 if text.startswith(_BOM) else 0)


def _skip(text: str, position: int) -> int:
    """Where the next character stands that is no space."""
    if text[position : position + 1] not in _BLANKS:
        return position
    match = _blank(text, position)
    return match.end() if match else position


def _finish(text: str, position: int) -> None:
    end = _skip(text, position)
    if end != len(text):
        raise InvalidJson("There is more after the end of the JSON value,", position=end, text=text)


def _value(text: str, position: int) -> tuple[Any, int]:
    """The value that starts here, and where it ends."""
    try:
        value, end = _scan(text, position)
    except JSONDecodeError as error:
        raise InvalidJson(error.msg.removesuffix(" at"), position=error.pos, text=text) from None
    except RecursionError:
        raise InvalidJson(said("json_too_deep", levels=figure(MAX_DEPTH))) from None
    except ValueError:
        # The only other one: Python refuses to convert so many digits, for the time it would take.
        raise InvalidJson("An integer has more than 4,300 digits") from None
    if end - position > 2 * MAX_DEPTH and not fits(value, text[position:end]):
        raise InvalidJson(said("json_too_deep", levels=figure(MAX_DEPTH)))
    return value, end


def fits(value: Any, text: str, *, within: int = 0) -> bool:
    """Whether the value, of this text, can be read again with that many levels around it."""
    levels = MAX_DEPTH - within
    # A short value, or one with few brackets, can't be deep: counting them is far cheaper than walking,
    # and so is looking at the brackets alone.
    return (
        len(text) <= 2 * levels
        or text.count("[") + text.count("{") <= levels
        or looks_shallow(text, levels=levels)
        or not _deeper(value, levels)
    )


_AS_ROUND = bytes.maketrans(b"[]{}", b"()()")
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b'[]{}"')


def looks_shallow(text: str, *, levels: int = MAX_DEPTH) -> bool:
    """Whether taking away the innermost pairs of brackets, again and again, soon leaves none.

    Of a JSON text that is certain; what it says of another means nothing.
    """
    brackets = _brackets(text)
    for _ in range(levels):
        fewer = brackets.replace(b"()", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return not brackets


def _brackets(text: str) -> bytes:
    """The brackets of a JSON text, as round ones, without those in its strings: many a token is a bracket."""
    data = to_bytes(text)
    if b"\\" in data:
        # From the left: of an odd run of backslashes the last is kept, and escapes the quote behind it.
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = data.translate(_AS_ROUND, _NO_MARKS)
    # Two quotes side by side change for no bracket whether it stands in a string: few strings remain.
    marks = marks.replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2]) if b'"' in marks else marks


def _deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _spans(text: str, position: int) -> tuple[list[_Span], int]:
    """The members of the object that starts here, in order, and where it ends."""
    if not text.startswith("{", position):
        raise InvalidJson("An object, {…}, is expected", position=position, text=text)
    spans: list[_Span] = []
    position = _skip(text, position + 1)
    if text.startswith("}", position):
        return spans, position + 1
    while True:
        plain = _plain_name(text, position)
        key, start = (plain[1], plain.end()) if plain else _name(text, position)
        value, end = _value(text, start)
        spans.append(_Span(key, value, start, end))
        position = _skip(text, end)
        if text.startswith("}", position):
            return spans, position + 1
        if not text.startswith(",", position):
            raise InvalidJson("A comma or the end of the object is expected", position=position, text=text)
        position += 1


def _name(text: str, position: int) -> tuple[str, int]:
    """The name of a member that has escapes in it, or is wrong, and where the value starts."""
    position = _skip(text, position)
    if not text.startswith('"', position):
        raise InvalidJson("The name of a member in double quotes is expected", position=position, text=text)
    key, position = _value(text, position)
    position = _skip(text, position)
    if not text.startswith(":", position):
        raise InvalidJson("A colon is expected", position=position, text=text)
    return key, _skip(text, position + 1)


def _members(text: str, position: int) -> tuple[Members, int]:
    spans, end = _spans(text, position)
    return {key: RawMember(value, text[start:stop]) for key, value, start, stop in spans}, end


def _raw_value(text: str, position: int) -> tuple[RawMember, int]:
    value, end = _value(text, position)
    return RawMember(value, text[position:end]), end


def _members_or_value(text: str, position: int) -> tuple[Members | RawMember, int]:
    if text.startswith("{", position):
        return _members(text, position)
    return _raw_value(text, position)


def _items(text: str, read: Callable[[str, int], tuple[Item, int]]) -> list[Item]:
    position = _start(text)
    if not text.startswith("[", position):
        raise InvalidJson("An array, […], is expected", position=position, text=text)
    found: list[Item] = []
    position = _skip(text, position + 1)
    if text.startswith("]", position):
        _finish(text, position + 1)
        return found
    while True:
        item, end = read(text, position)
        found.append(item)
        position = _skip(text, end)
        if text.startswith("]", position):
            _finish(text, position + 1)
            return found
        if not text.startswith(",", position):
            raise InvalidJson("A comma or the end of the array is expected", position=position, text=text)
        position = _skip(text, position + 1)


def _rebuild(
    text: str, start: int, end: int, spans: list[_Span], kept: list[_Span], new: Mapping[str, str]
) -> str:
    """The object written from its members' texts: where a member goes, so does the space around it."""
    written = set()
    parts = []
    for span in kept:
        written.add(span.key)
        parts.append((span.key, new.get(span.key, text[span.start : span.end])))
    parts += [(key, raw) for key, raw in new.items() if key not in written]
    body = ",".join(f"{json.dumps(key)}:{raw}" for key, raw in parts)
    return f"{text[:start]}{{{body}}}{text[end:]}"
