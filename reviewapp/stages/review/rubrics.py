"""Rubrics: the questions a project asks. A version that somebody answered never changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import transaction

from reviewapp.models import Actor, Permission, Queue, Rubric
from reviewapp.models.composed import Composed
from reviewapp.pure.rubrics import TEXT_LIMIT, check_labels, check_questions
from reviewapp.stages.administer import write_audit
from reviewapp.stages.review.texts import text_of

_DEFAULT: Final = Composed(lambda project: Rubric.objects.filter(project=project, is_default=True)[:1])


def default_rubric(actor: Actor) -> Rubric | None:
    """The rubric that the project asks when no queue says otherwise."""
    found: Rubric | None = _DEFAULT.first(project=actor.project.pk)
    return found


@transaction.atomic
def save_rubric(
    *, actor: Actor, name: str, instructions: str, questions: Any, labels: Any, now: datetime
) -> Rubric:
    """Save the project's default rubric. One that somebody judged by stays; a new version takes its place.

    Raises InvalidAnswer.
    """
    actor.check(Permission.ADMIN)
    values = {
        "instructions": text_of("instructions", instructions, limit=TEXT_LIMIT),
        "questions": check_questions(questions),
        "labels": check_labels(labels),
    }
    before: Rubric | None = (
        Rubric.objects.select_for_update().filter(project=actor.project, is_default=True).first()
    )
    if before is not None and values == {
        "instructions": before.instructions,
        "questions": check_questions(before.questions),
        "labels": check_labels(before.labels),
    }:
        return before
    if before is not None and not before.annotations.exists():
        Rubric.objects.filter(pk=before.pk).update(**values)
        saved = Rubric.objects.get(pk=before.pk)
    else:
        if before is not None:
            Rubric.objects.filter(pk=before.pk).update(is_default=False, is_current=False)
        saved = Rubric.objects.create(
            project=actor.project,
            name=before.name if before else name,
            version=before.version + 1 if before else 1,
            is_default=True,
            created_by=actor.person,
            created_at=now,
            **values,
        )
    write_audit(actor=actor, action="rubric.save", target=saved, now=now, version=saved.version)
    return saved


def rubric_of(queue: Queue) -> Rubric | None:
    """The rubric that a queue asks: its own, or the project's in its present version."""
    if queue.rubric_id is not None:
        return queue.rubric
    found: Rubric | None = _DEFAULT.first(project=queue.project_id)
    return found
