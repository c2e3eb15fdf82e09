"""Judging an item of a queue: the judgement, the skip, and taking either back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    Actor,
    Annotation,
    Interaction,
    ItemState,
    Permission,
    Preference,
    QueueItem,
    QueueKind,
    QueueSlot,
    SlotState,
)
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.review.annotations import annotate, edit_annotation
from reviewapp.stages.review.items import decided, locked_item, settle
from reviewapp.stages.review.rubrics import rubric_of

_BESIDE = (Preference.SAME, Preference.REGRESSION)
_PAIRWISE = (Preference.ORIGINAL, Preference.REPLAY, Preference.EQUAL)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody says of an item, as the form sends it."""

    scores: Mapping[str, Any]
    spans: Sequence[Mapping[str, Any]] = ()
    correction: str | None = None
    comment: str = ""
    preference: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of it. `counted` is false where others had taken all places meanwhile."""

    annotation: Annotation
    state: str
    counted: bool = True


def judged_interaction(item: QueueItem) -> Interaction:
    """Whose answer is judged: the interaction's own, or the replay's."""
    judged = item.attempt_id or item.interaction_id
    found: Interaction = Interaction.objects.select_related("source", "provider", "body").get(pk=judged)
    return found


@transaction.atomic
def judge(*, actor: Actor, slot_id: UUID, judgement: Judgement, now: datetime) -> Kept:
    """Keep a judgement for the place that somebody holds; judging again changes it.

    A place that was given back meanwhile is taken again; where others have taken it, the judgement
    is kept with the answer and does not count for the queue. What is sent twice, since its answer got
    lost on the way, counts once. Raises Refused, InvalidAnswer.
    """
    actor.check(Permission.REVIEW)
    item, slot = _locked(actor, slot_id)
    _check_preference(item, judgement.preference)
    counted = slot.round == item.round and _has_place(item, slot)
    annotation = _annotation(actor, item, slot if counted else None, judgement, now)
    if not counted:
        return Kept(annotation=annotation, state=item.state, counted=False)
    before = slot.annotation
    if slot.state == SlotState.JUDGED and before == annotation and before.version == annotation.version:
        return Kept(annotation=annotation, state=item.state)
    slot.state, slot.lease_until, slot.finished_at = SlotState.JUDGED, None, now
    slot.annotation = annotation
    slot.save()
    settle(item, now=now)
    decided(item, actor=actor, now=now)
    write_audit(
        actor=actor, action="queue.judge", target=item, now=now, annotation=str(annotation.pk), to=item.state
    )
    return Kept(annotation=annotation, state=item.state)


def _locked(actor: Actor, slot_id: UUID) -> tuple[QueueItem, QueueSlot]:
    """The item, locked, and then the slot as it is now."""
    mine = QueueSlot.objects.visible_to(actor).filter(pk=slot_id, person=actor.person)
    item_id = mine.values_list("item", flat=True).first()
    if item_id is None:
        raise Refused(gettext("This item is not yours to judge; open the queue again."))
    item = locked_item(item_id)
    return item, mine.select_related("annotation__rubric").get()


def _has_place(item: QueueItem, slot: QueueSlot) -> bool:
    if slot.state in {SlotState.LEASED, SlotState.JUDGED}:
        return True
    return item.free > 0 or (item.state == ItemState.SKIPPED and slot.state == SlotState.SKIPPED)


def _check_preference(item: QueueItem, preference: str | None) -> None:
    if item.attempt_id is None:
        if preference is not None:
            raise InvalidAnswer(
                "preference", gettext_noop("is asked only where two answers stand side by side")
            )
        return
    allowed = _PAIRWISE if item.queue.kind == QueueKind.PAIRWISE else _BESIDE
    if preference not in allowed:
        raise InvalidAnswer("preference", gettext_noop("is missing; say how the two answers compare"))


def _annotation(
    actor: Actor, item: QueueItem, slot: QueueSlot | None, judgement: Judgement, now: datetime
) -> Annotation:
    values: dict[str, Any] = {
        "scores": judgement.scores,
        "spans": judgement.spans,
        "correction": judgement.correction,
        "comment": judgement.comment,
        "preference": judgement.preference,
    }
    if slot is not None and slot.annotation is not None:
        before = slot.annotation
        return edit_annotation(actor=actor, annotation=before, version=before.version, now=now, **values)
    return annotate(
        actor=actor,
        # Of its body nothing is asked but where words are marked.
        interaction=Interaction.objects.only("endpoint", "status").get(
            pk=item.attempt_id or item.interaction_id
        ),
        rubric=rubric_of(item.queue),
        now=now,
        once=slot is None,
        **values,
    )


@transaction.atomic
def skip(*, actor: Actor, slot_id: UUID, now: datetime) -> str:
    """Say that one can't judge this; others may. Gives the item's state. Raises Refused."""
    actor.check(Permission.REVIEW)
    item, slot = _locked(actor, slot_id)
    if slot.round != item.round or slot.state == SlotState.JUDGED:
        raise Refused(gettext("You have judged this item; take the judgement back first."))
    if slot.state == SlotState.SKIPPED:
        return item.state
    slot.state, slot.lease_until, slot.finished_at = SlotState.SKIPPED, None, now
    slot.save()
    settle(item, now=now)
    write_audit(actor=actor, action="queue.skip", target=item, now=now)
    return item.state


@transaction.atomic
def undo(*, actor: Actor, slot_id: UUID, now: datetime, lease_until: datetime) -> QueueSlot:
    """Take one's judgement or skip back and have the item before oneself again. Raises Refused."""
    actor.check(Permission.REVIEW)
    item, slot = _locked(actor, slot_id)
    if item.adjudicated_by_id is not None:
        raise Refused(gettext("An adjudicator has decided about this item meanwhile."))
    if slot.round != item.round:
        raise Refused(gettext("This item was sent back into the queue meanwhile."))
    if slot.state == SlotState.LEASED:
        return slot
    if not _has_place(item, slot):
        raise Refused(gettext("Others have taken this item meanwhile."))
    if slot.annotation is not None:
        Annotation.objects.filter(pk=slot.annotation.pk).update(removed_at=now)
    slot.state, slot.lease_until, slot.finished_at, slot.taken_at = SlotState.LEASED, lease_until, None, now
    slot.save()
    settle(item, now=now)
    decided(item, actor=actor, now=now)
    write_audit(actor=actor, action="queue.undo", target=item, now=now)
    return slot
