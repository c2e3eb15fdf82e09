from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from reviewapp.pure.quiet_hours import end_of_quiet


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quiet(now: str, start: str, end: str, zone: str = "UTC") -> str | None:
    ends = end_of_quiet(now=at(now), start=time.fromisoformat(start), end=time.fromisoformat(end), zone=zone)
    return None if ends is None else f"{ends:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-22T12:59", None),
        ("2026-11-22T13:00", "2026-11-22T14:00"),
        ("2026-11-22T13:59", "2026-11-22T14:00"),
        ("2026-11-22T14:00", None),
    ],
)
def test_quiet_within_a_day(now, ends):
    assert quiet(now, "13:00", "14:00") == ends


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-22T21:59", None),
        ("2026-11-22T22:00", "2026-11-23T07:00"),
        ("2026-11-23T03:00", "2026-11-23T07:00"),
        ("2026-11-23T07:00", None),
    ],
)
def test_quiet_over_midnight(now, ends):
    assert quiet(now, "22:00", "07:00") == ends


def test_quiet_goes_by_the_clock_of_its_zone():
    assert quiet("2026-11-22T21:30", "22:00", "07:00", "Europe/Berlin") == "2026-11-23T06:00"
    assert quiet("2026-11-22T21:30", "22:00", "07:00", "America/New_York") is None


def test_quiet_ends_by_the_clock_also_in_the_night_when_it_is_put_forward():
    assert quiet("2026-03-28T22:00", "22:00", "07:00", "Europe/Berlin") == "2026-03-29T05:00"


def test_an_end_that_the_clock_skips_still_ends():
    # 02:30 does not exist in that night.
    assert quiet("2026-03-29T00:59", "22:00", "02:30", "Europe/Berlin") == "2026-03-29T01:30"


def test_an_end_that_comes_twice_ends_at_the_first():
    assert quiet("2026-10-25T00:10", "22:00", "02:30", "Europe/Berlin") == "2026-10-25T00:30"
