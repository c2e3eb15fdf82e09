"""The bell in the header: how many alerts this person has not seen, and the last ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from reviewapp.models import Actor, Alert

# What is older is history, also for who never looked.
RECENT: Final = timedelta(days=14)
SHOWN: Final = 6
MOST_COUNTED: Final = 99


@dataclass(frozen=True, slots=True)
class Bell:
    """What the header shows of the alerts."""

    unseen: int = 0
    latest: list[Alert] = field(default_factory=list)

    @property
    def count(self) -> str:
        return f"{MOST_COUNTED}+" if self.unseen > MOST_COUNTED else str(self.unseen)

    @property
    def ids(self) -> str:
        """What is seen when the menu opens."""
        return ",".join(str(alert.pk) for alert in self.latest)


def bell(*, actor: Actor, now: datetime) -> Bell:
    """The bell of this person in this project."""
    if actor.person is None:
        return Bell()
    since = max(now - RECENT, actor.person.joined_at)
    alerts = Alert.objects.visible_to(actor)
    return Bell(
        unseen=alerts.unseen_by(actor.person, since=since)[: MOST_COUNTED + 1].count(),
        latest=list(
            alerts.filter(raised_at__gte=since).seen_by(actor.person).order_by("-raised_at", "-id")[:SHOWN]
        ),
    )
