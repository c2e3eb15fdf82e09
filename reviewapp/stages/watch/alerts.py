"""Raising alerts, and what people do about them.

Whoever notices something raises it, inside its own transaction, so that the event and the alert
stand or fall together. The same matter (key) joins its alert while that is fresh; it is sent again,
and becomes unseen again, only when the last sending is a while ago or the matter got worse. The
deliveries are rows; a sweep finds them, so nothing need be told to anybody here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from reviewapp import metrics
from reviewapp.models import (
    Actor,
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertMark,
    AlertSeverity,
    DeliveryState,
    Permission,
)
from reviewapp.pure.said import to_store
from reviewapp.pure.words import storable
from reviewapp.stages.administer import write_audit

# What happens again within this time of the last time is the same matter.
JOINS_FOR: Final = timedelta(hours=24)
# It is not sent again before this time has passed, unless it got worse.
SENDS_AGAIN_AFTER: Final = timedelta(hours=1)
# So long a delivery waits for others that go in the same message.
GATHERS_FOR: Final = timedelta(seconds=5)
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_RANKS: Final[dict[str, int]] = {severity: rank for rank, severity in enumerate(AlertSeverity.values)}


def raise_alert(
    *,
    project_id: UUID,
    kind: str,
    severity: str,
    title: str,
    text: str,
    path: str,
    key: str,
    now: datetime,
) -> Alert:
    """Let the project's people know; call it inside the transaction of what it tells.

    `kind` is one of AlertKind, or another short word; `path` leads, inside the app, to what it is
    about; `key` names the matter: what is raised again under it joins the alert.
    """
    return _raise(project_id, kind, severity, title, text, path, key, now, except_channel=None)


def raise_about_channel(
    *, channel: AlertChannel, severity: str, title: str, text: str, path: str, now: datetime
) -> Alert:
    """Let people know that a channel doesn't work: by all others, and in the app."""
    return _raise(
        channel.project_id,
        "delivery",
        severity,
        title,
        text,
        path,
        f"channel:{channel.pk}",
        now,
        except_channel=channel.pk,
    )


@transaction.atomic
def _raise(
    project_id: UUID,
    kind: str,
    severity: str,
    title: str,
    text: str,
    path: str,
    key: str,
    now: datetime,
    *,
    except_channel: UUID | None,
) -> Alert:
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of alert: lower-case letters, digits and hyphens")
    if severity not in _RANKS:
        raise ValueError(f"{severity!r} is none of {', '.join(_RANKS)}")
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(f"{path!r} does not lead into the app")
    messages = to_store(title=title, text=text)
    title, text = _cut(" ".join(title.split()), 200), _cut(text, 4000)
    _take_turns(project_id, key)
    alert: Alert | None = (
        Alert.objects.filter(project=project_id, key=key, last_at__gt=now - JOINS_FOR)
        .order_by("-last_at")
        .first()
    )
    if alert is None:
        alert = Alert.objects.create(
            project_id=project_id,
            kind=kind,
            severity=severity,
            title=title,
            text=text,
            said=messages,
            path=path[:500],
            key=key,
            first_at=now,
            last_at=now,
            raised_at=now,
        )
        _queue(alert, now, except_channel)
        transaction.on_commit(metrics.ALERTS.labels(kind, severity).inc)
        return alert
    worse = _RANKS[severity] > _RANKS[alert.severity]
    again = worse or now - alert.raised_at >= SENDS_AGAIN_AFTER
    changes: dict[str, Any] = {
        "title": title,
        "text": text,
        "said": messages,
        "path": path[:500],
        "count": F("count") + 1,
        "last_at": max(now, alert.last_at),
    }
    if again:
        # A matter that is sent anew is as bad as it is now; within the window it stays as bad as it was.
        changes |= {"severity": severity, "raised_at": now}
    Alert.objects.filter(pk=alert.pk).update(**changes)
    alert.refresh_from_db()
    if again:
        _queue(alert, now, except_channel)
    return alert


def _take_turns(project_id: UUID, key: str) -> None:
    """Two transactions that raise the same matter do it one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alert {project_id} {key}"])


def _queue(alert: Alert, now: datetime, except_channel: UUID | None) -> None:
    """A delivery for each channel that wants it, unless one waits there already."""
    channels = AlertChannel.objects.in_use().filter(project=alert.project_id).exclude(pk=except_channel)
    wanting = [
        pk
        for pk, least, kinds in channels.values_list("pk", "least_severity", "kinds")
        if _RANKS[alert.severity] >= _RANKS[least] and (not kinds or alert.kind in kinds)
    ]
    AlertDelivery.objects.bulk_create(
        [
            AlertDelivery(
                alert=alert,
                channel_id=pk,
                state=DeliveryState.QUEUED,
                not_before=now + GATHERS_FOR,
                created_at=now,
            )
            for pk in wanting
        ],
        ignore_conflicts=True,
    )


def _cut(text: str, length: int) -> str:
    text = storable(text).strip()
    return text if len(text) <= length else text[: length - 1] + "…"


def note_seen(*, actor: Actor, alerts: Collection[UUID], now: datetime) -> None:
    """This person has these alerts before their eyes. No audit entry: it changes nothing for anybody else."""
    if actor.person is None or not alerts:
        return
    mine = Alert.objects.visible_to(actor).filter(pk__in=list(alerts)).values_list("pk", flat=True)
    AlertMark.objects.bulk_create(
        [AlertMark(alert_id=pk, person=actor.person, seen_at=now) for pk in sorted(mine)],
        update_conflicts=True,
        unique_fields=["alert", "person"],
        update_fields=["seen_at"],
    )


@transaction.atomic
def acknowledge(*, actor: Actor, alert: Alert, now: datetime) -> bool:
    """This person takes note of the alert, and others see that. False: they had already."""
    actor.check(Permission.REVIEW)
    if actor.person is None or alert.project_id != actor.project.pk:
        return False
    mark, _ = AlertMark.objects.get_or_create(alert=alert, person=actor.person, defaults={"seen_at": now})
    moved = (
        AlertMark.objects.filter(pk=mark.pk)
        .exclude(acknowledged_at__gte=alert.raised_at)
        .update(seen_at=now, acknowledged_at=now)
    )
    if moved:
        write_audit(actor=actor, action="alert.acknowledge", target=alert, now=now, title=alert.title)
    return bool(moved)


@transaction.atomic
def take_back(*, actor: Actor, alert: Alert, now: datetime) -> bool:
    """Undo: this person has not taken note. False: they had not."""
    actor.check(Permission.REVIEW)
    moved = AlertMark.objects.filter(
        alert=alert, alert__project=actor.project, person=actor.person, acknowledged_at__isnull=False
    ).update(acknowledged_at=None)
    if moved:
        write_audit(actor=actor, action="alert.take_back", target=alert, now=now, title=alert.title)
    return bool(moved)
