"""Alerts about the app's own trouble: what recording set aside. Recording tells nobody; this looks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from reviewapp.models import AlertKind, AlertSeverity, FailedMessage, Membership
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
    what = "A message" if count == 1 else f"{count} messages"
    where = " It names no project that exists: look at it with manage.py retry_failed_messages." * homeless
    raise_alert(
        project_id=project,
        kind=AlertKind.RECORDING,
        severity=AlertSeverity.WARNING,
        title=f"{what} could not be recorded and {'was' if count == 1 else 'were'} set aside",
        text=f"Nothing is lost. The reason of the last one: {reason[:1000]}{where}",
        path=PATH,
        key="failed-messages:homeless" if homeless else "failed-messages",
        now=now,
    )


def _operators_projects() -> list[UUID]:
    """Where those who run the installation look: what has no project concerns them."""
    rows = Membership.objects.filter(person__is_operator=True, role="admin")
    return list(rows.order_by().values_list("project", flat=True).distinct())
