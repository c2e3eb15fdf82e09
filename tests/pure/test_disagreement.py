from __future__ import annotations

import pytest

from reviewapp.pure.disagreement import disagreements

QUESTIONS = [
    {"key": "verdict", "kind": "choice"},
    {"key": "helpful", "kind": "number", "step": 1},
    {"key": "remarks", "kind": "text"},
]


def found(*scores, rules=None):
    return disagreements(questions=QUESTIONS, scores=scores, rules=rules)


def test_different_choices_are_a_disagreement():
    assert found({"verdict": "good"}, {"verdict": "bad"}) == ["verdict"]


def test_equal_choices_are_none():
    assert found({"verdict": "good"}, {"verdict": "good"}) == []


def test_what_somebody_left_out_is_no_disagreement():
    assert found({"verdict": "good"}, {}) == []


def test_texts_never_disagree_by_themselves():
    assert found({"remarks": "a"}, {"remarks": "b"}) == []


@pytest.mark.parametrize(("apart", "disputed"), [(1, []), (2, ["helpful"])])
def test_numbers_disagree_beyond_one_step(apart, disputed):
    assert found({"helpful": 2}, {"helpful": 2 + apart}) == disputed


def test_the_two_farthest_apart_count():
    assert found({"helpful": 2}, {"helpful": 3}, {"helpful": 4}) == ["helpful"]


@pytest.mark.parametrize(
    ("rule", "disputed"), [("never", []), ("any", ["helpful"]), (0, ["helpful"]), (3, [])]
)
def test_a_queue_may_say_otherwise(rule, disputed):
    assert found({"helpful": 2}, {"helpful": 3}, rules={"helpful": rule}) == disputed


def test_preferences_that_differ_are_a_disagreement():
    assert disagreements(questions=[], scores=[{}, {}], preferences=["same", "regression"]) == ["preference"]


def test_one_judgement_alone_disagrees_with_nobody():
    assert found({"verdict": "bad", "helpful": 1}) == []
