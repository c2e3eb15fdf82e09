"""A canary set's row in the schedule that celery beat reads from the database.

Beat only nudges: what is due is told by the set's own rows, so a lost message costs nothing but the
sweep's patience.
"""

from __future__ import annotations

import json
from typing import Final

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reviewapp.models import CanarySet, CanaryState

TASK: Final = "reviewapp.tasks.watch_canaries"


def write_schedule(canaries: CanarySet) -> None:
    """Make beat's row say what the set says. Call it within the transaction of the deed."""
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=canaries.every_minutes, period=IntervalSchedule.MINUTES
    )
    values = {
        "task": TASK,
        "interval": interval,
        "crontab": None,
        "kwargs": json.dumps({"set_id": str(canaries.pk)}),
        "enabled": canaries.state == CanaryState.WATCHING,
        "expire_seconds": 60 * canaries.every_minutes,
        "description": f"Canaries of {canaries.model} at {canaries.provider.name}",
    }
    row, _ = PeriodicTask.objects.update_or_create(name=f"canaries {canaries.pk}", defaults=values)
    if canaries.schedule_id != row.pk:
        CanarySet.objects.filter(pk=canaries.pk).update(schedule=row)
        canaries.schedule = row


def remove_schedule(canaries: CanarySet) -> None:
    """Beat asks for it no more."""
    PeriodicTask.objects.filter(name=f"canaries {canaries.pk}").delete()
