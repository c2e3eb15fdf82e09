"""Members of objects and their texts, as `pure/rawjson` gives them, ten times as fast.

rawjson makes a value of everything on its way, and an answer with log probabilities has thousands of
them that nobody asks for. Here msgspec finds where members begin and end without making values, and a
value is read when somebody looks at it.

What it takes is what rawjson takes: whatever msgspec refuses (NaN, half surrogates in a name, a broken
text) and whatever rawjson might refuse although msgspec does not (deep nesting, endless integers) goes
to rawjson, which decides and says why. So the results are the same, and the errors too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from reviewapp.pure import rawjson


class Member(Protocol):
    """The value of a member, and the text it was read from."""

    @property
    def value(self) -> Any: ...

    @property
    def text(self) -> str: ...


Members: TypeAlias = Mapping[str, Member]


class LateMember:
    """A member whose value is read when it is asked for, once."""

    __slots__ = ("_value", "text")

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def value(self) -> Any:
        try:
            return self._value
        except AttributeError:
            self._value: Any = _value(self.text)
            return self._value

    def __repr__(self) -> str:
        return f"LateMember({self.text!r})"


def _value(text: str) -> Any:
    """Most members are short texts and small numbers, that stand there as they are."""
    if text[:1] == text[-1:] == '"' and "\\" not in text and text.isprintable():
        return text[1:-1]
    if len(text) < 16 and text.isascii() and text.isdigit():
        return int(text)
    return rawjson.parse(text)


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_REFUSED: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
# Python converts no integer of more digits; one that long has a digit at one of the places looked at.
_DIGITS: Final = 4300
_STEP: Final = 4096
_digits = re.compile("[0-9]*").match


def members(text: str) -> Members:
    """The members of the object that the text is. Raises rawjson.InvalidJson."""
    try:
        found = _object.decode(text)
    except _REFUSED:
        return rawjson.members(text)
    return _late(found) if is_plain(text) else rawjson.members(text)


def items_members(text: str) -> Sequence[Members | Member]:
    """The items of an array: the members of those that are objects, the others as they are."""
    try:
        found = _objects.decode(text)
    except _REFUSED:
        return rawjson.items_members(text)
    return [_late(item) for item in found] if is_plain(text) else rawjson.items_members(text)


def _late(found: dict[str, msgspec.Raw]) -> dict[str, LateMember]:
    return {name: LateMember(str(raw, "utf-8")) for name, raw in found.items()}


def is_plain(text: str) -> bool:
    """Whether a text that msgspec takes for JSON is certainly not too deep, its numbers not endless."""
    return rawjson.looks_shallow(text) and not _may_hold_a_long_integer(text)


def _may_hold_a_long_integer(text: str) -> bool:
    for place, character in enumerate(text[::_STEP]):
        if character in "0123456789":
            at = place * _STEP
            match = _digits(text, at)
            assert match is not None
            before = text[max(at - _DIGITS, 0) : at]
            if match.end() - at + len(before) - len(before.rstrip("0123456789")) > _DIGITS:
                return True
    return False
