"""Alerts about trouble that nobody else tells of: what recording set aside, and seeds that run out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from reviewapp.models import Alert, AlertKind, AlertSeverity, FailedMessage, Membership, SeedRange
from reviewapp.models.seeds import NEARLY_USED
from reviewapp.pure.said import Said, figure, said, say
from reviewapp.stages.watch.alerts import raise_alert

PATH = "/settings/operations/"


@transaction.atomic
def notice_failed_messages(*, now: datetime) -> int:
    """Raise an alert for what was set aside and not told yet; gives how many messages."""
    untold = FailedMessage.objects.filter(told_at=None)
    ids = list(untold.order_by("id").select_for_update(skip_locked=True).values_list("pk", flat=True)[:1000])
    if not ids:
        return 0
    rows = FailedMessage.objects.filter(pk__in=ids)
    counts = dict(rows.order_by().values_list("project").annotate(Count("pk")))
    reasons = dict(rows.order_by("id").values_list("project", "error"))
    for project, count in counts.items():
        for told in [project] if project is not None else _operators_projects():
            _tell(told, count, reasons[project], now, homeless=project is None)
    rows.update(told_at=now)
    return len(ids)


def _tell(project: UUID, count: int, reason: str, now: datetime, *, homeless: bool) -> None:
    reason_told = say("alert_set_aside_reason", reason=reason[:1000])
    raise_alert(
        project_id=project,
        kind=AlertKind.RECORDING,
        severity=AlertSeverity.WARNING,
        title=said("alert_set_aside", count=count),
        text=Said(reason_told, say("alert_homeless")) if homeless else Said(reason_told),
        path=PATH,
        key="failed-messages:homeless" if homeless else "failed-messages",
        now=now,
    )


def _operators_projects() -> list[UUID]:
    """Where those who run the installation look: what has no project concerns them."""
    rows = Membership.objects.filter(person__is_operator=True, role="admin")
    return list(rows.order_by().values_list("project", flat=True).distinct())


def notice_seeds_running_out(*, now: datetime) -> int:
    """Raise an alert for each source whose reserved seeds are nearly or wholly given; gives how many.

    Told once for as many seeds as are reserved: who reserves more hears of it again when those run out.
    Of ranges that a source got by itself the next follows, so there is nothing to tell.
    """
    rows = SeedRange.objects.filter(is_open=True, is_automatic=False).select_related("source", "counter")
    by_source: dict[UUID, list[SeedRange]] = {}
    for row in rows:
        by_source.setdefault(row.source_id, []).append(row)
    return sum(_tell_of_seeds(ranges, now) for ranges in by_source.values())


def _tell_of_seeds(ranges: list[SeedRange], now: datetime) -> bool:
    if not all(one.counts for one in ranges):
        return False
    size = sum(one.rule.length for one in ranges)
    given = sum(min(one.counter.given, one.rule.length) for one in ranges)
    if given < NEARLY_USED * size:
        return False
    source, left = ranges[0].source, size - given
    key = f"seeds:{source.pk}:{size}:{'nearly' if left else 'used'}"
    if Alert.objects.filter(project=source.project_id, key=key).exists():
        return False
    raise_alert(
        project_id=source.project_id,
        kind=AlertKind.SEEDS,
        severity=AlertSeverity.WARNING if left else AlertSeverity.CRITICAL,
        title=said("alert_seeds_left", source=source.name, left=figure(left), size=figure(size), n=size)
        if left
        else said("alert_seeds_given", source=source.name, size=figure(size), n=size),
        text=said("alert_seeds_mend"),
        path=f"/settings/seeds/?source={source.pk}",
        key=key,
        now=now,
    )
    return True
