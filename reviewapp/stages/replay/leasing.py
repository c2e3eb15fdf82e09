"""Who works on which attempt: leases, results, and what is found again when a worker died.

A lease is taken under the lock of the provider's pace row, which makes three things true at once,
whatever number of workers there is and whichever of them dies: no attempt is leased twice, no
provider has more calls open than it allows, and no minute has more starts than it allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from reviewapp.models import (
    Attempt,
    AttemptState,
    InteractionBody,
    Provider,
    ProviderPace,
    ReplayRun,
    RunState,
)
from reviewapp.providers import limits
from reviewapp.pure.exchange import Endpoint
from reviewapp.stages import record

LEASE = timedelta(seconds=45)
# Attempts that may start later than this are left to the next look.
HORIZON_SECONDS = 5.0
MOST_TRIES = 5
# A worker sent for a run and not seen is sent for again after this time.
NUDGE_AGAIN = timedelta(seconds=10)
_EXPECTED_TOKENS = 500


@dataclass(frozen=True, slots=True)
class Job:
    """One call to make: what to ask, of whom, and when it may start (Unix seconds)."""

    attempt: UUID
    original: UUID
    project: UUID
    source: UUID
    provider: UUID
    endpoint: Endpoint
    request: bytes
    overrides: dict[str, Any]
    tries: int
    start_at: float
    expected_tokens: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job: an arrival to record, or a failure with its sentence."""

    job: Job
    arrival: record.Arrival | None = None
    sentence: str = ""
    failure: dict[str, Any] = field(default_factory=dict)
    may_pass: bool = False
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker sees of its run: whether it goes on, the new jobs, and when more can be had."""

    going: bool
    jobs: list[Job]
    # Attempts that wait for their time or for a free place; 0 when nothing is left to lease.
    waiting: int


def begin(*, run_id: UUID, now: datetime) -> bool:
    """Take the run up. False when it is over or cancelled."""
    ReplayRun.objects.filter(pk=run_id, state=RunState.QUEUED).update(state=RunState.RUNNING, started_at=now)
    return ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).exists()


def look(*, run_id: UUID, worker: str, limit: int, now: datetime) -> Look:
    """Lease up to `limit` attempts of the run. Also renews this worker's leases."""
    Attempt.objects.filter(run=run_id, state=AttemptState.LEASED, leased_by=worker).update(
        lease_until=now + LEASE
    )
    if not ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).exists():
        return Look(going=False, jobs=[], waiting=0)
    jobs: list[Job] = []
    waiting = Attempt.objects.filter(run=run_id, state=AttemptState.QUEUED)
    if limit > 0:
        for provider_id in waiting.order_by().values_list("provider", flat=True).distinct():
            jobs += _lease(run_id, provider_id, worker, limit - len(jobs), now)
            if len(jobs) >= limit:
                break
    return Look(going=True, jobs=jobs, waiting=len(waiting.values_list("pk")[:1]))


@transaction.atomic
def _lease(run_id: UUID, provider_id: UUID, worker: str, limit: int, now: datetime) -> list[Job]:
    ProviderPace.objects.get_or_create(provider_id=provider_id)
    pace_row = ProviderPace.objects.select_for_update().get(provider_id=provider_id)
    provider = Provider.objects.get(pk=provider_id)
    if not provider.can_be_called:
        _fail_uncallable(run_id, provider, now)
        return []
    open_calls = Attempt.objects.filter(
        provider=provider_id, state=AttemptState.LEASED, lease_until__gt=now
    ).count()
    free = min(limit, provider.max_concurrency - open_calls)
    if free <= 0:
        return []
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    rows = list(
        Attempt.objects.filter(due, run=run_id, provider=provider_id, state=AttemptState.QUEUED)
        .select_related("original", "run")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("id")[:free]
    )
    costs = [
        (row.original.input_tokens or 0) + (row.original.output_tokens or 0) or _EXPECTED_TOKENS
        for row in rows
    ]
    allowed = limits.Limits(provider.requests_per_minute, provider.tokens_per_minute)
    pace, starts = limits.reserve(
        pace=_pace(pace_row), limits=allowed, tokens=costs, now=now.timestamp(), horizon=HORIZON_SECONDS
    )
    rows = rows[: len(starts)]
    if not rows:
        return []
    _keep(provider_id, pace)
    Attempt.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=AttemptState.LEASED, leased_by=worker, lease_until=now + LEASE, tries=F("tries") + 1
    )
    requests = dict(
        InteractionBody.objects.filter(pk__in=[row.original_id for row in rows]).values_list("pk", "request")
    )
    return [
        Job(
            attempt=row.pk,
            original=row.original_id,
            project=row.project_id,
            source=row.original.source_id,
            provider=provider_id,
            endpoint=row.original.endpoint,
            request=InteractionBody(request=requests[row.original_id]).request_text,
            overrides=row.run.overrides,
            tries=row.tries + 1,
            start_at=start,
            expected_tokens=cost,
        )
        for row, start, cost in zip(rows, starts, costs, strict=False)
    ]


