"""What things look like: icons, verdict chips, and the face of a fingerprint.

A fingerprint is a string nobody can remember. Drawn as a symmetric 5×5 glyph in a hue, both taken from the
value's digest, the same value looks the same on every screen and eyes find a difference before reading does.
The digest decides everything: no table of faces is kept, so a face never changes and two installations draw
the same one.

Strict CSP forbids style attributes, so colour goes through classes: `hue-0` … `hue-23` (24 steps of 15°), to
which the stylesheet gives a lightness that is readable in both themes.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
from dataclasses import dataclass
from html import escape
from typing import Final

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext
from django.utils.translation import gettext as _

register = template.Library()

HUES = 24
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_ROWS, _HALF = 5, 3


@dataclass(frozen=True)
class Face:
    """The look of one fingerprint value: which of the 25 cells are filled, and the hue step."""

    cells: tuple[tuple[bool, ...], ...]
    hue: int


def face_of(value: str) -> Face:
    """Draw the face of `value`. Nearly empty and nearly full faces are skipped: they all look alike."""
    seed = value.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(seed).digest()
    hue = digest[0] % HUES
    while True:
        bits = int.from_bytes(digest[1:3], "big") & 0x7FFF
        if 5 <= bits.bit_count() <= 11:
            break
        digest = hashlib.sha256(digest).digest()
    rows = []
    for row in range(_ROWS):
        half = [bool(bits >> (row * _HALF + column) & 1) for column in range(_HALF)]
        rows.append((half[0], half[1], half[2], half[1], half[0]))
    return Face(cells=tuple(rows), hue=hue)


@register.filter
def readable(text: str | None) -> str:
    """Recorded text as a page can hold it: half characters, which no encoding can write, show as `�`."""
    return _LONE_SURROGATES.sub("�", text or "")


@register.simple_tag
def fingerprint_glyph(value: str | None, size: int = 15) -> SafeString:
    """The glyph alone; `size` in pixels is best a multiple of five. None draws the hollow dashed square."""
    if not value:
        return format_html(
            '<svg class="glyph is-hollow" width="{}" height="{}" viewBox="0 0 15 15" aria-hidden="true" '
            'focusable="false"><rect x="1" y="1" width="13" height="13" rx="2.5" fill="none" '
            'stroke="currentColor" '
            'stroke-dasharray="2.6 2.2"/></svg>',
            size,
            size,
        )
    face = face_of(value)
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(face.cells) for x, filled in enumerate(row) if filled
    )
    return format_html(
        '<svg class="glyph hue-{}" width="{}" height="{}" viewBox="0 0 5 5" shape-rendering="crispEdges" '
        'aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        face.hue,
        size,
        size,
        path,
    )


FINGERPRINT_STATES: dict[str, tuple[str | Promise, str | Promise]] = {
    "new": (gettext_lazy("new"), gettext_lazy("First seen lately; nobody has decided about it yet")),
    "accepted": (
        gettext_lazy("accepted"),
        gettext_lazy("Accepted: answers with this fingerprint are expected"),
    ),
    "overlap": (
        gettext_lazy("overlap"),
        gettext_lazy("Overlap: still valid beside a newer one until its window ends"),
    ),
    "retired": (gettext_lazy("retired"), gettext_lazy("Retired: no longer valid")),
}


@register.simple_tag
def fingerprint(value: str | None, state: str | None = "", show_state: bool = True) -> SafeString:
    """The chip: glyph, value, state word. The state `accepted`, the ordinary case, is a small tick."""
    return _chip(value, state, show_state, get_language())


@functools.lru_cache(maxsize=1024)
def _chip(value: str | None, state: str | None, show_state: bool, _language: str | None) -> SafeString:
    # Lists say few values many times; a fresh one is drawn in a tenth of a millisecond.
    if not value:
        return format_html(
            '<span class="fingerprint is-none" title="{}">{}<span class="fingerprint-value">{}</span></span>',
            _("The response reported no system_fingerprint"),
            fingerprint_glyph(None),
            _("no fingerprint reported"),
        )
    shown = readable(value)
    word, explanation = FINGERPRINT_STATES.get(state or "", ("", ""))
    badge: str = ""
    if word and show_state:
        told = icon("check2", label=str(word)) if state == "accepted" else word
        badge = format_html('<span class="fingerprint-state">{}</span>', told)
    return format_html(
        '<span class="fingerprint hue-{}" data-state="{}" title="{}">{}'
        '<bdi class="fingerprint-value">{}</bdi>{}</span>',
        face_of(value).hue,
        state or "",
        f"{shown} · {explanation}" if explanation else shown,
        fingerprint_glyph(value),
        shown,
        badge,
    )


@register.filter
def hue_class(value: str | None) -> str:
    """The hue class of a fingerprint, for lanes and plots: `class="lane {{ value|hue_class }}"`."""
    return f"hue-{face_of(value).hue}" if value else "hue-none"


VERDICTS: dict[str, tuple[str | Promise, str | Promise]] = {
    "identical": (gettext_lazy("identical"), gettext_lazy("The replay gave the same answer")),
    "equivalent": (
        gettext_lazy("equivalent"),
        gettext_lazy("The answers differ only where it does not matter"),
    ),
    "nondeterministic": (
        gettext_lazy("nondeterministic"),
        gettext_lazy("The answers part where chance explains it"),
    ),
    "backend_changed": (
        gettext_lazy("backend changed"),
        gettext_lazy("The answers part, and chance does not explain it"),
    ),
    "inconclusive": (gettext_lazy("inconclusive"), gettext_lazy("Too little to tell")),
    "failed": (gettext_lazy("failed"), gettext_lazy("The replay got no answer")),
}


def verdict_key(name: str) -> str:
    """One spelling for `backend changed`, `backend-changed` and `backend_changed`."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


