from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.agreement import (
    Answers,
    MarkedSpan,
    MarkedText,
    bootstrap,
    bootstrap_counts,
    by_choice,
    coefficients,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    marks_agreement,
    pair_matrix,
    percent_agreement,
    span_alpha,
    span_f1,
    span_matches,
    stretches,
)
from reviewapp.pure.agreement.chance import InvalidRatings, counts_of, level_alpha_of_counts

tables = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | st.integers(0, 3), min_size=raters, max_size=raters), max_size=8
    )
)
spans = st.lists(
    st.builds(
        lambda start, length, label: MarkedSpan(start, start + length, label),
        st.integers(0, 20),
        st.integers(0, 8),
        st.sampled_from(["a", "b"]),
    ),
    max_size=5,
)


def turned(columns: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Columns of raters as rows of items."""
    return [list(row) for row in zip(*columns, strict=True)]


def read(*lines: str) -> list[list[Any]]:
    """Lines of one rater each, as the papers print them; a dot is a gap."""
    return turned([[None if mark == "." else mark for mark in line.split()] for line in lines])


def numbers(table: list[list[Any]]) -> list[list[Any]]:
    return [[None if value is None else int(value) for value in row] for row in table]


# Krippendorff 2011, section C: four observers, twelve units, gaps.
KRIPPENDORFF_C = numbers(
    read(
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
)

# Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses; how often each was given.
FLEISS = [
    *("00060", "03003", "01401", "00006", "03030", "20400", "00402", "20310", "20040", "00006"),
    *("10050", "11040", "03300", "10050", "02031", "00501", "30012", "51000", "02040", "10203"),
    *("00006", "01050", "02013", "20040", "10041", "05010", "40002", "02040", "10500", "00006"),
]


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_krippendorffs_example_with_gaps(level: Any, alpha: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF_C, level=level) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_krippendorffs_binary_example() -> None:
    table = read("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")

    assert krippendorff_alpha(table) == pytest.approx(0.095, abs=5e-4)


def test_alpha_of_krippendorffs_nominal_example() -> None:
    table = read("a a b b d c c c e d d a", "b a b b b c c c e d d d")

    assert krippendorff_alpha(table) == pytest.approx(0.692, abs=5e-4)


def test_fleiss_kappa_of_his_example() -> None:
    table = [[kind for kind, count in enumerate(row) for _ in range(int(count))] for row in FLEISS]

    assert fleiss_kappa(table) == pytest.approx(0.430, abs=5e-4)


def test_cohens_kappa_of_a_worked_example() -> None:
    # Fifty proposals, two readers: both yes 20, only the first 5, only the second 10, both no 15.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15

    assert cohen_kappa(first, second) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("weights", "kappa"), [(None, 0.444444), ("linear", 0.666667), ("quadratic", 0.833333)]
)
def test_weighted_kappa_as_scikit_learn_computes_it(weights: Any, kappa: float) -> None:
    first, second = [1, 1, 2, 3, 3, 4, 2, 1, 4, 4, 3, 2], [1, 2, 2, 3, 4, 4, 1, 1, 3, 4, 3, 3]

    assert cohen_kappa(first, second, weights=weights) == pytest.approx(kappa, abs=1e-6)


@pytest.mark.parametrize(
    ("level", "alpha"),
    [("nominal", 0.416071), ("ordinal", 0.507484), ("interval", 0.546296), ("ratio", 0.57345)],
)
def test_alpha_as_the_krippendorff_package_computes_it(level: Any, alpha: float) -> None:
    table = numbers(
        read(
            "1 2 5 4 . 1 2 . 4 4 . 2 2 4 1",
            "1 2 3 4 5 2 2 5 4 5 . 2 . 4 5",
            "1 . 1 4 5 . 2 3 4 5 1 5 . 4 5",
            ". 1 3 4 4 1 4 3 4 5 1 2 3 5 .",
        )
    )

    assert krippendorff_alpha(table, level=level) == pytest.approx(alpha, abs=1e-6)


# Siskel's verdicts on 160 films, and Ebert's of each (Agresti and Winner 1997): against, mixed, for.
FILMS = ["con", "mixed", "pro"]
SISKEL_AND_EBERT = [
    [siskel, ebert]
    for siskel, row in zip(FILMS, [(24, 8, 13), (8, 13, 11), (10, 9, 64)], strict=True)
    for ebert, count in zip(FILMS, row, strict=True)
    for _ in range(count)
]


def test_the_kappas_of_two_film_critics_as_published() -> None:
    found = coefficients(SISKEL_AND_EBERT, Answers(values=tuple(FILMS), is_ordered=True))

    # 0.389 and 0.427 (linear) are the paper's, the third is scikit-learn's and statsmodels'.
    kappas = {one.name: one.value for one in found.kappas}
    assert kappas == {
        "Cohen": pytest.approx(0.389, abs=5e-4),
        "linear": pytest.approx(0.427, abs=5e-4),
        "quadratic": pytest.approx(0.457972, abs=1e-6),
    }


def test_ordered_words_are_told_at_two_levels() -> None:
    found = coefficients(SISKEL_AND_EBERT, Answers(values=tuple(FILMS), is_ordered=True))

    # As the krippendorff package computes it.
    assert [(level, alpha.value) for level, alpha in found.alphas] == [
        ("ordinal", pytest.approx(0.466086, abs=1e-6)),
        ("nominal", krippendorff_alpha(SISKEL_AND_EBERT)),
    ]


def test_numbers_are_told_as_measured_and_as_ordered() -> None:
    found = coefficients(KRIPPENDORFF_C, Answers(is_number=True))

    assert [(level, alpha.value) for level, alpha in found.alphas] == [
        ("interval", pytest.approx(0.849, abs=5e-4)),
        ("ordinal", pytest.approx(0.815, abs=5e-4)),
    ]


def test_each_of_fleiss_diagnoses_by_itself_as_published() -> None:
    table = [[kind for kind, count in enumerate(row) for _ in range(int(count))] for row in FLEISS]

    found = by_choice(table, Answers(values=(0, 1, 2, 3, 4)))

    assert [one.kappa.value if one.kappa else None for one in found] == [
        pytest.approx(kappa, abs=5e-4) for kappa in (0.245, 0.245, 0.520, 0.471, 0.566)
    ]
    assert [one.chosen for one in found] == [26, 26, 30, 55, 43]
    # His formula: the kappa of a category is its conditional probability, corrected for its share.
    share = 26 / 180
    assert found[0].again == pytest.approx(0.244755 * (1 - share) + share, abs=1e-6)
    # As the krippendorff package computes it of how often it was given and how often not.
    assert [one.alpha.value for one in found] == [
        pytest.approx(alpha, abs=1e-6) for alpha in (0.248951, 0.248951, 0.522667, 0.474065, 0.568529)
    ]


def test_an_answer_that_is_no_longer_offered_comes_last_and_one_that_nobody_gave_is_left_out() -> None:
    table = [["old", "good"], ["bad", "bad"], ["good", "good"]]

    found = by_choice(table, Answers(values=("good", "fair", "bad")))

    assert [(one.value, one.chosen, one.again) for one in found] == [
        ("good", 3, pytest.approx(2 / 3)),
        ("bad", 2, 1.0),
        ("old", 1, 0.0),
    ]


@given(tables, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_the_quick_bootstrap_draws_what_the_plain_one_draws(table: list[list[Any]], level: Any) -> None:
    counts, values = counts_of(table)

    quick = bootstrap_counts(
        counts,
        lambda rows, sizes: level_alpha_of_counts(rows, sizes, values, level=level, order=None),
        resamples=20,
    )

    plain = bootstrap(table, partial(krippendorff_alpha, level=level), resamples=20)
    assert [quick.value, quick.low, quick.high] == [
        None if one is None else pytest.approx(one) for one in (plain.value, plain.low, plain.high)
    ]


def test_ordered_words_are_weighed_by_their_places() -> None:
    order = ["bad", "fair", "good"]
    words = read("bad fair good good", "bad fair fair good")
    places = [[order.index(word) for word in row] for row in words]

    assert krippendorff_alpha(words, level="ordinal", order=order) == krippendorff_alpha(
        places, level="ordinal"
    )


def test_words_without_an_order_have_no_distances() -> None:
    with pytest.raises(InvalidRatings, match="order must be given"):
        krippendorff_alpha([["good", "bad"]], level="ordinal")


def test_an_answer_outside_the_order_is_refused() -> None:
    with pytest.raises(InvalidRatings, match="none of the answers"):
        krippendorff_alpha([["good", "bad"]], level="ordinal", order=["good"])


def test_fleiss_kappa_needs_equally_many_judgements() -> None:
    with pytest.raises(InvalidRatings, match="equally many"):
        fleiss_kappa([[1, 2], [1, 2, 3]])


def test_percent_agreement_counts_pairs() -> None:
    assert percent_agreement([["a", "a", "b"], ["a", None, "a"], ["b", None, None]]) == pytest.approx(0.5)


@pytest.mark.parametrize("statistic", [krippendorff_alpha, fleiss_kappa, percent_agreement])
def test_nothing_judged_twice_is_no_agreement_and_no_disagreement(statistic: Any) -> None:
    assert statistic([]) is None
    assert statistic([[1], [2]]) is None


def test_where_everybody_always_says_the_same_chance_can_not_be_corrected() -> None:
    table = [["yes", "yes"]] * 5

    assert percent_agreement(table) == 1
    assert krippendorff_alpha(table) is None
    assert fleiss_kappa(table) is None
    assert cohen_kappa(*turned(table)) is None


@given(tables)
def test_alpha_does_not_depend_on_the_order_of_raters_and_items(table: list[list[int | None]]) -> None:
    alpha = krippendorff_alpha(table, level="interval")

    assert krippendorff_alpha([row[::-1] for row in table][::-1], level="interval") == pytest.approx(alpha)


@given(tables)
def test_alpha_is_at_most_one(table: list[list[int | None]]) -> None:
    for level in ("nominal", "ordinal", "interval", "ratio"):
        alpha = krippendorff_alpha(table, level=level)
        assert alpha is None or alpha <= 1 + 1e-9


@given(tables)
def test_intervals_do_not_depend_on_where_the_numbers_start(table: list[list[int | None]]) -> None:
    moved = [[None if value is None else value + 10 for value in row] for row in table]

    assert krippendorff_alpha(moved, level="interval") == pytest.approx(
        krippendorff_alpha(table, level="interval")
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_kappa_is_the_same_from_both_sides(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)

    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa(second, first))


def test_a_bootstrap_interval_holds_the_coefficient_and_is_repeatable() -> None:
    statistic = partial(krippendorff_alpha, level="nominal")

    one, other = (bootstrap(KRIPPENDORFF_C, statistic, resamples=300, seed=5) for _ in range(2))

    assert one == other
    assert one.low is not None
    assert one.high is not None
    assert one.value is not None
    assert one.low < one.value < one.high


def test_one_item_has_no_interval() -> None:
    found = bootstrap([["a", "b"]], percent_agreement)

    assert (found.value, found.low, found.high) == (0, None, None)


def test_agreement_is_followed_through_time_in_parts_of_equally_many() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=at) for at in range(30)]
    # All agree in the first third, nobody in the last.
    table: list[list[int]] = [[at % 2, at % 2] for at in range(10)] + [[0, 0], [0, 1]] * 5 + [[0, 1]] * 10
    shuffled = sorted(range(30), key=lambda at: at * 7 % 30)

    found = stretches([table[at] for at in shuffled], [moments[at] for at in shuffled])

    assert [part.items for part in found] == [10, 10, 10]
    assert [part.percent for part in found] == [1.0, 0.5, 0.0]
    assert [part.first for part in found] == [moments[0], moments[10], moments[20]]
    assert found[0].alpha == 1.0
    assert found[2].alpha == krippendorff_alpha(table[20:])


def test_too_few_items_show_no_drift() -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC)] * 19

    assert stretches([[1, 1]] * 19, moments) == ()


def test_pairs_of_raters_are_compared_on_what_both_judged() -> None:
    table = [["a", "a", None], ["b", "a", "b"], ["a", "a", "a"]]

    found = pair_matrix(table, ["Ada", "Ben", "Cy"])

    assert [(pair.first, pair.second, pair.items, pair.percent) for pair in found] == [
        ("Ada", "Ben", 3, pytest.approx(2 / 3)),
        ("Ada", "Cy", 2, 1),
        ("Ben", "Cy", 2, 0.5),
    ]


# ---- marked text ----


def test_spans_agree_by_shared_characters() -> None:
    assert span_f1([MarkedSpan(0, 10, "a")], [MarkedSpan(5, 15, "a")]) == pytest.approx(0.5)


def test_spans_with_other_labels_do_not_agree() -> None:
    one, other = [MarkedSpan(0, 10, "a")], [MarkedSpan(0, 10, "b")]

    assert span_f1(one, other) == 0
    assert span_f1(one, other, labels=False) == 1


def test_nobody_marking_anything_is_no_agreement_to_measure() -> None:
    assert span_f1([], []) is None
    assert span_matches([], []) is None


def test_each_mark_has_one_partner_at_most() -> None:
    one = [MarkedSpan(0, 10, "a"), MarkedSpan(20, 30, "a")]
    other = [MarkedSpan(1, 10, "a"), MarkedSpan(0, 9, "a"), MarkedSpan(50, 60, "a")]

    assert span_matches(one, other) == pytest.approx(2 / 5)


def test_marks_that_overlap_by_less_than_half_are_no_partners() -> None:
    assert span_matches([MarkedSpan(0, 10)], [MarkedSpan(6, 16)]) == 0


def test_alpha_over_characters_as_counted_by_hand() -> None:
    # Ten characters: both mark 0-3, Ada also 4; so 4 agree marked, 1 differs, 5 agree unmarked.
    marked = {"Ada": [MarkedSpan(0, 5, "x")], "Ben": [MarkedSpan(0, 4, "x")]}
    by_hand = krippendorff_alpha([["x", "x"]] * 4 + [["x", ""]] + [["", ""]] * 5)

    assert span_alpha(marked, length=10) == pytest.approx(by_hand)


def test_who_marked_nothing_takes_part() -> None:
    assert span_alpha({"Ada": [MarkedSpan(0, 5, "x")], "Ben": []}, length=100) == pytest.approx(
        krippendorff_alpha([["x", ""]] * 5 + [["", ""]] * 95)
    )


@given(spans, spans)
def test_span_agreement_is_the_same_from_both_sides(one: list[MarkedSpan], other: list[MarkedSpan]) -> None:
    assert span_f1(one, other) == pytest.approx(span_f1(other, one))
    assert span_matches(one, other) == pytest.approx(span_matches(other, one))


@given(spans)
def test_spans_agree_with_themselves(marked: list[MarkedSpan]) -> None:
    assert span_f1(marked, marked) in (None, 1)


@given(spans, spans)
def test_span_alpha_is_that_of_the_characters(one: list[MarkedSpan], other: list[MarkedSpan]) -> None:
    table = [
        [frozenset(s.label for s in marked if s.start <= at < s.end) for marked in (one, other)]
        for at in range(30)
    ]

    assert span_alpha({"a": one, "b": other}, length=30) == pytest.approx(krippendorff_alpha(table))


def characters(*texts: MarkedText) -> list[list[Any]]:
    """All texts' characters as items of one table."""
    return [
        [
            None if marks is None else frozenset(s.label for s in marks if s.start <= at < s.end)
            for marks in text.marks
        ]
        for text in texts
        for at in range(text.length)
    ]


def test_marks_of_several_texts_by_hand() -> None:
    texts = [
        MarkedText(10, [[MarkedSpan(0, 4, "x")], [MarkedSpan(0, 5, "x")], None]),
        MarkedText(10, [[MarkedSpan(2, 4, "x")], [], []]),
        MarkedText(5, [None, [], []]),
    ]

    found = marks_agreement(texts)

    assert (found.marks, found.pairs) == (3, 3)
    # 8 of 9 in the first text; nothing in common with those two who marked nothing in the second.
    assert found.overlap == pytest.approx((8 / 9 + 0 + 0) / 3)
    assert found.meet == pytest.approx(1 / 3)
    # Pairs that say the same of whether a text has such a mark: 1 of 1, 1 of 3, 1 of 1.
    assert found.given.percent.value == pytest.approx(3 / 5)
    assert found.alpha.value == pytest.approx(krippendorff_alpha(characters(*texts)))
    # What the package krippendorff 0.9 gives for these characters.
    assert found.alpha.value == pytest.approx(0.6716141001855287)


def test_one_label_is_told_as_if_there_were_no_other() -> None:
    both = MarkedText(9, [[MarkedSpan(0, 3, "a"), MarkedSpan(2, 6, "b")], [MarkedSpan(0, 3, "a")], None])

    assert both.only("a").marks == [[MarkedSpan(0, 3, "a")], [MarkedSpan(0, 3, "a")], None]
    assert marks_agreement([both.only("a")]).alpha.value == 1
    assert marks_agreement([both.only("b")]).overlap == 0


@given(
    st.lists(
        st.builds(MarkedText, st.just(30), st.lists(st.none() | spans, min_size=3, max_size=3)), max_size=4
    )
)
def test_alpha_over_several_texts_is_that_of_all_their_characters(texts: list[MarkedText]) -> None:
    assert marks_agreement(texts).alpha.value == pytest.approx(krippendorff_alpha(characters(*texts)))
