"""What people said of interactions, as the interfaces show it: judgements, and how queues came by them.

A judgement stands with the interaction whose answer it is about. For one that was given beside an
original, that is the replay's answer. What a queue made of an interaction (who was asked, who skipped it,
which judgement counts and who decided so) stands beside the judgements, so that nothing of it has to be
guessed from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.expressions import RawSQL

from reviewapp.models import Annotation, Person, QueueItem, QueueSlot, Rubric, SlotState
from reviewapp.models.reviewing import others_hidden_from

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """By interaction: its judgements, the rubrics that they answer, and what became of it in queues."""

    annotations: Mapping[UUID, list[Value]] = field(default_factory=dict)
    rubrics: Mapping[UUID, list[Value]] = field(default_factory=dict)
    queues: Mapping[UUID, list[Value]] = field(default_factory=dict)


def among(ids: Sequence[UUID]) -> RawSQL:
    """The ids as one parameter: to write a thousand into a statement costs more than to look them up."""
    return RawSQL("SELECT unnest(%s::uuid[])", [list(ids)])


def time_value(moment: datetime | None) -> str | None:
    """A moment as the interfaces write it."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def who(row: Any) -> str | None:
    """Whose it is, in one text: an address, or the name of a key."""
    if row.created_by is not None:
        return str(row.created_by.address or row.created_by.short_name)
    return f"key {row.created_by_key.name}" if row.created_by_key is not None else None


def person_value(person: Person | None) -> Value | None:
    """A person as the interfaces show them."""
    return None if person is None else {"name": person.short_name, "email": person.address}


def annotation_value(annotation: Annotation, *, authoritative: bool = False) -> Value:
    """A judgement as the interfaces show it; `authoritative` where it is the one that counts."""
    rubric = annotation.rubric
    return {
        "id": str(annotation.pk),
        "rubric": {"name": rubric.name, "version": rubric.version} if rubric else None,
        "scores": annotation.scores,
        "spans": annotation.spans,
        "correction": annotation.correction,
        "comment": annotation.comment,
        "preference": annotation.preference,
        "authoritative": authoritative,
        "version": annotation.version,
        "created_by": who(annotation),
        "person": person_value(annotation.created_by),
        "created_at": time_value(annotation.created_at),
        "updated_at": time_value(annotation.updated_at),
    }


def judged(ids: Sequence[UUID], *, reader: Person | None = None) -> Judged:
    """What was said of these; without what a blind queue still hides from `reader`."""
    rows = Annotation.objects.filter(interaction__in=among(ids), removed_at__isnull=True)
    if reader is not None:
        rows = rows.exclude(queue_slot__in=others_hidden_from(reader))
    found = list(rows.select_related("created_by", "created_by_key", "rubric").order_by("created_at", "id"))
    queues, counting = _queues(ids, shown={annotation.pk for annotation in found})
    annotations: dict[UUID, list[Value]] = defaultdict(list)
    rubrics: dict[UUID, dict[UUID, Value]] = defaultdict(dict)
    for annotation in found:
        annotations[annotation.interaction_id].append(
            annotation_value(annotation, authoritative=annotation.pk in counting)
        )
        if annotation.rubric is not None:
            rubrics[annotation.interaction_id][annotation.rubric.pk] = rubric_value(annotation.rubric)
    return Judged(
        annotations=annotations,
        rubrics={pk: list(values.values()) for pk, values in rubrics.items()},
        queues=queues,
    )


def rubric_value(rubric: Rubric) -> Value:
    """A rubric whole, so that a file can be read without the project."""
    return {
        "name": rubric.name,
        "version": rubric.version,
        "instructions": rubric.instructions,
        "questions": rubric.questions,
        "labels": rubric.labels,
    }


def _queues(ids: Sequence[UUID], *, shown: set[UUID]) -> tuple[dict[UUID, list[Value]], set[UUID]]:
    """What became of them in queues, and the judgements that count."""
    items = list(
        # The answer of a replay has the id of its attempt.
        QueueItem.objects.filter(
            Q(attempt__isnull=True, interaction__in=among(ids)) | Q(attempt__in=among(ids))
        )
        .select_related("queue", "rule", "adjudicated_by")
        .order_by("created_at", "id")
    )
    if not items:
        return {}, set()
    slots: dict[UUID, list[QueueSlot]] = defaultdict(list)
    taken = QueueSlot.objects.filter(
        item__in=among([item.pk for item in items]), state__in=[SlotState.JUDGED, SlotState.SKIPPED]
    )
    for slot in taken.select_related("person").order_by("finished_at", "id"):
        slots[slot.item_id].append(slot)
    found: dict[UUID, list[Value]] = defaultdict(list)
    for item in items:
        found[item.attempt_id or item.interaction_id].append(_item_value(item, slots[item.pk], shown))
    return found, {item.authoritative_id for item in items if item.authoritative_id is not None}


def _item_value(item: QueueItem, slots: Iterable[QueueSlot], shown: set[UUID]) -> Value:
    queue = item.queue
    return {
        "item": str(item.pk),
        "queue": {
            "slug": queue.slug,
            "name": queue.name,
            "kind": queue.kind,
            "order": queue.order,
            "judgements_needed": queue.judgements_needed,
            "blind": queue.blind,
            "disagreement": queue.disagreement,
            "instructions": queue.instructions,
        },
        "reason": item.reason,
        "rule": item.rule.name if item.rule is not None else None,
        "state": item.state,
        "round": item.round,
        "authoritative": str(item.authoritative_id) if item.authoritative_id is not None else None,
        "adjudicated_by": person_value(item.adjudicated_by),
        "created_at": time_value(item.created_at),
        "finished_at": time_value(item.finished_at),
        "places": [
            {
                "person": person_value(slot.person),
                "state": slot.state,
                "round": slot.round,
                "annotation": str(slot.annotation_id) if slot.annotation_id in shown else None,
                "at": time_value(slot.finished_at),
            }
            for slot in slots
            # Who judged is hidden as long as what they said is.
            if slot.state == SlotState.SKIPPED or slot.annotation_id is None or slot.annotation_id in shown
        ],
    }
