"""What waits in a queue: put in, put in order, sent back; and what an item's slots make of it.

Everything that changes an item does so under the lock of its row, taken before any of its slots:
one order for all, so that two changes wait for each other and never block each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, FloatField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Extract, Random

from reviewapp.models import (
    OPEN_STATES,
    Actor,
    Attempt,
    AttemptState,
    AuditEntry,
    Comparison,
    Interaction,
    ItemState,
    Permission,
    Person,
    Queue,
    QueueItem,
    QueueKind,
    QueueOrder,
    QueueSlot,
    Role,
    RoutingRule,
    SlotState,
)
from reviewapp.pure.disagreement import disagreements
from reviewapp.pure.ids import new_id
from reviewapp.pure.said import to_store
from reviewapp.stages.administer import write_audit
from reviewapp.stages.review.rubrics import rubric_of

# Where an answer told nothing of how sure the model was: after all that did.
_NOT_TOLD = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What shall be judged: an interaction, or a replay's answer beside it; a higher rank is worse."""

    interaction_id: UUID
    attempt_id: UUID | None = None
    rank: float = 0.0


@transaction.atomic
def enqueue(
    *,
    queue: Queue,
    entries: Sequence[Entry],
    reason: str,
    now: datetime,
    rule: RoutingRule | None = None,
    actor: Actor | None = None,
) -> int:
    """Put into the queue what is not in it; gives how many that were.

    What is not of the queue's project is left out, and so is a replay without an answer, and in a
    pairwise queue what has no replay.
    """
    rows = Interaction.objects.filter(
        project=queue.project_id, pk__in={entry.interaction_id for entry in entries}
    )
    known = {row.pk: row for row in rows.only("id", "started_at", "min_logprob", "mean_logprob")}
    replays = dict(
        Attempt.objects.filter(
            project=queue.project_id,
            pk__in={entry.attempt_id for entry in entries if entry.attempt_id},
            state=AttemptState.DONE,
        ).values_list("pk", "original")
    )
    wanted = [
        entry
        for entry in entries
        if entry.interaction_id in known
        and (entry.attempt_id is None or replays.get(entry.attempt_id) == entry.interaction_id)
        and (entry.attempt_id is not None or queue.kind != QueueKind.PAIRWISE)
    ]
    added = _insert(queue, wanted, known, reason=reason, now=now, rule=rule)
    if added:
        write_audit(
            actor=actor,
            project=queue.project,
            action="queue.enqueue",
            target=queue,
            now=now,
            items=added,
            reason=reason[:300],
        )
    return added


def _insert(
    queue: Queue,
    entries: Sequence[Entry],
    known: dict[UUID, Interaction],
    *,
    reason: str,
    now: datetime,
    rule: RoutingRule | None,
) -> int:
    """One statement for all; the constraint leaves out what is there."""
    if not entries:
        return 0
    ids = [new_id() for _ in entries]
    positions = [
        _position(queue.order, known[entry.interaction_id], entry, id_)
        for entry, id_ in zip(entries, ids, strict=True)
    ]
    table = QueueItem._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (id, project_id, queue_id, interaction_id, attempt_id, reason, said, "  # noqa: S608
            "rule_id, rank, position, state, free, round, created_at) "
            "SELECT id, %s, %s, interaction, attempt, %s, %s::jsonb, %s, rank, position, %s, %s, 1, %s "
            "FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::float8[], %s::float8[]) "
            "AS new (id, interaction, attempt, rank, position) ON CONFLICT DO NOTHING",
            [
                queue.project_id,
                queue.pk,
                reason[:300],
                None if (messages := to_store(reason=reason)) is None else json.dumps(messages),
                rule.pk if rule else None,
                ItemState.PENDING,
                queue.judgements_needed,
                now,
                ids,
                [entry.interaction_id for entry in entries],
                [entry.attempt_id for entry in entries],
                [entry.rank for entry in entries],
                positions,
            ],
        )
        return int(cursor.rowcount)


def _position(order: str, row: Interaction, entry: Entry, id_: UUID) -> float:
    if order == QueueOrder.NEWEST:
        return -row.started_at.timestamp()
    if order == QueueOrder.OLDEST:
        return row.started_at.timestamp()
    if order == QueueOrder.LEAST_CERTAIN:
        sure = row.min_logprob if row.min_logprob is not None else row.mean_logprob
        return _NOT_TOLD if sure is None else sure
    if order == QueueOrder.WORST_FIRST:
        return -entry.rank
    # The end of an id is random.
    return (id_.int & 0xFFFFFFFF) / 2**32


def put_in_order(queue: Queue) -> None:
    """Give every item its place anew, after the queue's order was changed."""
    of_interaction = Interaction.objects.filter(pk=OuterRef("interaction"))

    def asked() -> Any:
        seconds = Cast(Extract("started_at", "epoch"), FloatField())
        return Subquery(of_interaction.annotate(seconds=seconds).values("seconds")[:1])

    sure = of_interaction.annotate(
        sure=Coalesce("min_logprob", "mean_logprob", Value(_NOT_TOLD), output_field=FloatField())
    ).values("sure")
    places: dict[str, Any] = {
        QueueOrder.NEWEST: -asked(),
        QueueOrder.OLDEST: asked(),
        QueueOrder.LEAST_CERTAIN: Subquery(sure[:1]),
        QueueOrder.RANDOM: Random(),
        QueueOrder.WORST_FIRST: -F("rank"),
    }
    QueueItem.objects.filter(queue=queue).update(position=places[queue.order])


