"""What templates need to tell how well people agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def alpha_in_words(value: float | None) -> str:
    """Krippendorff's own advice: rely on 0.8, draw tentative conclusions from two thirds."""
    if value is None:
        return _("can’t be told: everybody said the same")
    if value >= 0.8:
        return _("reliable")
    if value >= 2 / 3:
        return _("good enough for tentative conclusions")
    if value >= 0.2:
        return _("too low to rely on: sharpen the question")
    return _("hardly better than chance")


@register.filter
def at(values: Mapping[str, Any], key: str) -> Any:
    """A value by a key that the template computed."""
    return values.get(key, key)
