"""Readings of JSON that somebody else wrote: the value where it has the type, else None.

Vendors send null, an empty object, a number as text or nothing at all where their description
promises something else. A record of what they sent must never fail on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from reviewapp.pure.exchange import JsonObject


def text_of(value: Any) -> str | None:
    """A string, also an empty one."""
    return value if isinstance(value, str) else None


def filled(value: Any) -> str | None:
    """A string with something in it."""
    return value if isinstance(value, str) and value.strip() else None


def integer(value: Any) -> int | None:
    """An integer, exactly; a float where it is integral."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def number(value: Any) -> float | None:
    """A number as a float; integers too big for one become infinite."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return -math.inf if value < 0 else math.inf
    return None


def object_of(value: Any) -> JsonObject:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """An array, or an empty one."""
    return value if isinstance(value, list) else []


def objects_in(value: Any) -> list[JsonObject]:
    """The objects of an array."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_text(value: Any) -> str:
    """The value as JSON for people to read."""
    return json.dumps(value, ensure_ascii=False)


def joined(texts: Iterable[str | None], separator: str = "") -> str | None:
    """The texts that are there as one; None where there is none."""
    present = [text for text in texts if text is not None]
    return separator.join(present) if present else None
