"""Who works on which attempt: leases, results, and what is found again when a worker died.

A lease says whose work an attempt is, until a time that its worker keeps moving. Every move is a
compare-and-swap on state and holder, so a worker that lost its lease changes nothing any more,
and the answer is recorded in the same transaction under the attempt's own id.

Rows are always locked in the order of their ids, so that no two of these functions can wait for
each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Min, Q

from reviewapp import metrics
from reviewapp.models import (
    Attempt,
    AttemptState,
    CallShare,
    InteractionBody,
    ReplayRun,
    ReplayVariant,
    RunState,
)
from reviewapp.models.interaction import decompress
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.said import said, to_store
from reviewapp.pure.words import storable
from reviewapp.stages import record
from reviewapp.stages.replay.retrying import Failure

# Ten beats: a worker that misses them all is dead, or cut off from the database.
LEASE = timedelta(seconds=20)
# An attempt that took down so many workers is not given to another.
MOST_STARTS = 25
# A worker sent for a run and not seen is sent for again after this time.
NUDGE_AGAIN = timedelta(seconds=10)
# Larger requests (compressed) are fetched when their turn comes, so that what is leased ahead stays small.
LARGE_REQUEST = 32 * 1024
_EXPECTED_TOKENS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One call to make, equal to itself only: an attempt that is asked again is another job.

    `request` is the recorded one; None where it is large, see `request_of`.
    """

    attempt: UUID
    original: UUID
    source: UUID
    endpoint: Endpoint
    request: bytes | None
    tries: int
    expected_tokens: int
    # In which of the run's ways it is asked; see ReplayVariant.
    variant: UUID | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job: an answer to record, or a failure."""

    job: Job
    outcome: record.Arrival | Failure


def begin(*, run_id: UUID, now: datetime) -> ReplayRun | None:
    """Take the run up. None when it is over or cancelled."""
    ReplayRun.objects.filter(pk=run_id, state=RunState.QUEUED).update(state=RunState.RUNNING, started_at=now)
    # Whoever was served last waits at the end of the line.
    ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).update(nudged_at=now)
    found: ReplayRun | None = ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).first()
    return found


def overrides_of(*, run: ReplayRun) -> dict[UUID | None, dict[str, Any]]:
    """What each of the run's ways of asking changes, the run's own under None."""
    variants = ReplayVariant.objects.filter(run=run).values_list("pk", "overrides")
    return {None: run.overrides, **{pk: {**run.overrides, **given} for pk, given in variants}}


def providers_of(*, run_id: UUID) -> list[UUID]:
    """Whom the waiting attempts of the run ask."""
    waiting = Attempt.objects.filter(run=run_id, state=AttemptState.QUEUED)
    return list(waiting.order_by().values_list("provider", flat=True).distinct())


_LEASE = """
WITH picked AS (
    SELECT id FROM reviewapp_attempt
    WHERE run_id = %(run)s AND provider_id = %(provider)s AND state = 'queued'
      AND (not_before IS NULL OR not_before <= %(now)s)
      AND EXISTS (SELECT FROM reviewapp_replayrun WHERE id = %(run)s AND state = 'running')
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE reviewapp_attempt AS attempt
SET state = 'leased', leased_by = %(worker)s, lease_until = %(until)s, tries = attempt.tries + 1
FROM picked, reviewapp_interaction AS original, reviewapp_interactionbody AS body
WHERE attempt.id = picked.id AND original.id = attempt.original_id AND body.interaction_id = original.id
RETURNING attempt.id, original.id, original.source_id, original.endpoint,
    CASE WHEN octet_length(body.request) <= %(large)s THEN body.request END,
    attempt.tries,
    coalesce(original.input_tokens, 0) + coalesce(original.output_tokens, 0),
    attempt.variant_id
"""


def lease(*, run_id: UUID, provider_id: UUID, worker: str, limit: int, now: datetime) -> list[Job]:
    """Take up to `limit` attempts that are due; none when the run is no longer running."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LEASE,
            {
                "run": run_id,
                "provider": provider_id,
                "worker": worker,
                "limit": limit,
                "now": now,
                "until": now + LEASE,
                "large": LARGE_REQUEST,
            },
        )
        rows = cursor.fetchall()
    return [
        Job(
            attempt=attempt,
            original=original,
            source=source,
            endpoint=endpoint,
            request=None if packed is None else decompress(packed),
            tries=tries,
            expected_tokens=tokens or _EXPECTED_TOKENS,
            variant=variant,
        )
        for attempt, original, source, endpoint, packed, tries, tokens, variant in sorted(
            rows, key=lambda row: row[0]
        )
    ]


