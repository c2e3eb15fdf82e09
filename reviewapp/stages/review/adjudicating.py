"""Adjudication: where people disagree, one person says which judgement counts, and may take that back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Annotation,
    ItemState,
    Permission,
    Queue,
    QueueItem,
    QueueSlot,
    SlotState,
)
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.review.annotations import annotate
from reviewapp.stages.review.items import decided, locked_item, settle
from reviewapp.stages.review.judging import Judgement, judged_interaction
from reviewapp.stages.review.rubrics import rubric_of


def check_can_adjudicate(*, actor: Actor, queue: Queue) -> None:
    """Raise unless this person may decide between others' judgements in this queue."""
    actor.check(Permission.REVIEW)
    if actor.person is None:
        raise Refused(gettext("Only people can adjudicate; a key can't."))
    named = set(queue.adjudicators.values_list("pk", flat=True))
    if (named and actor.person.pk not in named) or (not named and not actor.may(Permission.ADMIN)):
        raise Refused(
            gettext("Others decide about disagreements in “%(name)s”; an admin can add you.")
            % {"name": queue.name}
        )


def can_adjudicate(*, actor: Actor, queue: Queue) -> bool:
    """Whether this person may."""
    if not actor.may(Permission.REVIEW):
        return False
    try:
        check_can_adjudicate(actor=actor, queue=queue)
    except Refused:
        return False
    return True


@transaction.atomic
def adjudicate(
    *,
    actor: Actor,
    item_id: UUID,
    now: datetime,
    chosen: UUID | None = None,
    judgement: Judgement | None = None,
) -> QueueItem:
    """Say which judgement counts: one of those given (`chosen`), or the adjudicator's own.

    Raises Refused, InvalidAnswer.
    """
    if not QueueItem.objects.visible_to(actor).filter(pk=item_id).exists():
        raise Refused(gettext("There is no such item."))
    item = locked_item(item_id)
    check_can_adjudicate(actor=actor, queue=item.queue)
    if item.state not in {ItemState.ADJUDICATION, ItemState.DONE}:
        raise Refused(gettext("This item does not wait for adjudication."))
    before = item.authoritative
    if chosen is not None:
        slot = (
            QueueSlot.objects.filter(item=item, round=item.round, state=SlotState.JUDGED, annotation=chosen)
            .select_related("annotation__created_by")
            .first()
        )
        if slot is None:
            raise Refused(gettext("That judgement is none of this item's."))
        item.authoritative = slot.annotation
    elif judgement is not None:
        item.authoritative = annotate(
            actor=actor,
            interaction=judged_interaction(item),
            rubric=rubric_of(item.queue),
            scores=judgement.scores,
            spans=judgement.spans,
            correction=judgement.correction,
            comment=judgement.comment,
            preference=judgement.preference,
            now=now,
        )
    else:
        raise Refused(gettext("Choose one of the judgements, or give your own."))
    if before is not None and before.pk != item.authoritative_id:
        # Who decides anew takes back what they themselves said when they decided before.
        _withdraw_own(item, before, actor, now)
    item.state, item.adjudicated_by, item.finished_at = ItemState.DONE, actor.person, now
    item.save()
    decided(item, actor=actor, now=now)
    write_audit(
        actor=actor,
        action="queue.adjudicate",
        target=item,
        now=now,
        annotation=str(item.authoritative_id),
    )
    return item


@transaction.atomic
def undo_adjudication(*, actor: Actor, item_id: UUID, now: datetime) -> QueueItem:
    """Take one's decision back: the item is again what its judgements make it, waiting where they differ.

    A judgement that the adjudicator gave for it is withdrawn too. Raises Refused.
    """
    if not QueueItem.objects.visible_to(actor).filter(pk=item_id).exists():
        raise Refused(gettext("There is no such item."))
    item = locked_item(item_id)
    check_can_adjudicate(actor=actor, queue=item.queue)
    if item.state == ItemState.ADJUDICATION:
        return item
    if item.state != ItemState.DONE or item.adjudicated_by_id is None:
        raise Refused(gettext("Nobody has decided about this item."))
    if actor.person is None or item.adjudicated_by_id != actor.person.pk:
        raise Refused(gettext("Somebody else has decided about this item; decide otherwise instead."))
    before = item.authoritative
    if before is not None:
        _withdraw_own(item, before, actor, now)
    item.authoritative, item.adjudicated_by, item.finished_at = None, None, None
    item.save()
    settle(item, now=now)
    decided(item, actor=actor, now=now)
    write_audit(
        actor=actor,
        action="queue.undo_adjudication",
        target=item,
        now=now,
        annotation=str(before.pk) if before is not None else None,
        to=item.state,
    )
    return item


def _withdraw_own(item: QueueItem, given: Annotation, actor: Actor, now: datetime) -> None:
    """Withdraw what this person said in deciding; a judgement that was chosen is its judge's, and stays."""
    if not QueueSlot.objects.filter(item=item, annotation=given).exists():
        Annotation.objects.filter(pk=given.pk, created_by=actor.person, removed_at=None).update(
            removed_at=now
        )
