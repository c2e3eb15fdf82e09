"""Marks texts for `makemessages`, under the names it looks for, without an import of Django."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Several:
    """A template whose words depend on a number: the one in the place `by`."""

    one: str
    many: str
    by: str


Template: TypeAlias = str | Several


def gettext_noop(message: str) -> str:
    """A template."""
    return message


def ngettext(one: str, many: str, by: str) -> Several:
    """A template with the words for one and for several; other languages have more forms."""
    return Several(one, many, by)
