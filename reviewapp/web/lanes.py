"""The timeline of a fingerprint pool, as geometry and as a table: a lane a value, as thick as its share.

Positions along the time are percentages and heights are pixels, so that the drawing is as wide as its place
without its text or its strokes being stretched. Bars end now at the latest, and a value's begin with its
first answer, so that a change of the last minutes lies where it belongs whatever the bins are. The table
has the same figures, of the same bins, with the same links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from reviewapp.models.happenings import Happening
from reviewapp.models.pools import Pool, PoolValue
from reviewapp.pure.pools import Bucket
from reviewapp.pure.spans import DAY, Span
from reviewapp.templatetags.figures import count, percent, seconds

LANE: Final = 20
LANES: Final = 12
# Thinner could not be seen, nor pointed at: pixels, and shares of the width.
_THINNEST: Final = 3.0
_NARROWEST: Final = 0.004
# Between neighbours, so that single bins can be told apart.
_GAP: Final = 0.0008


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane, all as SVG wants it, and the interactions behind it."""

    x: str
    width: str
    y: str
    height: str
    title: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment: an event's pin, a tick of the axis, the end of an overlap."""

    x: str
    text: str
    anchor: str = "middle"
    happening: Happening | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One value's traffic, the overlap in which it is still valid, and when that ended by itself."""

    value: PoolValue
    bars: list[Bar]
    overlap: Bar | None = None
    ended: Mark | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """How many answers of a bin carried a value."""

    n: int
    share: float
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One bin in the table: all its answers, and those of each lane."""

    words: str
    all: Cell
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the page draws."""

    span: Span
    lanes: list[Lane]
    traffic: list[Bar]
    busiest: int
    pins: list[Mark]
    ticks: list[Mark]
    # Where now is, if the drawing goes on after it.
    now: str
    lines: list[Line]
    # Values that answered, but have no lane.
    left_out: int

    @property
    def bin_words(self) -> str:
        """How long a bar is: `5 min`, `8 h`, `7 days`."""
        if self.span.step <= DAY:
            return seconds(self.span.step.total_seconds())
        return _("%(n)d days") % {"n": self.span.step.days}

    @property
    def height(self) -> int:
        """Of one lane."""
        return LANE


def draw_timeline(
    *, pool: Pool, buckets: Sequence[Bucket], happened: Sequence[Happening], span: Span, now: datetime
) -> Timeline:
    """Draw what the pool answered in that span."""
    return _Drawing(pool, buckets, span, now).timeline(happened)