def request_of(*, job: Job) -> bytes:
    """The recorded request of a job, read now."""
    body: InteractionBody = InteractionBody.objects.only("request").get(pk=job.original)
    return body.request_text


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a run still waits for one provider, and when the first of it is due."""

    some: bool
    due: datetime | None = None


def waiting(*, run_id: UUID, now: datetime, provider_id: UUID | None = None) -> Waiting:
    """Whether attempts wait. `due` is now, or later where all of them wait for their time."""
    rows = Attempt.objects.filter(run=run_id, state=AttemptState.QUEUED)
    if provider_id is not None:
        rows = rows.filter(provider=provider_id)
    if rows.filter(_due(now)).order_by().values("pk")[:1]:
        return Waiting(True, now)
    due = rows.aggregate(due=Min("not_before"))["due"]
    return Waiting(due is not None, due)


def _due(now: datetime) -> Q:
    return Q(not_before__isnull=True) | Q(not_before__lte=now)


@transaction.atomic
def renew(*, run_id: UUID, worker: str, now: datetime) -> set[UUID]:
    """Move this worker's leases; gives the attempts that are still its own."""
    mine = Attempt.objects.filter(run=run_id, state=AttemptState.LEASED, leased_by=worker)
    kept = set(mine.order_by("id").select_for_update().values_list("pk", flat=True))
    mine.filter(pk__in=kept).update(lease_until=now + LEASE)
    return kept


@transaction.atomic
def give_back(*, attempts: Iterable[UUID], worker: str) -> None:
    """Return attempts that were leased and not asked; they cost no try."""
    rows = Attempt.objects.filter(pk__in=list(attempts), state=AttemptState.LEASED, leased_by=worker)
    held = list(rows.order_by("id").select_for_update().values_list("pk", flat=True))
    Attempt.objects.filter(pk__in=held).update(
        state=AttemptState.QUEUED, lease_until=None, tries=F("tries") - 1
    )


@transaction.atomic
def let_go(*, run_id: UUID, worker: str) -> None:
    """Return what is still leased at a turn's end: calls that were hung up, or a turn that failed."""
    rows = Attempt.objects.filter(run=run_id, state=AttemptState.LEASED, leased_by=worker)
    held = list(rows.order_by("id").select_for_update().values_list("pk", flat=True))
    Attempt.objects.filter(pk__in=held).update(state=AttemptState.QUEUED, lease_until=None)


@transaction.atomic
def store(*, results: Sequence[Result], worker: str, now: datetime) -> None:
    """Record the answers and move the attempts. A lease that was lost meanwhile changes nothing."""
    mine = Attempt.objects.filter(
        pk__in=[result.job.attempt for result in results], state=AttemptState.LEASED, leased_by=worker
    )
    held = set(mine.order_by("id").select_for_update().values_list("pk", flat=True))
    arrivals: list[record.Arrival] = []
    failures: dict[UUID, Failure] = {}
    for result in results:
        if result.job.attempt not in held:
            continue
        if isinstance(result.outcome, record.Arrival):
            arrivals.append(result.outcome)
        else:
            failures[result.job.attempt] = result.outcome
    if arrivals:
        # Its id is the attempt's: what a crash makes come twice is recorded once.
        outcome = record.record_now(arrivals=arrivals, now=now)
        kept = {*outcome.recorded, *outcome.known}
        Attempt.objects.filter(pk__in=kept).update(
            state=AttemptState.DONE,
            answer=F("pk"),
            finished_at=now,
            lease_until=None,
            error=None,
            said=None,
            failure=None,
        )
        for arrival in arrivals:
            if arrival.id not in kept:
                failures[arrival.id] = Failure(said("call_set_aside"), {"kind": "unrecorded"})
    if failures:
        _store_failures(failures, now)
    done = sum(arrival.id not in failures for arrival in arrivals)
    over = sum(failure.again_at is None for failure in failures.values())
    transaction.on_commit(partial(_count, done=done, failed=over, asked_again=len(failures) - over))


