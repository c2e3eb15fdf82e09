"""The bell in the header: what concerns this person, alerts they have not seen, the last ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import CharField

from reviewapp.models import Actor, Alert, AlertKind, Notification, NotificationKind, Permission
from reviewapp.models.composed import Composed, one_of
from reviewapp.models.discussing import unread_by

# What is older is history, also for who never looked.
RECENT: Final = timedelta(days=14)
SHOWN: Final = 6
MOST_COUNTED: Final = 99


def _raised(project: UUID, since: datetime, told: Collection[str]) -> Any:
    """What a project's alerts tell; a path that somebody is told of themselves is not told again."""
    alerts = Alert.objects.filter(project=project, raised_at__gte=since).exclude(kind=AlertKind.DISCUSSION)
    return alerts.exclude(one_of("path", told, CharField()))


# Every page asks for these; most people have fewer than are shown, so that nothing is to be counted.
_TOLD: Final = Composed(
    lambda project, person: (
        unread_by(project=project, person=person).select_related("by").order_by("-created_at", "-id")[:SHOWN]
    )
)
_UNREAD: Final = Composed(
    lambda project, person: unread_by(project=project, person=person).values_list("pk")[: MOST_COUNTED + 1]
)
_LATEST: Final = Composed(
    lambda project, person, since, told: (
        _raised(project, since, told).seen_by(person).order_by("-raised_at", "-id")[:SHOWN]
    )
)
_UNSEEN: Final = Composed(
    lambda project, person, since, told: (
        _raised(project, since, told).unseen_by(person, since=since).values_list("pk")[: MOST_COUNTED + 1]
    )
)


@dataclass(frozen=True, slots=True)
class Bell:
    """What the header shows of notifications and alerts."""

    unseen: int = 0
    latest: list[Alert] = field(default_factory=list)
    unread: int = 0
    told: list[Notification] = field(default_factory=list)

    @property
    def new(self) -> int:
        return self.unseen + self.unread

    @property
    def count(self) -> str:
        return f"{MOST_COUNTED}+" if self.new > MOST_COUNTED else str(self.new)

    @property
    def ids(self) -> str:
        """What is seen when the menu opens."""
        return ",".join(str(alert.pk) for alert in self.latest)


def bell(*, actor: Actor, now: datetime) -> Bell:
    """The bell of this person in this project."""
    if actor.person is None or not actor.may(Permission.READ):
        return Bell()
    mine = {"project": actor.project.pk, "person": actor.person.pk}
    told = _TOLD.rows(**mine)
    lately: dict[str, Any] = {
        **mine,
        "since": max(now - RECENT, actor.person.joined_at),
        "told": [one.path for one in told if one.kind == NotificationKind.CHANGE],
    }
    latest = _LATEST.rows(**lately)
    return Bell(
        unread=len(told) if len(told) < SHOWN else len(_UNREAD.rows(**mine)),
        told=told,
        unseen=sum(not one.seen for one in latest) if len(latest) < SHOWN else len(_UNSEEN.rows(**lately)),
        latest=latest,
    )
