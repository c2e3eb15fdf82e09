"""Sending alerts: at least once, though any process dies.

A delivery is leased by compare-and-swap, sent, and its outcome stored under the lease. Who dies in
between leaves a lease that runs out, and the message is sent again under the same id. What may
pass is tried again, later each time with some chance in it, for a day; then the app says that the
channel does not work. What is due together for one channel travels as one message, and what was
tried together stays together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from reviewapp.models import (
    Actor,
    AlertChannel,
    AlertDelivery,
    AlertSeverity,
    DeliveryState,
    Permission,
    UnreadableSecret,
)
from reviewapp.providers.webhooks import Sending
from reviewapp.pure.ids import new_id
from reviewapp.pure.quiet_hours import end_of_quiet
from reviewapp.pure.said import said, to_store
from reviewapp.stages.administer import write_audit
from reviewapp.stages.watch import channels, messages
from reviewapp.stages.watch.alerts import raise_about_channel

# Above the longest time that sending takes.
LEASE: Final = timedelta(minutes=2)
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=1)
GIVES_UP_AFTER: Final = timedelta(days=1)
MOST_TOGETHER: Final = 50
# A task sends so many messages of a channel, so that others have their turn.
MOST_MESSAGES: Final = 20


@dataclass(frozen=True, slots=True)
class Leased:
    """Deliveries that go out together, and the message they make."""

    channel: AlertChannel
    message: messages.Message
    worker: str


def sweep(*, now: datetime) -> list[UUID]:
    """Free leases that ran out, forget deleted addresses; gives the channels that something is due for."""
    lost = AlertDelivery.objects.filter(state=DeliveryState.LEASED, lease_until__lt=now)
    lost.filter(first_tried_at__lte=now - GIVES_UP_AFTER).update(
        state=DeliveryState.FAILED,
        error="Each process that sent this stopped before it was done.",
        finished_at=now,
        lease_until=None,
    )
    lost.update(state=DeliveryState.QUEUED, lease_until=None, leased_by=None)
    channels.forget_deleted(now=now)
    due = AlertDelivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=now)
    return list(due.order_by().values_list("channel", flat=True).distinct())


def deliver(*, channel_id: UUID, worker: str, clock: Callable[[], datetime]) -> int:
    """Send what is due for a channel; gives how many messages were tried."""
    tried = 0
    while tried < MOST_MESSAGES and (leased := lease(channel_id=channel_id, worker=worker, now=clock())):
        tried += 1
        outcome = channels.send(channel=leased.channel, message=leased.message, now=clock())
        store(leased=leased, outcome=outcome, now=clock())
    return tried


@transaction.atomic
def lease(*, channel_id: UUID, worker: str, now: datetime) -> Leased | None:
    """Take what is due for the channel as one message. None: nothing is, or it is quiet there."""
    due = AlertDelivery.objects.filter(
        channel=channel_id, state=DeliveryState.QUEUED, not_before__lte=now
    ).order_by("created_at", "id")
    if not AlertChannel.objects.standing().filter(pk=channel_id, enabled=True).exists():
        due.update(
            state=DeliveryState.DROPPED, error="The channel was switched off or deleted.", finished_at=now
        )
        return None
    rows = list(
        due.select_for_update(skip_locked=True, of=("self",)).select_related("alert__project")[:MOST_TOGETHER]
    )
    if not rows:
        return None
    try:
        channel = AlertChannel.objects.select_related("project").get(pk=channel_id)
        _ = channel.url, channel.secret  # decrypts them
    except UnreadableSecret as error:
        # The operator can put the earlier key back, so this may pass.
        _fail_unreadable(channel_id, rows, str(error), now)
        return None
    rows = _not_quiet(channel, rows, now)
    if not rows:
        return None
    # What was tried together goes together again, before anything new; a message is never mixed.
    message = next((row.message for row in rows if row.message is not None), None)
    if message is not None:
        rows = _not_quiet(
            channel,
            list(
                due.filter(message=message)
                .select_for_update(skip_locked=True, of=("self",))
                .select_related("alert__project")
            ),
            now,
        )
    else:
        message = new_id()
    AlertDelivery.objects.filter(pk__in=[row.pk for row in rows], state=DeliveryState.QUEUED).update(
        state=DeliveryState.LEASED,
        leased_by=worker,
        lease_until=now + LEASE,
        message=message,
        tries=F("tries") + 1,
    )
    AlertDelivery.objects.filter(pk__in=[row.pk for row in rows], first_tried_at__isnull=True).update(
        first_tried_at=now
    )
    made = messages.message_of(
        id_=message, project=channel.project, alerts=[row.alert for row in rows], now=now
    )
    return Leased(channel=channel, message=made, worker=worker)


def _not_quiet(channel: AlertChannel, rows: list[AlertDelivery], now: datetime) -> list[AlertDelivery]:
    """What may go out now; the rest waits until the quiet hours end."""
    if channel.quiet_from is None or channel.quiet_until is None:
        return rows
    ends = end_of_quiet(now=now, start=channel.quiet_from, end=channel.quiet_until, zone=channel.time_zone)
    if ends is None:
        return rows
    passing = [
        row for row in rows if channel.critical_passes and row.alert.severity == AlertSeverity.CRITICAL
    ]
    waits = [row.pk for row in rows if row not in passing]
    AlertDelivery.objects.filter(pk__in=waits).update(not_before=ends)
    return passing


def _fail_unreadable(channel_id: UUID, rows: list[AlertDelivery], sentence: str, now: datetime) -> None:
    AlertDelivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        error=sentence, said=to_store(error=sentence), not_before=now + timedelta(minutes=10)
    )


@transaction.atomic
def store(*, leased: Leased, outcome: Sending, now: datetime) -> None:
    """Keep what became of a message. A lease that was lost meanwhile changes nothing."""
    held = AlertDelivery.objects.filter(
        channel=leased.channel.pk,
        message=leased.message.id,
        state=DeliveryState.LEASED,
        leased_by=leased.worker,
    )
    rows = list(held.order_by("id").select_for_update())
    if not rows:
        return
    changes = {
        "lease_until": None,
        "status_code": outcome.status,
        "error": outcome.error[:1000],
        "said": to_store(error=outcome.error),
    }
    kept = AlertDelivery.objects.filter(pk__in=[row.pk for row in rows])
    if outcome.ok:
        kept.update(state=DeliveryState.SENT, finished_at=now, **changes)
        return
    began = min(row.first_tried_at or now for row in rows)
    given_up = now - began >= GIVES_UP_AFTER
    if outcome.may_pass and not given_up:
        wait = wait_after(tries=rows[0].tries, retry_after=outcome.retry_after)
        kept.update(state=DeliveryState.QUEUED, leased_by=None, not_before=now + wait, **changes)
        return
    kept.update(state=DeliveryState.FAILED, finished_at=now, **changes)
    _say_it_failed(leased.channel, len(rows), outcome, now, given_up=given_up)


def wait_after(*, tries: int, retry_after: float | None = None) -> timedelta:
    """Twice as long each time, up to an hour; never all channels at the same moment."""
    longest = min(FIRST_WAIT.total_seconds() * 2.0 ** min(tries - 1, 20), LONGEST_WAIT.total_seconds())
    wait = longest * random.uniform(0.5, 1.0)  # noqa: S311
    return timedelta(seconds=max(wait, min(retry_after or 0.0, LONGEST_WAIT.total_seconds())))


def _say_it_failed(
    channel: AlertChannel, count: int, outcome: Sending, now: datetime, *, given_up: bool
) -> None:
    key = "alert_undelivered_day" if given_up else "alert_undelivered"
    raise_about_channel(
        channel=channel,
        severity=AlertSeverity.WARNING,
        title=said("alert_unreached", channel=channel.name),
        text=said(key, count=count, error=outcome.error),
        path=f"/settings/alerts/{channel.pk}/",
        now=now,
    )


def retry(*, actor: Actor, delivery: AlertDelivery, now: datetime) -> bool:
    """Send a delivery again that failed or was dropped. False: it is under way, or was sent."""
    actor.check(Permission.ADMIN)
    over = Q(state=DeliveryState.FAILED) | Q(state=DeliveryState.DROPPED)
    try:
        with transaction.atomic():
            moved = AlertDelivery.objects.filter(
                over,
                pk=delivery.pk,
                channel__project=actor.project,
                channel__enabled=True,
                channel__deleted_at__isnull=True,
            ).update(
                state=DeliveryState.QUEUED,
                tries=0,
                first_tried_at=None,
                finished_at=None,
                leased_by=None,
                not_before=now,
                error="",
                status_code=None,
            )
            if moved:
                write_audit(
                    actor=actor,
                    action="alert_delivery.retry",
                    target=delivery,
                    now=now,
                    channel=delivery.channel.name,
                )
    except IntegrityError:
        # A newer delivery of the same alert waits there, and brings the same news.
        return False
    return bool(moved)