def locked_item(item_id: UUID) -> QueueItem:
    """The item, held until the end of the transaction."""
    found: QueueItem = (
        QueueItem.objects.select_for_update(of=("self",)).select_related("queue", "attempt").get(pk=item_id)
    )
    return found


def settle(item: QueueItem, *, now: datetime) -> None:
    """Bring a locked item into the state that its slots make: who holds it, who judged, who could not.

    One that an adjudicator decided stays as it is.
    """
    if item.adjudicated_by_id is not None:
        return
    slots = list(
        QueueSlot.objects.filter(item=item, round=item.round)
        .exclude(state=SlotState.LEFT)
        .select_related("annotation")
        .order_by("finished_at", "id")
    )
    judged = [slot for slot in slots if slot.state == SlotState.JUDGED and slot.annotation is not None]
    held = sum(slot.state == SlotState.LEASED for slot in slots)
    needed = item.queue.judgements_needed
    item.authoritative, item.finished_at = None, None
    item.free = max(0, needed - len(judged) - held)
    if len(judged) >= needed:
        item.free, item.finished_at = 0, now
        if disagreeing(item.queue, [slot.annotation for slot in judged]):
            item.state = ItemState.ADJUDICATION
        else:
            # All agree, so the first speaks for them.
            item.state, item.authoritative = ItemState.DONE, judged[0].annotation
    elif _nobody_is_left(item.queue, slots, held):
        item.free, item.state, item.finished_at = 0, ItemState.SKIPPED, now
    elif judged or held:
        item.state = ItemState.IN_PROGRESS
    else:
        item.state = ItemState.RETURNED if item.round > 1 else ItemState.PENDING
    item.save(update_fields=["state", "free", "authoritative", "finished_at"])


def disagreeing(queue: Queue, annotations: Sequence[Any]) -> list[str]:
    """The questions on which these judgements disagree by the queue's rules."""
    rubric = rubric_of(queue)
    return disagreements(
        questions=rubric.questions if rubric else [],
        scores=[one.scores for one in annotations],
        preferences=[one.preference for one in annotations],
        rules=queue.disagreement,
    )


def _nobody_is_left(queue: Queue, slots: Sequence[QueueSlot], held: int) -> bool:
    """Whether somebody skipped it, nobody is at it, and nobody could be handed it any more."""
    if held or not any(slot.state == SlotState.SKIPPED for slot in slots):
        return False
    return not reviewers_of(queue).exclude(pk__in=[slot.person_id for slot in slots]).exists()


def reviewers_of(queue: Queue) -> Any:
    """The people who may judge: those named, or all who may review in the project."""
    people = Person.objects.filter(
        memberships__project=queue.project_id,
        memberships__role__in=[Role.REVIEWER, Role.ADMIN],
        is_active=True,
    )
    named = queue.reviewers.all()
    return people.filter(pk__in=named) if named.exists() else people


def decided(item: QueueItem, *, actor: Actor, now: datetime) -> None:
    """Carry the judgement that counts over to the comparison that it judged.

    What was decided elsewhere, on the compare page or by another item, stays.
    """
    if item.attempt_id is None or item.queue.kind == QueueKind.PAIRWISE:
        return
    comparison = Comparison.objects.filter(attempt=item.attempt_id).first()
    if comparison is None:
        return
    counts = item.authoritative
    after = counts.preference if counts is not None else None
    if comparison.decision == after or not _decided_here(item, comparison):
        return
    unchanged = Comparison.objects.filter(
        pk=comparison.pk, decision=comparison.decision, decided_at=comparison.decided_at
    )
    moved = unchanged.update(
        decision=after,
        decided_by=counts.created_by if counts is not None else None,
        decided_at=now if counts is not None else None,
        decision_note=counts.comment[:500] if counts is not None else "",
    )
    if not moved:
        return
    write_audit(
        actor=actor,
        project=item.queue.project,
        action="comparison.decide",
        target=comparison,
        now=now,
        before=comparison.decision,
        after=after,
        queue_item=str(item.pk),
    )


def _decided_here(item: QueueItem, comparison: Comparison) -> bool:
    """Whether nobody decided yet, or what stands came from this item, which the audit tells."""
    if comparison.decision is None or comparison.decided_at is None:
        return True
    return bool(
        AuditEntry.objects.filter(
            action="comparison.decide",
            object_id=str(comparison.pk),
            at=comparison.decided_at,
            detail__queue_item=str(item.pk),
            detail__after=comparison.decision,
        ).exists()
    )


@transaction.atomic
def requeue(*, actor: Actor, item_id: UUID, now: datetime) -> bool:
    """Have an item judged anew; what was said stays readable. False when it still waits for people."""
    actor.check(Permission.ADMIN)
    if not QueueItem.objects.visible_to(actor).filter(pk=item_id).exists():
        return False
    item = locked_item(item_id)
    if item.state in OPEN_STATES:
        return False
    item.state, item.round, item.free = ItemState.RETURNED, item.round + 1, item.queue.judgements_needed
    item.authoritative, item.adjudicated_by, item.finished_at = None, None, None
    item.save()
    decided(item, actor=actor, now=now)
    write_audit(actor=actor, action="queue.requeue", target=item, now=now, round=item.round)
    return True
