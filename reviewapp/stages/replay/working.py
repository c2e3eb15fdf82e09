"""One worker's turn on a run: many slow calls at once on one event loop, the database beside it.

The loop keeps as many calls open as the providers allow. Leasing and storing happen in one
thread of their own, in batches, so that the loop never waits for the database and the database
never sees two hundred connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import close_old_connections, connection

from reviewapp.models import Provider
from reviewapp.providers.client import Answer, Client, Target
from reviewapp.providers.errors import CallFailed, NotCallable, ProviderDown, RateLimited
from reviewapp.pure import rawjson
from reviewapp.stages import record
from reviewapp.stages.replay import leasing
from reviewapp.stages.replay.leasing import Job, Result

T = TypeVar("T")

# What one worker keeps open at most, whatever its providers allow.
MOST_OPEN = 400
LOOK_SECONDS = 0.05
IDLE_LOOK_SECONDS = 0.5


def work(*, run_id: UUID, worker: str, seconds: float) -> bool:
    """Work on the run for at most so long. True when something of it still waits."""
    return asyncio.run(_Turn(run_id, worker, seconds).go())


@dataclass
class _Turn:
    run_id: UUID
    worker: str
    seconds: float
    clients: dict[UUID, Client] = field(default_factory=dict)
    calls: dict[asyncio.Task[Result], Job] = field(default_factory=dict)

    async def go(self) -> bool:
        with ThreadPoolExecutor(1, thread_name_prefix="replay-rows") as rows:
            self._rows = rows
            try:
                if not await self._do(lambda: leasing.begin(run_id=self.run_id, now=_now())):
                    return False
                return await self._loop()
            finally:
                await self._close()
                await self._do(lambda: connection.close())

    async def _do(self, deed: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._rows, _fresh(deed))

    async def _loop(self) -> bool:
        until = time.monotonic() + self.seconds
        waiting = 1
        while True:
            time_left = until - time.monotonic()
            room = MOST_OPEN - len(self.calls) if time_left > 0 else 0
            seen = await self._do(
                lambda room=room: leasing.look(  # type: ignore[misc]
                    run_id=self.run_id, worker=self.worker, limit=room, now=_now()
                )
            )
            if not seen.going:
                await self._break_off()
                return False
            waiting = seen.waiting
            for job in seen.jobs:
                self.calls[asyncio.create_task(self._ask(job))] = job
            if not self.calls:
                if not waiting:
                    await self._do(lambda: leasing.finish(run_id=self.run_id, now=_now()))
                    return False
                if time_left <= 0:
                    return True
                await asyncio.sleep(IDLE_LOOK_SECONDS)
                continue
            done, _ = await asyncio.wait(
                self.calls,
                timeout=IDLE_LOOK_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done:
                # What ends within the next moment is stored together with it.
                await asyncio.sleep(LOOK_SECONDS if len(self.calls) > 20 else 0)
            await self._collect()

    async def _collect(self) -> None:
        finished = [task for task in self.calls if task.done()]
        if not finished:
            return
        results = [task.result() for task in finished]
        for task in finished:
            del self.calls[task]
        await self._do(lambda: leasing.store(results=results, worker=self.worker, now=_now()))

    async def _break_off(self) -> None:
        """The run was cancelled: nothing more is asked, and calls under way are hung up."""
        for task in self.calls:
            task.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)
        self.calls.clear()

    async def _close(self) -> None:
        await self._break_off()
        for client in self.clients.values():
            with contextlib.suppress(Exception):
                await client.__aexit__(None, None, None)

    async def _ask(self, job: Job) -> Result:
        delay = job.start_at - time.time()
        if delay > 0:
            await asyncio.sleep(delay)
        try:
            client = await self._client(job.provider)
            started_at = _now()
            request = asked(job)
            answer = await client.send(endpoint=job.endpoint, request=request)
            return _read(job, request, answer, started_at)
        except CallFailed as error:
            wait = error.retry_after if isinstance(error, RateLimited | ProviderDown) else None
            return Result(
                job=job,
                sentence=str(error),
                failure={
                    "kind": error.kind,
                    "status": error.status,
                    "body": error.body.decode("utf-8", "replace").replace("\x00", "")[:10_000],
                },
                may_pass=error.may_pass,
                wait_seconds=wait,
            )

    async def _client(self, provider_id: UUID) -> Client:
        if provider_id not in self.clients:
            target = await self._do(lambda: _target(provider_id))
            self.clients.setdefault(provider_id, Client(target))
        return self.clients[provider_id]


def _fresh(deed: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        close_old_connections()
        return deed()

    return run


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _target(provider_id: UUID) -> Target:
    provider = Provider.objects.get(pk=provider_id)
    if not provider.can_be_called:
        raise NotCallable(f"{provider.name} has no base URL.")
    return Target(
        name=provider.name,
        base_url=provider.base_url,
        api_key=provider.api_key,
        timeout_seconds=provider.timeout_seconds,
        max_connections=provider.max_concurrency,
    )


def asked(job: Job) -> bytes:
    """The request as it goes out: as recorded, byte for byte, but for what was overridden on purpose."""
    changes: dict[str, Any] = {name: value for name, value in job.overrides.items() if name != "provider"}
    if not changes:
        return job.request
    text = rawjson.splice(
        rawjson.from_bytes(job.request), set={name: json.dumps(value) for name, value in changes.items()}
    )
    return rawjson.to_bytes(text)


def _read(job: Job, request: bytes, answer: Answer, started_at: datetime) -> Result:
    wire = record.Wire(
        endpoint=job.endpoint,
        request=request,
        started_at=started_at,
        response=answer.body,
        content_type=answer.content_type,
        status=answer.status,
        latency_ms=answer.latency_ms,
        headers=answer.headers,
    )
    arrival = record.Arrival(
        id=job.attempt,
        project_id=job.project,
        received_at=_now(),
        content=wire,
        source_id=job.source,
        provider_id=job.provider,
        replay_of=job.original,
    )
    return Result(job=job, arrival=arrival)
