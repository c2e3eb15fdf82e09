"""Numbers as people read them, and the drawings made of them."""

from __future__ import annotations

import re

import pytest
from django.utils.translation import override

from reviewapp.templatetags import figures


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(("value", "words"), [(0, "0"), (12408, "12 408"), (None, "–")])
def test_counts_have_their_thousands_set_apart(value: int | None, words: str):
    assert plain(figures.count(value)) == words


@pytest.mark.parametrize(("value", "words"), [(999, "999"), (12_408, "12.4 k"), (3_000_000, "3 M")])
def test_short_counts_keep_three_figures_at_most(value: int, words: str):
    assert plain(figures.count_short(value)) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0.94, "94 %"), (1, "100 %"), (0.9999, ">99 %"), (0.0001, "<1 %"), (0, "0 %")]
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, words: str):
    assert plain(figures.percent(share)) == words


@pytest.mark.parametrize(
    ("share", "digits", "words"),
    [
        (26 / 36, 0, "72 %"),
        (10 / 36, 0, "28 %"),
        (0.008, 0, "1 %"),
        (0.0578, 1, "5.8 %"),
        (0.9999, 1, "99.9 %"),
    ],
)
def test_a_share_is_rounded_and_not_cut_off(share: float, digits: int, words: str):
    assert plain(figures.percent(share, digits)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(812, "812 ms"), (3_400, "3.4 s"), (125_000, "2 min 5 s"), (11_520_000, "3 h 12 min")],
)
def test_a_duration_is_told_in_the_unit_that_fits(value: float, words: str):
    assert plain(figures.milliseconds(value)) == words


def test_a_figure_keeps_its_unit_behind_it_amid_words_from_right_to_left():
    with override("ar"):
        told = (
            figures.milliseconds(812),
            figures.seconds(40),
            figures.file_size(14_000),
            figures.percent(0.004),
        )

    # Behind it too: a percent sign would go over to the words that follow.
    assert [one[0] + one[-1] for one in told] == ["\u200e\u200e"] * 4
    assert plain(told[0].strip("\u200e")) == "812 ms"
    assert plain(figures.milliseconds(812)) == "812 ms"


@pytest.mark.parametrize(("value", "words"), [(999, "999 B"), (14_000, "14.0 kB"), (2_100_000, "2.1 MB")])
def test_a_size_is_told_in_the_unit_that_fits(value: int, words: str):
    assert plain(figures.file_size(value)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "$0.00"),
        (12.5, "$12.50"),
        (0.1, "$0.10"),
        (0.0425, "$0.0425"),
        (0.0042, "$0.0042"),
        (0.00009, "$0.000090"),
        (0.0000064, "$0.0000064"),
        (0.00000005, "$0.000000050"),
    ],
)
def test_small_amounts_of_money_keep_digits_that_say_something(value: float, words: str):
    assert figures.money(value) == words


def test_a_verdict_bar_fills_its_width():
    html = figures.verdict_bar({"identical": 3, "failed": 1})

    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="100%"', html)]
    assert widths == [75.0, 25.0]


def test_a_verdict_bar_says_its_figures_in_words():
    html = figures.verdict_bar({"backend changed": 2}, pending=1)

    assert 'aria-label="2 backend changed, 1 waiting"' in html


def test_verdicts_stand_in_one_order_whatever_order_they_come_in():
    html = figures.verdict_bar({"failed": 1, "identical": 1})

    assert html.index('data-verdict="identical"') < html.index('data-verdict="failed"')


def test_no_verdicts_yet_is_a_dash():
    assert "–" in figures.verdict_bar({})


def test_a_gap_in_a_trend_lifts_the_pen():
    html = figures.sparkline([1, 2, None, 3, 4])

    path = re.search(r'd="([^"]+)"', html)
    assert path
    assert path[1].count("M") == 2


def test_a_flat_trend_is_drawn():
    assert "L" in figures.sparkline([0.5, 0.5])


def test_a_ring_of_unknown_size_turns():
    assert "is-unknown" in figures.ring(4, 0)


def test_a_seed_range_is_named_on_the_number_line():
    html = figures.number_line([{"name": "<bot>", "low": 1, "high": 50, "used": 0.5}], 1, 101)

    assert "&lt;bot&gt;: 1 … 50" in html
    assert 'width="49.000%"' in html


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([1 / 3, 1 / 3, 1 / 3], ["34 %", "33 %", "33 %"]),
        ([0.125, 0.125, 0.75], ["13 %", "12 %", "75 %"]),
        ([0.996, 0.004], [">99 %", "<1 %"]),
        ([0.5, 0.25], ["50 %", "25 %"]),
        ([0.286, 0.284, 0.285, 0.145], ["29 %", "28 %", "28 %", "15 %"]),
        ([], []),
    ],
)
def test_shares_of_one_whole_are_rounded_so_that_they_add_up(shares, words):
    assert [plain(text) for text in figures.percents(shares)] == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.1, "10 %"), (0.025, "2.5 %"), (0.00001, "0.001 %"), (0.33, "33 %"), (1, "100 %")]
)
def test_a_share_that_was_typed_is_written_as_it_was(value: float, words: str):
    assert plain(figures.typed_percent(value)) == words


def test_a_share_that_was_typed_has_the_languages_comma():
    with override("de"):
        assert plain(figures.typed_percent(0.025)) == "2,5 %"
