"""Alarms over days and endpoints, pools and their members."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.drift.members import (
    Archived,
    clusters,
    describe_pool,
    is_alternating,
    label_table,
    recognise,
    still_members,
)
from reviewapp.pure.drift.rows import Row, logprob_strata
from reviewapp.pure.drift.sequential import Detector, discoveries, e_discoveries, e_value, first_alarm
from tests.pure.drift_rows import Fleet

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_three_days_of_small_p_raise_the_alarm() -> None:
    assert first_alarm([0.001, 0.001, 0.001]) == 2


def test_ordinary_days_let_the_evidence_fade() -> None:
    detector = Detector()
    for _ in range(50):
        detector = detector.after(p=0.6)

    assert detector.evidence < 3
    assert not detector.alarms


def test_a_weak_lasting_change_is_found_though_no_day_is_below_one_in_a_hundred() -> None:
    assert first_alarm([0.02] * 30) is not None


def test_the_mean_time_to_a_false_alarm_is_at_least_the_level() -> None:
    rng = np.random.default_rng(4)

    looks, alarms = 0, 0
    for _ in range(100):
        found = first_alarm(rng.uniform(1e-9, 1, size=1_000))
        looks += 1_000 if found is None else found + 1
        alarms += found is not None

    assert looks / max(1, alarms) >= 1_000


@given(st.floats(1e-6, 1.0))
def test_evidence_never_shrinks_with_a_smaller_p(p: float) -> None:
    assert e_value(p) >= e_value(1.0)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        e_value(p)


def test_the_e_values_expectation_is_one_at_most_under_the_null() -> None:
    midpoints = (np.arange(100_000) + 0.5) / 100_000

    assert np.mean([e_value(p) for p in midpoints]) <= 1.0


def test_benjamini_and_hochberg_find_the_endpoints_that_stand_out() -> None:
    assert discoveries([0.001, 0.2, 0.004, 0.9, 0.5]) == [True, False, True, False, False]
    assert discoveries([]) == []


def test_e_bh_asks_for_more_when_there_are_more_endpoints() -> None:
    assert e_discoveries([50.0]) == [True]
    assert e_discoveries([50.0] + [0.1] * 9) == [False] * 10
    assert e_discoveries([300.0] + [0.1] * 9) == [True] + [False] * 9
    assert e_discoveries([110.0, 110.0] + [0.1] * 8) == [True, True] + [False] * 8


def test_the_members_of_a_fleet_are_counted() -> None:
    fleet = Fleet(members=3, apart=0.1)
    strata = logprob_strata(
        baseline=fleet.baseline(count=10), tested=fleet.rows(session="now", count=10, seed=5)
    )

    pool = describe_pool(strata, cut=0.01, rng=np.random.default_rng(1))

    assert pool.members == 3
    assert pool.known_rows == pool.total_rows
    assert pool.mix_p > 0.01


def test_known_members_in_new_proportions_move_the_mix_and_nothing_else() -> None:
    fleet = Fleet(members=3, apart=0.1)
    tested = fleet.rows(session="now", count=10, seed=5, weights=[0.9, 0.05, 0.05])
    strata = logprob_strata(baseline=fleet.baseline(count=10), tested=tested)

    pool = describe_pool(strata, cut=0.01, rng=np.random.default_rng(1))

    assert pool.mix_p <= 0.01
    assert pool.known_rows == pool.total_rows


def test_rows_of_one_member_are_one_cluster_at_a_cut_between_noise_and_distance() -> None:
    fleet = Fleet(members=2, apart=0.1, noise=0.001)
    strata = logprob_strata(
        baseline=fleet.baseline(count=10), tested=fleet.rows(session="now", count=1, seed=5)
    )

    assert {max(clusters(stratum, cut=0.01)) for stratum in strata} == {2}


def test_labels_are_set_against_clusters() -> None:
    one = Fleet(fingerprints=("fp_a",))
    other = Fleet(moved=0.1, fingerprints=("fp_b",))
    baseline = [*one.rows(session="1", count=6, seed=1), *other.rows(session="2", count=4, seed=2)]
    strata = logprob_strata(baseline=baseline, tested=one.rows(session="now", count=1, seed=3))

    table = label_table(strata, cut=0.01)

    assert table == {("fp_a", 1): 60, ("fp_b", 2): 40}


def test_a_rollback_is_recognised_by_the_date_of_the_earlier_baseline() -> None:
    old, older = Fleet(moved=0.1), Fleet(moved=0.3)
    archive = [
        Archived(name="spring", until=NOW - timedelta(days=200), rows=tuple(older.baseline())),
        Archived(name="summer", until=NOW - timedelta(days=90), rows=tuple(old.baseline())),
    ]

    found = recognise(tested=old.rows(session="now", count=2, seed=8), archive=archive, cut=0.001)
    unknown = recognise(
        tested=Fleet(moved=0.6).rows(session="now", count=2, seed=8), archive=archive, cut=0.001
    )

    assert found is archive[1]
    assert unknown is None


def test_a_second_return_to_a_known_state_is_alternating() -> None:
    assert not is_alternating(["a", "a", "b", "b", "a"])
    assert is_alternating(["a", "b", "a", "b"])
    assert not is_alternating(["a", "b", "c", "d"])


def test_a_member_unseen_for_thirty_days_leaves_the_baseline() -> None:
    old = Row(prompt="p", session="s", at=NOW - timedelta(days=31))
    young = Row(prompt="p", session="s", at=NOW - timedelta(days=29))
    undated = Row(prompt="p", session="s")

    assert still_members([old, young, undated], now=NOW) == [young, undated]
