"""The calls of one turn to one provider.

Four things happen at the same time: attempts are leased ahead (`_feed`), calls start as the share
and the pace allow (`_start`, `_pace`), calls run (`_call`), and what came is stored (`_write`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from reviewapp.models import Provider, UnreadableSecret
from reviewapp.providers.client import Answer, Client, Target
from reviewapp.providers.errors import BadRequest, CallFailed, NotCallable, RateLimited
from reviewapp.providers.limits import Limits
from reviewapp.pure.said import said, text_of
from reviewapp.stages import record
from reviewapp.stages.replay import leasing, sharing
from reviewapp.stages.replay.asking import check_answer, request_to_send
from reviewapp.stages.replay.leasing import Job, Result
from reviewapp.stages.replay.retrying import Failure, weigh
from reviewapp.stages.replay.turn import Turn

log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 1.0
# What one worker keeps open at most, whatever its provider allows.
MOST_OPEN: Final = 500
# Attempts leased beyond those that are being asked, and how many are leased at a time.
MOST_AHEAD: Final = 250
_LEASED_AT_ONCE: Final = 100
# An attempt that may be asked again so soon is waited for; a later one is left to the next turn.
_PATIENCE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a call, and the request that went out."""

    job: Job
    what: Answer | CallFailed
    request: bytes
    started_at: datetime


