"""Replaying: many slow calls at once, against a plain asyncio script that makes the same calls."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import aiohttp
from django.db import connection
from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.recording import fill
from reviewapp.models import Actor, Attempt, Interaction, system_actor
from reviewapp.providers.simulated import server
from reviewapp.stages import replay
from reviewapp.stages.administer import ProviderValues, save_provider

CALLS = 1_000
AT_ONCE = 200
QUEUED_RUNS = 2
SLOW = {
    "models": {
        "gpt-4.1-mini": {"latency": {"median_ms": 1000, "p95_ms": 1000}, "fast": True},
        "gpt-4.1": {"latency": {"median_ms": 1000, "p95_ms": 1000}, "fast": True},
        "llama-3.3-70b": {"latency": {"median_ms": 1000, "p95_ms": 1000}, "fast": True},
    }
}


def measure(*, rows: int) -> Iterator[Line]:
    project, _ = fill(min(rows, CALLS))
    calls = Interaction.objects.filter(project=project).count()
    actor = system_actor(project=project)
    # In a process of its own: whom one calls does not share one's interpreter.
    with server.running(SLOW, process=True) as base_url:
        provider = save_provider(
            actor=actor,
            values=ProviderValues(name="slow", base_url=base_url, max_concurrency=AT_ONCE),
            now=timezone.now(),
        )
        bodies = [
            one.body.request_text
            for one in Interaction.objects.filter(project=project).select_related("body")
        ]
        floor = asyncio.run(_plain(base_url, bodies))
        run = replay.start_run(
            actor=actor, selection={"filter": {}}, overrides={"provider": provider.name}, now=timezone.now()
        )
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.turning", str(run.pk)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        seconds, megabytes = map(float, told.split())
    done = Attempt.objects.filter(run=run, state="done").count()
    assert done == calls, f"{done} of {calls} done"
    yield Line(f"{calls} replays of 1 s, {AT_ONCE} at once", seconds, floor, "s", at_most=1.15)
    yield Line("  memory of the worker at the most", megabytes, None, "MB", at_most=400)
    yield from _queued(actor, provider.name, calls)


def _queued(actor: Actor, provider: str, calls: int) -> Iterator[Line]:
    """Replays that wait: what their rows take on the disk, and how fast they are written."""
    before, started = _bytes_of_attempts(), time.perf_counter()
    runs = [
        replay.start_run(
            actor=actor,
            selection={"filter": {}},
            attempts=replay.MOST_ATTEMPTS,
            overrides={"provider": provider},
            now=timezone.now(),
        )
        for _ in range(QUEUED_RUNS)
    ]
    seconds, count = time.perf_counter() - started, calls * replay.MOST_ATTEMPTS * QUEUED_RUNS
    name = f"{count:,} queued replays"
    yield Line(f"{name}: a row each", (_bytes_of_attempts() - before) / count, None, "bytes", at_most=500)
    yield Line(f"{name}: written", count / seconds, None, "rows/s")
    for run in runs:
        replay.cancel_run(actor=actor, run=run, now=timezone.now())


def _bytes_of_attempts() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [Attempt._meta.db_table])
        return int(cursor.fetchone()[0])


async def _plain(base_url: str, bodies: list[bytes]) -> float:
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(body: bytes) -> None:
            async with (
                gate,
                session.post(f"{base_url}/chat/completions", data=body, headers=headers) as answer,
            ):
                assert answer.status == 200, await answer.text()
                await answer.read()

        started = time.perf_counter()
        await asyncio.gather(*(one(body) for body in bodies))
        return time.perf_counter() - started
