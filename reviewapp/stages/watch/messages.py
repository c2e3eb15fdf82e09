"""What a channel is told: several alerts in one message, for people as text, for machines as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings

from reviewapp.models import Alert, AlertChannel, AlertSeverity, Project

# Chat services cut longer messages; the rest is in the app.
_MOST_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it goes out: its id is the same at every try."""

    id: UUID
    title: str
    text: str
    severity: str
    body: bytes


def message_of(*, id_: UUID, project: Project, alerts: Sequence[Alert], now: datetime) -> Message:
    """These alerts of a project in one message, the worst first."""
    ranks = {severity: rank for rank, severity in enumerate(AlertSeverity.values)}
    ordered = sorted(alerts, key=lambda alert: (-ranks[alert.severity], alert.last_at, alert.pk))
    worst = ordered[0]
    if len(ordered) == 1:
        title = f"[{AlertSeverity(worst.severity).label}] {worst.title} ({project.name})"
        parts = [_told(worst, titled=False)]
    else:
        title = f"[{AlertSeverity(worst.severity).label}] {len(ordered)} alerts of {project.name}"
        parts = [_told(alert, titled=True) for alert in ordered[:_MOST_TOLD]]
        if len(ordered) > _MOST_TOLD:
            parts.append(f"And {len(ordered) - _MOST_TOLD} more: {link('/alerts/', project)}")
    return Message(
        id=id_,
        title=title,
        text="\n\n".join(parts),
        severity=worst.severity,
        body=_body("alerts.raised", project, now, {"alerts": [alert_json(alert) for alert in ordered]}),
    )


def test_message(*, channel: AlertChannel, id_: UUID, now: datetime) -> Message:
    """What *Send a test* sends."""
    project = channel.project
    text = f"Alerts of {project.name} reach you here, by the channel “{channel.name}”. Nothing has happened."
    return Message(
        id=id_,
        title=f"A test by reviewapp ({project.name})",
        text=f"{text}\n{link('/alerts/', project)}",
        severity=AlertSeverity.INFO,
        body=_body("test", project, now, {"text": text}),
    )


def link(path: str, project: Project) -> str:
    """A link from outside: it carries its project."""
    joint = "&" if "?" in path else "?"
    path, anchor, name = path.partition("#")
    return f"{settings.APP_ADDRESS}{path}{joint}project={project.slug}{anchor}{name}"


def alert_json(alert: Alert) -> dict[str, Any]:
    """An alert as webhooks and the API tell it."""
    return {
        "id": str(alert.pk),
        "kind": alert.kind,
        "severity": alert.severity,
        "title": alert.title,
        "text": alert.text,
        "path": alert.path,
        "url": link(alert.path, alert.project),
        "key": alert.key,
        "count": alert.count,
        "first_at": alert.first_at,
        "last_at": alert.last_at,
        "raised_at": alert.raised_at,
    }


def _told(alert: Alert, *, titled: bool) -> str:
    lines = [f"[{AlertSeverity(alert.severity).label}] {alert.title}"] if titled else []
    if alert.text:
        lines.append(alert.text)
    if alert.count > 1:
        lines.append(f"{alert.count} times since {alert.first_at:%Y-%m-%d %H:%M} UTC.")
    lines.append(link(alert.path, alert.project))
    return "\n".join(lines)


def _body(kind: str, project: Project, now: datetime, data: dict[str, Any]) -> bytes:
    told = {
        "type": kind,
        "timestamp": now,
        "data": {"project": {"slug": project.slug, "name": project.name}, **data},
    }
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)
