"""Texts that people write, as they are kept."""

from __future__ import annotations

from typing import Any

from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.words import storable

NOTE_LIMIT = 10_000


def text_of(field: str, value: Any, *, limit: int) -> str:
    """A text as it is kept. Raises InvalidAnswer, naming the field."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidAnswer(field, "must be a text")
    if len(value) > limit:
        raise InvalidAnswer(field, f"is longer than {limit:,} characters")
    return storable(value)
