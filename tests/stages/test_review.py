from __future__ import annotations

import pytest

from reviewapp.models import Annotation, AuditEntry, Flag, NotAllowed
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from tests.factories import NOW, make_actor, make_interaction, make_project

GOOD = {"verdict": "good", "correct": True}


@pytest.fixture
def interaction(project):
    return make_interaction(project=project, answer="Within five days.")


def test_a_flag_leaves_an_audit_entry_in_the_same_transaction(reviewer, interaction):
    flag = review.flag(actor=reviewer, interaction=interaction, reason="Wrong", severity="high", now=NOW)

    entry = AuditEntry.objects.get(action="flag.create")
    assert entry.object_id == str(flag.pk)
    assert entry.person == reviewer.person


def test_a_viewer_may_not_flag(viewer, interaction):
    with pytest.raises(NotAllowed, match="You may not flag and annotate"):
        review.flag(actor=viewer, interaction=interaction, reason="Wrong", now=NOW)

    assert not Flag.objects.exists()


def test_a_flag_is_resolved_once_and_can_be_reopened(reviewer, interaction):
    flag = review.flag(actor=reviewer, interaction=interaction, reason="Wrong", now=NOW)

    assert review.move_flag(actor=reviewer, flag_id=flag.pk, to="resolved", now=NOW)
    assert not review.move_flag(actor=reviewer, flag_id=flag.pk, to="resolved", now=NOW)
    assert review.move_flag(actor=reviewer, flag_id=flag.pk, to="open", now=NOW)


def test_nobody_moves_a_flag_of_another_project(interaction, reviewer):
    flag = review.flag(actor=reviewer, interaction=interaction, reason="Wrong", now=NOW)
    outsider = make_actor(project=make_project())

    assert not review.move_flag(actor=outsider, flag_id=flag.pk, to="removed", now=NOW)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 81}, "reason"),
        ({"severity": "awful"}, "severity"),
        ({"note": "x" * 10_001}, "note"),
        ({"note": 5}, "note"),
    ],
)
def test_a_flag_that_cannot_be_is_refused_by_field(reviewer, interaction, values, field):
    with pytest.raises(InvalidAnswer) as refused:
        review.flag(actor=reviewer, interaction=interaction, now=NOW, **{"reason": "Wrong", **values})

    assert refused.value.field == field


def test_an_annotation_keeps_scores_spans_and_correction(reviewer, interaction):
    made = review.annotate(
        actor=reviewer,
        interaction=interaction,
        scores=GOOD,
        spans=[{"start": 7, "end": 11, "label": "wrong"}],
        correction="Within three days.",
        comment="Policy changed.",
        now=NOW,
    )

    kept = Annotation.objects.get(pk=made.pk)
    assert kept.scores == GOOD
    assert kept.spans == [{"start": 7, "end": 11, "label": "wrong", "note": ""}]
    assert kept.correction == "Within three days."


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scores": {"verdict": "great", "correct": True}}, "scores.verdict"),
        ({"scores": {"verdict": "good"}}, "scores.correct"),
        ({"scores": {**GOOD, "helpful": 9}}, "scores.helpful"),
        ({"scores": {**GOOD, "shoe_size": 9}}, "scores.shoe_size"),
        ({"scores": GOOD, "spans": [{"start": 0, "end": 99, "label": "wrong"}]}, "spans.0"),
        ({"scores": GOOD, "spans": [{"start": 3, "end": 3, "label": "wrong"}]}, "spans.0"),
        ({"scores": GOOD, "spans": [{"start": 0, "end": 3, "label": ""}]}, "spans.0.label"),
        ({"scores": {}}, "scores"),
        ({"scores": []}, "scores"),
    ],
)
def test_an_answer_that_does_not_fit_the_rubric_is_refused_by_field(reviewer, interaction, values, field):
    with pytest.raises(InvalidAnswer) as refused:
        review.annotate(actor=reviewer, interaction=interaction, now=NOW, **values)

    assert refused.value.field == field


def test_an_edit_keeps_what_was_said_before(reviewer, interaction):
    made = review.annotate(actor=reviewer, interaction=interaction, scores=GOOD, now=NOW)

    edited = review.edit_annotation(
        actor=reviewer, annotation=made, version=1, scores={**GOOD, "correct": False}, now=NOW
    )

    assert edited.scores["correct"] is False
    assert edited.revisions.get().scores == GOOD


def test_an_edit_of_an_outdated_version_writes_nothing(reviewer, interaction):
    made = review.annotate(actor=reviewer, interaction=interaction, scores=GOOD, now=NOW)
    review.edit_annotation(actor=reviewer, annotation=made, version=1, scores=GOOD, comment="a", now=NOW)

    with pytest.raises(review.EditedMeanwhile):
        review.edit_annotation(actor=reviewer, annotation=made, version=1, scores=GOOD, comment="b", now=NOW)

    assert Annotation.objects.get().comment == "a"


def test_nobody_edits_another_persons_judgement(admin, reviewer, interaction):
    made = review.annotate(actor=reviewer, interaction=interaction, scores=GOOD, now=NOW)

    with pytest.raises(review.NotYours):
        review.edit_annotation(actor=admin, annotation=made, version=1, scores=GOOD, now=NOW)


def test_taking_a_judgement_back_can_be_undone(reviewer, interaction):
    made = review.annotate(actor=reviewer, interaction=interaction, scores=GOOD, now=NOW)

    assert review.remove_annotation(actor=reviewer, annotation=made, now=NOW)
    assert review.restore_annotation(actor=reviewer, annotation=made, now=NOW)
    assert Annotation.objects.get().removed_at is None
