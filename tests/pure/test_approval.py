from __future__ import annotations

import pytest

from reviewapp.pure.approval import approves, is_approved, share_of

VERDICT = {
    "key": "verdict",
    "kind": "choice",
    "required": True,
    "choices": [{"value": "good"}, {"value": "bad"}],
}
CORRECT = {"key": "correct", "kind": "boolean", "required": True}
POLITE = {"key": "polite", "kind": "boolean", "required": False}
STARS = {"key": "stars", "kind": "number", "required": True}


@pytest.mark.parametrize(
    ("questions", "scores", "opinion"),
    [
        ([VERDICT, CORRECT], {"verdict": "good", "correct": True}, True),
        ([VERDICT, CORRECT], {"verdict": "good", "correct": False}, False),
        ([VERDICT, CORRECT], {"verdict": "bad", "correct": True}, False),
        ([VERDICT, CORRECT], {"verdict": "good"}, None),
        ([VERDICT, CORRECT], {"verdict": "bad"}, False),
        ([VERDICT, POLITE], {"verdict": "good", "polite": False}, True),
        ([POLITE, STARS], {"polite": True, "stars": 1}, True),
        ([POLITE, STARS], {"polite": False, "stars": 5}, False),
        ([STARS], {"stars": 5}, None),
        ([], {}, None),
    ],
)
def test_the_deciding_questions_decide(questions, scores, opinion):
    assert approves(questions=questions, scores=scores) is opinion


def test_a_correction_does_not_approve():
    assert approves(questions=[CORRECT], scores={"correct": True}, correction="Better so.") is False


def test_an_answer_is_approved_when_somebody_approves_and_nobody_does_not():
    assert is_approved([True, None, True])
    assert not is_approved([True, False])
    assert not is_approved([None])
    assert not is_approved([])


def test_a_share_of_all_there_is_has_no_error():
    share = share_of(found=3, measured=12, population=12)

    assert share is not None
    assert (share.low, share.share, share.high) == (0.25, 0.25, 0.25)


def test_a_sample_of_a_thousand_knows_five_percent_to_one_and_a_half_points():
    share = share_of(found=50, measured=1000, population=1_000_000)

    assert share is not None
    assert share.share == 0.05
    assert 0.037 < share.low < 0.05 < share.high < 0.066


def test_nothing_measured_is_no_share():
    assert share_of(found=0, measured=0, population=12) is None


def test_none_found_in_a_small_sample_does_not_rule_out_some():
    share = share_of(found=0, measured=10, population=1000)

    assert share is not None
    assert share.low == 0.0
    assert share.high > 0.2
