"""Handing out: the next item for a person, for as long as they work on it.

One transaction finds the first item with a free place, locks it (passing over those that others are
just being handed) and takes the place. Where all that is left is locked it waits for the lock, so
that "nothing left" is only said when it is true.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Permission,
    Queue,
    QueueItem,
    QueueKind,
    QueueSlot,
    QueueState,
    SlotState,
)
from reviewapp.models.composed import Composed
from reviewapp.pure.ids import new_id
from reviewapp.stages.administer import Refused
from reviewapp.stages.review.items import locked_item, settle

LEASE: Final = timedelta(minutes=10)
# Returned at once before a hand-out; the rest is the sweeper's.
_AT_ONCE: Final = 20

_NAMED: Final = Composed(
    lambda queue: Queue.reviewers.through.objects.filter(queue=queue).values_list("person_id")
)
_IN_HAND: Final = Composed(
    lambda queue, person: QueueSlot.objects.filter(
        queue=queue, person=person, state=SlotState.LEASED
    ).order_by("taken_at")
)
_EXPIRED: Final = Composed(
    lambda queue, now: QueueSlot.objects.filter(
        queue=queue, state=SlotState.LEASED, lease_until__lt=now
    ).order_by("lease_until")[:_AT_ONCE]
)
_NEXT: Final = Composed(
    lambda queue, person: (
        QueueItem.objects.filter(queue=queue)
        .next_for(person)
        .select_for_update(skip_locked=True, of=("self",))[:1]
    )
)
_NEXT_WHEN_FREE: Final = Composed(
    lambda queue, person: (
        QueueItem.objects.filter(queue=queue).next_for(person).select_for_update(of=("self",))[:1]
    )
)
# The place at a locked item: a new row, or the one that this person left before; and one place less. Nothing
# where they judged it after this transaction had begun to look for it, and before it had the lock.
_TAKE: Final = f"""
WITH place AS (
    INSERT INTO {QueueSlot._meta.db_table}
        (id, project_id, queue_id, item_id, person_id, round, state, lease_until, replay_first, taken_at)
    VALUES (%(id)s, %(project)s, %(queue)s, %(item)s, %(person)s, %(round)s, 'leased', %(until)s,
        %(replay_first)s, %(now)s)
    ON CONFLICT (item_id, person_id, round) DO UPDATE
        SET state = 'leased', lease_until = excluded.lease_until, taken_at = excluded.taken_at
        WHERE {QueueSlot._meta.db_table}.state = 'left'
    RETURNING *),
fewer AS (
    UPDATE {QueueItem._meta.db_table} SET free = free - 1, state = 'in_progress'
    WHERE id = %(item)s AND EXISTS (SELECT FROM place))
SELECT * FROM place"""  # noqa: S608


def check_can_review(*, actor: Actor, queue: Queue) -> None:
    """Raise unless this person may judge in this queue now."""
    actor.check(Permission.REVIEW)
    if actor.person is None:
        raise Refused(gettext("Only people can review; a key can't."))
    if queue.state != QueueState.OPEN:
        raise Refused(
            gettext("The queue “%(name)s” is %(state)s; an admin can open it.")
            % {"name": queue.name, "state": queue.get_state_display().lower()}
        )
    named = {person for (person,) in _NAMED.rows(queue=queue.pk)}
    if named and actor.person.pk not in named:
        raise Refused(
            gettext("The queue “%(name)s” is for other people; an admin can add you.") % {"name": queue.name}
        )


def take(*, actor: Actor, queue: Queue, now: datetime, beside: Sequence[UUID] = ()) -> QueueSlot | None:
    """The item that this person works on, or else the next one, leased; None when nothing is left.

    `beside` are the slots that they have in hand (the item that is open, and those whose judgement is
    on its way): another one is wanted, to be ready when they are done. Raises Refused.
    """
    check_can_review(actor=actor, queue=queue)
    for slot in _EXPIRED.rows(queue=queue.pk, now=now):
        _leave(slot, now=now, expired=True)
    return _take(actor, queue, now, beside)


@transaction.atomic
def _take(actor: Actor, queue: Queue, now: datetime, beside: Sequence[UUID]) -> QueueSlot | None:
    person = actor.person
    assert person is not None
    # Two windows of one person come one after the other.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{queue.pk}:{person.pk}"])
    for held in _IN_HAND.rows(queue=queue.pk, person=person.pk):
        if held.pk in beside:
            continue
        leased = QueueSlot.objects.filter(pk=held.pk, state=SlotState.LEASED)
        leased.update(lease_until=now + LEASE)
        return _with(held, queue)
    where = {"queue": queue.pk, "person": person.pk}
    # Twice at the most, as a rule: what was judged in that moment is not found again.
    while (item := _NEXT.first(**where) or _NEXT_WHEN_FREE.first(**where)) is not None:
        for taken in QueueSlot.objects.raw(_TAKE, _place_at(item, queue, where, now)):
            return _with(taken, queue)
    return None


def _place_at(item: QueueItem, queue: Queue, where: dict[str, UUID], now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "project": queue.project_id,
        **where,
        "item": item.pk,
        "round": item.round,
        "replay_first": queue.kind == QueueKind.PAIRWISE and bool(secrets.randbits(1)),
        "now": now,
        "until": now + LEASE,
    }


def _with(slot: QueueSlot, queue: Queue) -> QueueSlot:
    """The slot with the queue that is at hand, so that nobody asks for it again."""
    slot.queue = queue
    return slot


def renew(*, actor: Actor, slot_ids: list[UUID], now: datetime) -> list[UUID]:
    """Keep what somebody works on; gives those that are theirs. One given back is taken again, if it can."""
    actor.check(Permission.REVIEW)
    mine = QueueSlot.objects.visible_to(actor).filter(pk__in=slot_ids, person=actor.person)
    for slot in mine.filter(state=SlotState.LEFT):
        _take_again(slot, now=now)
    leased = mine.filter(state=SlotState.LEASED)
    leased.update(lease_until=now + LEASE)
    return list(leased.values_list("pk", flat=True))


@transaction.atomic
def _take_again(slot: QueueSlot, *, now: datetime) -> None:
    item = locked_item(slot.item_id)
    if slot.round != item.round or item.free < 1:
        return
    QueueSlot.objects.filter(pk=slot.pk, state=SlotState.LEFT).update(
        state=SlotState.LEASED, lease_until=now + LEASE
    )
    settle(item, now=now)


def leave(*, actor: Actor, slot_ids: list[UUID], now: datetime) -> int:
    """Give places back that somebody will not use; gives how many."""
    actor.check(Permission.REVIEW)
    mine = QueueSlot.objects.visible_to(actor).filter(pk__in=slot_ids, person=actor.person)
    return sum(_leave(slot, now=now) for slot in mine.filter(state=SlotState.LEASED))


def return_expired(*, now: datetime, most: int = 1000) -> int:
    """Give back the places whose leases ran out, in all queues; gives how many."""
    expired = QueueSlot.objects.filter(state=SlotState.LEASED, lease_until__lt=now)
    return sum(_leave(slot, now=now, expired=True) for slot in expired.order_by("lease_until")[:most])


@transaction.atomic
def _leave(slot: QueueSlot, *, now: datetime, expired: bool = False) -> bool:
    item = locked_item(slot.item_id)
    leased = QueueSlot.objects.filter(pk=slot.pk, state=SlotState.LEASED)
    if expired:
        leased = leased.filter(lease_until__lt=now)
    if not leased.update(state=SlotState.LEFT, lease_until=None):
        return False
    settle(item, now=now)
    return True
