"""Numbers as people read them, and the small drawings made of them.

Drawings are server-made SVG: widths are SVG attributes, so nothing needs a style attribute, and they print,
scale and work without JavaScript. Each carries its figures as text for those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_bidi, ngettext
from django.utils.translation import gettext as _

from reviewapp.templatetags.faces import VERDICTS, verdict, verdict_key

register = template.Library()

DASH = "–"
_NARROW_SPACE = "\u202f"


@register.filter
def count(value: int | None) -> str:
    """`12 408`: thousands set apart by a narrow space."""
    if value is None:
        return DASH
    return f"{value:,}".replace(",", _NARROW_SPACE)


@register.filter
def bounded(value: int, bound: int = 1000) -> str:
    """A count that stopped at its bound says so: `1 000+`."""
    return f"{count(value)}+" if value >= bound else count(value)


@register.filter
def count_short(value: int | None) -> str:
    """`12.4 k`, `3 M`, for tiles and badges."""
    if value is None:
        return DASH
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if abs(value) >= size:
            scaled = value / size
            digits = 0 if abs(scaled) >= 100 or scaled == int(scaled) else 1
            return f"{number_format(scaled, digits)}{_NARROW_SPACE}{unit}"
    return str(value)


@register.filter
def percent(value: float | None, digits: int = 0) -> str:
    """A share of one as per cent; never says 0 % or 100 % of what is only nearly so."""
    if value is None:
        return DASH
    if 0 < value <= 0.005 and digits == 0:
        return _in_a_row(f"<1{_NARROW_SPACE}%")
    if 0.995 <= value < 1 and digits == 0:
        return _in_a_row(f">99{_NARROW_SPACE}%")
    # Django cuts digits off instead of rounding, which suits only what is nearly all.
    shown = value * 100 if 0.99 < value < 1 else round(value * 100, digits)
    return _in_a_row(f"{number_format(shown, digits)}{_NARROW_SPACE}%")


@register.filter
def typed_percent(value: float) -> str:
    """A share of one that somebody wrote in per cent, as it was written: `10 %`, `2.5 %`, `0.001 %`."""
    written = f"{value * 100:.6f}".rstrip("0").rstrip(".")
    digits = len(written.partition(".")[2])
    return _in_a_row(f"{number_format(written, digits)}{_NARROW_SPACE}%")


def percents(shares: Sequence[float]) -> list[str]:
    """Shares of one whole as per cent: rounded so that the figures add up as the shares do.

    Each is cut to whole per cents, and what is missing goes to those that were cut most.
    """
    whole = [int(share * 100 + 1e-9) for share in shares]
    missing = round(sum(shares) * 100) - sum(whole)
    order = sorted(range(len(shares)), key=lambda place: whole[place] - shares[place] * 100)
    for place in order[:missing]:
        whole[place] += 1
    return [_whole_percent(figure, share) for figure, share in zip(whole, shares, strict=True)]


def _whole_percent(figure: int, share: float) -> str:
    if figure == 0 and share > 0:
        return _in_a_row(f"<1{_NARROW_SPACE}%")
    if figure == 100 and share < 1:
        return _in_a_row(f">99{_NARROW_SPACE}%")
    return _in_a_row(f"{figure}{_NARROW_SPACE}%")


def _in_a_row(text: str) -> str:
    """A figure with its unit as it is written, also amid words that run from right to left."""
    # Marks that show nothing and run from left to right; isolates would be shown as what may deceive.
    return f"\u200e{text}\u200e" if get_language_bidi() else text


@register.filter
def milliseconds(value: float | None) -> str:
    """`812 ms`, `3.4 s`, `2 min 5 s`."""
    if value is None:
        return DASH
    if value < 1_000:
        return _in_a_row(f"{round(value)}{_NARROW_SPACE}ms")
    if value < 60_000:
        return _in_a_row(f"{number_format(value / 1000, 1)}{_NARROW_SPACE}s")
    return seconds(value / 1000)


@register.filter
def seconds(value: float | None) -> str:
    """Time left or spent: `40 s`, `2 min 5 s`, `3 h 12 min`."""
    if value is None:
        return DASH
    whole = max(0, round(value))
    if whole < 60:
        return _in_a_row(f"{whole}{_NARROW_SPACE}s")
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        tail = f" {rest}{_NARROW_SPACE}s" if rest and minutes < 10 else ""
        return _in_a_row(f"{minutes}{_NARROW_SPACE}min{tail}")
    hours, rest = divmod(whole // 60, 60)
    tail = f" {rest}{_NARROW_SPACE}min" if rest else ""
    return _in_a_row(f"{hours}{_NARROW_SPACE}h{tail}")


@register.filter
def file_size(value: int | None) -> str:
    """`14 kB`, `2.1 MB`."""
    if value is None:
        return DASH
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= size:
            figure = number_format(value / size, 0 if value >= 100 * size else 1)
            return _in_a_row(f"{figure}{_NARROW_SPACE}{unit}")
    return _in_a_row(f"{value}{_NARROW_SPACE}B")


@register.filter
def money(value: float | None) -> str:
    """US dollars; small amounts keep enough digits to say something."""
    if value is None:
        return DASH
    # Of what is less than a cent two figures count, however many zeros stand before them.
    digits = 2 if value == 0 or value >= 0.1 else min(12, max(4, 1 - math.floor(math.log10(abs(value)))))
    return f"${number_format(value, digits)}"


@register.simple_tag
def ring(done: int, total: int, label: str = "") -> SafeString:
    """The small ring of running work. Unknown total: a quarter that the stylesheet turns."""
    known = bool(total)
    share = round(100 * done / total) if known else 25
    name = label or (_("%(share)d %% done") % {"share": share} if known else _("Running"))
    return format_html(
        '<svg class="ring{}" width="18" height="18" viewBox="0 0 18 18" role="img" aria-label="{}">'
        '<circle class="ring-track" cx="9" cy="9" r="7"/>'
        '<circle class="ring-done" cx="9" cy="9" r="7" pathLength="100" stroke-dasharray="{} 100" '
        'transform="rotate(-90 9 9)"/></svg>',
        "" if known else " is-unknown",
        name,
        share,
    )


@register.simple_tag
def verdict_bar(counts: Mapping[str, int] | None, pending: int = 0, legend: bool = False) -> SafeString:
    """Counts by verdict as one stacked bar, in the fixed order; `pending` is what has no verdict yet."""
    found: dict[str, int] = {}
    for name, number in (counts or {}).items():
        found[verdict_key(str(name))] = found.get(verdict_key(str(name)), 0) + int(number)
    parts = [(key, str(VERDICTS[key][0]), found[key]) for key in VERDICTS if found.get(key)]
    total = sum(number for _key, _word, number in parts) + pending
    if not total:
        return mark_safe('<span class="muted">–</span>')
    words = ", ".join(f"{number} {word}" for _key, word, number in parts)
    if pending:
        words += (", " if words else "") + ngettext("%(n)d waiting", "%(n)d waiting", pending) % {
            "n": pending
        }
    pieces, at = [], 0.0
    for key, _word, number in parts:
        share = 100 * number / total
        pieces.append((key, f"{at:.3f}%", f"{share:.3f}%"))
        at += share
    bar = format_html(
        '<svg class="verdict-bar" width="100%" height="8" role="img" aria-label="{}"><title>{}</title>'
        "{}</svg>",
        words,
        words,
        format_html_join("", '<rect data-verdict="{}" x="{}" y="0" width="{}" height="100%"/>', pieces),
    )
    if not legend:
        return bar
    return format_html(
        '<div class="verdict-summary">{}<ul class="verdict-legend">{}</ul></div>',
        bar,
        format_html_join("", "<li>{}</li>", ((verdict(key, number),) for key, _word, number in parts)),
    )


@register.simple_tag
def meter(share: float | None, label: str = "", figure: str = "") -> SafeString:
    """A share of one as a thin bar with its figure: for shares in tables.

    `figure` is how it is written where it must add up with others, see `percents`.
    """
    if share is None:
        return mark_safe('<span class="muted">–</span>')
    text = figure or percent(share)
    return format_html(
        '<span class="meter"><svg class="meter-bar" width="48" height="4" aria-hidden="true" '
        'focusable="false"><rect class="meter-track" width="100%" height="100%" rx="2"/>'
        '<rect class="meter-done" width="{}%" height="100%" rx="2"/></svg>'
        '<span class="meter-figure">{}</span>{}</span>',
        f"{100 * min(1.0, max(0.0, share)):.1f}",
        text,
        format_html('<span class="visually-hidden"> {}</span>', label) if label else "",
    )


@register.simple_tag
def sparkline(
    values: Sequence[float | None], label: str = "", width: int = 96, height: int = 20
) -> SafeString:
    """A trend without axes; a gap where a value is missing, a dot at the last value."""
    known = [value for value in values if value is not None]
    if not known:
        return mark_safe('<span class="muted">–</span>')
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = (width - 6) / max(1, len(values) - 1)
    commands: list[str] = []
    pen_down = False
    last = (3.0, height / 2)
    for index, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        last = (3 + index * step, 3 + (height - 6) * (1 - (value - low) / span))
        commands.append(f"{'L' if pen_down else 'M'}{last[0]:.1f} {last[1]:.1f}")
        pen_down = True
    return format_html(
        '<svg class="sparkline" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path d="{}"/><circle cx="{}" cy="{}" r="2"/></svg>',
        width,
        height,
        width,
        height,
        label or _("Trend"),
        "".join(commands),
        f"{last[0]:.1f}",
        f"{last[1]:.1f}",
    )


@register.simple_tag
def number_line(ranges: Iterable[Mapping[str, Any]], low: int, high: int, label: str = "") -> SafeString:
    """Seed ranges on one line: `ranges` of {name, low, high, used}; `used` is 0 to 1."""
    span = max(1, high - low)
    pieces, names = [], []
    for index, item in enumerate(ranges):
        start, end = int(item["low"]), int(item["high"])
        width = max(0.4, 100 * (end - start) / span)
        x = 100 * (start - low) / span
        used = min(1.0, max(0.0, float(item.get("used") or 0)))
        text = f"{item['name']}: {count(start)} … {count(end)}"
        names.append(text)
        pieces.append(
            (f"hue-{index * 5 % 24}", text, f"{x:.3f}%", f"{width:.3f}%", f"{x:.3f}%", f"{width * used:.3f}%")
        )
    return format_html(
        '<figure class="number-line"><svg width="100%" height="20" role="img" aria-label="{}">'
        '<rect class="number-line-axis" x="0" y="9.500" width="100%" height="1"/>{}</svg>'
        "<figcaption><span>{}</span><span>{}</span></figcaption></figure>",
        f"{label or _('Seed ranges')}: {'; '.join(names)}",
        format_html_join(
            "",
            '<g class="number-line-range {}"><title>{}</title>'
            '<rect class="number-line-all" x="{}" y="4" width="{}" height="12" rx="2"/>'
            '<rect class="number-line-used" x="{}" y="4" width="{}" height="12" rx="2"/></g>',
            pieces,
        ),
        count(low),
        count(high),
    )
