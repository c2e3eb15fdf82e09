"""What people did, how fast, how much they agree, and what is left for them.

The pace is the middle one of the times that an item took: from when somebody had it, or was done with
the one before (the next item is fetched ahead), to their judgement; pauses are left out. Figures of
pace and agreement read the newest judgements of a project up to a bound, so that they cost the same
however much was judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Q

from reviewapp.models.discussing import waiting_threads
from reviewapp.models.people import Person
from reviewapp.models.project import Membership, Project
from reviewapp.models.queue import (
    OPEN_STATES,
    ItemState,
    Queue,
    QueueItem,
    QueueSlot,
    SlotState,
)
from reviewapp.models.review import Annotation
from reviewapp.models.reviewing import adjudicated_by, to_do
from reviewapp.models.scoping import Actor

# Pace and agreement are told of so many of the newest judgements.
NEWEST: Final = 5_000
_PAUSE_SECONDS: Final = 600.0
_WEEK: Final = timedelta(days=7)
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Done:
    """How many judgements: today (by UTC), in the last seven days, in all."""

    today: int = 0
    week: int = 0
    all: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """One person's figures in a project; `queues`: done by queue, and outside of queues."""

    person: Person
    role: str = ""
    done: Done = field(default_factory=Done)
    queues: dict[UUID | None, Done] = field(default_factory=dict)
    # Seconds; none where too little was judged to tell.
    pace: float | None = None
    # The share of answers that others gave to the same question of the same item alike.
    agrees: float | None = None
    compared: int = 0


def figures_of(*, project: Project, people: Sequence[Person], now: datetime) -> list[Figures]:
    """Of each of these people, by three queries however many they are."""
    done = _done(project, people, now)
    slots = list(
        QueueSlot.objects.filter(project=project, state=SlotState.JUDGED, annotation__isnull=False)
        .select_related("annotation__rubric", "item")
        .order_by("-finished_at", "-id")[:NEWEST]
    )
    paces, agreeing = _paces(slots), _agreeing(slots)
    roles = dict(Membership.objects.filter(project=project).values_list("person", "role"))
    found = []
    for person in people:
        by_queue = done.get(person.pk, {})
        same, compared = agreeing.get(person.pk, (0, 0))
        found.append(
            Figures(
                person=person,
                role=roles.get(person.pk, ""),
                done=_sum(by_queue.values()),
                queues=dict(by_queue),
                pace=paces.get(person.pk),
                agrees=same / compared if compared else None,
                compared=compared,
            )
        )
    return found


def _sum(parts: Iterable[Done]) -> Done:
    rows = list(parts)
    return Done(
        today=sum(row.today for row in rows),
        week=sum(row.week for row in rows),
        all=sum(row.all for row in rows),
    )


def _done(project: Project, people: Sequence[Person], now: datetime) -> dict[UUID, dict[UUID | None, Done]]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # The judgements that stand: what was taken back is not done.
    rows = (
        Annotation.objects.filter(project=project, created_by__in=people, removed_at__isnull=True)
        .order_by()
        .values_list("created_by", "queue_slot__queue")
        .annotate(
            today=Count("pk", filter=Q(created_at__gte=midnight)),
            week=Count("pk", filter=Q(created_at__gt=now - _WEEK)),
            every=Count("pk"),
        )
    )
    found: dict[UUID, dict[UUID | None, Done]] = defaultdict(dict)
    for person, queue, today, week, every in rows:
        found[person][queue] = Done(today=today, week=week, all=every)
    return found


def _paces(slots: Sequence[Any]) -> dict[UUID, float]:
    """Seconds for an item, by person."""
    times: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    for slot in slots:
        times[slot.person_id].append((slot.finished_at, slot.taken_at))
    return {person: middle for person, pairs in times.items() if (middle := pace_of(pairs)) is not None}


def pace_of(pairs: Iterable[tuple[datetime, datetime]]) -> float | None:
    """The middle time of an item, from when each was finished and taken; at least three tell."""
    before: datetime | None = None
    lengths = []
    for finished, taken in sorted(pairs):
        began = taken if before is None else max(taken, before)
        seconds = (finished - began).total_seconds()
        if 0 <= seconds <= _PAUSE_SECONDS:
            lengths.append(seconds)
        before = finished
    return median(lengths) if len(lengths) >= 3 else None


def _agreeing(slots: Sequence[Any]) -> dict[UUID, tuple[int, int]]:
    """By person, how many answers others gave alike, and how many there were to compare."""
    items: dict[UUID, list[Any]] = defaultdict(list)
    for slot in slots:
        if slot.round == slot.item.round:
            items[slot.item_id].append(slot)
    found: dict[UUID, tuple[int, int]] = {}
    for judged in items.values():
        for slot in judged:
            mine = _answers(slot.annotation)
            for other in judged:
                if other.person_id == slot.person_id:
                    continue
                theirs = _answers(other.annotation)
                shared = mine.keys() & theirs.keys()
                same, compared = found.get(slot.person_id, (0, 0))
                alike = sum(mine[key] == theirs[key] for key in shared)
                found[slot.person_id] = (same + alike, compared + len(shared))
    return found


def _answers(annotation: Annotation) -> Mapping[str, Any]:
    """What was answered; texts in one's own words are never alike, and are left out."""
    rubric = annotation.rubric
    texts = {one["key"] for one in rubric.questions if one["kind"] == "text"} if rubric else set()
    answers = {key: value for key, value in annotation.scores.items() if key not in texts}
    return answers | ({"preference": annotation.preference} if annotation.preference else {})


@dataclass(frozen=True, slots=True)
class Mine:
    """What waits for a person.

    What they have in hand, queues and what is left in each, decisions between others, threads, and what
    was sent back of what they had judged.
    """

    held: list[QueueSlot] = field(default_factory=list)
    queues: list[tuple[Queue, int]] = field(default_factory=list)
    disputed: list[tuple[Queue, int]] = field(default_factory=list)
    threads: list[Any] = field(default_factory=list)
    returned: list[QueueItem] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.held or self.queues or self.disputed or self.threads or self.returned)


def mine_to_do(*, actor: Actor) -> Mine:
    """What waits for this actor's person in the project."""
    person = actor.person
    if person is None:
        return Mine()
    left = to_do(actor=actor)
    waiting = Queue.objects.filter(pk__in=[pk for pk, n in left.items() if n]).order_by("due_on", "name")
    disputed = (
        adjudicated_by(actor)
        .annotate(n=Count("items", filter=Q(items__state=ItemState.ADJUDICATION)))
        .filter(n__gt=0)
        .order_by("name")
    )
    held = QueueSlot.objects.visible_to(actor).filter(person=person, state=SlotState.LEASED)
    before = QueueSlot.objects.filter(person=person, state=SlotState.JUDGED, round__lt=F("item__round"))
    anew = QueueSlot.objects.filter(person=person, state=SlotState.JUDGED, round=F("item__round"))
    returned = QueueItem.objects.visible_to(actor).filter(
        pk__in=before.values("item"), state__in=OPEN_STATES, round__gt=1
    )
    return Mine(
        held=list(held.select_related("item__interaction", "queue").order_by("taken_at")[:_SHOWN]),
        queues=[(queue, left[queue.pk]) for queue in waiting],
        disputed=[(queue, queue.n) for queue in disputed],
        threads=waiting_threads(actor=actor),
        returned=list(
            returned.exclude(pk__in=anew.values("item"))
            .select_related("interaction", "queue")
            .order_by("-id")[:_SHOWN]
        ),
    )