@register.simple_tag
def verdict(name: str | None, count: int | None = None) -> SafeString:
    """Shape, word and colour; with `count`, `8 identical`. No verdict yet draws a quiet dash."""
    if not name:
        return format_html('<span class="verdict is-none" title="{}">–</span>', _("No replay yet"))
    return _verdict(name, count, get_language())


@functools.lru_cache(maxsize=1024)
def _verdict(name: str, count: int | None, _language: str | None) -> SafeString:
    key = verdict_key(name)
    word, explanation = VERDICTS.get(key, (name, ""))
    return format_html(
        '<span class="verdict" data-verdict="{}" title="{}">{}{}<span class="verdict-word">{}</span></span>',
        key,
        explanation,
        icon(f"verdict-{key.replace('_', '-')}"),
        "" if count is None else format_html('<span class="verdict-count">{}</span>', count),
        word,
    )


@register.simple_tag
def verdict_icon(name: str) -> SafeString:
    """The shape alone, for places where the word stands beside it."""
    return icon(f"verdict-{verdict_key(name).replace('_', '-')}")


@register.simple_tag
def verdict_word(name: str) -> str:
    """The word alone."""
    return str(VERDICTS.get(verdict_key(name), (name, ""))[0])


SEVERITIES: dict[str, str | Promise] = {
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "high": gettext_lazy("high"),
    "critical": gettext_lazy("critical"),
}


