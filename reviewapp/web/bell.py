"""The bell in the header: what concerns this person, alerts they have not seen, the last ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from reviewapp.models import Actor, Alert, AlertKind, Notification, NotificationKind
from reviewapp.models.discussing import unread

# What is older is history, also for who never looked.
RECENT: Final = timedelta(days=14)
SHOWN: Final = 6
MOST_COUNTED: Final = 99


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
    if actor.person is None:
        return Bell()
    since = max(now - RECENT, actor.person.joined_at)
    mine = unread(actor=actor)
    told = list(mine.select_related("by").order_by("-created_at", "-id")[:SHOWN])
    # What somebody is told of themselves is not told again as an alert.
    twice = [one.path for one in told if one.kind == NotificationKind.CHANGE]
    alerts = Alert.objects.visible_to(actor).exclude(kind=AlertKind.DISCUSSION).exclude(path__in=twice)
    return Bell(
        unread=mine.order_by()[: MOST_COUNTED + 1].count(),
        told=told,
        unseen=alerts.unseen_by(actor.person, since=since)[: MOST_COUNTED + 1].count(),
        latest=list(
            alerts.filter(raised_at__gte=since).seen_by(actor.person).order_by("-raised_at", "-id")[:SHOWN]
        ),
    )
