"""When a probe of a seed is sure, and of what."""

from __future__ import annotations

import pytest
from scipy.stats import fisher_exact

from reviewapp.pure.seeding import SeedTrials, by_chance, judge_seed


def trials(same, asked, chance, others):
    return SeedTrials(same, asked, chance, others)


@pytest.mark.parametrize(
    "given", [(4, 4, 0, 4), (3, 10, 1, 10), (0, 4, 0, 4), (16, 16, 15, 16), (2, 4, 4, 4)]
)
def test_it_is_fishers_exact_test(given):
    same, asked, chance, others = given

    exact = fisher_exact([[same, asked - same], [chance, others - chance]], alternative="greater")

    assert by_chance(trials(*given)) == pytest.approx(exact.pvalue)


def test_four_equal_answers_against_none_are_enough():
    found = judge_seed(trials(4, 4, 0, 4))

    assert (found.honoured, found.sure) == (True, True)


def test_three_of_four_are_not_enough_yet():
    assert not judge_seed(trials(3, 4, 0, 4)).sure


def test_one_answer_whatever_the_seed_is_no_proof():
    found = judge_seed(trials(4, 4, 4, 4))

    assert (found.honoured, found.sure) == (None, True)


def test_a_seed_that_never_agrees_is_ignored_once_all_were_asked():
    assert not judge_seed(trials(0, 4, 0, 4)).sure
    assert judge_seed(trials(0, 16, 0, 16)).honoured is False


def test_a_seed_that_seldom_agrees_stays_unclear():
    assert judge_seed(trials(4, 16, 1, 16)).honoured is not True
