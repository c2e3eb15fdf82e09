"""The behaviour strip of a canary set, as geometry: a dot a check, its height how far from ordinary.

Heights are in alarm lines: the effect divided by its floor, so that checks that were decided by
different measures, and floors that move as the baseline grows, stand on one scale. The scale is linear
up to the line and ends at four lines; what lies beyond sits on the upper edge, its value in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from reviewapp.models import CanaryCheck
from reviewapp.templatetags.said import in_reader, row_text

HEIGHT: Final = 64
_TOP: Final = 8.0
_FOOT: Final = 56.0
_LINE: Final = 30.0
_MOST_LINES: Final = 4.0
STATISTICS: Final = {
    "lp_nearest": gettext_noop("distance of log probabilities from the nearest known answer"),
    "lp_shift": gettext_noop("shift of the mean log probabilities"),
    "unseen_text": gettext_noop("share of texts that the baseline never gave"),
    "border_tv": gettext_noop("answers to border prompts that moved"),
    "mmd_hamming": gettext_noop("distance between the distributions of texts"),
}
# What a measure is taken from, and how the answers of a kind of canary are compared.
COLUMNS: Final = {
    "log probabilities": gettext_noop("log probabilities"),
    "text, seed honoured": gettext_noop("text, seed honoured"),
    "text, seed ignored": gettext_noop("text, seed ignored"),
}
KINDS: Final = {
    "token": gettext_noop("one token, log probabilities"),
    "border": gettext_noop("one token, nearly tied"),
    "seeded": gettext_noop("text under a seed"),
    "plain": gettext_noop("text under a seed, the server's own settings"),
    "greedy": gettext_noop("text at temperature 0"),
}


@dataclass(frozen=True, slots=True)
class Dot:
    """One check: where it is drawn, what it says."""

    check: CanaryCheck
    x: str
    y: str
    title: str


@dataclass(frozen=True, slots=True)
class Strip:
    """What the page draws."""

    dots: list[Dot]
    line: str = f"{_LINE:g}"
    foot: str = f"{_FOOT:g}"
    height: int = HEIGHT


def draw_strip(*, checks: Sequence[CanaryCheck], start: datetime, end: datetime) -> Strip:
    """The checks between the two moments."""
    span = max((end - start).total_seconds(), 1.0)
    return Strip(
        dots=[
            Dot(
                check=check,
                x=f"{100 * min(max((check.created_at - start).total_seconds() / span, 0), 1):.2f}%",
                y=f"{_y(check):.1f}",
                title=f"{date_format(check.created_at, 'j M H:i')}: {in_reader(row_text(check, 'sentence'))}",
            )
            for check in checks
            if start <= check.created_at <= end
        ]
    )


def lines_of(check: CanaryCheck) -> float | None:
    """The effect in alarm lines; None where nothing was measured."""
    if check.effect is None or not check.floor:
        return None
    return check.effect / check.floor


def _y(check: CanaryCheck) -> float:
    lines = lines_of(check)
    if lines is None:
        return _FOOT
    if lines <= 1:
        return _FOOT - (_FOOT - _LINE) * lines
    return _LINE - (_LINE - _TOP) * min((lines - 1) / (_MOST_LINES - 1), 1)


def amount(statistic: str, value: float | None) -> str:
    """A value of this statistic, in its own unit."""
    if value is None:
        return "–"
    if statistic in {"lp_nearest", "lp_shift"}:
        return f"{value:.2g} nat"
    if statistic == "unseen_text":
        return f"{100 * value:.0f} %"
    return f"{value:.2f}"


def statistic_words(statistic: str) -> str:
    """What was measured, for people."""
    return _(STATISTICS[statistic]) if statistic in STATISTICS else _("nothing could be measured")


def column_words(column: str) -> str:
    """What it was measured from, for people."""
    return _(COLUMNS[column]) if column in COLUMNS else column


def kind_words(kind: str) -> str:
    """A kind of canary, for people."""
    return _(KINDS[kind]) if kind in KINDS else _("text left to chance")
