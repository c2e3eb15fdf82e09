"""What people say about interactions: flags and annotations, with their history and undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp.formats.openai import output_text, read_reply
from reviewapp.models import (
    FLAG_TRANSITIONS,
    Actor,
    Annotation,
    AnnotationRevision,
    Flag,
    FlagReason,
    Interaction,
    Permission,
    Rubric,
    Severity,
)
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply
from reviewapp.pure.rubrics import (
    TEXT_LIMIT,
    InvalidAnswer,
    check_labels,
    check_questions,
    check_scores,
    check_spans,
)
from reviewapp.pure.words import storable
from reviewapp.stages.administer import write_audit

NOTE_LIMIT = 10_000


def _text(field: str, value: Any, *, limit: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidAnswer(field, "must be a text")
    if len(value) > limit:
        raise InvalidAnswer(field, f"is longer than {limit:,} characters")
    return storable(value)


@transaction.atomic
def flag(
    *,
    actor: Actor,
    interaction: Interaction,
    reason: str,
    severity: str = Severity.MEDIUM,
    note: str = "",
    now: datetime,
) -> Flag:
    """Mark an interaction. The reason is one of the project's, or a text of one's own (through the API)."""
    actor.check(Permission.REVIEW)
    reason = _text("reason", reason, limit=80).strip()
    if not reason:
        raise InvalidAnswer("reason", "is missing; say why in a few words")
    if severity not in Severity.values:
        raise InvalidAnswer("severity", f"must be one of {', '.join(Severity.values)}")
    made: Flag = Flag.objects.create(
        project=actor.project,
        interaction=interaction,
        reason=reason,
        severity=severity,
        note=_text("note", note, limit=NOTE_LIMIT),
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    write_audit(
        actor=actor,
        action="flag.create",
        target=made,
        now=now,
        interaction=str(interaction.pk),
        reason=reason,
        severity=severity,
    )
    return made


@transaction.atomic
def move_flag(*, actor: Actor, flag_id: UUID, to: str, now: datetime) -> bool:
    """Resolve, remove or reopen a flag. False when somebody was first, which is no error."""
    actor.check(Permission.REVIEW)
    sources = [state for state, targets in FLAG_TRANSITIONS.items() if to in targets]
    moved = (
        Flag.objects.visible_to(actor)
        .filter(pk=flag_id, state__in=sources)
        .update(state=to, changed_by=actor.person, changed_at=now)
    )
    if moved:
        write_audit(actor=actor, action=f"flag.{to}", target=Flag.objects.get(pk=flag_id), now=now)
    return bool(moved)


def reply_of(interaction: Interaction) -> Reply:
    """What came back, as values; a body that is no JSON is a reply without choices."""
    body = interaction.body
    text = body.response_text
    response = rawjson.parse(text) if text is not None and body.response_is_json else None
    return read_reply(interaction.endpoint, response, interaction.status)  # type: ignore[arg-type]


def answer_text(interaction: Interaction) -> str:
    """The text that spans and corrections speak of: `output_text` of the interaction."""
    return output_text(reply_of(interaction))


def default_rubric(actor: Actor) -> Rubric | None:
    """The rubric that the project asks when no queue says otherwise."""
    found: Rubric | None = Rubric.objects.filter(project=actor.project, is_default=True).first()
    return found


def _checked(
    *,
    interaction: Interaction,
    rubric: Rubric | None,
    scores: Mapping[str, Any],
    spans: Sequence[Mapping[str, Any]],
    correction: str | None,
    comment: str,
) -> dict[str, Any]:
    # Through the API a judgement may be a part: a comment, or spans alone.
    checked = {
        "scores": check_scores(questions=rubric.questions, scores=scores, partial=not scores)
        if rubric is not None
        else dict(scores),
        "spans": check_spans(spans=spans, length=len(answer_text(interaction))) if spans else [],
        "correction": None if correction is None else _text("correction", correction, limit=1_000_000),
        "comment": _text("comment", comment, limit=TEXT_LIMIT),
    }
    if not any((checked["scores"], checked["spans"], checked["comment"], checked["correction"] is not None)):
        raise InvalidAnswer(
            "scores", "is empty, and so is the rest; give a score, a span, a correction or a comment"
        )
    return checked


@transaction.atomic
def annotate(
    *,
    actor: Actor,
    interaction: Interaction,
    scores: Mapping[str, Any],
    now: datetime,
    spans: Sequence[Mapping[str, Any]] = (),
    correction: str | None = None,
    comment: str = "",
    rubric: Rubric | None = None,
) -> Annotation:
    """A judgement of an interaction by a rubric (default: the project's). Raises InvalidAnswer."""
    actor.check(Permission.REVIEW)
    rubric = rubric or default_rubric(actor)
    values = _checked(
        interaction=interaction,
        rubric=rubric,
        scores=scores,
        spans=spans,
        correction=correction,
        comment=comment,
    )
    made: Annotation = Annotation.objects.create(
        project=actor.project,
        interaction=interaction,
        rubric=rubric,
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
        updated_at=now,
        **values,
    )
    write_audit(
        actor=actor, action="annotation.create", target=made, now=now, interaction=str(interaction.pk)
    )
    return made


class NotYours(Exception):
    """Somebody tried to edit another person's judgement."""

    def __init__(self) -> None:
        super().__init__("Only the person who gave a judgement can change it; give one of your own instead.")


class EditedMeanwhile(Exception):
    """The annotation changed since the form was loaded; nothing was written."""

    def __init__(self) -> None:
        super().__init__(
            "This judgement was changed in another window. Reload it, then make your change again."
        )


@transaction.atomic
def edit_annotation(
    *,
    actor: Actor,
    annotation: Annotation,
    version: int,
    scores: Mapping[str, Any],
    now: datetime,
    spans: Sequence[Mapping[str, Any]] = (),
    correction: str | None = None,
    comment: str = "",
) -> Annotation:
    """Change one's own judgement; what it said before is kept. `version` is the one that was shown."""
    actor.check(Permission.REVIEW)
    if actor.person is None or annotation.created_by_id != actor.person.pk:
        raise NotYours
    values = _checked(
        interaction=annotation.interaction,
        rubric=annotation.rubric,
        scores=scores,
        spans=spans,
        correction=correction,
        comment=comment,
    )
    before = Annotation.objects.select_for_update().get(pk=annotation.pk)
    if before.version != version:
        raise EditedMeanwhile
    AnnotationRevision.objects.create(
        annotation=before,
        version=before.version,
        scores=before.scores,
        spans=before.spans,
        correction=before.correction,
        comment=before.comment,
        edited_by=actor.person,
        replaced_at=now,
    )
    Annotation.objects.filter(pk=before.pk).update(
        **values, version=before.version + 1, updated_at=now, removed_at=None
    )
    write_audit(actor=actor, action="annotation.edit", target=before, now=now, version=version + 1)
    return Annotation.objects.get(pk=before.pk)


@transaction.atomic
def remove_annotation(*, actor: Actor, annotation: Annotation, now: datetime) -> bool:
    """Take one's own judgement back; `restore_annotation` undoes it."""
    return _set_removed(actor=actor, annotation=annotation, removed_at=now, now=now)


@transaction.atomic
def restore_annotation(*, actor: Actor, annotation: Annotation, now: datetime) -> bool:
    """Undo taking a judgement back."""
    return _set_removed(actor=actor, annotation=annotation, removed_at=None, now=now)


def _set_removed(*, actor: Actor, annotation: Annotation, removed_at: datetime | None, now: datetime) -> bool:
    actor.check(Permission.REVIEW)
    if actor.person is None or annotation.created_by_id != actor.person.pk:
        raise NotYours
    moved = Annotation.objects.filter(pk=annotation.pk, removed_at__isnull=removed_at is not None).update(
        removed_at=removed_at
    )
    if moved:
        action = "annotation.remove" if removed_at else "annotation.restore"
        write_audit(actor=actor, action=action, target=annotation, now=now)
    return bool(moved)


@transaction.atomic
def save_rubric(
    *, actor: Actor, name: str, instructions: str, questions: Any, labels: Any, now: datetime
) -> Rubric:
    """Save the project's default rubric. One that somebody judged by stays; a new version takes its place.

    Raises InvalidAnswer.
    """
    actor.check(Permission.ADMIN)
    values = {
        "instructions": _text("instructions", instructions, limit=TEXT_LIMIT),
        "questions": check_questions(questions),
        "labels": check_labels(labels),
    }
    before = Rubric.objects.select_for_update().filter(project=actor.project, is_default=True).first()
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


@transaction.atomic
def save_flag_reasons(*, actor: Actor, names: Sequence[str], now: datetime) -> None:
    """The reasons people can choose from, in this order; others are kept for the flags that have them."""
    actor.check(Permission.ADMIN)
    wanted = list(dict.fromkeys(names))
    if not wanted or len(wanted) > 30:
        raise InvalidAnswer("reasons", "must be 1 to 30 lines, one reason each")
    for reason in wanted:
        _text("reasons", reason, limit=80)
    FlagReason.objects.filter(project=actor.project).exclude(name__in=wanted).update(is_active=False)
    for position, reason in enumerate(wanted):
        FlagReason.objects.update_or_create(
            project=actor.project, name=storable(reason), defaults={"position": position, "is_active": True}
        )
    write_audit(actor=actor, action="flag_reasons.save", target=actor.project, now=now, reasons=wanted)
