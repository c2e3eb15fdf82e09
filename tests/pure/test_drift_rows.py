"""Cleaning of lists of alternatives, and what rows are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.drift.rows import (
    Row,
    aligned,
    clean_alternatives,
    common_width,
    lattice,
    logprob_strata,
    rank_biased_overlap,
    row_from_reply,
    text_strata,
    top_overlap,
)
from reviewapp.pure.exchange import Alternative, Token
from tests.pure.drift_rows import reply, token


def row(values: dict[str, float], *, prompt: str = "p", session: str = "s", text: str = "a") -> Row:
    top = clean_alternatives(token=token(values))
    return Row(prompt=prompt, session=session, kind="token", text=text, top=top)


def test_values_are_clipped_at_minus_forty() -> None:
    cleaned = clean_alternatives(token=token({"a": -0.5, "b": -90.0}))

    assert cleaned == (("a", -0.5), ("b", -40.0))


@pytest.mark.parametrize("missing", [math.nan, -math.inf, -9999.0, None])
def test_what_stands_for_missing_is_dropped(missing: float | None) -> None:
    alternatives = (Alternative("a", -0.5), Alternative("b", missing), Alternative("c", -2.0))

    cleaned = clean_alternatives(token=Token("a", -0.5, alternatives))

    assert cleaned == (("a", -0.5), ("c", -2.0))


def test_a_list_of_nothing_but_zeros_is_missing() -> None:
    assert clean_alternatives(token=token({"a": 0.0, "b": 0.0})) is None


def test_a_certain_token_beside_missing_ones_is_missing_too() -> None:
    assert clean_alternatives(token=token({"a": 0.0, "b": -9999.0, "c": -math.inf})) is None


def test_the_same_text_under_two_ids_is_one_column_by_its_bytes() -> None:
    alternatives = (
        Alternative("a", -0.5, b"a"),
        Alternative("\ufffd", -1.0, b"\xe2"),
        Alternative("\ufffd", -2.0, b"\x80"),
        Alternative("a", -3.0, b"a"),
    )

    cleaned = clean_alternatives(token=Token("a", -0.5, alternatives, b"a"))

    assert cleaned == ((b"a", -0.5), (b"\xe2", -1.0), (b"\x80", -2.0))


def test_a_sampled_token_outside_the_top_is_dropped_though_listed_first() -> None:
    cleaned = clean_alternatives(token=token({"z": -7.0, "a": -0.5, "b": -1.0}, sampled="z"))

    assert cleaned == (("a", -0.5), ("b", -1.0))


def test_a_sampled_token_inside_the_top_stays_though_listed_first() -> None:
    cleaned = clean_alternatives(token=token({"b": -1.0, "a": -0.5, "c": -3.0}, sampled="b"))

    assert cleaned == (("a", -0.5), ("b", -1.0), ("c", -3.0))


def test_more_than_was_asked_for_is_cut_by_value() -> None:
    cleaned = clean_alternatives(token=token({"b": -1.0, "a": -0.5, "c": -3.0}, sampled="b"), requested=2)

    assert cleaned == (("a", -0.5), ("b", -1.0))


def test_all_rows_are_cut_to_the_shortest_so_that_k_is_no_change() -> None:
    long = {name: -float(place) - 1 for place, name in enumerate("abcdefgh")}
    short = dict(list(long.items())[:5])

    (stratum,) = logprob_strata(baseline=[row(long), row(long)], tested=[row(short)])

    assert stratum.vectors is not None
    assert stratum.vectors.shape[1] == 5
    assert stratum.distances.max() == 0.0


def test_a_damaged_row_is_left_out_and_does_not_shorten_the_others() -> None:
    long = {name: -float(place) - 1 for place, name in enumerate("abcdefgh")}
    rows = [row(long), row(long), row({"a": -1.0})]

    width = common_width(rows)
    (stratum,) = logprob_strata(baseline=rows, tested=[row(long)])

    assert width == 8
    assert stratum.baseline == 2


def test_a_row_that_lacks_a_column_gets_its_own_last_value() -> None:
    rows = [row({"a": -1.0, "b": -2.0}), row({"a": -1.0, "b": -2.0}), row({"a": -1.0, "c": -1.9})]

    vectors = aligned(rows, width=2)

    assert vectors.tolist() == [[-1.0, -2.0], [-1.0, -2.0], [-1.0, -1.9]]


def test_columns_are_made_of_the_largest_means_when_no_token_is_common() -> None:
    rows = [row({"a": -1.0, "b": -2.0}), row({"c": -1.0, "d": -2.0}), row({"e": -1.5, "f": -2.0})]

    vectors = aligned(rows, width=2)

    assert vectors.shape == (3, 2)


def test_a_token_that_swaps_at_a_tie_of_the_last_place_is_no_evidence() -> None:
    before = {"a": -0.5, "b": -1.0, "c": -1.5, "d": -2.0}
    after = {"a": -0.5, "b": -1.0, "c": -1.5, "e": -2.0}

    overlap = top_overlap([row(before)], [row(after)], width=4)

    assert overlap is not None
    assert overlap.jaccard == 1.0


def test_a_token_that_leaves_from_well_inside_the_list_is_evidence() -> None:
    before = {"a": -0.5, "b": -1.0, "c": -1.5, "d": -2.0}
    after = {"a": -0.5, "e": -1.0, "c": -1.5, "d": -2.0}

    overlap = top_overlap([row(before)], [row(after)], width=4)

    assert overlap is not None
    assert overlap.jaccard == pytest.approx(3 / 5)
    assert overlap.rank_biased < 1.0


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((-1.0, -1.25, -2.5), 1 / 4),
        ((-1.0, -1.0625, -1.5), 1 / 16),
        ((-1.0003, -1.0628, -1.5003), 1 / 16),
        ((-1.0, -1.0371, -1.5512), None),
        ((-1.0, -2.0), None),
    ],
)
def test_the_lattice_is_the_coarsest_step_that_fits(values: tuple[float, ...], step: float | None) -> None:
    assert lattice(values) == step


def test_equal_rankings_overlap_fully_and_disjoint_ones_not_at_all() -> None:
    assert rank_biased_overlap("abcde", "abcde") == pytest.approx(1.0)
    assert rank_biased_overlap("abcde", "fghij") == 0.0


def test_an_early_swap_weighs_more_than_a_late_one() -> None:
    early = rank_biased_overlap("abcde", "xbcde")
    late = rank_biased_overlap("abcde", "abcdx")

    assert early < late


def test_a_row_remembers_the_label_and_the_session() -> None:
    made = row_from_reply(
        prompt="p", session="monday", kind="token", reply=reply({"a": -0.1, "b": -3.0}, fingerprint="fp_1")
    )

    assert made.session == "monday"
    assert made.fingerprint == "fp_1"
    assert made.top == (("a", -0.1), ("b", -3.0))


def test_a_reply_without_log_probabilities_still_makes_a_row() -> None:
    made = row_from_reply(prompt="p", session="s", kind="text", reply=reply(None, text="hello"))

    assert made.top is None
    assert made.text == "hello"


def test_texts_that_differ_in_a_trailing_nul_differ() -> None:
    rows = [row({"a": -1.0, "b": -2.0}, text="x"), row({"a": -1.0, "b": -2.0}, text="x\x00")]

    (stratum,) = text_strata(baseline=rows[:1], tested=rows[1:])

    assert stratum.distances[0, 1] == 1.0


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdefghij"), st.floats(-20, -0.01), min_size=3, max_size=10),
        min_size=2,
        max_size=8,
    )
)
def test_distances_are_symmetric_and_zero_to_oneself(lists: list[dict[str, float]]) -> None:
    rows = [row(values) for values in lists]

    strata = logprob_strata(baseline=rows[:-1], tested=rows[-1:])

    for stratum in strata:
        assert np.allclose(stratum.distances, stratum.distances.T)
        assert np.all(np.diag(stratum.distances) == 0.0)
        assert np.all(np.isfinite(stratum.distances))


@given(st.permutations([("a", -0.5), ("b", -1.0), ("c", -1.5), ("d", -2.5)]))
def test_the_order_in_which_a_vendor_lists_does_not_matter(listed: list[tuple[str, float]]) -> None:
    # "a" is the sampled token and inside the top, so that only the order differs.
    cleaned = clean_alternatives(token=token(dict(listed), sampled="a"))

    assert cleaned == (("a", -0.5), ("b", -1.0), ("c", -1.5), ("d", -2.5))
