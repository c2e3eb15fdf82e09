"""How often somebody may come."""

from __future__ import annotations

import pytest

from reviewapp.pure.rates import Rate


def test_a_minutes_times_may_come_at_once_and_then_as_they_fill_up():
    rate = Rate(60)

    assert [rate.take("a", now=0) for _ in range(60)] == [0] * 60
    assert rate.take("a", now=0) == pytest.approx(1.0)
    assert rate.take("a", now=0.5) == pytest.approx(0.5)
    assert rate.take("a", now=1.0) == 0
    assert rate.take("a", now=1.0) == pytest.approx(1.0)


def test_one_does_not_use_up_what_another_has():
    rate = Rate(1)
    rate.take("a", now=0)

    assert rate.take("b", now=0) == 0
    assert rate.take("a", now=0) > 0


def test_no_more_gathers_than_a_minutes():
    rate = Rate(2)
    rate.take("a", now=0)

    assert [rate.take("a", now=3600) > 0 for _ in range(3)] == [False, False, True]


def test_nought_is_no_limit():
    assert [Rate(0).take("a", now=0) for _ in range(3)] == [0, 0, 0]


def test_names_that_do_not_come_again_take_no_memory_for_ever():
    rate = Rate(60)
    rate.take("often", now=100)

    for number in range(120_000):
        rate.take(number, now=100)

    assert len(rate._left) <= 50_000
