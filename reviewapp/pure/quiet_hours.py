"""Quiet hours: a span of the day by the clock on somebody's wall, over midnight where it ends earlier."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of_quiet(*, now: datetime, start: time, end: time, zone: str) -> datetime | None:
    """When the quiet that reigns at `now` ends, in UTC; None: it is not quiet."""
    here = now.astimezone(ZoneInfo(zone))
    clock = here.time().replace(tzinfo=None)
    over_midnight = start > end
    if over_midnight:
        if end <= clock < start:
            return None
    elif not start <= clock < end:
        return None
    day = here.date() + timedelta(days=1 if over_midnight and clock >= start else 0)
    ends = datetime.combine(day, end, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    # An hour that the clock skips or repeats may put the end behind now; then it is over.
    return ends if ends > now else None
