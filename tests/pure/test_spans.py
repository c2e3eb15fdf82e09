from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from reviewapp.pure.spans import DAY, HOUR, MINUTE, MOST_BINS, floor, span_of

NOW = datetime(2026, 11, 22, 12, 17, 40, tzinfo=UTC)


def lately(length, *, finest=MINUTE):
    return span_of(start=NOW - length, end=NOW, finest=finest, now=NOW)


@pytest.mark.parametrize(
    ("length", "finest", "step"),
    [
        (HOUR, MINUTE, MINUTE),
        (6 * HOUR, MINUTE, 5 * MINUTE),
        (12 * HOUR, MINUTE, 10 * MINUTE),
        (HOUR, HOUR, HOUR),
        (DAY, HOUR, HOUR),
        (7 * DAY, HOUR, 2 * HOUR),
        (30 * DAY, HOUR, 8 * HOUR),
        (365 * DAY, HOUR, 7 * DAY),
        (2000 * DAY, HOUR, 28 * DAY),
    ],
)
def test_bins_are_as_fine_as_can_be_pointed_at(length, finest, step):
    assert lately(length, finest=finest).step == step
    assert length / step <= MOST_BINS


def test_a_span_begins_with_a_whole_bin():
    assert lately(HOUR).start == datetime(2026, 11, 22, 11, 17, tzinfo=UTC)
    assert lately(DAY, finest=HOUR).start == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_span_that_ends_now_ends_now_and_not_with_the_bin():
    assert lately(DAY, finest=HOUR).end == NOW


def test_a_span_of_the_past_ends_with_a_whole_bin():
    span = span_of(start=NOW - 3 * DAY, end=NOW - 2 * DAY, finest=HOUR, now=NOW)

    assert span.end == datetime(2026, 11, 20, 13, tzinfo=UTC)


def test_a_span_that_ends_shortly_before_now_does_not_grow_into_the_future():
    assert span_of(start=NOW - DAY, end=NOW - MINUTE, finest=HOUR, now=NOW).end == NOW


def test_bins_stand_on_a_grid_that_does_not_move_with_the_clock():
    assert floor(NOW, 5 * MINUTE) == datetime(2026, 11, 22, 12, 15, tzinfo=UTC)
    assert floor(NOW, 8 * HOUR) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert floor(NOW, 7 * DAY) == datetime(2026, 11, 16, tzinfo=UTC)


@pytest.mark.parametrize("length", [5 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 900 * DAY])
def test_an_axis_has_a_few_round_ticks_inside_the_span(length):
    span = lately(length)

    ticks = list(span.ticks())

    assert 2 <= len(ticks) <= 7
    assert all(span.start <= tick <= span.end for tick in ticks)
    assert len({after - before for before, after in itertools.pairwise(ticks)}) <= 1


def test_shares_stay_inside_the_span():
    span = lately(HOUR)

    assert span.share(span.start - timedelta(days=1)) == 0
    assert span.share(span.end + timedelta(days=1)) == 1
    assert span.share(span.start + (span.end - span.start) / 2) == 0.5
