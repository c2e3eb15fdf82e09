from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.http import QueryDict

from reviewapp.web.spans import choose_span

NOW = datetime(2026, 11, 22, 12, 17, 40, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def choose(query="", *, age=40 * DAY, silent=timedelta()):
    """What is shown where the first answer is so old, and the last one."""
    return choose_span(
        query=QueryDict(query), path="/fingerprints/", first=NOW - age, last=NOW - silent, now=NOW
    )


def follow(address):
    return choose(urlsplit(address).query)


@pytest.mark.parametrize(
    ("age", "name"),
    [
        (timedelta(minutes=5), "minutes"),
        (timedelta(minutes=16), "hour"),
        (HOUR, "hour"),
        (3 * HOUR, "hours"),
        (20 * HOUR, "day"),
        (4 * DAY, "week"),
        (20 * DAY, "month"),
        (400 * DAY, "month"),
    ],
)
def test_what_is_shown_by_itself_suits_how_much_there_is(age, name):
    assert choose(age=age).preset == name


def test_of_what_is_long_over_all_is_shown():
    chosen = choose(age=400 * DAY, silent=200 * DAY)

    assert chosen.preset == "all"
    assert chosen.start == NOW - 400 * DAY


def test_a_day_is_a_day_however_young_the_project_is():
    chosen = choose("range=day", age=HOUR)

    assert (chosen.start, chosen.end) == (NOW - DAY, NOW)


def test_two_times_are_the_span():
    chosen = choose("from=2026-11-22T10:00&to=2026-11-22T10:30")

    assert chosen.is_zoomed
    assert chosen.start == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert chosen.end == datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-22T10:00Z", "2026-11-22T11:00%2B01:00", "2026-11-22T11:00+01:00", "2026-11-22T10:00:00"]
)
def test_a_time_may_name_its_zone(text):
    assert choose(f"from={text}").start == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def test_a_span_is_five_minutes_at_least():
    chosen = choose("from=2026-11-22T10:00&to=2026-11-22T10:01")

    assert chosen.end - chosen.start == timedelta(minutes=5)


@pytest.mark.parametrize(
    "query",
    [
        "from=soon",
        "to=2026-02-31",
        "from=2026-11-22T10:00&to=2026-11-22T10:00",
        "from=2026-11-22T10:00&to=2026-11-21",
    ],
)
def test_times_that_can_not_be_are_told_and_the_usual_is_shown(query):
    chosen = choose(query)

    assert chosen.problem
    assert chosen.preset == "month"


@pytest.mark.parametrize("query", ["from=0001-01-01&to=9999-12-31", "from=9999-12-31T23:59", "to=0001-01-01"])
def test_times_far_away_do_no_harm(query):
    chosen = choose(query)

    assert chosen.start < chosen.end
    assert chosen.end - chosen.start <= 42 * 365 * DAY


def test_back_goes_one_step_and_whole_goes_all_the_way():
    first = "model=m&range=week&from=2026-11-20T00:00&to=2026-11-21T00:00"
    zoomed = choose(first)
    again = [*zoomed.hidden, ("from", "2026-11-20T10:00"), ("to", "2026-11-20T11:00")]
    closer = choose(urlencode(again))

    back = follow(closer.back)

    assert (back.start, back.end) == (zoomed.start, zoomed.end)
    assert dict(parse_qsl(urlsplit(back.back).query)) == {"model": "m", "range": "week"}
    assert closer.whole == back.whole == "/fingerprints/?model=m&range=week"
    assert follow(closer.whole).preset == "week"


def test_nonsense_in_the_way_back_is_left_out():
    chosen = choose("from=2026-11-20T10:00&to=2026-11-20T11:00&was=odd&was=1~2&was=~")

    assert chosen.back == chosen.whole == "/fingerprints/"


def test_the_way_back_does_not_grow_without_end():
    was = "&".join("was=2026-11-20T10:00~2026-11-20T11:00" for _ in range(50))

    chosen = choose(f"from=2026-11-20T10:00&to=2026-11-20T10:30&{was}")

    assert len(chosen.hidden) <= 8