class _Drawing:
    def __init__(self, pool: Pool, buckets: Sequence[Bucket], span: Span, now: datetime) -> None:
        self.pool = pool
        self.buckets = buckets
        self.span = span
        self.now = now
        self.totals = {bucket.at: sum(bucket.counts.values()) for bucket in buckets}

    def timeline(self, happened: Sequence[Happening]) -> Timeline:
        span = self.span
        values, left_out = self._chosen()
        busiest = max(self.totals.values(), default=0)
        return Timeline(
            span=span,
            lanes=[
                Lane(
                    value=value,
                    bars=self._bars(value),
                    overlap=self._overlap(value),
                    ended=self._ended(value),
                )
                for value in values
            ],
            traffic=[self._traffic(bucket.at, busiest) for bucket in self.buckets],
            busiest=busiest,
            pins=[
                Mark(_percent(span.share(one.at)), f"{_stamp(one.at)}: {one.sentence}", happening=one)
                for one in happened
                if span.start <= one.at <= span.end
            ],
            ticks=list(self._ticks()),
            now=_percent(span.share(self.now)) if self.now < span.end else "",
            lines=[self._line(bucket, values) for bucket in reversed(self.buckets)],
            left_out=left_out,
        )

    def _chosen(self) -> tuple[list[PoolValue], int]:
        """The values with a lane, in the order in which they came: undecided ones, then the busiest."""
        here: dict[str | None, int] = {}
        for bucket in self.buckets:
            for name, n in bucket.counts.items():
                here[name] = here.get(name, 0) + n
        waits = [value for value in self.pool.values if value.state in ("new", "overlap")]
        seen = [value for value in self.pool.values if value.value in here and value not in waits]
        seen.sort(key=lambda value: here[value.value], reverse=True)
        waits.sort(key=lambda value: (here.get(value.value, 0), value.last_seen), reverse=True)
        chosen = [*waits, *seen][:LANES]
        drawn = {value.value for value in chosen}
        return sorted(chosen, key=lambda value: value.first_seen), sum(name not in drawn for name in here)

    def _bin(self, at: datetime) -> tuple[datetime, datetime]:
        """A bin's two moments, also of the one that is not over."""
        return at, at + self.span.step

    def _bars(self, value: PoolValue) -> list[Bar]:
        return [
            self._bar(value, bucket.at, n)
            for bucket in self.buckets
            if (n := bucket.counts.get(value.value, 0))
        ]

    def _bar(self, value: PoolValue, at: datetime, n: int) -> Bar:
        total = self.totals[at]
        begin, end = self._bin(at)
        x, width = self._place(max(begin, min(value.first_seen, end)), end)
        height = max(n / total * LANE, _THINNEST)
        return Bar(
            x=x,
            width=width,
            y=f"{(LANE - height) / 2:.1f}",
            height=f"{height:.1f}",
            title=_("%(time)s: %(n)s of %(total)s answers (%(share)s)")
            % {
                "time": _stretch(begin, end),
                "n": count(n),
                "total": count(total),
                "share": percent(n / total),
            },
            url=self._url(begin, end, value),
        )

    def _traffic(self, at: datetime, busiest: int) -> Bar:
        begin, end = self._bin(at)
        x, width = self._place(begin, end)
        height = max(self.totals[at] / busiest * LANE, 1.0)
        return Bar(
            x=x,
            width=width,
            y=f"{LANE - height:.1f}",
            height=f"{height:.1f}",
            title=_("%(time)s: %(n)s answers") % {"time": _stretch(begin, end), "n": count(self.totals[at])},
            url=self._url(begin, end),
        )

    def _place(self, begin: datetime, end: datetime) -> tuple[str, str]:
        """Where a bar lies; never after now, and never too narrow to be seen."""
        last = self.span.share(min(end, self.now))
        first = min(self.span.share(begin), max(last - _NARROWEST, 0.0))
        return _percent(first), _percent(max(last - first - _GAP, _NARROWEST / 2))

    def _url(self, begin: datetime, end: datetime, value: PoolValue | None = None) -> str:
        """The interactions behind a bar. Counted are answers only, those that replays got among them."""
        shapes = value.shapes if value else [shape for one in self.pool.values for shape in one.shapes]
        endpoints = {shape.partition("+")[0] for shape in shapes}
        query = {
            "provider": self.pool.provider.name,
            "model": self.pool.model,
            "fingerprint": (value.value or "none") if value else "",
            "since": f"{begin:%Y-%m-%dT%H:%MZ}",
            "until": f"{end:%Y-%m-%dT%H:%MZ}",
            "status": "" if value and value.value else "ok",
            "endpoint": endpoints.pop() if len(endpoints) == 1 and not (value and value.value) else "",
            "replays": "all",
        }
        return f"{reverse('interactions')}?{urlencode({k: v for k, v in query.items() if v})}"

    def _overlap(self, value: PoolValue) -> Bar | None:
        if value.state != "overlap" or value.overlap_until is None:
            return None
        begins = value.decided_at or value.last_seen
        if begins >= self.span.end or value.overlap_until <= self.span.start:
            return None
        last = self.span.share(value.overlap_until)
        begin = min(self.span.share(begins), last - _NARROWEST)
        return Bar(
            x=_percent(begin),
            width=_percent(last - begin),
            y="0.5",
            height=str(LANE - 1),
            title=_("Overlap from %(begin)s until %(end)s")
            % {"begin": _stamp(begins), "end": _stamp(value.overlap_until)},
        )

    def _ended(self, value: PoolValue) -> Mark | None:
        if not value.retired_by_itself or value.decided_at is None:
            return None
        if not self.span.start <= value.decided_at <= self.span.end:
            return None
        text = _("%(time)s: retired by itself. %(why)s") % {
            "time": _stamp(value.decided_at),
            "why": _(value.note) if value.note else "",
        }
        return Mark(_percent(self.span.share(value.decided_at)), text.strip())

    def _line(self, bucket: Bucket, values: Sequence[PoolValue]) -> Line:
        begin, end = self._bin(bucket.at)
        total = self.totals[bucket.at]
        return Line(
            words=_stretch(begin, end),
            all=Cell(total, 1.0, self._url(begin, end)),
            cells=[
                Cell(n, n / total, self._url(begin, end, value))
                if (n := bucket.counts.get(value.value, 0))
                else None
                for value in values
            ],
        )

    def _ticks(self) -> list[Mark]:
        moments = list(self.span.ticks())
        step = moments[1] - moments[0] if len(moments) > 1 else DAY
        found = []
        for moment in moments:
            share = self.span.share(moment)
            anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
            found.append(Mark(_percent(share), _tick(moment, step), anchor))
        return found


def stretch(span: Span) -> str:
    """A span in words: `22 Nov 21:03 to 22:03`."""
    return _stretch(span.start, span.end)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _stamp(moment: datetime) -> str:
    return date_format(moment, "j M H:i")


def _stretch(begin: datetime, end: datetime) -> str:
    is_day = begin.date() == end.date()
    return _("%(begin)s to %(end)s") % {
        "begin": _stamp(begin),
        "end": date_format(end, "H:i") if is_day else _stamp(end),
    }


def _tick(moment: datetime, step: timedelta) -> str:
    if step >= timedelta(days=60):
        return date_format(moment, "M Y")
    is_midnight = moment.hour == moment.minute == 0
    return date_format(moment, "j M" if step >= DAY or is_midnight else "H:i")