def _count(**outcomes: int) -> None:
    for outcome, number in outcomes.items():
        metrics.ATTEMPTS.labels(outcome).inc(number)


def _store_failures(failures: dict[UUID, Failure], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reviewapp_attempt AS attempt
            SET state = CASE WHEN given.again IS NULL THEN 'failed' ELSE 'queued' END,
                finished_at = CASE WHEN given.again IS NULL THEN %s END,
                not_before = given.again, error = given.error, said = given.said, failure = given.failure,
                lease_until = NULL
            FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::jsonb[], %s::jsonb[])
                AS given (id, again, error, said, failure)
            WHERE attempt.id = given.id
            """,
            [
                now,
                list(failures),
                [failure.again_at for failure in failures.values()],
                [storable(failure.sentence) for failure in failures.values()],
                [
                    None if (messages := to_store(error=failure.sentence)) is None else json.dumps(messages)
                    for failure in failures.values()
                ],
                [json.dumps(failure.detail) for failure in failures.values()],
            ],
        )


@transaction.atomic
def fail_waiting(*, run_id: UUID, provider_id: UUID, sentence: str, now: datetime) -> None:
    """What waits for this provider fails: it can't be asked."""
    rows = Attempt.objects.filter(run=run_id, provider=provider_id, state=AttemptState.QUEUED)
    held = list(rows.order_by("id").select_for_update().values_list("pk", flat=True))
    Attempt.objects.filter(pk__in=held).update(
        state=AttemptState.FAILED,
        error=sentence,
        said=to_store(error=sentence),
        failure={"kind": "not_callable"},
        finished_at=now,
    )


def finish(*, run_id: UUID, now: datetime) -> bool:
    """End the run when nothing of it waits, is under way or is still to be compared.

    Called by whoever did the last of it, this stage or the next. True when this call ended it.
    """
    rows = Attempt.objects.filter(run=run_id)
    if (
        rows.filter(state=AttemptState.QUEUED).exists()
        or rows.filter(state=AttemptState.LEASED).exists()
        or rows.filter(state=AttemptState.DONE, compared_at__isnull=True).exists()
    ):
        return False
    return bool(
        ReplayRun.objects.filter(pk=run_id, state=RunState.RUNNING).update(
            state=RunState.DONE, finished_at=now
        )
    )


def sweep(*, now: datetime) -> list[UUID]:
    """Free leases that ran out, end runs that nobody ended; gives the runs to send a worker for."""
    _free_leases(now)
    CallShare.objects.filter(until__lt=now).delete()
    for run_id in ReplayRun.objects.filter(state=RunState.RUNNING).values_list("pk", flat=True):
        finish(run_id=run_id, now=now)
    stale = Q(nudged_at__isnull=True) | Q(nudged_at__lt=now - NUDGE_AGAIN)
    return [
        run_id
        for run_id in runs_in_need(now=now)
        if ReplayRun.objects.filter(stale, pk=run_id).update(nudged_at=now)
    ]


def runs_in_need(*, now: datetime) -> list[UUID]:
    """Unfinished runs that could be worked on and are not, those first that wait longest."""
    unfinished = ReplayRun.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING])
    in_line = unfinished.order_by(F("nudged_at").asc(nulls_first=True), "created_at")
    return [
        run_id
        for run_id in in_line.values_list("pk", flat=True)
        if _is_due(run_id, now) and not CallShare.objects.filter(run=run_id, until__gt=now).exists()
    ]


def _is_due(run_id: UUID, now: datetime) -> bool:
    seen = waiting(run_id=run_id, now=now)
    return seen.due is not None and seen.due <= now


@transaction.atomic
def _free_leases(now: datetime) -> None:
    rows = Attempt.objects.filter(state=AttemptState.LEASED, lease_until__lt=now)
    held = list(rows.order_by("id").select_for_update(skip_locked=True).values_list("pk", flat=True))
    freed = Attempt.objects.filter(pk__in=held)
    stopped = said("call_worker_stopped")
    freed.filter(tries__gte=MOST_STARTS).update(
        state=AttemptState.FAILED,
        error=stopped,
        said=to_store(error=stopped),
        failure={"kind": "worker_lost"},
        finished_at=now,
        lease_until=None,
    )
    freed.filter(tries__lt=MOST_STARTS).update(state=AttemptState.QUEUED, lease_until=None)
