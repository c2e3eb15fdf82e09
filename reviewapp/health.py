"""Whether the four parts that the app can't do without are well: database, broker, worker, scheduler.

And the replica, where there is one, which it can do without.

`/readyz` and `manage.py doctor` ask here. Each question has a deadline, because a part that
hangs is as bad as one that is gone. Sentences say nothing about hosts or secrets, since
`/readyz` needs no sign-in; the details are for the doctor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.db.models import Max
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import ChannelError

from reviewapp import replica
from reviewapp.celery import app
from reviewapp.models.partitions import Partition
from reviewapp.models.partitions import partitions as partitions_of
from reviewapp.pure.said import figure, said, say
from reviewapp.stages.administer import partitions

DEADLINE_SECONDS = 5.0
WORKER_SECONDS = 1.5
# Several tasks are due each minute, and the scheduler notes each of them at once.
SCHEDULER_SILENCE = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question found: a sentence for anybody, and for the doctor the detail and the mend."""

    part: str
    ok: bool
    sentence: str
    detail: str = ""
    mend: str = ""


async def findings(*, optional: bool = False) -> list[Finding]:
    """All four, asked side by side; with `optional` also the replica, if the settings name one."""
    questions = {"database": database, "broker": broker, "worker": worker, "scheduler": scheduler}
    if optional and replica.is_configured():
        questions["replica"] = read_replica
    return list(await asyncio.gather(*(_in_time(part, ask) for part, ask in questions.items())))


async def _in_time(part: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return await asyncio.wait_for(asyncio.to_thread(ask), DEADLINE_SECONDS)
    except TimeoutError:
        return Finding(
            part=part,
            ok=False,
            sentence=said("part_late", part=say(f"word_{part}"), seconds=figure(DEADLINE_SECONDS, ".0f")),
            mend=said("mend_late"),
        )


def database() -> Finding:
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
    except Exception as error:
        return Finding(
            part="database",
            ok=False,
            sentence=said("database_away"),
            detail=_first_line(error),
            mend=said("mend_database"),
        )
    finally:
        connection.close()
    took = (time.monotonic() - started) * 1000
    return Finding(
        part="database",
        ok=True,
        sentence=said("database_answers"),
        detail=f"PostgreSQL {version}, {took:.0f} ms",
    )


def read_replica() -> Finding:
    """Whether lists and exports are read from the replica now, as they themselves decide it."""
    started = time.monotonic()
    try:
        behind = replica.catch_up(wait_seconds=settings.REPLICA_WAIT_SECONDS)
    except replica.Unusable as error:
        return Finding(
            part="replica",
            ok=False,
            sentence=said("replica_unused"),
            detail=str(error),
            mend=said("mend_replica"),
        )
    finally:
        connections.close_all()
    took = (time.monotonic() - started) * 1000
    seconds = "" if behind.seconds is None else f"{behind.seconds:.1f} s, "
    return Finding(
        part="replica",
        ok=True,
        sentence=said("replica_answers"),
        detail=f"was {seconds}{behind.bytes / 1024:,.0f} kB behind, {took:.0f} ms",
    )


def broker(*, url: str | None = None) -> Finding:
    """The broker of the settings, or the one at `url`."""
    started = time.monotonic()
    try:
        with app.connection_for_read(url) as link:
            link.ensure_connection(max_retries=1, timeout=int(DEADLINE_SECONDS))
            link.default_channel  # noqa: B018 - opening it speaks to the server
            kind = link.transport.driver_type
    except Exception as error:
        return Finding(
            part="broker",
            ok=False,
            sentence=said("broker_away"),
            detail=_first_line(error),
            mend=said("mend_broker"),
        )
    took = (time.monotonic() - started) * 1000
    return Finding(part="broker", ok=True, sentence=said("broker_answers"), detail=f"{kind}, {took:.0f} ms")


def worker() -> Finding:
    mend = said("mend_worker")
    started = time.monotonic()
    try:
        # The first answer will do; without the limit every call would take the whole time. Twice, because
        # a worker that has just started may miss the first question.
        answers = _ping() or _ping()
    except Exception as error:
        return Finding(
            part="worker",
            ok=False,
            sentence=said("worker_unasked"),
            detail=_first_line(error),
            mend=said("mend_broker_first"),
        )
    if not answers:
        return Finding(part="worker", ok=False, sentence=said("worker_none"), mend=mend)
    took = (time.monotonic() - started) * 1000
    name = next(iter(answers[0]), "?")
    return Finding(part="worker", ok=True, sentence=said("worker_answers"), detail=f"{name}, {took:.0f} ms")


def _ping() -> list[dict[str, object]]:
    return list(app.control.ping(timeout=WORKER_SECONDS, limit=1) or ())


def queue_lengths() -> dict[str, int | None]:
    """How many messages wait in each queue; None where the broker does not tell. Raises what it raises."""
    found: dict[str, int | None] = {}
    for queue in ("record", "replay", "watch", "export", "default"):
        with app.connection_for_read() as link, link.channel() as channel:
            asked: Any = channel
            try:
                found[queue] = int(asked.queue_declare(queue=queue, passive=True).message_count)
            except ChannelError:
                found[queue] = 0  # nothing was ever sent to it
    return found


def scheduler() -> Finding:
    try:
        return scheduler_at(now=timezone.now())
    except Exception as error:
        return Finding(
            part="scheduler",
            ok=False,
            sentence=said("scheduler_unasked"),
            detail=_first_line(error),
            mend=said("mend_database_first"),
        )
    finally:
        connection.close()


def scheduler_at(*, now: datetime) -> Finding:
    """The scheduler is judged by what it last sent, which it notes in the database."""
    noted = PeriodicTask.objects.filter(enabled=True).aggregate(
        sent=Max("last_run_at"),
        # Written at its start too, before the first task is due.
        written=Max("date_changed"),
    )
    times: list[datetime] = [time for time in noted.values() if time is not None]
    mend = said("mend_scheduler")
    if not times:
        return Finding(part="scheduler", ok=False, sentence=said("scheduler_never"), mend=mend)
    silent = now - max(times)
    detail = said("scheduler_last", seconds=figure(max(silent.total_seconds(), 0), ".0f"))
    if silent > SCHEDULER_SILENCE:
        minutes = silent.total_seconds() / 60
        return Finding(
            part="scheduler",
            ok=False,
            sentence=said("scheduler_silent", minutes=round(minutes)),
            detail=detail,
            mend=mend,
        )
    return Finding(part="scheduler", ok=True, sentence=said("scheduler_sends"), detail=detail)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def partitioned() -> tuple[list[Partition], Finding | None]:
    """The partitions of the interactions, and how they are; none and None where the tables are plain."""
    parts = partitions_of()
    worry = partitions.worry(now=timezone.now())
    if not parts and worry is None:
        return parts, None
    return parts, Finding(
        part="partitions",
        ok=worry is None,
        sentence=worry or said("partitions_well", count=len(parts)),
        mend="manage.py partition_interactions",
    )
