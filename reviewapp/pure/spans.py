"""Spans of time as timelines draw them: cut into equal bins, so that what is drawn can be counted and linked.

Bins stand on a grid of their own length that does not move with the clock (a bin of an hour begins at the
full hour, one of a week on Monday): the same answers fall into the same bin whenever one looks, and a bin's
figure is that of everything between its two moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# A Monday, at midnight.
GRID: Final = datetime(2001, 1, 1, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
# More bins would be thinner than can be pointed at.
MOST_BINS: Final = 96

_STEPS: Final = (
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 8, 12)),
    *(n * DAY for n in (1, 2)),
)
_TICKS: Final = 6


def floor(moment: datetime, step: timedelta) -> datetime:
    """The latest moment of the grid that is not after this one."""
    return moment - (moment - GRID) % step


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, in bins of `step`. The first begins at `start`; the last one may be cut off."""

    start: datetime
    end: datetime
    step: timedelta

    def share(self, moment: datetime) -> float:
        """Where the moment lies, from 0 to 1; what lies outside is at the border."""
        return min(max((moment - self.start) / (self.end - self.start), 0.0), 1.0)

    def ticks(self) -> Iterator[datetime]:
        """Round moments for an axis, six or fewer."""
        step = _step(self.end - self.start, finest=MINUTE, most=_TICKS)
        moment = floor(self.start, step)
        while moment <= self.end:
            if moment >= self.start:
                yield moment
            moment += step


def span_of(*, start: datetime, end: datetime, finest: timedelta, now: datetime) -> Span:
    """The span with the bins that suit it, none shorter than `finest`.

    It grows to whole bins; where it ends now or later, it ends as asked: what is to come has no answers.
    """
    step = _step(end - start, finest=finest, most=MOST_BINS)
    below = floor(end, step)
    if below < end < now:
        end = min(below + step, now)
    return Span(floor(start, step), end, step)


def _step(length: timedelta, *, finest: timedelta, most: int) -> timedelta:
    for step in _STEPS:
        if step >= finest and length <= step * most:
            return step
    step = 7 * DAY
    while length > step * most:
        step *= 2
    return step