class Lane:
    """One provider's part of a turn."""

    def __init__(self, turn: Turn, provider_id: UUID) -> None:
        self._turn = turn
        self._provider_id = provider_id
        self._name = ""
        self._ready: deque[Job] = deque()
        self._calls: dict[asyncio.Task[None], Job] = {}
        self._came: list[Came] = []
        self._writing = False
        self._share = sharing.Share(slots=0, limits=Limits())
        self._paused_until = 0.0
        # Tokens that calls used beyond what was reserved for them.
        self._surplus = 0
        self._claiming = asyncio.Lock()
        self._hungry = asyncio.Event()
        self._can_start = asyncio.Event()
        self._something_came = asyncio.Event()

    async def go(self) -> None:
        """Ask all that this provider is to be asked, or until the turn stops."""
        try:
            target = await self._turn.rows(self._find_target)
            async with Client(target) as self._client:
                await self._claim()
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    helpers = [group.create_task(self._write()), group.create_task(self._pace())]
                    await self._feed()
                    await self._drain()
                    for helper in helpers:
                        helper.cancel()
        except (NotCallable, UnreadableSecret) as error:
            sentence = text_of(error)
            await self._turn.rows(
                lambda: leasing.fail_waiting(
                    run_id=self._turn.run.pk,
                    provider_id=self._provider_id,
                    sentence=sentence,
                    now=self._turn.clock(),
                )
            )

    def _find_target(self) -> Target:
        provider = Provider.objects.get(pk=self._provider_id)
        self._name = provider.name
        return Target(
            name=provider.name,
            base_url=provider.base_url,
            api_key=provider.api_key,
            timeout_seconds=provider.timeout_seconds,
            max_connections=MOST_OPEN,
        )

    # ---- shares and heartbeat ----

    def held(self) -> set[Job]:
        """The jobs that this lane takes for its own."""
        return {*self._calls.values(), *self._ready}

    async def beat(self, lost: set[Job]) -> None:
        """Renew the share; hang up calls whose attempts are somebody else's now, or nobody's any more."""
        for call, job in list(self._calls.items()):
            if self._turn.cancelled or job in lost:
                call.cancel()
        self._ready = deque(job for job in self._ready if job not in lost)
        if self._name and not (self._turn.stopping and not self._calls):
            await self._claim()
        self.wake()

    async def _claim(self) -> None:
        # One at a time: a claim that did not know of the calls that another let start would lose them.
        async with self._claiming:
            wanted = 0 if self._turn.stopping else MOST_OPEN
            # Until this returns, calls may still start up to the present share.
            in_use = max(len(self._calls), self._share.slots)
            self._share = await self._turn.rows(
                lambda: sharing.claim(
                    provider_id=self._provider_id,
                    run_id=self._turn.run.pk,
                    worker=self._turn.worker,
                    wants=wanted,
                    in_use=in_use,
                    now=self._turn.clock(),
                )
            )
            self._paused_until = max(self._paused_until, self._share.paused_until)

    def wake(self) -> None:
        """Look again: something changed."""
        self._hungry.set()
        self._start()

    # ---- leasing ahead ----

    async def _feed(self) -> None:
        while not self._turn.stopping:
            ahead = min(self._share.slots, MOST_AHEAD)
            wanted = self._share.slots + ahead - len(self._calls) - len(self._ready)
            if self._share.slots == 0 or wanted * 4 < self._share.slots:
                await self._look_again(None)
                continue
            limit = min(wanted, _LEASED_AT_ONCE)
            jobs = await self._turn.rows(lambda limit=limit: self._lease(limit))  # type: ignore[misc]
            if jobs:
                self._ready.extend(jobs)
                self._start()
            elif not await self._more_to_come():
                return

    def _lease(self, limit: int) -> list[Job]:
        return leasing.lease(
            run_id=self._turn.run.pk,
            provider_id=self._provider_id,
            worker=self._turn.worker,
            limit=limit,
            now=self._turn.clock(),
        )

    async def _more_to_come(self) -> bool:
        """Wait for what may still have to be asked; false when there is nothing to wait for."""
        if self._ready or self._calls or self._came or self._writing:
            # Each of these may come back to be asked again.
            await self._look_again(None)
            return True
        now = self._turn.clock()
        waiting = await self._turn.rows(
            lambda: leasing.waiting(run_id=self._turn.run.pk, provider_id=self._provider_id, now=now)
        )
        if waiting.due is None or waiting.due > now + _PATIENCE:
            return False
        await self._look_again(max(0.05, (waiting.due - now).total_seconds()))
        return True

    async def _look_again(self, seconds: float | None) -> None:
        self._hungry.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hungry.wait(), BEAT_SECONDS if seconds is None else seconds)

    async def _drain(self) -> None:
        """The turn stops: what was leased ahead goes back, open calls come to their end."""
        unasked = [job.attempt for job in self._ready]
        self._ready.clear()
        if unasked:
            await self._turn.rows(lambda: leasing.give_back(attempts=unasked, worker=self._turn.worker))
        while self._calls or self._came or self._writing:
            await self._look_again(None)

    # ---- starting ----

    def _start(self) -> None:
        """Start calls while there are free slots; with limits a minute the pace does it."""
        if self._share.limits.any:
            self._can_start.set()
            return
        if (pause := self._paused_until - time.time()) > 0:
            asyncio.get_running_loop().call_later(pause, self.wake)
            return
        while self._ready and not self._turn.stopping and len(self._calls) < self._share.slots:
            self._open(self._ready.popleft(), 0.0)

    async def _pace(self) -> None:
        """Start calls at the times that the provider's limits a minute allow."""
        while True:
            self._can_start.clear()
            free = self._share.slots - len(self._calls)
            if self._turn.stopping or not self._share.limits.any or free <= 0 or not self._ready:
                await self._can_start.wait()
                continue
            tokens = [job.expected_tokens for job in list(self._ready)[:free]]
            surplus, self._surplus = self._surplus, 0
            starts = await self._turn.rows(
                lambda tokens=tokens, surplus=surplus: sharing.reserve_starts(  # type: ignore[misc]
                    provider_id=self._provider_id, tokens=tokens, surplus=surplus, now=self._turn.clock()
                )
            )
            for start in starts:
                if self._ready:
                    self._open(self._ready.popleft(), start)
            if len(starts) < len(tokens):
                await asyncio.sleep(sharing.HORIZON_SECONDS / 4)

    def _open(self, job: Job, start: float) -> None:
        call = self._group.create_task(self._call(job, start))
        self._calls[call] = job
        call.add_done_callback(self._close)

    def _close(self, call: asyncio.Task[None]) -> None:
        del self._calls[call]
        self.wake()

    # ---- calling ----

    async def _call(self, job: Job, start: float) -> None:
        if (delay := start - time.time()) > 0:
            await asyncio.sleep(delay)
        request = b""
        started_at = self._turn.clock()
        came: Answer | CallFailed
        try:
            request = await self._request(job)
            started_at = self._turn.clock()
            came = await self._client.send(endpoint=job.endpoint, request=request)
        except CallFailed as error:
            came = error
            if isinstance(error, RateLimited):
                # At once here; the others learn it with the failure.
                self._paused_until = max(self._paused_until, time.time() + (error.retry_after or 1.0))
        except Exception as error:  # one attempt's trouble must not end the turn
            log.exception("An attempt can't be asked")
            came = BadRequest(said("call_not_asked", why=f"{type(error).__name__}: {error}"[:477]))
        self._came.append(Came(job, came, request, started_at))
        self._something_came.set()

    async def _request(self, job: Job) -> bytes:
        recorded = job.request
        if recorded is None:
            recorded = await self._turn.rows(lambda: leasing.request_of(job=job))
        overrides = self._turn.overrides[job.variant]
        return request_to_send(endpoint=job.endpoint, request=recorded, overrides=overrides)

    # ---- storing ----

    async def _write(self) -> None:
        while True:
            await self._something_came.wait()
            self._something_came.clear()
            while self._came:
                came, self._came = self._came, []
                self._writing = True
                self._surplus += await self._turn.rows(lambda came=came: self._store(came))  # type: ignore[misc]
                self._writing = False
                self._hungry.set()

    def _store(self, came: list[Came]) -> int:
        """In a thread: read what came, record it, move the attempts; gives the tokens not reckoned with."""
        now = self._turn.clock()
        results, surplus = [], 0
        for one in came:
            outcome, tokens = self._outcome(one, now)
            surplus += tokens
            results.append(Result(one.job, outcome))
        leasing.store(results=results, worker=self._turn.worker, now=now)
        failures = [result.outcome for result in results if isinstance(result.outcome, Failure)]
        pauses = [failure.pause_until for failure in failures if failure.pause_until is not None]
        if pauses:
            sharing.pause(provider_id=self._provider_id, until=max(pauses))
        self._turn.on_stored()
        return surplus

    def _outcome(self, one: Came, now: datetime) -> tuple[record.Arrival | Failure, int]:
        """What is to be recorded, and the tokens that it used beyond what was reserved."""
        job, answer = one.job, one.what
        if isinstance(answer, CallFailed):
            return weigh(error=answer, tries=job.tries, now=now), 0
        try:
            used = check_answer(endpoint=job.endpoint, answer=answer, provider=self._name)
        except CallFailed as error:
            return weigh(error=error, tries=job.tries, now=now), 0
        arrival = record.Arrival(
            id=job.attempt,
            project_id=self._turn.run.project_id,
            received_at=now,
            content=record.Wire(
                endpoint=job.endpoint,
                request=one.request,
                started_at=one.started_at,
                response=answer.body,
                content_type=answer.content_type,
                status=answer.status,
                latency_ms=answer.latency_ms,
                headers=answer.headers,
            ),
            source_id=job.source,
            provider_id=self._provider_id,
            replay_of=job.original,
        )
        return arrival, 0 if used is None else used - job.expected_tokens
