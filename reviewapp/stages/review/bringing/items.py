"""What became of brought interactions in queues: who was asked, who skipped, which judgement counts.

A queue that the project lacks is made, closed, so that it hands nobody anything and its agreement, its
disputes and its decisions can be read. An item that is there already stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.text import slugify

from reviewapp.formats.said import Said, SaidItem
from reviewapp.models import (
    OPEN_STATES,
    Annotation,
    ItemState,
    Project,
    Queue,
    QueueItem,
    QueueOrder,
    QueueSlot,
    QueueState,
    SlotState,
)
from reviewapp.models.queue import MOST_JUDGEMENTS
from reviewapp.stages.review.bringing.naming import Ids
from reviewapp.stages.review.bringing.people import People
from reviewapp.stages.review.bringing.rubrics import Rubrics


def keep_items(
    *,
    project: Project,
    interaction: UUID,
    said: Said,
    ids: Ids,
    people: People,
    rubrics: Rubrics,
    now: datetime,
) -> int:
    """Keep the items of one interaction; gives how many are new."""
    added = 0
    for item in said.items:
        queue = _queue(project, item, said, rubrics, now)
        id_ = ids.own(item.id)
        if QueueItem.objects.filter(queue=queue, interaction=interaction, attempt=None).exists():
            continue
        if QueueItem.objects.filter(pk=id_).exists():
            continue
        _keep(queue, id_, interaction, item, ids=ids, people=people, now=now)
        added += 1
    return added


def _keep(
    queue: Queue, id_: UUID, interaction: UUID, item: SaidItem, *, ids: Ids, people: People, now: datetime
) -> None:
    judgements = {place.judgement for place in item.places} | {item.authoritative}
    stated = {ids.own(one) for one in judgements if one is not None}
    # Those that are here, are about this answer, and stand for no other item.
    free = {
        one.pk: one
        for one in Annotation.objects.filter(pk__in=stated, interaction=interaction, queue_slot=None)
    }
    counting = None
    if item.authoritative is not None:
        counting = Annotation.objects.filter(
            pk=ids.own(item.authoritative), interaction=interaction, authoritative_for=None
        ).first()
    state = ItemState.PENDING if item.state == ItemState.IN_PROGRESS and not free else item.state
    judged = sum(place.round == item.round and place.state == SlotState.JUDGED for place in item.places)
    kept = QueueItem.objects.create(
        id=id_,
        project_id=queue.project_id,
        queue=queue,
        interaction_id=interaction,
        reason=item.reason,
        state=state,
        free=max(0, queue.judgements_needed - judged) if state in OPEN_STATES else 0,
        round=item.round,
        authoritative=counting,
        adjudicated_by=people.of(item.adjudicated_by) if item.adjudicated_by is not None else None,
        created_at=item.created_at or now,
        finished_at=item.finished_at,
    )
    seen: set[tuple[UUID, int]] = set()
    for place in item.places:
        person = people.of(place.who)
        judgement = ids.own(place.judgement) if place.judgement is not None else None
        if (person.pk, place.round) in seen or (place.state == SlotState.JUDGED and judgement not in free):
            continue
        seen.add((person.pk, place.round))
        QueueSlot.objects.create(
            project_id=queue.project_id,
            queue=queue,
            item=kept,
            person=person,
            round=place.round,
            state=place.state,
            annotation=free.pop(judgement) if judgement in free else None,
            taken_at=place.at or now,
            finished_at=place.at or now,
        )


def _queue(project: Project, item: SaidItem, said: Said, rubrics: Rubrics, now: datetime) -> Queue:
    """The project's queue of that name, or a closed one that is made for it."""
    told = item.queue
    slug = slugify(str(told.get("slug") or told["name"]))[:80] or "queue"
    found: Queue | None = Queue.objects.filter(project=project, slug=slug).first()
    if found is not None:
        return found
    rubric = next(
        (row for one in said.judgements if (row := rubrics.of(one, said.rubrics)) is not None), None
    )
    made: Queue = Queue.objects.create(
        project=project,
        slug=slug,
        name=told["name"],
        instructions=str(told.get("instructions") or "")[:20_000],
        rubric=None if rubric is None or rubric.is_default else rubric,
        order=_order(told.get("order")),
        judgements_needed=_needed(told.get("judgements_needed")),
        blind=told.get("blind") is not False,
        disagreement=_rules(told.get("disagreement")),
        state=QueueState.CLOSED,
        created_at=now,
    )
    return made


def _order(value: Any) -> str:
    return str(value) if value in QueueOrder.values else QueueOrder.OLDEST


def _needed(value: Any) -> int:
    return min(max(value, 1), MOST_JUDGEMENTS) if isinstance(value, int) else 1


def _rules(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key): rule
        for key, rule in value.items()
        if rule in ("any", "never")
        or (isinstance(rule, int | float) and not isinstance(rule, bool) and rule >= 0)
    }
