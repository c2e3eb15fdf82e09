"""Reads one JSON object strictly: each field has a kind and bounds, and a field nobody asked for is an error.

The errors name the field by its whole path and say what would be right, because a person who writes a
configuration by hand reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any


class InvalidConfig(ValueError):
    """A configuration that cannot be used. `field` is the path of what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}.get(
        type(value), "something else"
    )


class Fields:
    """The fields of one object; `done` refuses those that were not asked for."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidConfig(where, f"expected an object, got {kind_of(value)}")
        self._value = value
        self._where = where
        self._known: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def names(self) -> list[str]:
        """The names of the fields that are there."""
        return [str(name) for name in self._value]

    def path(self, name: str) -> str:
        """The whole path of a field."""
        return f"{self._where}.{name}" if self._where else name

    def any(self, name: str, default: Any = None) -> Any:
        """The value as it is."""
        self._known.append(name)
        return self._value.get(name, default)

    def wrong(self, name: str, reason: str) -> InvalidConfig:
        """The error for a field."""
        return InvalidConfig(self.path(name), reason)

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A number within bounds."""
        value = self.any(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, f"expected a number from {low:g} to {high:g}, got {kind_of(value)}")
        if not low <= value <= high:
            raise self.wrong(name, f"must be from {low:g} to {high:g}, is {value:g}")
        return float(value)

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self.number(name, default, low=low, high=high)
        if value != int(value):
            raise self.wrong(name, f"expected a whole number, got {value:g}")
        return int(self._value.get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.any(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, f"expected true or false, got {kind_of(value)}")
        return value

    def text(self, name: str, default: str | None, *, most: int = 200) -> str:
        """A text that is not empty; a default of None makes it required."""
        value = self.any(name, default)
        if value is None:
            raise self.wrong(name, "is required")
        if not isinstance(value, str) or not value or len(value) > most:
            shown = "an empty text" if value == "" else kind_of(value)
            raise self.wrong(name, f"expected a text of 1 to {most} characters, got {shown}")
        return value

    def one_of(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """One of a few words."""
        value = self.any(name, default)
        if value not in allowed:
            raise self.wrong(name, f"must be one of {', '.join(allowed)}; is {value!r}")
        return str(value)

    def items(self, name: str, default: Sequence[Any] = ()) -> list[tuple[str, Any]]:
        """The items of a list, each with its path."""
        value = self.any(name, list(default))
        if not isinstance(value, list):
            raise self.wrong(name, f"expected a list, got {kind_of(value)}")
        return [(f"{self.path(name)}[{index}]", item) for index, item in enumerate(value)]

    def table(self, name: str) -> list[tuple[str, str, Any]]:
        """The members of an object: name, path, value."""
        value = self.any(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, f"expected an object, got {kind_of(value)}")
        return [(str(key), f"{self.path(name)}.{key}", item) for key, item in value.items()]

    def done(self) -> None:
        """Refuses fields that nobody asked for."""
        for name in self._value:
            if name not in self._known:
                near = get_close_matches(str(name), self._known, n=1)
                hint = (
                    f"; did you mean {near[0]!r}?"
                    if near
                    else f"; known are {', '.join(sorted(self._known))}"
                )
                raise InvalidConfig(self.path(str(name)), "is not a setting" + hint)
