"""What is measured, on values whose answer is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reviewapp.pure.drift import floors, permutation, statistics
from reviewapp.pure.drift.divergence import (
    first_divergence,
    gap_at,
    gap_spread,
    prefix_logprob_change,
)
from reviewapp.pure.drift.rows import Row, logprob_strata, text_strata
from reviewapp.pure.exchange import Token
from tests.pure.drift_rows import Fleet, token


def texts(*told: str, session: str = "s", kind: str = "seeded") -> list[Row]:
    return [Row(prompt="p", session=session, kind=kind, text=text) for text in told]


def test_the_nearest_row_is_at_zero_for_a_known_member_of_a_rotating_pool() -> None:
    fleet = Fleet(members=3, apart=0.1)
    baseline = fleet.baseline(count=10)
    tested = fleet.rows(session="now", count=5, seed=9, weights=[0.0, 0.0, 1.0])

    strata = logprob_strata(baseline=baseline, tested=tested)

    assert statistics.lp_nearest(strata) == 0.0
    assert statistics.lp_shift(strata) > 0.02


def test_the_shift_is_the_mean_absolute_change_in_nats() -> None:
    baseline = Fleet().baseline()
    tested = Fleet(moved=0.05).rows(session="now", count=3, seed=9)

    strata = logprob_strata(baseline=baseline, tested=tested)

    assert statistics.lp_shift(strata) == pytest.approx(0.05, rel=0.05)
    assert statistics.lp_nearest(strata) == pytest.approx(0.05, rel=0.05)


def test_exact_share_counts_replays_that_equal_the_record() -> None:
    assert statistics.exact_share(record="a", replays=["a", "b", "a", "a"]) == 0.75
    assert statistics.exact_share(record="a", replays=[]) == 0.0


def test_total_agreement_asks_whether_all_replays_of_a_question_agree() -> None:
    told = {"one": ["a", "a"], "two": ["a", "b"], "three": ["The answer: 4", "Answer: 4"]}

    assert statistics.total_agreement(told) == pytest.approx(1 / 3)
    assert statistics.total_agreement(told, answer=lambda text: text[-1]) == pytest.approx(2 / 3)


def test_an_outlier_is_weighed_against_what_left_out_sessions_show() -> None:
    baseline = texts(*["a"] * 20)
    strata = text_strata(baseline=baseline, tested=texts(*["a"] * 57, *["b"] * 3))

    rare = statistics.outliers(strata, cut=0.5, ordinary=0, ordinary_total=300)
    common = statistics.outliers(strata, cut=0.5, ordinary=30, ordinary_total=300)

    assert (rare.count, rare.total) == (3, 60)
    assert rare.p < 0.01
    assert common.p > 0.5
    assert rare.low < 0.05 < rare.high


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    # Tabulated: 3 of 60 gives 1.04 % to 13.92 %.
    low, high = statistics.proportion_interval(count=3, total=60)

    assert low == pytest.approx(0.0104, abs=2e-4)
    assert high == pytest.approx(0.1392, abs=2e-4)


def test_border_answers_are_compared_by_their_frequencies() -> None:
    baseline = texts(*"aaaabbbb", kind="border")
    tested = texts(*"aaab", kind="border")

    strata = statistics.border_strata(baseline=baseline, tested=tested)

    assert statistics.border_tv(strata) == pytest.approx(0.25)


def test_hamming_distance_looks_at_the_first_two_hundred_code_points() -> None:
    same_start = "x" * 200
    strata = statistics.hamming_strata(
        baseline=texts(same_start + "one"), tested=texts(same_start + "another", "y" * 200)
    )

    assert strata[0].distances[0].tolist() == [0.0, 0.0, 1.0]


def test_the_prefix_kernel_knows_how_far_two_texts_run_together() -> None:
    strata = statistics.prefix_strata(baseline=texts("abcd"), tested=texts("abxx", "xbcd"))

    assert strata[0].distances[0].tolist() == [0.0, 0.5, 1.0]


def test_mmd_is_zero_for_two_equal_halves_and_large_for_disjoint_ones() -> None:
    same = statistics.prefix_strata(baseline=texts("a", "a", "a"), tested=texts("a", "a"))
    other = statistics.prefix_strata(baseline=texts("a", "a", "a"), tested=texts("b", "b"))

    assert statistics.mmd(same) == pytest.approx(0.0)
    assert statistics.mmd(other) == pytest.approx(2.0)


def test_a_missing_fingerprint_is_neither_known_nor_new() -> None:
    known = [Row(prompt="p", session="s", fingerprint="fp_1")]
    silent = [Row(prompt="p", session="s", fingerprint=None)]

    labels = statistics.compare_labels(baseline=known, tested=silent)

    assert labels.absent
    assert labels.known == ()
    assert labels.new == ()


def test_a_label_never_seen_before_is_new_only_if_labels_were_reported_before() -> None:
    known = [Row(prompt="p", session="s", fingerprint="fp_1")]
    silent = [Row(prompt="p", session="s", fingerprint=None)]
    new = [Row(prompt="p", session="s", fingerprint="fp_2")]

    assert statistics.compare_labels(baseline=known, tested=new).new == ("fp_2",)
    assert statistics.compare_labels(baseline=silent, tested=new).new == ()


def test_the_shares_of_labels_are_tested() -> None:
    before = [Row(prompt="p", session="s", fingerprint=name) for name in ["a"] * 50 + ["b"] * 50]
    same = [Row(prompt="p", session="s", fingerprint=name) for name in ["a"] * 24 + ["b"] * 26]
    moved = [Row(prompt="p", session="s", fingerprint=name) for name in ["a"] * 48 + ["b"] * 2]

    assert (statistics.compare_labels(baseline=before, tested=same).p or 0) > 0.5
    assert (statistics.compare_labels(baseline=before, tested=moved).p or 1) < 1e-4


def test_the_floor_is_a_tenth_above_the_worst_session() -> None:
    fleet = Fleet(noise=0.01)
    strata = logprob_strata(baseline=fleet.baseline(), tested=fleet.rows(session="now", count=1, seed=4))

    ordinary = floors.leave_one_session_out(strata, permutation.nearest, rows=1)

    assert len(ordinary.values) == 15
    assert ordinary.sessions == 3
    assert floors.logprob_floor(ordinary) == pytest.approx(1.1 * max(ordinary.values))


def test_the_floor_uses_as_many_rows_as_the_look() -> None:
    fleet = Fleet(noise=0.01)
    strata = logprob_strata(baseline=fleet.baseline(), tested=fleet.rows(session="now", count=5, seed=4))

    ordinary = floors.leave_one_session_out(strata, permutation.nearest, rows=5)

    assert len(ordinary.values) == 3


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 7), st.integers(1, 6))
@example(seed=0, sessions=3, count=4, rows=2)
def test_the_fast_way_to_leave_sessions_out_gives_the_same_values(
    seed: int, sessions: int, count: int, rows: int
) -> None:
    fleet = Fleet(members=3, noise=0.01, seed=seed)
    baseline = fleet.baseline(sessions=sessions, count=count, seed=seed)
    # Some rows are missing, as after failed requests.
    kept = [
        row
        for row, keep in zip(baseline, np.random.default_rng(seed).random(len(baseline)) < 0.8, strict=True)
        if keep
    ]
    strata = logprob_strata(baseline=kept, tested=fleet.rows(session="now", count=rows, seed=seed + 1))

    slow = floors.leave_one_session_out(strata, permutation.nearest, rows=rows)
    fast = floors.nearest_left_out(strata, rows=rows)

    assert fast.sessions == slow.sessions
    assert sorted(fast.values) == pytest.approx(sorted(slow.values))


def test_a_session_that_lies_apart_raises_the_floor() -> None:
    usual, odd = Fleet(), Fleet(moved=0.03)
    baseline = [*usual.baseline(sessions=2), *odd.rows(session="odd day", count=5, seed=7)]
    strata = logprob_strata(baseline=baseline, tested=usual.rows(session="now", count=5, seed=4))

    ordinary = floors.leave_one_session_out(strata, permutation.nearest, rows=5)

    assert ordinary.largest == pytest.approx(0.03, rel=0.1)


def test_a_bit_identical_baseline_still_has_a_floor() -> None:
    assert floors.logprob_floor(floors.Ordinary(values=(0.0, 0.0), sessions=3)) == 1e-4


@pytest.mark.parametrize(
    ("largest", "floor"), [(0.0, 0.5), (0.5, 0.55), (0.7, 0.77), (0.9, 0.95), (1.0, 1.0)]
)
def test_the_floor_of_new_texts_stays_half_way_to_all(largest: float, floor: float) -> None:
    assert floors.text_floor(floors.Ordinary(values=(largest,), sessions=3)) == pytest.approx(floor)


def test_one_session_cannot_be_left_out() -> None:
    fleet = Fleet(noise=0.01)
    strata = logprob_strata(
        baseline=fleet.baseline(sessions=1), tested=fleet.rows(session="now", count=1, seed=4)
    )

    ordinary = floors.leave_one_session_out(strata, permutation.nearest, rows=1)

    assert ordinary.values == ()
    assert floors.left_out_distances(strata).size == 0


def test_fourteen_equal_rows_are_bit_identical_and_thirteen_are_not() -> None:
    tested = texts("a")

    enough = text_strata(baseline=texts(*["a"] * 14), tested=tested)
    short = text_strata(baseline=texts(*["a"] * 13), tested=tested)
    varied = text_strata(baseline=texts(*["a"] * 14, "b"), tested=tested)

    assert floors.bit_identical(enough)
    assert not floors.bit_identical(short)
    assert not floors.bit_identical(varied)


def position(first: float, second: float, *, chosen: str = "a") -> Token:
    return token({"a": first, "b": second, "c": -9.0}, sampled=chosen)


def test_a_flip_at_a_wide_margin_is_no_rounding() -> None:
    record = [position(-0.1, -0.2), position(-0.1, -4.1)]
    replay = [position(-0.1, -0.2), position(-0.1, -4.1, chosen="b")]

    wide = first_divergence(record=record, replay=replay, spread=0.01)
    near = first_divergence(record=record, replay=replay, spread=2.0)

    assert (wide.position, wide.margin) == (1, "wide")
    assert wide.z == pytest.approx(400)
    assert near.margin == "narrow"


def test_a_flip_between_four_and_five_spreads_is_neither() -> None:
    record, replay = [position(-1.0, -1.45)], [position(-1.0, -1.45, chosen="b")]

    assert first_divergence(record=record, replay=replay, spread=0.1).margin == "between"


def test_a_replay_that_never_leaves_its_record_has_no_margin() -> None:
    record = [position(-0.1, -0.2)]

    assert first_divergence(record=record, replay=record, spread=0.1).margin == "same"


def test_a_flip_without_alternatives_has_an_unknown_margin() -> None:
    found = first_divergence(record=[Token("a", None)], replay=[Token("b", None)], spread=0.1)

    assert found.margin == "unknown"


def test_the_spread_follows_the_records_two_candidates_over_the_shared_prefix() -> None:
    record = [position(-1.0, -2.0), position(-1.0, -2.0)]
    # The second position left the record, so that only the first counts: its gap grew by 0.2.
    replays = [
        [position(-1.0, -2.2), position(-1.0, -9.0, chosen="b")],
        [position(-1.0, -1.8), position(-1.0, -9.0, chosen="b")],
    ]

    assert gap_spread(record, replays) == pytest.approx(0.2)


def test_the_gap_needs_two_candidates() -> None:
    assert gap_at(token({"a": -1.0, "b": -1.5})) == pytest.approx(0.5)
    assert gap_at(token({"a": -1.0})) is None


def test_the_change_of_the_recorded_tokens_is_averaged_until_the_replay_leaves() -> None:
    record = [token({"a": -1.0}), token({"a": -1.0}), token({"a": -1.0})]
    replay = [token({"a": -1.1}), token({"a": -0.7}), token({"b": -5.0})]

    change = prefix_logprob_change(record, replay)

    assert change == pytest.approx(0.2)
    assert prefix_logprob_change(record[:1], [token({"b": -1.0})]) is None


def test_the_smallest_detectable_effect_is_above_the_floor_and_the_null() -> None:
    ordinary = floors.Ordinary(values=(0.1, 0.2), sessions=3)

    low_null = floors.detectable_effect(floor=0.3, null=np.zeros(99), ordinary=ordinary)
    high_null = floors.detectable_effect(floor=0.3, null=np.full(99, 0.5), ordinary=ordinary)

    assert low_null == pytest.approx(0.3 + 1.28 * 0.05)
    assert high_null == pytest.approx(0.5 + 1.28 * 0.05)
    assert math.isfinite(floors.detectable_effect(floor=0.3, null=np.empty(0), ordinary=ordinary))
