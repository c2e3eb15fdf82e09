"""Permutation tests: valid under the null, blind to the names of the groups where they must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewapp.pure.drift import floors, permutation
from reviewapp.pure.drift.rows import (
    Row,
    Stratum,
    common_prefix_length,
    logprob_strata,
    pairwise_distances,
    text_strata,
)
from tests.pure.drift_rows import Fleet


def strata_of(
    rng: np.random.Generator, *, prompts: int = 5, known: int = 6, new: int = 3, moved: float = 0.0
) -> list[Stratum]:
    made = []
    for prompt in range(prompts):
        vectors = rng.standard_normal((known + new, 4))
        vectors[known:] += moved
        made.append(
            Stratum(
                prompt=str(prompt),
                distances=pairwise_distances(vectors),
                baseline=known,
                sessions=("a",) * known + ("b",) * new,
                vectors=vectors,
            )
        )
    return made


STATISTICS = [permutation.nearest, permutation.shift, permutation.mean_discrepancy]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_p_is_uniform_or_larger_under_the_null(statistic: permutation.Statistic) -> None:
    rng = np.random.default_rng(5)

    values = [
        permutation.permutation_test(statistic, strata_of(rng), rng=rng, permutations=99)[1]
        for _ in range(400)
    ]

    # With 400 tests the share at a level has a standard deviation of 0.011 (5 %) and 0.02 (20 %).
    assert np.mean(np.array(values) <= 0.05) <= 0.085
    assert np.mean(np.array(values) <= 0.20) <= 0.26
    assert np.mean(np.array(values) <= 0.50) >= 0.40


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_plain_shift_is_found(statistic: permutation.Statistic) -> None:
    rng = np.random.default_rng(6)

    _, p, _ = permutation.permutation_test(statistic, strata_of(rng, moved=4.0), rng=rng)

    assert p <= 0.002


def test_p_is_never_zero() -> None:
    null = np.zeros(999)

    assert permutation.p_value(value=1.0, null=null) == 1 / 1000


def test_equal_values_count_as_extreme() -> None:
    null = np.array([0.1 + 0.2] * 9)

    assert permutation.p_value(value=0.3, null=null) == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
def test_mmd_and_shift_do_not_care_which_group_is_called_baseline(seed: int, known: int, new: int) -> None:
    rng = np.random.default_rng(seed)
    strata = strata_of(rng, prompts=2, known=known, new=new)
    swapped = []
    for stratum in strata:
        order = [*range(known, known + new), *range(known)]
        swapped.append(
            Stratum(
                prompt=stratum.prompt,
                distances=stratum.distances[np.ix_(order, order)],
                baseline=new,
                sessions=tuple(stratum.sessions[i] for i in order),
                vectors=None if stratum.vectors is None else stratum.vectors[order],
            )
        )

    for statistic in (permutation.shift, permutation.mean_discrepancy):
        one = statistic(strata, permutation.observed(strata))
        other = statistic(swapped, permutation.observed(swapped))
        assert one == pytest.approx(other)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_within_a_group_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (stratum,) = strata_of(rng, prompts=1)
    order = [*rng.permutation(6), *(6 + rng.permutation(3))]
    shuffled = Stratum(
        prompt=stratum.prompt,
        distances=stratum.distances[np.ix_(order, order)],
        baseline=6,
        sessions=stratum.sessions,
        vectors=None if stratum.vectors is None else stratum.vectors[order],
    )

    for statistic in STATISTICS:
        one = statistic([stratum], permutation.observed([stratum]))
        other = statistic([shuffled], permutation.observed([shuffled]))
        assert one == pytest.approx(other)


def test_the_fast_and_the_general_way_to_the_nearest_row_agree() -> None:
    rng = np.random.default_rng(8)
    (stratum,) = strata_of(rng, prompts=1)
    masks = permutation.deal_rows([stratum], permutations=50, rng=rng)[0]

    together = permutation.nearest([stratum], [masks])
    one_by_one = [
        np.mean([stratum.distances[i, ~mask].min() for i in np.flatnonzero(mask)]) for mask in masks
    ]

    assert together == pytest.approx(one_by_one)


def test_deals_of_unequal_size_are_averaged_over_the_questions_that_have_both_groups() -> None:
    rng = np.random.default_rng(9)
    (stratum,) = strata_of(rng, prompts=1)
    masks = np.zeros((3, 9), dtype=bool)
    masks[0, :2] = True
    masks[1, :5] = True

    values = permutation.nearest([stratum], [masks])

    for line in (0, 1):
        chosen = masks[line]
        expected = np.mean([stratum.distances[i, ~chosen].min() for i in np.flatnonzero(chosen)])
        assert values[line] == pytest.approx(expected)
    assert values[2] == 0.0


def test_many_permutations_of_many_rows_are_done_in_slices_without_a_seam() -> None:
    rng = np.random.default_rng(3)
    (stratum,) = strata_of(rng, prompts=1, known=90, new=10)
    masks = permutation.deal_rows([stratum], permutations=999, rng=rng)[0]
    assert masks.shape[0] * 100 * 100 > permutation.SLICE_ELEMENTS

    values = permutation.nearest([stratum], [masks])

    for line in (0, 398, 399, 400, 401, 799, 800, 998):
        chosen = masks[line]
        expected = np.mean([stratum.distances[i, ~chosen].min() for i in np.flatnonzero(chosen)])
        assert values[line] == pytest.approx(expected)


def test_sessions_are_dealt_whole_when_both_sides_have_six() -> None:
    fleet = Fleet(noise=0.01)
    baseline = fleet.baseline(sessions=6, count=2)
    tested = [
        row for number in range(6) for row in fleet.rows(session=f"test {number}", count=2, seed=500 + number)
    ]
    strata = logprob_strata(baseline=baseline, tested=tested)

    masks = permutation.deal_sessions(strata, permutations=20, rng=np.random.default_rng(1))

    assert permutation.enough_sessions(strata)
    for stratum, mask in zip(strata, masks, strict=True):
        names = np.array(stratum.sessions)
        for line in mask:
            assert all(len(set(line[names == name])) == 1 for name in set(names))
            assert len({name for name, chosen in zip(names, line, strict=True) if chosen}) == 6


def test_session_effects_fool_the_row_permutation_but_not_the_session_permutation() -> None:
    rng = np.random.default_rng(12)
    by_rows, by_sessions = [], []
    for _ in range(60):
        vectors, sessions = [], []
        for number in range(12):
            vectors.append(rng.standard_normal((4, 3)) * 0.2 + rng.standard_normal(3))
            sessions += [f"{'base' if number < 6 else 'test'} {number}"] * 4
        stacked = np.concatenate(vectors)
        strata = [
            Stratum(
                prompt="p",
                distances=pairwise_distances(stacked),
                baseline=24,
                sessions=tuple(sessions),
                vectors=stacked,
            )
        ]
        value = permutation.shift(strata, permutation.observed(strata))[0]
        rows = permutation.shift(strata, permutation.deal_rows(strata, permutations=199, rng=rng))
        whole = permutation.shift(strata, permutation.deal_sessions(strata, permutations=199, rng=rng))
        by_rows.append(permutation.p_value(value=value, null=rows))
        by_sessions.append(permutation.p_value(value=value, null=whole))

    assert np.mean(np.array(by_rows) <= 0.05) > 0.3
    assert np.mean(np.array(by_sessions) <= 0.05) <= 0.15


def test_unseen_texts_are_counted_by_question() -> None:
    fleet = Fleet(new_texts=0.0)
    changed = Fleet(new_texts=0.5)
    baseline = fleet.baseline(kind="seeded")
    tested = changed.rows(session="now", count=1, seed=3, kind="seeded")
    strata = text_strata(baseline=baseline, tested=tested)

    value = permutation.nearest(strata, permutation.observed(strata))[0]

    assert value == pytest.approx(changed.texts_changed.mean())


def test_among_equal_shares_of_new_texts_the_sooner_ones_part_the_less_probable() -> None:
    baseline = texts("the cat sat on a mat", "the cat sat on a hat", "the cat sat in a box", "the cat sat")
    late = text_strata(baseline=baseline, tested=texts("the cat sat on a rug"))
    soon = text_strata(baseline=baseline, tested=texts("a dog"))

    assert [permutation.nearest(one, permutation.observed(one))[0] for one in (late, soon)] == [1.0, 1.0]
    values = [permutation.unseen(one, permutation.observed(one))[0] for one in (late, soon)]
    assert 1.0 < values[0] < values[1] < 1.01


def test_a_text_that_is_known_outranks_none_that_is_new() -> None:
    baseline = texts("a", "b", "ab", "abc")
    known = text_strata(baseline=baseline, tested=texts("abc"))
    new = text_strata(baseline=baseline, tested=texts("abcdefghijklmnopqrstuvwxyz" * 40))

    values = [permutation.unseen(one, permutation.observed(one))[0] for one in (known, new)]

    assert values[0] == 0.0
    assert values[1] > 1.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(alphabet="ab\0", max_size=6), min_size=2, max_size=9))
def test_how_early_two_texts_part_is_what_one_finds_by_comparing_them(found: list[str]) -> None:
    (stratum,) = text_strata(baseline=texts(*found[:1]), tested=texts(*found[1:]))
    assert stratum.partings is not None

    for i, one in enumerate(found):
        for j, other in enumerate(found):
            longer = max(len(one), len(other))
            expected = 0.0 if one == other else 1 - common_prefix_length(one, other) / longer
            assert stratum.partings[i, j] == pytest.approx(expected)


def texts(*found: str) -> list[Row]:
    return [Row(prompt="p", session="s", kind="seeded", text=text) for text in found]


def test_one_p_for_two_statistics_is_small_where_either_is() -> None:
    rng = np.random.default_rng(3)
    strata = strata_of(rng, moved=4.0)

    _, both, _ = permutation.joint_test([permutation.nearest, permutation.shift], strata, rng=rng)
    values, alone, nulls = permutation.joint_test([permutation.nearest], strata, rng=rng)

    assert both <= 0.002
    assert alone == permutation.p_value(value=values[0], null=nulls[0])


def test_one_p_for_two_statistics_is_uniform_when_nothing_changed() -> None:
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        strata = strata_of(rng, prompts=2)
        both = [permutation.nearest, permutation.shift]
        found.append(permutation.joint_test(both, strata, rng=rng, permutations=99)[1])

    assert np.mean(np.array(found) <= 0.05) <= 0.1
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_what_one_left_out_session_shifts_is_the_same_at_once_and_one_by_one() -> None:
    fleet = Fleet(noise=0.01)
    tested = fleet.rows(session="now", count=2, seed=3)
    strata = logprob_strata(baseline=fleet.baseline(), tested=tested)

    at_once = floors.shift_left_out(strata, rows=2)
    one_by_one = floors.leave_one_session_out(strata, permutation.shift, rows=2)

    assert sorted(at_once.values) == pytest.approx(sorted(one_by_one.values))
    assert (len(at_once.values), at_once.sessions) == (6, one_by_one.sessions)
