"""The timeline of a fingerprint pool, as geometry and as a table: a lane a value, as thick as its share.

Positions along the time are percentages and heights are pixels, so that the drawing is as wide as its place
without its text or its strokes being stretched. Bars end now at the latest, and a value's begin with its
first answer, so that a change of the last minutes lies where it belongs whatever the bins are. The table
has the same figures, of the same bins, with the same links.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.models.happenings import Happening
from reviewapp.models.pools import Pool, PoolValue
from reviewapp.pure.pools import Bucket
from reviewapp.pure.spans import DAY, Span
from reviewapp.templatetags.figures import count, percent, seconds
from reviewapp.templatetags.said import in_reader

LANE: Final = 20
LANES: Final = 12
# Thinner could not be seen, nor pointed at: pixels, and shares of the width.
_THINNEST: Final = 3.0
_NARROWEST: Final = 0.004
# Between neighbours, so that single bins can be told apart.
_GAP: Final = 0.0008


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane, all as SVG wants it."""

    x: str
    width: str
    y: str
    height: str
    title: str = ""


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
    # As they stand in the page: a template takes five times as long, for some hundred of them.
    bars: SafeString
    overlap: Bar | None = None
    ended: Mark | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One bin in the table: all its answers, and those of each lane, as cells of the page."""

    words: str
    cells: SafeString


@dataclass(frozen=True, slots=True)
class _Bin:
    """What every lane says of a bin."""

    begin: datetime
    end: datetime
    total: int
    total_words: str
    words: str
    # Its part of an address.
    query: str


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a value's bars lead: what comes before a bin's times and what after them."""

    before: str
    after: str

    def of(self, one: _Bin) -> str:
        """As an attribute has it."""
        return escape(f"{self.before}&{one.query}&{self.after}")


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the page draws."""

    span: Span
    lanes: list[Lane]
    traffic: SafeString
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
        self.bins = {bucket.at: self._bin(bucket) for bucket in buckets}
        self.all = self._address()

    def timeline(self, happened: Sequence[Happening]) -> Timeline:
        span = self.span
        values, left_out = self._chosen()
        busiest = max((one.total for one in self.bins.values()), default=0)
        addresses = {value.value: self._address(value) for value in values}
        return Timeline(
            span=span,
            lanes=[
                Lane(
                    value=value,
                    bars=self._bars(value, addresses[value.value]),
                    overlap=self._overlap(value),
                    ended=self._ended(value),
                )
                for value in values
            ],
            traffic=_joined(self._traffic(one, busiest) for one in self.bins.values()),
            busiest=busiest,
            pins=[
                Mark(
                    _percent(span.share(one.at)),
                    f"{_stamp(one.at)}: {in_reader(one.sentence)}",
                    happening=one,
                )
                for one in happened
                if span.start <= one.at <= span.end
            ],
            ticks=list(self._ticks()),
            now=_percent(span.share(self.now)) if self.now < span.end else "",
            lines=[self._line(bucket, addresses) for bucket in reversed(self.buckets)],
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

    def _bin(self, bucket: Bucket) -> _Bin:
        """A bin with its two moments, also one that is not over."""
        begin, end = bucket.at, bucket.at + self.span.step
        total = sum(bucket.counts.values())
        moments = {"since": f"{begin:%Y-%m-%dT%H:%MZ}", "until": f"{end:%Y-%m-%dT%H:%MZ}"}
        return _Bin(begin, end, total, count(total), _stretch(begin, end), urlencode(moments))

    def _bars(self, value: PoolValue, address: _Address) -> SafeString:
        return _joined(
            self._bar(value, self.bins[bucket.at], n, address)
            for bucket in self.buckets
            if (n := bucket.counts.get(value.value, 0))
        )

    def _bar(self, value: PoolValue, one: _Bin, n: int, address: _Address) -> str:
        x, width = self._place(max(one.begin, min(value.first_seen, one.end)), one.end)
        height = max(n / one.total * LANE, _THINNEST)
        bar = Bar(
            x=x,
            width=width,
            y=f"{(LANE - height) / 2:.1f}",
            height=f"{height:.1f}",
            title=_("%(time)s: %(n)s of %(total)s answers (%(share)s)")
            % {
                "time": one.words,
                "n": count(n),
                "total": one.total_words,
                "share": percent(n / one.total),
            },
        )
        return _drawn(bar, "timeline-lane", address.of(one))

    def _traffic(self, one: _Bin, busiest: int) -> str:
        x, width = self._place(one.begin, one.end)
        height = max(one.total / busiest * LANE, 1.0)
        bar = Bar(
            x=x,
            width=width,
            y=f"{LANE - height:.1f}",
            height=f"{height:.1f}",
            title=_("%(time)s: %(n)s answers") % {"time": one.words, "n": one.total_words},
        )
        return _drawn(bar, "timeline-traffic", self.all.of(one))

    def _place(self, begin: datetime, end: datetime) -> tuple[str, str]:
        """Where a bar lies; never after now, and never too narrow to be seen."""
        last = self.span.share(min(end, self.now))
        first = min(self.span.share(begin), max(last - _NARROWEST, 0.0))
        return _percent(first), _percent(max(last - first - _GAP, _NARROWEST / 2))

    def _address(self, value: PoolValue | None = None) -> _Address:
        """The interactions behind bars. Counted are answers only, those that replays got among them."""
        shapes = value.shapes if value else [shape for one in self.pool.values for shape in one.shapes]
        endpoints = {shape.partition("+")[0] for shape in shapes}
        before = {
            "provider": self.pool.provider.name,
            "model": self.pool.model,
            "fingerprint": (value.value or "none") if value else "",
        }
        after = {
            "status": "" if value and value.value else "ok",
            "endpoint": endpoints.pop() if len(endpoints) == 1 and not (value and value.value) else "",
            "replays": "all",
        }
        return _Address(
            f"{reverse('interactions')}?{urlencode({k: v for k, v in before.items() if v})}",
            urlencode({k: v for k, v in after.items() if v}),
        )

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

    def _line(self, bucket: Bucket, addresses: Mapping[str | None, _Address]) -> Line:
        one = self.bins[bucket.at]
        cells = [f'<td class="number"><a href="{self.all.of(one)}">{escape(one.total_words)}</a></td>']
        for value, address in addresses.items():
            n = bucket.counts.get(value, 0)
            cells.append(
                f'<td class="number"><a href="{address.of(one)}">{escape(count(n))}</a>'
                f' <span class="muted">{escape(percent(n / one.total))}</span></td>'
                if n
                else '<td class="number"><span class="muted">–</span></td>'
            )
        return Line(one.words, _joined(cells))

    def _ticks(self) -> list[Mark]:
        moments = list(self.span.ticks())
        step = moments[1] - moments[0] if len(moments) > 1 else DAY
        found = []
        for moment in moments:
            share = self.span.share(moment)
            anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
            found.append(Mark(_percent(share), _tick(moment, step), anchor))
        return found


def _drawn(bar: Bar, name: str, url: str) -> str:
    return (
        f'<a href="{url}" tabindex="-1"><rect class="{name}" x="{bar.x}" width="{bar.width}" y="{bar.y}"'
        f' height="{bar.height}"><title>{escape(bar.title)}</title></rect></a>'
    )


def _joined(drawn: Iterable[str]) -> SafeString:
    # Names and texts in them were escaped one by one.
    return mark_safe("".join(drawn))  # noqa: S308


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
