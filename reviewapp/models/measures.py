"""The state of the installation in figures: what waits, what is under way, how much room it takes.

Asked every few seconds, so nothing here reads a table that grows: each question has a partial index
of what is unfinished, a table of what waits alone, or is the database's own bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import Count, Max, Min
from django_celery_beat.models import PeriodicTask

from reviewapp.models.alert import AlertDelivery, DeliveryState
from reviewapp.models.interaction import FailedMessage
from reviewapp.models.replay import Attempt, AttemptState, ReplayRun, RunState
from reviewapp.models.wording import Unsearchable, unsearchable

_UNFINISHED_RUNS: Final = (RunState.QUEUED, RunState.RUNNING)
_UNFINISHED_ATTEMPTS: Final = (AttemptState.QUEUED, AttemptState.LEASED)


@dataclass(frozen=True, slots=True)
class TableSize:
    """How large a table is with its indexes, in bytes; its partitions are added to it."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """What the scheduler sends again and again."""

    name: str
    last_run_at: datetime | None
    # When by the clock, where it is sent so; else how many seconds lie between.
    every: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """All of it at one moment."""

    set_aside: int
    oldest_set_aside: datetime | None
    unsearchable: Unsearchable
    runs: dict[str, int]
    attempts: dict[str, int]
    deliveries: dict[str, int]
    scheduler_sent_at: datetime | None
    connections: int
    database_size: int


def measures() -> Measures:
    """Ask once. Some seven small queries."""
    aside = FailedMessage.objects.filter(recorded_at=None).aggregate(n=Count("pk"), oldest=Min("created_at"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_database_size(current_database()), numbackends FROM pg_stat_database"
            " WHERE datname = current_database()"
        )
        size, connections = cursor.fetchone()
    return Measures(
        set_aside=aside["n"],
        oldest_set_aside=aside["oldest"],
        unsearchable=unsearchable(),
        runs=_by_state(ReplayRun, _UNFINISHED_RUNS),
        attempts=_by_state(Attempt, _UNFINISHED_ATTEMPTS),
        deliveries=_by_state(AlertDelivery, (DeliveryState.QUEUED, DeliveryState.LEASED)),
        scheduler_sent_at=PeriodicTask.objects.filter(enabled=True).aggregate(at=Max("last_run_at"))["at"],
        connections=connections,
        database_size=size,
    )


def _by_state(model: type[ReplayRun | Attempt | AlertDelivery], states: tuple[str, ...]) -> dict[str, int]:
    # One question a state: each has a partial index, which a condition on all of them would not use.
    return {str(state): model._default_manager.filter(state=state).count() for state in states}


def table_sizes(*, most: int) -> list[TableSize]:
    """The largest tables, largest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(parent.relname, c.relname), sum(pg_total_relation_size(c.oid))::bigint"
            " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
            " LEFT JOIN pg_class parent ON parent.oid = i.inhparent"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
            " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s",
            [most],
        )
        return [TableSize(name.removeprefix("reviewapp_"), size) for name, size in cursor.fetchall()]


def schedule() -> list[ScheduledTask]:
    """What the scheduler sends, and when it last did, longest ago first."""
    rows = PeriodicTask.objects.filter(enabled=True).select_related("interval", "crontab")
    found = [
        ScheduledTask(
            row.name,
            row.last_run_at,
            str(row.crontab or ""),
            row.interval.schedule.run_every.total_seconds() if row.interval else None,
        )
        for row in rows.exclude(name="celery.backend_cleanup")
    ]
    return sorted(found, key=lambda task: (task.last_run_at is not None, task.last_run_at, task.name))
