"""The timeline of a fingerprint pool, as geometry: a lane a value, its thickness its share of the traffic.

Positions along the time are percentages and heights are pixels, so that the drawing is as wide as
its place without its text or its strokes being stretched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.formats import date_format

from reviewapp.models.pools import HOURLY, Pool, PoolValue
from reviewapp.pure.pools import Bucket, PoolEvent

BINS: Final = 90
LANE: Final = 20
LANES: Final = 12
# Thinner could not be seen, nor pointed at.
_THINNEST: Final = 3.0
_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane; all as SVG wants it."""

    x: str
    width: str
    y: str
    height: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """One value's traffic, and the overlap in which it is still valid."""

    value: PoolValue
    bars: list[Bar]
    overlap: Bar | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment: an event's pin, or a tick of the axis."""

    x: str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the page draws."""

    start: datetime
    end: datetime
    lanes: list[Lane]
    pins: list[Mark]
    ticks: list[Mark]


def draw_timeline(
    *,
    pool: Pool,
    history: Sequence[Bucket],
    events: Sequence[PoolEvent],
    since: datetime | None,
    now: datetime,
) -> Timeline:
    """Draw the pool's history since then (None: all of it)."""
    start = max(since, pool.first_seen) if since else pool.first_seen
    start = min(start, now - timedelta(hours=1))
    ends = [value.overlap_until for value in pool.values if value.overlap_until]
    # An overlap's end is worth room, but not most of it.
    end = max([now, *(min(moment, now + (now - start) / 4) for moment in ends)])
    # No bin is narrower than what was counted together: an hour, or in long histories a day.
    step = timedelta(hours=1) if pool.last_seen - pool.first_seen <= HOURLY else timedelta(days=1)
    scale = _Scale(start, end, bins=max(1, min(BINS, int((end - start) / step))))
    totals: Counter[int] = Counter()
    counts: dict[str | None, Counter[int]] = {}
    for bucket in history:
        if bucket.at < start - timedelta(hours=24):
            continue
        place = scale.bin(bucket.at)
        for value, n in bucket.counts.items():
            totals[place] += n
            counts.setdefault(value, Counter())[place] += n
    shown = sorted(
        (value for value in pool.values if value.value in counts or value.state in ("new", "overlap")),
        key=lambda value: value.first_seen,
    )[-LANES:]
    return Timeline(
        start=start,
        end=end,
        lanes=[
            Lane(
                value=value,
                bars=_bars(counts.get(value.value, Counter()), totals, scale),
                overlap=_overlap(value, scale),
            )
            for value in shown
        ],
        pins=[Mark(scale.x(event.at), event.sentence) for event in events if event.at >= start],
        ticks=_ticks(scale),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    end: datetime
    bins: int

    def share(self, moment: datetime) -> float:
        return min(max((moment - self.start) / (self.end - self.start), 0.0), 1.0)

    def x(self, moment: datetime) -> str:
        return _percent(self.share(moment))

    def bin(self, moment: datetime) -> int:
        return min(int(self.share(moment) * self.bins), self.bins - 1)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _bars(counts: Counter[int], totals: Counter[int], scale: _Scale) -> list[Bar]:
    bars = []
    for place in sorted(counts):
        share = counts[place] / totals[place]
        height = max(share * LANE, _THINNEST)
        begins = scale.start + (scale.end - scale.start) * place / scale.bins
        bars.append(
            Bar(
                x=_percent(place / scale.bins),
                width=_percent(1 / scale.bins),
                y=f"{(LANE - height) / 2:.1f}",
                height=f"{height:.1f}",
                title=f"{date_format(begins, 'j M H:i')}: {counts[place]} / {totals[place]}",
            )
        )
    return bars


def _overlap(value: PoolValue, scale: _Scale) -> Bar | None:
    if value.state != "overlap" or value.overlap_until is None:
        return None
    begin = scale.share(value.decided_at or value.last_seen)
    width = max(scale.share(value.overlap_until) - begin, 0.005)
    return Bar(
        x=_percent(begin),
        width=_percent(width),
        y="1",
        height=str(LANE - 2),
        title=date_format(value.overlap_until, "j M Y H:i"),
    )


def _ticks(scale: _Scale) -> list[Mark]:
    span = scale.end - scale.start
    form = "H:i" if span <= timedelta(days=1) else "j M H:i" if span <= timedelta(days=3) else "j M"
    form = "M Y" if span > timedelta(days=400) else form
    anchors = ["start", *["middle"] * (_TICKS - 2), "end"]
    return [
        Mark(
            x=_percent(i / (_TICKS - 1)),
            text=date_format(scale.start + span * i / (_TICKS - 1), form),
            anchor=anchors[i],
        )
        for i in range(_TICKS)
    ]
