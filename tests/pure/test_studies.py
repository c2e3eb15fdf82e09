"""The figures of studies: shares, tolerance, and what a seed determines."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from reviewapp.pure.studies import Trial, determination, deviation, share, similarity


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(drawn):
    part, whole = drawn
    found = share(part, whole)

    wilson = binomtest(part, whole).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_of_nothing_nothing_is_known():
    found = share(0, 0)

    assert (found.value, found.low, found.high) == (None, 0.0, 1.0)


def test_similarity_counts_words():
    assert similarity("a b c d", "a b c d") == 1.0
    assert similarity("a b c d", "a x c d") == 0.75
    assert similarity("a b", "c d") == 0.0
    assert similarity("", "") == 1.0


# ---- deviation ----


def trials(*given):
    return [Trial("typo", size, same, 10) for size, same in given]


def judge(found, *, floor=10):
    return deviation(floor=share(floor, 10), floor_similarity=1.0, trials=found)


def test_the_tolerance_lies_where_the_answer_stops_coming_back():
    shown = judge(trials((0.01, 10), (0.02, 10), (0.05, 9), (0.2, 0), (0.4, 0)))

    assert shown.tolerance.at == pytest.approx(0.125)
    assert shown.tolerance.low <= 0.05
    assert shown.tolerance.high is None or shown.tolerance.high >= 0.2


def test_an_answer_that_always_comes_back_has_no_tolerance():
    shown = judge(trials((0.01, 10), (0.3, 10)))

    assert shown.tolerance.at is None
    assert shown.tolerance.high is None


def test_the_smallest_edit_may_be_too_much():
    assert judge(trials((0.01, 0), (0.3, 0))).tolerance.at == 0.0


def test_one_odd_edit_is_smoothed_over():
    # The third comes back by luck; the curve must not rise again.
    shown = judge(trials((0.01, 10), (0.1, 0), (0.2, 3), (0.3, 0)))

    assert shown.tolerance.at == pytest.approx(0.055)


def test_where_the_answer_does_not_come_back_by_itself_there_is_no_tolerance():
    shown = judge(trials((0.01, 1)), floor=2)

    assert not shown.has_floor
    assert shown.tolerance is None


def test_each_kind_says_how_far_it_holds():
    shown = judge([Trial("typo", 0.1, 9, 10), Trial("typo", 0.3, 1, 10), Trial("case", 0.2, 0, 10)])

    assert {one.kind: one.holds_to for one in shown.kinds} == {"typo": 0.1, "case": None}


def test_the_tolerance_is_found_in_answers_that_vary():
    """Of answers that come back up to a size of 0.1, in 90 of 100 studies the interval holds it."""
    rng = random.Random(5)
    hits = 0
    for _ in range(60):
        found = []
        for _ in range(24):
            size = rng.uniform(0.005, 0.3)
            chance = 0.95 if size < 0.1 else 0.05
            found.append(Trial("typo", size, sum(rng.random() < chance for _ in range(5)), 5))
        tolerance = judge(found).tolerance
        hits += (tolerance.low or 0) <= 0.1 <= (1 if tolerance.high is None else tolerance.high)
    assert hits >= 54


# ---- seeds ----


def test_a_seed_that_settles_the_answer_determines_all_of_it():
    shown = determination([[name] * 4 for name in "abcdefghijklmnopqrst"])

    assert shown.determined == 1.0
    assert shown.low > 0.6
    assert shown.p <= 0.01


def test_a_seed_that_is_ignored_determines_nothing():
    rng = random.Random(3)
    shown = determination([[rng.choice("abc") for _ in range(4)] for _ in range(20)])

    assert shown.determined < 0.2
    assert shown.p > 0.05


def test_one_answer_whatever_the_seed_says_nothing_of_the_seed():
    shown = determination([["a"] * 3] * 5)

    assert shown.determined is None
    assert shown.p is None
    assert shown.within.value == shown.between.value == 1.0


def test_seeds_asked_once_say_nothing_of_the_seed():
    assert determination([["a"], ["b"]]).determined is None
