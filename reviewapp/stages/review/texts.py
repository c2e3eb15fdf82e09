"""Texts that people write, as they are kept."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_noop

from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.words import storable

NOTE_LIMIT = 10_000


def text_of(field: str, value: Any, *, limit: int) -> str:
    """A text as it is kept. Raises InvalidAnswer, naming the field."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidAnswer(field, gettext_noop("must be a text"))
    if len(value) > limit:
        raise InvalidAnswer(field, gettext_noop("is longer than %(limit)s characters"), limit=f"{limit:,}")
    return storable(value)
