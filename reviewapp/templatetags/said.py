"""What was composed in the background, in the reader's language.

Rows keep their texts in English, and the messages they were composed of beside (pure/said). Of an older row
only the text is there: it is shown as it is, marked as English, so that it is read out as such.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from django import template
from django.db.models import Model
from django.utils.formats import date_format, get_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, get_language_bidi, gettext, ngettext

from reviewapp.models import Queue
from reviewapp.pure.said import Language, Said, stored
from reviewapp.stages.watch.verifying import (
    CHANGED_ANSWERS,
    CHANGED_ANSWERS_INSTRUCTIONS,
    CHANGED_ANSWERS_NAME,
)
from reviewapp.templatetags.faces import readable

register = template.Library()

_NARROW_SPACE: Final = "\u202f"
# Shows nothing and runs from left to right.
_LEFT_TO_RIGHT: Final = "\u200e"
_BETWEEN: Final[Mapping[str, Mapping[str, str]]] = {
    "ar": {", ": "، ", "; ": "؛ "},
    "ja": {", ": "、", "; ": "；"},
    "fr": {"; ": " ; "},
}
# Of an interaction that can't be recorded: `request: is missing.`
_MEMBER: Final = re.compile(r"(?P<member>[a-z_]+): (?P<reason>.+)", re.DOTALL)
# Of what was set aside: what follows are the database's own words.
_REFUSED: Final = re.compile(r"The database refuses it: (?P<why>.+)", re.DOTALL)
_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")


class _Reader:
    """The language of who reads now."""

    def one(self, words: str) -> str:
        return gettext(words)

    def several(self, one: str, many: str, number: int) -> str:
        return ngettext(one, many, number)

    def figure(self, written: str) -> str:
        if _is_english():
            return written
        shown = _NUMBER.sub(_number, written).replace(" ", _NARROW_SPACE)
        # Behind it too: a sign that ends it, as %, would go over to the words that follow.
        return f"{_LEFT_TO_RIGHT}{shown}{_LEFT_TO_RIGHT}" if get_language_bidi() else shown

    def day(self, day: dt.date, *, with_year: bool) -> str:
        return date_format(day, "DATE_FORMAT" if with_year else "MONTH_DAY_FORMAT")

    def month(self, month: dt.date) -> str:
        return date_format(month, "YEAR_MONTH_FORMAT")

    def name(self, name: str) -> str:
        if not get_language_bidi() or any(unicodedata.bidirectional(one) in ("R", "AL") for one in name):
            return name
        # Brackets and arrows beside it stay beside it.
        return f"{_LEFT_TO_RIGHT}{name}{_LEFT_TO_RIGHT}" if name else name

    def between(self, sign: str) -> str:
        return _BETWEEN.get((get_language() or "en").partition("-")[0], {}).get(sign, sign)


READER: Final[Language] = _Reader()


def _number(found: re.Match[str]) -> str:
    whole, point, rest = found[0].partition(".")
    return whole.replace(",", _NARROW_SPACE) + (str(get_format("DECIMAL_SEPARATOR")) if point else "") + rest


def _is_english() -> bool:
    return (get_language() or "en").partition("-")[0] == "en"


def in_reader(text: str) -> str:
    """The text in the reader's language as far as it is ours, without markup: for titles and attributes."""
    if _is_english() or not text:
        return text
    # A text without places is found in the catalogue as it is, also that of an older row.
    return text.render(READER) if isinstance(text, Said) else gettext(text)


def row_text(row: Model | Mapping[str, Any], field: str) -> str:
    """A row's text with its messages, where they are kept."""
    text, messages = (
        (row.get(field), row.get("said"))
        if isinstance(row, Mapping)
        else (getattr(row, field), getattr(row, "said", None))
    )
    return stored(text or "", (messages or {}).get(field))


@register.filter
def in_words(text: str | None) -> SafeString | str:
    """A text in the reader's language; what is none of ours marked as English."""
    if not text:
        return ""
    words = in_reader(text)
    if _is_english() or isinstance(text, Said) or words != text:
        return format_html("{}", readable(words))
    return format_html('<span lang="en" dir="ltr">{}</span>', readable(text))


@register.filter
def reason_in_words(text: str) -> SafeString | str:
    """Why something of a file can't be recorded; the member's name that begins it stays as it is."""
    if not isinstance(text, Said) and not _is_english() and (refused := _REFUSED.fullmatch(text)):
        return format_html(
            '{} <span lang="en" dir="ltr">{}</span>',
            gettext("The database refuses it:"),
            readable(refused["why"]),
        )
    found = None if isinstance(text, Said) else _MEMBER.fullmatch(text)
    if found is not None and (words := in_reader(found["reason"])) != found["reason"]:
        return format_html("{}: {}", readable(found["member"]), readable(words))
    return in_words(text)


@register.filter
def plain_words(text: str | None) -> str:
    """The same without markup: for titles of drawings, and attributes."""
    return readable(in_reader(text or ""))


@register.simple_tag
def told(row: Any, field: str) -> SafeString | str:
    """A row's text: `{% told alert "title" %}`."""
    return in_words(row_text(row, field)) if row else ""


def typed_or_told(row: Any, field: str) -> str:
    """A text that people may have written themselves: only what we composed is translated, without markup."""
    text = row_text(row, field)
    return in_reader(text) if isinstance(text, Said) else text


@register.filter
def typed_plain(row: Any, field: str) -> str:
    """The same in a page's text: `{{ run|typed_plain:"note" }}`."""
    return readable(typed_or_told(row, field)) if row else ""


@register.simple_tag
def typed(row: Any, field: str) -> SafeString | str:
    """The same in its own direction: `{% typed item "reason" %}`."""
    return format_html("<bdi>{}</bdi>", typed_plain(row, field))


@register.filter
def told_notes(row: Any) -> list[SafeString | str]:
    """A row's notes."""
    kept = list((row.said or {}).get("notes") or [])
    kept += [None] * (len(row.notes) - len(kept))
    return [in_words(stored(note, messages)) for note, messages in zip(row.notes, kept, strict=False)]


@register.filter
def told_plain(row: Any, field: str) -> str:
    """A row's text without markup: `{{ change|told_plain:"title" }}`."""
    return plain_words(row_text(row, field)) if row else ""


@register.filter
def verdict_sentence(comparison: Any) -> SafeString | str:
    """A comparison's sentence."""
    return in_words(stored(comparison.sentence, comparison.figures.get("parts")))


@register.filter
def queue_name(queue: Queue) -> str:
    """A queue's name; that of the queue which verifications fill is ours until somebody gives it another."""
    is_ours = queue.slug == CHANGED_ANSWERS and queue.name == CHANGED_ANSWERS_NAME
    return gettext(queue.name) if is_ours else queue.name


@register.filter
def queue_instructions(queue: Queue) -> str:
    """Its instructions, likewise."""
    is_ours = queue.slug == CHANGED_ANSWERS and queue.instructions == CHANGED_ANSWERS_INSTRUCTIONS
    return gettext(queue.instructions) if is_ours else queue.instructions
