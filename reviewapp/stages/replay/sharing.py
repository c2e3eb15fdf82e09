"""What all workers share of a provider: how many calls it takes at once, and how many in a minute.

Each worker holds a share of the provider's concurrency and may fill it without asking, so that
the next call starts the moment one ends. Shares never add up to more than the provider allows:
they are dealt under the lock of the provider's pace row, one that asks when all is dealt gets its
part as the others find out at their next beat, and the share of a dead worker is dealt again only
after its lease, when its calls are surely over.

Starts a minute are reserved from the same row, see providers/limits.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from reviewapp.models import CallShare, Provider, ProviderPace
from reviewapp.providers import limits
from reviewapp.providers.limits import Limits
from reviewapp.stages.replay.leasing import LEASE

# How far ahead starts are reserved; what is reserved and not used is lost.
HORIZON_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker may do now: calls at once, limits a minute, and a pause that the provider wants."""

    slots: int
    limits: Limits
    paused_until: float = 0.0


@transaction.atomic
def claim(*, provider_id: UUID, run_id: UUID, worker: str, wants: int, in_use: int, now: datetime) -> Share:
    """This worker's share, renewed. It never shrinks below the calls that are open."""
    pace = _locked(provider_id)
    provider = Provider.objects.only("max_concurrency", "requests_per_minute", "tokens_per_minute").get(
        pk=provider_id
    )
    rows = CallShare.objects.filter(provider=provider_id)
    rows.filter(until__lt=now).delete()
    others = list(rows.exclude(run=run_id, worker=worker))
    slots = fair_slots(
        capacity=provider.max_concurrency,
        wants=wants,
        others=[(other.slots, other.wants) for other in others],
    )
    CallShare.objects.update_or_create(
        provider_id=provider_id,
        run_id=run_id,
        worker=worker,
        defaults={"slots": max(slots, in_use), "wants": wants, "until": now + LEASE},
    )
    return Share(
        slots=slots,
        limits=Limits(provider.requests_per_minute, provider.tokens_per_minute),
        paused_until=pace.paused_until,
    )


def fair_slots(*, capacity: int, wants: int, others: Sequence[tuple[int, int]]) -> int:
    """How many of `capacity` slots one gets beside others, each given as (slots held, slots wanted).

    All that is free, but no more than an equal part while somebody else lacks his.
    """
    free = max(0, capacity - sum(held for held, _ in others))
    part = max(1, capacity // (len(others) + 1))
    if any(held < min(wanted, part) for held, wanted in others):
        return min(wants, free, part)
    return min(wants, free)


def release(*, run_id: UUID, worker: str) -> None:
    """The worker's calls are over; others may have its shares."""
    CallShare.objects.filter(run=run_id, worker=worker).delete()


@transaction.atomic
def reserve_starts(*, provider_id: UUID, tokens: Sequence[int], surplus: int, now: datetime) -> list[float]:
    """When the next calls may start (Unix seconds): as many as may start within the horizon.

    `surplus` is what earlier calls used beyond what was reserved for them.
    """
    row = _locked(provider_id)
    provider = Provider.objects.only("requests_per_minute", "tokens_per_minute").get(pk=provider_id)
    allowed = Limits(provider.requests_per_minute, provider.tokens_per_minute)
    pace = limits.settle(pace=_pace(row), limits=allowed, surplus=surplus)
    pace, starts = limits.reserve(
        pace=pace, limits=allowed, tokens=tokens, now=now.timestamp(), horizon=HORIZON_SECONDS
    )
    _keep(row, pace)
    return starts


@transaction.atomic
def pause(*, provider_id: UUID, until: datetime) -> None:
    """Nobody asks this provider before then."""
    row = _locked(provider_id)
    _keep(row, limits.pause(pace=_pace(row), until=until.timestamp()))


def _locked(provider_id: UUID) -> ProviderPace:
    ProviderPace.objects.bulk_create([ProviderPace(provider_id=provider_id)], ignore_conflicts=True)
    row: ProviderPace = ProviderPace.objects.select_for_update().get(provider_id=provider_id)
    return row


def _pace(row: ProviderPace) -> limits.Pace:
    return limits.Pace(
        next_request_at=row.next_request_at,
        next_tokens_at=row.next_tokens_at,
        largest=row.largest,
        largest_at=row.largest_at,
        paused_until=row.paused_until,
    )


def _keep(row: ProviderPace, pace: limits.Pace) -> None:
    row.next_request_at = pace.next_request_at
    row.next_tokens_at = pace.next_tokens_at
    row.largest = pace.largest
    row.largest_at = pace.largest_at
    row.paused_until = pace.paused_until
    row.save()
