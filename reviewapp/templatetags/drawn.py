"""Components that show nothing but what they are given, drawn once for each of that.

    {% drawn "components/rail.html" entries=entries %}

The frame of a page, its menus and dialogs are the same for one request after the other, and to draw them
takes longer than to ask the database for all that they show. What is drawn here is kept in the process, the
newest two million characters of it. Nothing of one person can come to another: a component has no request, no
session and no context but the values in the tag, and what is kept is found by all of these, the language,
and where the app stands below its host.

So what differs from request to request (a form's token, a moment, messages) has no place in such a component.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from threading import Lock
from typing import Any, Final

from django import template
from django.template.loader import get_template
from django.urls import get_script_prefix
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

register = template.Library()

MOST_CHARACTERS: Final = 2_000_000
# One that is longer is drawn each time.
LONGEST: Final = 50_000


class Drawings:
    """What was drawn last: at most so many characters in all, those used longest ago go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Any, SafeString] = OrderedDict()
        self._lock = Lock()
        self.characters = 0

    def get(self, key: Any) -> SafeString | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Any, text: SafeString) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = text
            self.characters += len(text)
            while self.characters > self._most:
                self.characters -= len(self._kept.popitem(last=False)[1])


_drawings: Final = Drawings(MOST_CHARACTERS)


@register.simple_tag
def drawn(name: str, /, **given: Any) -> SafeString:
    """The component with these values: texts, numbers, and tuples or frozen dataclasses of them."""
    key = (name, get_language(), get_script_prefix(), _known_by(tuple(given.items())))
    found = _drawings.get(key)
    if found is None:
        # Not a request's context: no processor adds anything to this one.
        found = mark_safe(get_template(name).template.render(template.Context(given)))  # type: ignore[attr-defined]  # noqa: S308  # what a template has drawn
        if len(found) <= LONGEST:
            _drawings.keep(key, found)
    return found


def _known_by(value: Any) -> Any:
    """What tells a value from all others that would be drawn differently: markup from text, True from 1.

    Raises TypeError for what may change: a list, a row of the database.
    """
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is tuple:
        return tuple([_known_by(one) for one in value])
    if isinstance(value, Promise):
        return str(value)
    if kind in _PLAIN:
        return (kind, value)
    if dataclasses.is_dataclass(value) and getattr(kind, "__dataclass_params__").frozen:  # noqa: B009
        return (kind, *[_known_by(getattr(value, field.name)) for field in dataclasses.fields(value)])
    raise TypeError(f"{kind.__name__} may change, so what is drawn with it can't be kept")


_PLAIN: Final = frozenset({int, float, bool, SafeString})
