"""Noticing what concerns people in what others did: reviewing and watching tell nobody, this looks.

The audit trail says what was done since it last looked. It looks a little behind its mark again, since an
entry may be committed after a later one; what was told already has its key, so nobody hears twice.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from reviewapp.models import (
    UNDECIDED,
    AuditEntry,
    BackendChange,
    ItemState,
    Membership,
    Notification,
    NotificationKind,
    Project,
    Queue,
    QueueItem,
    QueueSlot,
    Role,
    SlotState,
    Watermark,
)
from reviewapp.models.sweeping import each
from reviewapp.pure.said import stored
from reviewapp.stages.discuss.telling import Matter, tell

_MARK: Final = "notifications"
# An entry's transaction is over within this time of its moment.
_LATE: Final = timedelta(minutes=2)
_BATCH: Final = 2000
_CHANGE: Final = "change:"


def notice(*, now: datetime) -> int:
    """Tell people what was done since; gives how many entries were looked at."""
    with transaction.atomic():
        Watermark.objects.get_or_create(pk=_MARK, defaults={"created_at": now, "swept_at": now})
        held = Watermark.objects.select_for_update(skip_locked=True).filter(pk=_MARK).first()
        if held is None:
            return 0
        # What was done before it looked for the first time is no news.
        since = max((held.created_at or now) - _LATE, held.swept_at or now)
        # As values, so that the index of a project's entries is walked for each of them.
        projects = list(Project.objects.values_list("pk", flat=True))
        entries = list(
            AuditEntry.objects.filter(_WANTED, at__gt=since, project__in=projects)
            .select_related("project", "person")
            .order_by("at", "id")[:_BATCH]
        )
        each(entries, lambda entry: _LOOKS[entry.action](entry, now), what="An entry of the audit trail")
        full = len(entries) == _BATCH
        Watermark.objects.filter(pk=_MARK).update(created_at=entries[-1].at + _LATE if full else now)
    _tell_of_changes(now)
    return len(entries)


def _assigned(entry: AuditEntry, now: datetime) -> None:
    """A queue names people who review or decide."""
    queue = Queue.objects.filter(pk=entry.object_id).first()
    if queue is None:
        return
    for name, people, path in (
        ("review", queue.reviewers, f"/review/{queue.pk}/"),
        ("decide", queue.adjudicators, f"/review/{queue.pk}/items/?state=adjudication"),
    ):
        matter = Matter(
            kind=NotificationKind.ASSIGNED,
            key=f"queue:{queue.pk}:{name}",
            path=path,
            subject=queue.name,
            by=entry.person,
        )
        tell(project=queue.project, people=people.values_list("pk", flat=True), matter=matter, now=now)


def _disputed(entry: AuditEntry, now: datetime) -> None:
    """People disagree on an item: who decides hears of a queue's disagreements once a day."""
    item = QueueItem.objects.select_related("queue__project").filter(pk=entry.object_id).first()
    if item is None or item.state != ItemState.ADJUDICATION:
        return
    queue = item.queue
    people = list(queue.adjudicators.values_list("pk", flat=True)) or _admins(queue.project_id)
    matter = Matter(
        kind=NotificationKind.ASSIGNED,
        key=f"queue:{queue.pk}:disputed:{entry.at:%Y-%m-%d}",
        path=f"/review/{queue.pk}/items/?state=adjudication",
        subject=queue.name,
    )
    tell(project=queue.project, people=people, matter=matter, now=now)


def _adjudicated(entry: AuditEntry, now: datetime) -> None:
    """It is decided which judgement counts: who had judged hears of it, and whether theirs does."""
    item = (
        QueueItem.objects.select_related("queue__project", "authoritative").filter(pk=entry.object_id).first()
    )
    if item is None or item.adjudicated_by_id is None:
        return
    for judge, annotation in _judges(item, item.round):
        counts = annotation is not None and annotation == item.authoritative_id
        matter = Matter(
            kind=NotificationKind.ADJUDICATED,
            key=f"adjudicated:{entry.pk}{':counts' if counts else ''}",
            path=f"/review/items/{item.pk}/",
            subject=item.queue.name,
            by=entry.person,
        )
        tell(project=item.queue.project, people=[judge], matter=matter, now=now)


def _returned(entry: AuditEntry, now: datetime) -> None:
    """An item is judged anew: who had judged it hears of it."""
    item = QueueItem.objects.select_related("queue__project").filter(pk=entry.object_id).first()
    if item is None:
        return
    matter = Matter(
        kind=NotificationKind.RETURNED,
        key=f"returned:{entry.pk}",
        path=f"/review/items/{item.pk}/",
        subject=item.queue.name,
        by=entry.person,
    )
    before = int(entry.detail.get("round", item.round)) - 1
    people = [judge for judge, _annotation in _judges(item, before)]
    tell(project=item.queue.project, people=people, matter=matter, now=now)


_LOOKS: Final[dict[str, Callable[[AuditEntry, datetime], None]]] = {
    "queue.save": _assigned,
    "queue.judge": _disputed,
    "queue.adjudicate": _adjudicated,
    "queue.requeue": _returned,
}


# Of judgements, which are many, only those after which people disagree.
_WANTED: Final = Q(action__in=set(_LOOKS) - {"queue.judge"}) | Q(
    action="queue.judge", detail__to=ItemState.ADJUDICATION
)


def _judges(item: QueueItem, round_: int) -> list[tuple[UUID, UUID | None]]:
    slots = QueueSlot.objects.filter(item=item, round=round_, state=SlotState.JUDGED)
    return list(slots.values_list("person", "annotation"))


def _admins(project: UUID) -> list[UUID]:
    rows = Membership.objects.filter(project=project, role=Role.ADMIN)
    return list(rows.values_list("person", flat=True))


def _tell_of_changes(now: datetime) -> None:
    """Admins hear of changes that wait for a decision; one that is decided meanwhile waits for nobody."""
    told = Notification.objects.filter(kind=NotificationKind.CHANGE)
    waiting = BackendChange.objects.filter(state__in=UNDECIDED).select_related("project")
    keys = [f"{_CHANGE}{pk}" for pk in waiting.values_list("pk", flat=True)]
    told.filter(read_at__isnull=True).exclude(key__in=keys).update(read_at=now)
    # Who was told already is seen by their own index; there are few changes at a time.
    each(waiting, lambda change: _tell_of_change(change, now), what="A backend change")


def _tell_of_change(change: BackendChange, now: datetime) -> None:
    matter = Matter(
        kind=NotificationKind.CHANGE,
        key=f"{_CHANGE}{change.pk}",
        path=f"/changes/{change.pk}/",
        subject=stored(change.title, (change.said or {}).get("title")),
    )
    tell(project=change.project, people=_admins(change.project_id), matter=matter, now=now)