@register.simple_tag
def flag_chip(reason: str, severity: str = "") -> SafeString:
    """A flag: reason, and severity as a word beside the colour (low says nothing: the ordinary case)."""
    word = SEVERITIES.get(severity, severity)
    return format_html(
        '<span class="flag" data-severity="{}">{}<span class="flag-reason">{}</span>{}</span>',
        severity,
        icon("flag-fill"),
        reason,
        format_html('<span class="flag-severity">{}</span>', word) if word and severity != "low" else "",
    )


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of the sprite. Decorative unless `label` gives it a name of its own."""
    if not label:
        return _decorative(name)
    return format_html(
        '<svg class="icon" width="16" height="16" role="img" aria-label="{}"><use href="{}"/></svg>',
        label,
        f"{static('icons.svg')}#{name}",
    )


# Which point along the line: forth is to the left where a language is written so.
_DIRECTIONAL: Final = frozenset(
    [
        *("arrow-left", "arrow-right", "chevron-left", "chevron-right"),
        *("box-arrow-right", "box-arrow-up-right", "layout-sidebar", "list-ul", "send", "text-left"),
    ]
)


@functools.lru_cache(maxsize=256)
def _decorative(name: str) -> SafeString:
    # A page has dozens, and where the sprite lies stays the same while the process lives.
    return format_html(
        '<svg class="icon{}" width="16" height="16" aria-hidden="true" focusable="false">'
        '<use href="{}"/></svg>',
        " icon-directional" if name in _DIRECTIONAL else "",
        f"{static('icons.svg')}#{name}",
    )


@register.simple_tag(takes_context=True)
def when(context: template.Context, moment: dt.datetime | None, form: str = "short") -> SafeString:
    """A moment as people say it, the exact time on hover. Forms: `short` (5 min), `long` (5 minutes ago).

    A page that passes `now` in its context decides what *now* is; else the clock is read here, at the edge.
    """
    if moment is None:
        return mark_safe('<span class="muted">–</span>')
    given = context.get("now")
    now = given if isinstance(given, dt.datetime) else timezone.now()
    local = _local(moment)
    words = ago(moment=moment, now=now) if form == "long" else _short(local, _local(now))
    title = f"{_day(local.date(), 'DATE_FORMAT', get_language())}, {local:%H:%M:%S %Z}".strip()
    return mark_safe(  # noqa: S308  # escaped here
        f'<time datetime="{moment.isoformat()}" title="{escape(title)}">{escape(words)}</time>'
    )


@functools.lru_cache(maxsize=1024)
def _day(day: dt.date, form: str, _language: str | None) -> str:
    # A list says a day a hundred times; to write it takes Django longer than all the rest of a moment.
    return date_format(day, form)


def _local(moment: dt.datetime) -> dt.datetime:
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


@register.simple_tag
def due(day: dt.date | None, waits: bool = True) -> SafeString:
    """The day by which a queue should be done; in words and colour where it is past and something waits."""
    if day is None:
        return mark_safe('<span class="muted">–</span>')
    today = timezone.localdate()
    shown = date_format(day, "j M" if day.year == today.year else "j M Y")
    if waits and day < today:
        said = _("overdue since %(day)s") % {"day": shown}
        return format_html('<span class="badge nowrap" data-tone="bad">{}</span>', said)
    return format_html('<span class="nowrap">{}</span>', _("due %(day)s") % {"day": shown})


def ago(*, moment: dt.datetime, now: dt.datetime) -> str:
    """`5 minutes ago`, `in 2 hours`, `yesterday`, `4 March 2026`."""
    seconds = (now - moment).total_seconds()
    past, size = seconds >= 0, abs(seconds)
    if size < 45:
        return _("just now") if past else _("in a moment")
    minutes, hours, days = round(size / 60), round(size / 3600), round(size / 86400)
    if minutes < 60:
        text = ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    elif hours < 24:
        text = ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    elif days < 30:
        text = ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
    else:
        return _day(_local(moment).date(), "DATE_FORMAT", get_language())
    return _("%(time)s ago") % {"time": text} if past else _("in %(time)s") % {"time": text}


def ago_short(*, moment: dt.datetime, now: dt.datetime) -> str:
    """For columns: today's times as a clock, this year's as day and month, older ones with the year."""
    return _short(_local(moment), _local(now))


def _short(moment: dt.datetime, now: dt.datetime) -> str:
    seconds = (now - moment).total_seconds()
    if 0 <= seconds < 60:
        return _("now")
    if 0 <= seconds < 3600:
        return pgettext("minutes ago, short", "%(n)d min") % {"n": seconds // 60}
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return _day(moment.date(), "j M" if moment.year == now.year else "j M Y", get_language())
