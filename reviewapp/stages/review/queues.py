"""Queues themselves: made, changed, paused, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.formats import number_format
from django.utils.text import slugify
from django.utils.translation import gettext

from reviewapp.models import (
    OPEN_STATES,
    QUEUE_TRANSITIONS,
    Actor,
    Membership,
    Permission,
    Person,
    Project,
    Queue,
    QueueItem,
    QueueKind,
    QueueOrder,
    Role,
    Rubric,
)
from reviewapp.models.queue import MOST_JUDGEMENTS
from reviewapp.pure.rubrics import TEXT_LIMIT
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.review.items import locked_item, put_in_order, settle


@dataclass(frozen=True, slots=True)
class QueueValues:
    """What a queue's form says. Empty people: whoever may review; for adjudication, the admins."""

    name: str
    instructions: str = ""
    rubric: Rubric | None = None
    order: str = QueueOrder.OLDEST
    kind: str = QueueKind.SINGLE
    judgements_needed: int = 1
    due_on: date | None = None
    blind: bool = True
    reviewers: Sequence[UUID] = ()
    adjudicators: Sequence[UUID] = ()
    disagreement: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def save_queue(*, actor: Actor, values: QueueValues, now: datetime, queue: Queue | None = None) -> Queue:
    """Make a queue, or change one. What waits in it follows: its order, and how many must still judge.

    Raises Refused.
    """
    actor.check(Permission.ADMIN)
    kept = _checked(actor, values)
    if queue is None:
        saved: Queue = Queue.objects.create(
            project=actor.project,
            slug=_free_slug(actor.project, values.name),
            created_by=actor.person,
            created_at=now,
            **kept,
        )
        before = None
    else:
        # Not the key: whoever holds an item refers to the queue while this waits for the item.
        before = Queue.objects.select_for_update(no_key=True).get(pk=queue.pk, project=actor.project)
        if before.kind != values.kind and before.items.exists():
            raise Refused(
                gettext("A queue that holds items stays what it is: make another one for the other kind."),
                field="kind",
            )
        Queue.objects.filter(pk=queue.pk).update(**kept)
        saved = Queue.objects.get(pk=queue.pk)
    for name, people in (("reviewers", values.reviewers), ("adjudicators", values.adjudicators)):
        named = getattr(saved, name)
        named.set(_members(actor, people, field=name, named=set(named.values_list("pk", flat=True))))
    if before is not None:
        if before.order != saved.order:
            put_in_order(saved)
        if before.judgements_needed != saved.judgements_needed or before.disagreement != saved.disagreement:
            for item in (
                QueueItem.objects.filter(queue=saved, state__in=OPEN_STATES).order_by("id").iterator()
            ):
                settle(locked_item(item.pk), now=now)
    write_audit(
        actor=actor,
        action="queue.save",
        target=saved,
        now=now,
        name=saved.name,
        judgements_needed=saved.judgements_needed,
    )
    return saved


def _checked(actor: Actor, values: QueueValues) -> dict[str, Any]:
    name = storable(values.name).strip()
    if not name or len(name) > 120:
        raise Refused(gettext("Give the queue a name of at most 120 characters."), field="name")
    if len(values.instructions) > TEXT_LIMIT:
        raise Refused(
            gettext("The instructions are longer than %(text_limit)s characters.")
            % {"text_limit": number_format(TEXT_LIMIT, force_grouping=True)},
            field="instructions",
        )
    if not 1 <= values.judgements_needed <= MOST_JUDGEMENTS:
        raise Refused(
            gettext("Between 1 and %(most_judgements)s people can judge an item.")
            % {"most_judgements": MOST_JUDGEMENTS},
            field="judgements_needed",
        )
    if values.order not in QueueOrder.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(QueueOrder.values)}, field="order"
        )
    if values.kind not in QueueKind.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(QueueKind.values)}, field="kind"
        )
    if values.rubric is not None and values.rubric.project_id != actor.project.pk:
        raise Refused(gettext("That rubric is not this project's."), field="rubric")
    if values.reviewers and len(set(values.reviewers)) < values.judgements_needed:
        raise Refused(
            gettext("Each item needs %(judgements_needed)s people, and fewer are named.")
            % {"judgements_needed": values.judgements_needed},
            field="reviewers",
        )
    for rule in values.disagreement.values():
        number = isinstance(rule, int | float) and not isinstance(rule, bool)
        if rule not in {"any", "never"} and not (number and rule >= 0):
            raise Refused(gettext("Disagreement is “any”, “never” or a number."), field="disagreement")
    return {
        "name": name,
        "instructions": storable(values.instructions),
        "rubric": values.rubric,
        "order": values.order,
        "kind": values.kind,
        "judgements_needed": values.judgements_needed,
        "due_on": values.due_on,
        "blind": values.blind,
        "disagreement": dict(values.disagreement),
    }


def _members(actor: Actor, people: Sequence[UUID], *, field: str, named: set[UUID]) -> list[Person]:
    """Those people; who is named already stays so, even if they may review no more."""
    may = Membership.objects.filter(project=actor.project, role__in=[Role.REVIEWER, Role.ADMIN])
    found = list(Person.objects.filter(Q(pk__in=may.values("person")) | Q(pk__in=named), pk__in=people))
    if {person.pk for person in found} != set(people):
        raise Refused(gettext("Only people who may review in this project can be named."), field=field)
    return found


def _free_slug(project: Project, name: str) -> str:
    base = slugify(name)[:70] or "queue"
    taken = set(Queue.objects.filter(project=project, slug__startswith=base).values_list("slug", flat=True))
    return next(slug for slug in (base, *(f"{base}-{n}" for n in range(2, 1000))) if slug not in taken)


@transaction.atomic
def standing_queue(*, project: Project, slug: str, name: str, instructions: str, now: datetime) -> Queue:
    """The queue of that name which the app itself fills, worst first; made at its first use."""
    found, made = Queue.objects.get_or_create(
        project=project,
        slug=slug,
        defaults={
            "name": name,
            "instructions": instructions,
            "order": QueueOrder.WORST_FIRST,
            "created_at": now,
        },
    )
    if made:
        write_audit(actor=None, project=project, action="queue.save", target=found, now=now, name=name)
    queue: Queue = found
    return queue


@transaction.atomic
def move_queue(*, actor: Actor, queue_id: UUID, to: str, now: datetime) -> bool:
    """Open, pause or close a queue. False when it is not in a state that leads there."""
    actor.check(Permission.ADMIN)
    sources = [state for state, targets in QUEUE_TRANSITIONS.items() if to in targets]
    moved = Queue.objects.visible_to(actor).filter(pk=queue_id, state__in=sources).update(state=to)
    if moved:
        write_audit(actor=actor, action=f"queue.{to}", target=Queue.objects.get(pk=queue_id), now=now)
    return bool(moved)
