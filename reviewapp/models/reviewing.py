"""What screens tell about queues: how far they are, what waits for somebody, how fast it goes.

Counts that stand on every page stop at a bound, so that they cost the same at a hundred thousand
items as at a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q

from reviewapp.models.composed import Composed
from reviewapp.models.people import Person
from reviewapp.models.queue import (
    OPEN_STATES,
    ItemState,
    Queue,
    QueueItem,
    QueueSlot,
    QueueState,
    SlotState,
)
from reviewapp.models.scoping import Actor, Permission

BOUND: Final = 1000
# A pause longer than this was one, and says nothing of how long an item takes.
_PAUSE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items of a queue are in each state."""

    states: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def over(self) -> int:
        """Done, or skipped by everybody."""
        return self.states.get(ItemState.DONE, 0) + self.states.get(ItemState.SKIPPED, 0)

    @property
    def waiting(self) -> int:
        return sum(self.states.get(state, 0) for state in OPEN_STATES)

    @property
    def adjudication(self) -> int:
        return self.states.get(ItemState.ADJUDICATION, 0)


def progress_of(queues: Iterable[Queue]) -> dict[UUID, Progress]:
    """Of each queue."""
    ids = [queue.pk for queue in queues]
    found: dict[UUID, Progress] = {pk: Progress() for pk in ids}
    rows = QueueItem.objects.filter(queue__in=ids).values_list("queue", "state").annotate(n=Count("pk"))
    for queue, state, count in rows.order_by():
        found[queue].states[state] = count
    return found


def open_to(actor: Actor) -> Any:
    """The open queues in which this person may judge."""
    may = actor.may(Permission.REVIEW) and actor.may(Permission.READ)
    if not may or actor.person is None:
        return Queue.objects.none()
    return _open_to(actor.project.pk, actor.person.pk)


def _open_to(project: UUID, person: UUID) -> Any:
    queues = Queue.objects.filter(project=project, state=QueueState.OPEN)
    named = Queue.reviewers.through.objects.filter(queue=OuterRef("pk"))
    return queues.filter(~Exists(named) | Exists(named.filter(person=person)))


def adjudicated_by(actor: Actor) -> Any:
    """The queues in which this person decides where others disagree."""
    queues = Queue.objects.visible_to(actor)
    if not actor.may(Permission.REVIEW) or actor.person is None:
        return queues.none()
    named = Queue.adjudicators.through.objects.filter(queue=OuterRef("pk"))
    mine = Exists(named.filter(person=actor.person))
    return queues.filter(mine | ~Exists(named)) if actor.may(Permission.ADMIN) else queues.filter(mine)


def to_do(*, actor: Actor) -> dict[UUID, int]:
    """By queue, how many items this person could judge, those they have at hand included."""
    person = actor.person
    if person is None:
        return {}
    if not actor.may(Permission.REVIEW) or not actor.may(Permission.READ):
        return {}
    found: dict[UUID, int] = {}
    for rows in (_TO_JUDGE, _AT_HAND):
        for queue, count in rows.rows(project=actor.project.pk, person=person.pk):
            found[queue] = found.get(queue, 0) + count
    return found


def _by_queue(rows: Any) -> Any:
    return rows.order_by().values_list("queue").annotate(n=Count("pk"))


_TO_JUDGE: Final = Composed(
    lambda project, person: _by_queue(
        QueueItem.objects.filter(queue__in=_open_to(project, person)).waiting_for(person)
    )
)
_AT_HAND: Final = Composed(
    lambda project, person: _by_queue(
        QueueSlot.objects.filter(queue__in=_open_to(project, person), person=person, state=SlotState.LEASED)
    )
)


