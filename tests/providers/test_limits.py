"""Limits a minute hold in every window, and are used nearly whole."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.providers.limits import Limits, Pace, pause, reserve, settle

NOW = 1_000_000.0


def starts_of(limits: Limits, tokens: list[int], *, now: float = NOW) -> list[float]:
    """The starts of all calls by a worker that asks again and again for the next second."""
    pace, starts = Pace(), []
    while len(starts) < len(tokens):
        pace, found = reserve(pace=pace, limits=limits, tokens=tokens[len(starts) :], now=now, horizon=1)
        starts += found
        now += 0.5
    return starts


def most_in_a_minute(starts: list[float], tokens: list[int]) -> int:
    """The largest sum of tokens over calls that start within any span of a minute."""
    most = total = first = 0
    for last, start in enumerate(starts):
        total += tokens[last]
        while starts[first] <= start - 60:
            total -= tokens[first]
            first += 1
        most = max(most, total)
    return most


def test_without_limits_everything_starts_now():
    assert starts_of(Limits(), [100] * 50) == [NOW] * 50


@given(limit=st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_no_minute_holds_more_requests_than_the_limit(limit):
    starts = starts_of(Limits(requests_per_minute=limit), [1] * (limit + limit // 2 + 2))

    assert most_in_a_minute(starts, [1] * len(starts)) <= limit


@given(tokens=st.lists(st.integers(1, 2_000), min_size=1, max_size=120))
@settings(max_examples=200, deadline=None)
def test_no_minute_holds_more_tokens_than_the_limit(tokens):
    starts = starts_of(Limits(tokens_per_minute=5_000), tokens)

    assert most_in_a_minute(starts, tokens) <= 5_000


def test_the_requests_of_a_minute_are_used_to_ninety_five_percent():
    starts = starts_of(Limits(requests_per_minute=600), [1] * 1200)

    assert 1199 / (starts[-1] - starts[0]) * 60 >= 0.95 * 600


def test_the_tokens_of_a_minute_are_used_to_ninety_five_percent():
    starts = starts_of(Limits(tokens_per_minute=100_000), [500] * 600)

    assert 599 * 500 / (starts[-1] - starts[0]) * 60 >= 0.95 * 100_000


def test_a_call_larger_than_the_limit_still_starts_once():
    starts = starts_of(Limits(tokens_per_minute=100), [5_000, 10, 10])

    assert starts[0] - NOW <= 60
    assert starts[1] - starts[0] >= 60


def test_two_askers_share_one_pace():
    limits = Limits(requests_per_minute=60)
    pace, mine = reserve(pace=Pace(), limits=limits, tokens=[1] * 3, now=NOW, horizon=10)

    _, others = reserve(pace=pace, limits=limits, tokens=[1] * 3, now=NOW, horizon=10)

    together = sorted(mine + others)
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(together))


def test_nothing_starts_while_the_provider_asked_to_wait():
    pace = pause(pace=Pace(), until=NOW + 7)

    _, starts = reserve(pace=pace, limits=Limits(), tokens=[1], now=NOW, horizon=60)

    assert starts == [NOW + 7]


def test_a_pause_is_never_shortened():
    pace = pause(pace=pause(pace=Pace(), until=NOW + 7), until=NOW + 2)

    assert pace.paused_until == NOW + 7


def test_tokens_that_were_not_used_are_given_back():
    limits = Limits(tokens_per_minute=1_000)
    pace, _ = reserve(pace=Pace(), limits=limits, tokens=[200], now=NOW, horizon=1)

    settled = settle(pace=pace, limits=limits, surplus=-150)

    assert settled.next_tokens_at < pace.next_tokens_at


def test_a_clock_that_stood_idle_saves_nothing_up():
    limits = Limits(requests_per_minute=60)
    pace, _ = reserve(pace=Pace(), limits=limits, tokens=[1], now=NOW, horizon=1)

    _, starts = reserve(pace=pace, limits=limits, tokens=[1] * 100, now=NOW + 3600, horizon=1)

    assert len(starts) == 1
