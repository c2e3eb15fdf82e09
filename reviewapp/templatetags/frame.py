"""The frame around every page: where one can go, and where one is.

Addresses are looked up by name; a screen that is not there is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

register = template.Library()

# Name, word, icon, the letter after `g`.
SCREENS: tuple[tuple[str, str | Promise, str, str], ...] = (
    ("home", _("Home"), "house", "h"),
    ("review", _("Review"), "check2-square", "r"),
    ("interactions", _("Interactions"), "chat-square-text", "i"),
    ("replays", _("Replays"), "arrow-repeat", "p"),
    ("fingerprints", _("Fingerprints"), "fingerprint", "f"),
    ("changes", _("Changes"), "activity", "c"),
    ("exports", _("Exports"), "box-arrow-down", "e"),
    ("studies", _("Studies"), "journal-text", "s"),
    ("settings", _("Settings"), "sliders", ","),
)


def count_shown(count: int) -> str:
    """A count as it stands in the rail; counting stops at a thousand."""
    return str(count) if count < 1000 else "999+"


@dataclass(frozen=True)
class Screen:
    """One entry of the rail."""

    name: str
    url: str
    word: str | Promise
    icon: str
    key: str
    count: int
    current: bool

    @property
    def shown(self) -> str:
        """The count as it stands in the rail."""
        return count_shown(self.count)

    @property
    def urgent(self) -> bool:
        """A change that waits for a decision is the one thing that may raise its voice."""
        return self.name == "changes" and self.count > 0


@register.simple_tag(takes_context=True)
def screens(context: template.Context) -> tuple[Screen, ...]:
    """The rail's entries for this request: `{% screens as entries %}`."""
    request = context.get("request")
    path = request.path if request is not None else ""
    counts = _counts(context.get("frame"))
    found = []
    for name, word, icon, key in SCREENS:
        url = _address(name=name)
        if url is None:
            # A screen that this version does not have is not offered.
            continue
        current = path == url if url == "/" else path.startswith(url)
        found.append(
            Screen(
                name=name, url=url, word=word, icon=icon, key=key, count=counts.get(name, 0), current=current
            )
        )
    return tuple(found)


def _address(*, name: str) -> str | None:
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


def _counts(frame: Any) -> Mapping[str, int]:
    counts = frame.get("counts") if isinstance(frame, Mapping) else getattr(frame, "counts", None)
    return counts if isinstance(counts, Mapping) else {}


@register.filter
def words(text: str) -> list[str]:
    """A list written in a template: `{% for name in "keys menu"|words %}`."""
    return text.split()


@register.simple_tag
def module_path(name: str) -> str:
    """The address of one of our JavaScript modules."""
    return static(f"js/{name}.js")


@register.filter
def unlocalized(value: float | None) -> str:
    """A number as HTML attributes want it, whatever the language."""
    return "" if value is None else str(value)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """A checkbox stands before its label."""
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def control(field: BoundField) -> SafeString:
    """The control, tied to its error (Django ties it to its help text) so that a screen reader says both.

    A placeholder that only repeats the label is dropped: two equal words make a form noisy.
    """
    attributes: dict[str, str | bool] = {}
    if field.field.widget.attrs.get("placeholder") == field.label:
        attributes["placeholder"] = ""
    if field.errors:
        ids = [f"{field.auto_id}_helptext"] if field.help_text else []
        attributes["aria-describedby"] = " ".join([*ids, f"{field.auto_id}_error"])
    return field.as_widget(attrs=attributes)
