"""Adjudication: where people disagree, one person says which judgement counts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from reviewapp.models import Actor, ItemState, Permission, Queue, QueueItem, QueueSlot, SlotState
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.review.annotations import annotate
from reviewapp.stages.review.items import decided, locked_item
from reviewapp.stages.review.judging import Judgement, judged_interaction
from reviewapp.stages.review.rubrics import rubric_of


def check_can_adjudicate(*, actor: Actor, queue: Queue) -> None:
    """Raise unless this person may decide between others' judgements in this queue."""
    actor.check(Permission.REVIEW)
    if actor.person is None:
        raise Refused("Only people can adjudicate; a key can't.")
    named = set(queue.adjudicators.values_list("pk", flat=True))
    if (named and actor.person.pk not in named) or (not named and not actor.may(Permission.ADMIN)):
        raise Refused(f"Others decide about disagreements in “{queue.name}”; an admin can add you.")


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
        raise Refused("There is no such item.")
    item = locked_item(item_id)
    check_can_adjudicate(actor=actor, queue=item.queue)
    if item.state not in {ItemState.ADJUDICATION, ItemState.DONE}:
        raise Refused("This item does not wait for adjudication.")
    if chosen is not None:
        slot = (
            QueueSlot.objects.filter(item=item, round=item.round, state=SlotState.JUDGED, annotation=chosen)
            .select_related("annotation__created_by")
            .first()
        )
        if slot is None:
            raise Refused("That judgement is none of this item's.")
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
        raise Refused("Choose one of the judgements, or give your own.")
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
