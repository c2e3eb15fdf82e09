"""Which span of time a page shows: a preset, or from one moment to another, all of it in the address.

Whoever zooms in several times goes back step by step: the spans before this one stand in the address too
(`was`). Without a wish the shortest preset is shown that holds all there is, and at most a month: a project
an hour old shows its hour, not a month with a dot at its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

PRESETS: Final[dict[str, tuple[str | Promise, timedelta | None]]] = {
    "minutes": (gettext_lazy("15 min"), timedelta(minutes=15)),
    "hour": (gettext_lazy("Hour"), timedelta(hours=1)),
    "hours": (gettext_lazy("6 h"), timedelta(hours=6)),
    "day": (gettext_lazy("Day"), timedelta(days=1)),
    "week": (gettext_lazy("Week"), timedelta(days=7)),
    "month": (gettext_lazy("Month"), timedelta(days=30)),
    "all": (gettext_lazy("All"), None),
}
_LONGEST: Final = timedelta(days=30)
# Shorter spans show nothing more.
SHORTEST: Final = timedelta(minutes=5)
# What lies farther from now can't be meant.
_FARTHEST: Final = timedelta(days=365 * 20)
_STEPS_BACK: Final = 8
_OWN: Final = ("range", "from", "to", "was", "page")
_FORM: Final = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class Preset:
    """A span to choose."""

    name: str
    word: str | Promise
    url: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The span that is shown, and the ways to others."""

    start: datetime
    end: datetime
    # The name of the preset; empty for from one moment to another.
    preset: str
    presets: list[Preset]
    # Where a zoomed one came from, and the preset that it began with.
    back: str = ""
    whole: str = ""
    # What a form of two times carries along.
    hidden: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""

    @property
    def is_zoomed(self) -> bool:
        """Whether it goes from one moment to another."""
        return not self.preset


def choose_span(
    *, query: QueryDict, path: str, first: datetime | None, last: datetime | None, now: datetime
) -> Chosen:
    """What the address asks for; `first` and `last` are the moments of what there is to see."""
    kept = [(name, str(value)) for name, value in query.items() if name not in _OWN and value]
    wanted = query.get("range", "")
    ranged = [*kept, *([("range", wanted)] if wanted in PRESETS else [])]
    if page := query.get("page", ""):
        ranged.append(("page", page))
    presets = [
        Preset(name, word, _address(path, [*kept, ("range", name)]))
        for name, (word, _length) in PRESETS.items()
    ]
    was = [text for text in query.getlist("was") if _pair(text)][-_STEPS_BACK:]
    start, end, problem = _read(query.get("from", ""), query.get("to", ""), first, now)
    if start is None or end is None:
        name = wanted if wanted in PRESETS else _usual(first, last, now)
        length = PRESETS[name][1]
        begin = now - length if length else min(first or now, now - SHORTEST)
        return Chosen(begin, now, name, presets, hidden=ranged, problem=problem)
    before = [*ranged, *[("was", text) for text in was[:-1]]]
    if was:
        before += dict(zip(("from", "to"), was[-1].split("~"), strict=True)).items()
    here = [("was", text) for text in [*was, f"{start:{_FORM}}~{end:{_FORM}}"][-_STEPS_BACK:]]
    return Chosen(
        start=start,
        end=end,
        preset="",
        presets=presets,
        back=_address(path, before),
        whole=_address(path, ranged),
        hidden=[*ranged, *here],
        problem=problem,
    )


def _usual(first: datetime | None, last: datetime | None, now: datetime) -> str:
    if first is None or last is None:
        return "month"
    if now - last >= _LONGEST:
        return "all"
    holds = (name for name, (_word, length) in PRESETS.items() if length and now - first <= length)
    return next(holds, "month")


def _read(
    begin: str, end: str, first: datetime | None, now: datetime
) -> tuple[datetime | None, datetime | None, str]:
    """The two moments, none where none are meant, and what is wrong with them."""
    if not begin and not end:
        return None, None, ""
    start = _moment(begin) if begin else first or now - _LONGEST
    stop = _moment(end) if end else now
    if start is None or stop is None:
        return None, None, _("Write the two times as in 2026-11-22T21:03, in UTC.")
    if stop <= start:
        return None, None, _("The end of the time shown must lie after its start.")
    start = min(max(start, now - _FARTHEST), now - SHORTEST)
    return start, max(min(stop, now + _FARTHEST), start + SHORTEST), ""


def _moment(text: str) -> datetime | None:
    """A time in ISO 8601, in UTC where it names no zone, or a day."""
    try:
        # A plus sign in an address arrives as a space.
        found = parse_datetime(text.replace(" ", "+"))
        if found is None and (day := parse_date(text)) is not None:
            found = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        return found.astimezone(UTC) if found and found.tzinfo else found and found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _pair(text: str) -> bool:
    begin, _tilde, end = text.partition("~")
    return _moment(begin) is not None and _moment(end) is not None


def _address(path: str, values: Iterable[tuple[str, str]]) -> str:
    found = urlencode(list(values))
    return f"{path}?{found}" if found else path
