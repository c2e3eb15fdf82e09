"""Errors in OpenAI's shape, and the checks that raise them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reviewapp.providers.simulated.fields import kind_of

_GOT = {
    "null": "null",
    "true or false": "a boolean",
    "an object": "an object",
    "a list": "an array",
    "a text": "a string",
    "a number": "a number",
}


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}
        self.headers = dict(headers or {})

    @property
    def body(self) -> bytes:
        """The body of the response."""
        return orjson.dumps({"error": self.error})


def invalid(message: str, param: str | None, code: str | None = None) -> Refusal:
    """A request that asks for something that cannot be."""
    return Refusal(400, message, param=param, code=code)


def missing(param: str) -> Refusal:
    """A request without something that it needs."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def wrong_type(param: str, expected: str, value: Any) -> Refusal:
    """A parameter of another type than it should be."""
    got = _GOT.get(kind_of(value), "something else")
    return invalid(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.", param, "invalid_type"
    )


def number(
    body: Mapping[str, Any], name: str, default: float, *, low: float, high: float, param: str = ""
) -> float:
    """A decimal number within bounds, or the default for none and null."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(param or name, "a decimal", value)
    _check_bounds(param or name, "decimal", value, low, high)
    return float(value)


def integer(
    body: Mapping[str, Any], name: str, default: int | None, *, low: int, high: int, param: str = ""
) -> int | None:
    """A whole number within bounds, or the default for none and null."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(param or name, "an integer", value)
    _check_bounds(param or name, "integer", value, low, high)
    return value


def _check_bounds(name: str, kind: str, value: float, low: float, high: float) -> None:
    if value > high:
        raise invalid(
            f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high}, but got {value}"
            " instead.",
            name,
            f"{kind}_above_max_value",
        )
    if value < low:
        raise invalid(
            f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low}, but got {value}"
            " instead.",
            name,
            f"{kind}_below_min_value",
        )


def flag(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """True or false, or the default for none and null."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def json_object(body: Mapping[str, Any], name: str, *, param: str = "") -> dict[str, Any] | None:
    """An object, or None for none and null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_type(param or name, "an object", value)
    return value


def text(body: Mapping[str, Any], name: str, *, param: str) -> str:
    """A text that must be there."""
    value = body.get(name)
    if value is None:
        raise missing(param)
    if not isinstance(value, str):
        raise wrong_type(param, "a string", value)
    return value


def supported(value: Any, allowed: tuple[str, ...], param: str) -> str:
    """One of a few words."""
    if value not in allowed:
        shown = ", ".join(f"'{each}'" for each in allowed[:-1]) + f" and '{allowed[-1]}'"
        raise invalid(f"Invalid value: '{value}'. Supported values are: {shown}.", param, "invalid_value")
    return str(value)