# Items with a place that the person could take, as `QueueItemQuerySet.waiting_for` has them, up to the bound.
_WAITING: Final = f"""
SELECT FROM {QueueItem._meta.db_table} item
WHERE {{of}} AND item.free > 0 AND NOT EXISTS (
    SELECT FROM {QueueSlot._meta.db_table} slot WHERE slot.item_id = item.id AND slot.person_id = %(person)s
        AND slot.round = item.round AND slot.state <> 'left')
LIMIT {BOUND}"""  # noqa: S608
# Every page and every judgement asks for these figures; composing them takes Django longer than PostgreSQL
# takes to count, so they are written down: what `open_to` and `adjudicated_by` say, in one statement.
_WAITS: Final = f"""
WITH open AS MATERIALIZED (
    SELECT queue.id FROM {Queue._meta.db_table} queue
    WHERE queue.project_id = %(project)s AND queue.state = 'open' AND (
        NOT EXISTS (SELECT FROM {Queue.reviewers.through._meta.db_table} named
            WHERE named.queue_id = queue.id)
        OR EXISTS (SELECT FROM {Queue.reviewers.through._meta.db_table} named
            WHERE named.queue_id = queue.id AND named.person_id = %(person)s))
)
SELECT
    (SELECT count(*) FROM ({_WAITING.format(of="item.queue_id IN (SELECT id FROM open)")}) waiting)
    + (SELECT count(*) FROM (
        SELECT FROM {QueueSlot._meta.db_table} slot
        WHERE slot.person_id = %(person)s AND slot.state = 'leased' AND slot.queue_id IN (SELECT id FROM open)
        LIMIT {BOUND}) held)
    + (SELECT count(*) FROM (
        SELECT FROM {QueueItem._meta.db_table} item
        JOIN {Queue._meta.db_table} queue ON queue.id = item.queue_id
        WHERE queue.project_id = %(project)s AND item.state = 'adjudication' AND (
            EXISTS (SELECT FROM {Queue.adjudicators.through._meta.db_table} named
                WHERE named.queue_id = queue.id AND named.person_id = %(person)s)
            OR %(admin)s AND NOT EXISTS (
                SELECT FROM {Queue.adjudicators.through._meta.db_table} named
                WHERE named.queue_id = queue.id))
        LIMIT {BOUND}) disputed)"""  # noqa: S608


def waits(*, actor: Actor) -> int:
    """How much waits for this person in all queues: to judge and to adjudicate; `BOUND` means or more."""
    person = actor.person
    if person is None or not actor.may(Permission.REVIEW) or not actor.may(Permission.READ):
        return 0
    values: dict[str, Any] = {
        "project": actor.project.pk,
        "person": person.pk,
        "admin": actor.may(Permission.ADMIN),
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITS, values)
        (count,) = cursor.fetchone()
    return min(int(count), BOUND)


@dataclass(frozen=True, slots=True)
class Mine:
    """One person in one queue: what they judged, what they left to others, what is left for them.

    `seconds_each` is how long an item takes them.
    """

    done: int
    skipped: int
    left: int
    seconds_each: float | None

    @property
    def total(self) -> int:
        return self.done + self.left

    @property
    def minutes(self) -> int | None:
        return None if self.seconds_each is None else max(1, round(self.left * self.seconds_each / 60))


_MINE: Final = f"""
SELECT
    (SELECT count(*) FROM ({_WAITING.format(of="item.queue_id = %(queue)s")}) waiting),
    count(*) FILTER (WHERE state = 'leased'),
    count(*) FILTER (WHERE state = 'judged'),
    count(*) FILTER (WHERE state = 'skipped'),
    (SELECT array_agg(finished_at ORDER BY finished_at DESC) FROM (
        SELECT finished_at FROM {QueueSlot._meta.db_table}
        WHERE person_id = %(person)s AND queue_id = %(queue)s AND state IN ('judged', 'skipped')
        ORDER BY finished_at DESC LIMIT 30) late)
FROM {QueueSlot._meta.db_table} WHERE person_id = %(person)s AND queue_id = %(queue)s"""  # noqa: S608


def mine(*, queue: Queue, person: Person) -> Mine:
    """What is left counts to `BOUND`."""
    with connection.cursor() as cursor:
        cursor.execute(_MINE, {"queue": queue.pk, "person": person.pk})
        waiting, held, judged, skipped, late = cursor.fetchone()
    return Mine(done=judged, skipped=skipped, left=min(waiting + held, BOUND), seconds_each=_pace(late or ()))


def _pace(moments: Iterable[Any]) -> float | None:
    """Seconds for an item: the middle one of the times between two, pauses left out."""
    times = list(moments)
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(times)]
    gaps = [gap for gap in gaps if gap <= _PAUSE_SECONDS]
    return median(gaps) if len(gaps) >= 3 else None


def others_hidden_from(person: Person | None) -> Any:
    """Slots whose judgements this person may not see yet: in blind queues, before they gave their own."""
    own = QueueSlot.objects.filter(
        item=OuterRef("item"), person=person, round=OuterRef("round"), state=SlotState.JUDGED
    )
    return (
        QueueSlot.objects.filter(Q(queue__blind=True), state=SlotState.JUDGED, item__state__in=OPEN_STATES)
        .exclude(person=person)
        .exclude(Exists(own))
    )
