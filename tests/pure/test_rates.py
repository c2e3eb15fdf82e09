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


def test_what_came_is_told_once():
    rate = Rate(10)
    for name in ("a", "a", "b"):
        rate.take(name, now=0.0)

    assert (rate.untold(now=0.0), rate.untold(now=0.0)) == ({"a": 2, "b": 1}, {})


def test_who_was_refused_is_not_told_of():
    rate = Rate(1)
    for _ in range(3):
        rate.take("a", now=0.0)

    assert rate.untold(now=0.0) == {"a": 1}


def test_what_nobody_could_be_told_of_is_told_later_with_what_came_since():
    rate = Rate(10)
    rate.take("a", now=0.0)
    untold = rate.untold(now=0.0)
    rate.take("a", now=0.0)

    rate.tell_later(untold)

    assert rate.untold(now=0.0) == {"a": 2}


def test_who_came_for_long_while_nobody_could_be_told_owes_no_more_than_a_minute():
    rate = Rate(10)
    for minute in range(60):
        for _ in range(10):
            rate.take("a", now=minute * 60.0)
        rate.tell_later(rate.untold(now=minute * 60.0))

    assert rate.untold(now=59 * 60.0) == {"a": 10}


def test_who_kept_the_limit_while_nobody_could_be_told_owes_nothing_afterwards():
    processes = [Rate(60) for _ in range(4)]
    for second in range(0, 3600, 5):
        # Twelve a minute at each, 48 at all together.
        for rate in processes:
            rate.take("a", now=float(second))
            rate.tell_later(rate.untold(now=float(second)))

    left = 60 - sum(rate.untold(now=3600.0).get("a", 0) for rate in processes)
    for rate in processes:
        rate.hear("a", float(left), now=3600.0)

    assert left > 30
    assert [rate.take("a", now=3600.0) for rate in processes] == [0.0] * 4


def test_what_has_filled_up_here_is_told_unless_nobody_could_be_told_before():
    processes = [Rate(60) for _ in range(4)]
    for rate in processes:
        rate.tell_later({})
        rate.untold(now=0.0)
    for second in range(30):
        for rate in processes:
            rate.take("a", now=float(second))

    # Each would have the limit of its own else.
    assert [rate.untold(now=60.0) for rate in processes] == [{"a": 30}] * 4


def test_what_others_took_is_not_left_here():
    rate = Rate(60)

    rate.hear("a", 1.0, now=0.0)

    assert rate.take("a", now=0.0) == 0.0
    assert rate.take("a", now=0.0) == pytest.approx(1.0)


def test_what_was_taken_while_the_others_were_asked_counts():
    rate = Rate(60)
    rate.take("a", now=0.0)
    rate.untold(now=0.0)
    rate.take("a", now=0.0)

    rate.hear("a", 2.0, now=0.0)

    assert [rate.take("a", now=0.0) == 0.0 for _ in range(2)] == [True, False]


def test_what_is_owed_has_to_fill_up_first():
    rate = Rate(60)

    rate.hear("a", -9.0, now=0.0)

    assert rate.take("a", now=0.0) == pytest.approx(10.0)
    assert rate.take("a", now=10.1) == 0.0
