from __future__ import annotations

import pytest

from reviewapp.pure.outcomes import is_same, outcome_of


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ("identical identical identical", "kept"),
        ("identical equivalent nondeterministic", "kept"),
        ("identical nondeterministic nondeterministic", "varied"),
        ("nondeterministic", "varied"),
        ("identical inconclusive inconclusive", "unclear"),
        ("inconclusive inconclusive inconclusive", "unclear"),
        ("identical identical backend_changed", "changed"),
        ("failed failed failed", "unmeasured"),
        ("failed failed identical", "kept"),
        ("", "unmeasured"),
    ],
)
def test_the_attempts_of_an_answer_speak_together(verdicts, outcome):
    assert outcome_of([(verdict, None) for verdict in verdicts.split()]) == outcome


def test_a_persons_word_counts_more_than_the_verdicts():
    assert outcome_of([("identical", None), ("identical", "regression")]) == "changed"
    assert outcome_of([("backend_changed", "same"), ("backend_changed", None)]) == "kept"


def test_needing_a_person_decides_nothing():
    assert outcome_of([("backend_changed", "needs_person")]) == "changed"


def test_an_answer_called_the_same_stands_for_the_judged_one():
    assert is_same("backend_changed", "same")
    assert is_same("equivalent", None)
    assert not is_same("identical", "regression")