def _fail_uncallable(run_id: UUID, provider: Provider, now: datetime) -> None:
    Attempt.objects.filter(run=run_id, provider=provider, state=AttemptState.QUEUED).update(
        state=AttemptState.FAILED,
        error=f"{provider.name} has no base URL, so it can't be asked.",
        failure={"kind": "not_callable"},
        finished_at=now,
    )


def _pace(row: ProviderPace) -> limits.Pace:
    return limits.Pace(
        next_request_at=row.next_request_at,
        next_tokens_at=row.next_tokens_at,
        largest=row.largest,
        largest_at=row.largest_at,
        paused_until=row.paused_until,
    )


def _keep(provider_id: UUID, pace: limits.Pace) -> None:
    ProviderPace.objects.filter(provider_id=provider_id).update(
        next_request_at=pace.next_request_at,
        next_tokens_at=pace.next_tokens_at,
        largest=pace.largest,
        largest_at=pace.largest_at,
        paused_until=pace.paused_until,
    )


def store(*, results: Sequence[Result], worker: str, now: datetime) -> None:
    """Record the answers and move the attempts. A lease that was lost meanwhile changes nothing."""
    answered = [result for result in results if result.arrival is not None]
    if answered:
        # The answer's id is the attempt's: what a crash makes come twice is recorded once.
        outcome = record.record_now(
            arrivals=[result.arrival for result in answered if result.arrival], now=now
        )
        kept = {*outcome.recorded, *outcome.known}
        for result in answered:
            if result.job.attempt not in kept:
                sentence = "The answer came and could not be recorded; it was set aside."
                _store_failure(replace(result, arrival=None, sentence=sentence), worker, now)
        Attempt.objects.filter(
            pk__in=kept,
            state=AttemptState.LEASED,
            leased_by=worker,
        ).update(
            state=AttemptState.DONE,
            answer=F("pk"),
            finished_at=now,
            lease_until=None,
            error=None,
            failure=None,
        )
    for result in results:
        if result.arrival is None:
            _store_failure(result, worker, now)


def _store_failure(result: Result, worker: str, now: datetime) -> None:
    mine = Attempt.objects.filter(pk=result.job.attempt, state=AttemptState.LEASED, leased_by=worker)
    if result.may_pass and result.job.tries < MOST_TRIES:
        # Twice as long each time, unless the provider says how long.
        wait = result.wait_seconds if result.wait_seconds is not None else 2.0 ** (result.job.tries - 1)
        if result.wait_seconds is not None:
            _pause(result.job.provider, now + timedelta(seconds=wait))
        mine.update(
            state=AttemptState.QUEUED,
            not_before=now + timedelta(seconds=min(wait, 300)),
            lease_until=None,
            error=result.sentence,
            failure=result.failure,
        )
    else:
        mine.update(
            state=AttemptState.FAILED,
            error=result.sentence,
            failure=result.failure,
            finished_at=now,
            lease_until=None,
        )


@transaction.atomic
def _pause(provider_id: UUID, until: datetime) -> None:
    row = ProviderPace.objects.select_for_update().get(provider_id=provider_id)
    _keep(provider_id, limits.pause(pace=_pace(row), until=until.timestamp()))


def give_back(*, jobs: Sequence[Job], worker: str) -> None:
    """Return attempts that were leased and not asked; they cost no try."""
    Attempt.objects.filter(
        pk__in=[job.attempt for job in jobs], state=AttemptState.LEASED, leased_by=worker
    ).update(state=AttemptState.QUEUED, lease_until=None, tries=F("tries") - 1)


def finish(*, run_id: UUID, now: datetime) -> bool:
    """The run is done when nothing of it waits or is under way. True when this call ended it."""
    open_ = Attempt.objects.filter(run=run_id, state__in=[AttemptState.QUEUED, AttemptState.LEASED])
    if open_.exists():
        return False
    return bool(
        ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).update(
            state=RunState.DONE, finished_at=now
        )
    )


def sweep(*, now: datetime) -> list[UUID]:
    """Free leases that ran out, end runs that nobody ended; the runs that need a worker, for a nudge."""
    Attempt.objects.filter(state=AttemptState.LEASED, lease_until__lt=now, tries__gte=MOST_TRIES).update(
        state=AttemptState.FAILED,
        error="The worker died each time this was asked.",
        failure={"kind": "worker_lost"},
        finished_at=now,
        lease_until=None,
    )
    Attempt.objects.filter(state=AttemptState.LEASED, lease_until__lt=now).update(
        state=AttemptState.QUEUED, lease_until=None
    )
    for run_id in ReplayRun.objects.filter(state=RunState.RUNNING).values_list("pk", flat=True):
        finish(run_id=run_id, now=now)
    stale = Q(nudged_at__isnull=True) | Q(nudged_at__lt=now - NUDGE_AGAIN)
    waiting = ReplayRun.objects.filter(stale, state__in=[RunState.QUEUED, RunState.RUNNING]).filter(
        pk__in=Attempt.objects.filter(state=AttemptState.QUEUED).values("run")
    )
    found = list(waiting.values_list("pk", flat=True))
    ReplayRun.objects.filter(pk__in=found).update(nudged_at=now)
    return found
