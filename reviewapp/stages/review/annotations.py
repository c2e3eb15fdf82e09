"""Judgements: given, changed, taken back; what they said before is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import DataError, IntegrityError, connection, transaction
from django.utils.translation import gettext_noop

from reviewapp.formats.openai import read_reply
from reviewapp.models import (
    Actor,
    Annotation,
    AnnotationRevision,
    ApiKey,
    AuditEntry,
    Interaction,
    Permission,
    Preference,
    Rubric,
)
from reviewapp.models.bodies import answer_text
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply
from reviewapp.pure.ids import new_id
from reviewapp.pure.rubrics import TEXT_LIMIT, InvalidAnswer, check_scores, check_spans
from reviewapp.stages.administer import entry_of, write_audit
from reviewapp.stages.record.figures import rest_of
from reviewapp.stages.review.rubrics import default_rubric
from reviewapp.stages.review.texts import text_of


def said_of(interaction: Interaction) -> Reply:
    """What came back without the log probabilities, which are ten times as long as what was said."""
    body = interaction.body
    kept = body.response_text
    response: Any = None
    if kept is not None and body.response_is_json:
        response = rest_of(interaction.endpoint, rawjson.from_bytes(kept))  # type: ignore[arg-type]
    return read_reply(interaction.endpoint, response, interaction.status)  # type: ignore[arg-type]


def _checked(
    *,
    interaction: Interaction,
    rubric: Rubric | None,
    scores: Mapping[str, Any],
    spans: Sequence[Mapping[str, Any]],
    correction: str | None,
    comment: str,
    preference: str | None = None,
) -> dict[str, Any]:
    # Through the API a judgement may be a part: a comment, or spans alone. Beside its original, the
    # preference is what is asked for, and the rubric may be left out.
    partial = not scores or preference is not None
    checked = {
        "scores": check_scores(questions=rubric.questions, scores=scores, partial=partial)
        if rubric is not None
        else dict(scores),
        "spans": check_spans(spans=spans, length=len(answer_text(interaction))) if spans else [],
        "correction": None if correction is None else text_of("correction", correction, limit=1_000_000),
        "comment": text_of("comment", comment, limit=TEXT_LIMIT),
        "preference": preference,
    }
    if preference is not None and preference not in Preference.values:
        raise InvalidAnswer(
            "preference", gettext_noop("must be one of %(choices)s"), choices=", ".join(Preference.values)
        )
    given = (checked["scores"], checked["spans"], checked["comment"], preference)
    if not any(given) and checked["correction"] is None:
        raise InvalidAnswer(
            "scores",
            gettext_noop("is empty, and so is the rest; give a score, a span, a correction or a comment"),
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
    preference: str | None = None,
    once: bool = False,
) -> Annotation:
    """A judgement of an interaction by a rubric (default: the project's). Raises InvalidAnswer.

    With `once`, who has said the same of it already has said it: what is sent again since its answer got
    lost on the way makes no second one.
    """
    actor.check(Permission.REVIEW)
    rubric = rubric or default_rubric(actor)
    values = _checked(
        interaction=interaction,
        rubric=rubric,
        scores=scores,
        spans=spans,
        correction=correction,
        comment=comment,
        preference=preference,
    )
    if once:
        mine = Annotation.objects.filter(interaction=interaction, created_by=actor.person, removed_at=None)
        said: Annotation | None = mine.filter(rubric=rubric, **values).first()
        if said is not None:
            return said
    made = _unsaved(actor=actor, interaction=interaction, rubric=rubric, values=values, now=now)
    made.save(force_insert=True)
    write_audit(
        actor=actor, action="annotation.create", target=made, now=now, interaction=str(interaction.pk)
    )
    return made


@dataclass(frozen=True, slots=True)
class Given:
    """A judgement that came through the API, of which nothing is known yet but who gave it."""

    actor: Actor
    interaction: UUID
    said: Mapping[str, Any]
    # Of the judgement that becomes of it.
    id: UUID = field(default_factory=new_id)


def annotate_all(*, given: Sequence[Given], now: datetime) -> list[Annotation | None]:
    """Judgements by the default rubrics of their projects, in one transaction, for many clients at once.

    None in place of one that can't be kept so; `annotate`, asked for that one alone, says why or keeps it.
    """
    rows = Interaction.objects.filter(pk__in={one.interaction for one in given})
    interactions = {row.pk: row for row in rows.only("project", "endpoint", "status")}
    projects = {one.actor.project.pk for one in given}
    rubrics = {row.project_id: row for row in Rubric.objects.filter(project__in=projects, is_default=True)}
    # Whoever gave them keeps keys in memory for a moment; who revokes one waits for nothing.
    good = set(ApiKey.objects.usable().filter(pk__in=_keys_of(given)).values_list("pk", flat=True))
    made = [_made(one, interactions, rubrics, now) if _keys_of([one]) <= good else None for one in given]
    kept = [(one.actor, annotation) for one, annotation in zip(given, made, strict=True) if annotation]
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # Somebody may hold one of what they speak of; the others don't wait for that.
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            Annotation.objects.bulk_create([annotation for _, annotation in kept])
            AuditEntry.objects.bulk_create([_audited(actor, annotation, now) for actor, annotation in kept])
    except IntegrityError:
        # Something one of them speaks of went meanwhile; which, each learns by itself.
        return [None] * len(given)
    except DataError:
        # What one says is beyond what the database holds; the others have nothing to do with it.
        if len(given) == 1:
            return [None]
        middle = len(given) // 2
        halves = (annotate_all(given=half, now=now) for half in (given[:middle], given[middle:]))
        return [one for half in halves for one in half]
    return made


def kept_among(*, given: Sequence[Given]) -> dict[UUID, Annotation]:
    """Those that are kept, by their ids."""
    rows = Annotation.objects.select_related("rubric", "created_by", "created_by_key")
    return rows.in_bulk([one.id for one in given])


def _keys_of(given: Sequence[Given]) -> set[UUID]:
    return {one.actor.key.pk for one in given if one.actor.key is not None}


def _made(
    one: Given, interactions: Mapping[UUID, Interaction], rubrics: Mapping[UUID, Rubric], now: datetime
) -> Annotation | None:
    actor, interaction = one.actor, interactions.get(one.interaction)
    if not actor.may(Permission.REVIEW) or interaction is None or interaction.project_id != actor.project.pk:
        return None
    rubric = rubrics.get(actor.project.pk)
    try:
        values = _checked(interaction=interaction, rubric=rubric, **one.said)
    except (InvalidAnswer, ObjectDoesNotExist):
        return None
    values["id"] = one.id
    return _unsaved(actor=actor, interaction=interaction, rubric=rubric, values=values, now=now)


def _unsaved(
    *,
    actor: Actor,
    interaction: Interaction,
    rubric: Rubric | None,
    values: Mapping[str, Any],
    now: datetime,
) -> Annotation:
    return Annotation(
        project=actor.project,
        interaction=interaction,
        rubric=rubric,
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
        updated_at=now,
        **values,
    )


def _audited(actor: Actor, annotation: Annotation, now: datetime) -> AuditEntry:
    of = str(annotation.interaction_id)
    return entry_of(actor=actor, action="annotation.create", target=annotation, now=now, interaction=of)


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
    preference: str | None = None,
) -> Annotation:
    """Change one's own judgement; what it said before is kept. `version` is the one that was shown.

    Without a new preference the old one stays. To say the same again changes nothing.
    """
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
        preference=preference or annotation.preference,
    )
    before: Annotation = Annotation.objects.select_for_update().get(pk=annotation.pk)
    if before.version != version:
        raise EditedMeanwhile
    if before.removed_at is None and all(getattr(before, name) == value for name, value in values.items()):
        return before
    AnnotationRevision.objects.create(
        annotation=before,
        version=before.version,
        scores=before.scores,
        spans=before.spans,
        correction=before.correction,
        comment=before.comment,
        preference=before.preference,
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
