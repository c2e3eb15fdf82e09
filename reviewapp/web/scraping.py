"""`/metrics`: what the processes of this host counted, and how the installation is at this moment.

Answered before Django, like the health checks, and to whoever may: with `REVIEWAPP_METRICS_TOKEN` who
has it, without one who asks from this machine; in production without one nobody, and then nothing is
counted at all. A machine asks every few seconds, so what costs queries is asked once for all who ask.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from reviewapp import health, metrics, replica
from reviewapp.journal import lag
from reviewapp.metrics.exposing import ADDRESS as ADDRESS
from reviewapp.metrics.exposing import add_up, may_scrape
from reviewapp.models import measures

log = logging.getLogger(__name__)

KEPT_SECONDS: Final = 2.0
# So many of the largest tables have a line; the rest are small.
_TABLES: Final = 20
_METHODS: Final = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
# Ways in that have no route of Django's.
_KNOWN: Final = frozenset(
    [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/api/v1/interactions",
        "/otlp/v1/traces",
        "/healthz",
        "/readyz",
        ADDRESS,
    ]
)


class Counting:
    """The application, with each request counted."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._application(scope, receive, noting)
        finally:
            route = route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.REQUESTS.labels(method, route, status).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)


def route_of(scope: Any) -> str:
    """The route of a request: few values, whatever addresses are tried."""
    route, path = scope.get("route"), scope["path"]
    if isinstance(route, str):
        return f"/{route}"
    if path in _KNOWN:
        return str(path)
    return "/static/" if path.startswith("/static/") else "other"


# --- The state ------------------------------------------------------------------------------------


class State:
    """What can be looked up, as families of metrics."""

    def __init__(self, findings: list[health.Finding]) -> None:
        self._findings = findings

    def collect(self) -> Iterator[Metric]:
        yield _family("up", "Whether a part answers.", "part", {f.part: int(f.ok) for f in self._findings})
        yield from self._journal()
        yield from self._disk()
        parts = {finding.part: finding.ok for finding in self._findings}
        if parts.get("broker"):
            yield from self._queues()
        if "replica" in parts:
            yield from self._replica()
        if parts.get("database"):
            try:
                yield from self._tables()
            except (DatabaseError, InterfaceError) as error:
                log.warning("The database can't be measured: %s", error)
            finally:
                connection.close()

    def _journal(self) -> Iterator[Metric]:
        waiting = lag(Path(settings.JOURNAL_DIR))
        yield _gauge("journal_waiting_frames", "Received on this host and not yet recorded.", waiting.frames)
        yield _gauge("journal_waiting_bytes", "What they take.", waiting.bytes)
        yield _gauge("journal_segments", "Files of this host's journal that hold them.", waiting.segments)
        yield _gauge("journal_oldest_age_seconds", "How long the oldest has waited.", waiting.oldest_seconds)

    def _disk(self) -> Iterator[Metric]:
        room = shutil.disk_usage(settings.DATA_DIR)
        yield _gauge("data_free_bytes", "Free on the disk of the data folder.", room.free)
        yield _gauge("data_size_bytes", "The size of that disk.", room.total)

    def _queues(self) -> Iterator[Metric]:
        try:
            lengths = health.queue_lengths()
        except Exception as error:  # whatever a broker raises that goes away this moment
            log.warning("The queues can't be measured: %s", error)
            return
        told = {name: length for name, length in lengths.items() if length is not None}
        yield _family("queue_messages", "Messages that wait with the broker.", "queue", told)

    def _replica(self) -> Iterator[Metric]:
        try:
            behind = replica.lag()
        except replica.Unusable as error:
            log.info("The replica can't be measured: %s", error)
            return
        finally:
            connections.close_all()
        yield _gauge(
            "replica_lag_bytes", "The primary's log that the replica has not replayed.", behind.bytes
        )
        if behind.seconds is not None:
            told = "How old the last change is that the replica has; 0 where it has all."
            yield _gauge("replica_lag_seconds", told, behind.seconds)

    def _tables(self) -> Iterator[Metric]:
        now = measures.measures()
        yield _gauge("messages_waiting_aside", "Set aside, and not recorded since.", now.set_aside)
        waiting = now.unsearchable
        told = "Recorded, and found by no search for their words yet."
        yield _gauge("search_waiting_interactions", told, waiting.interactions)
        age = (timezone.now() - waiting.since).total_seconds() if waiting.since else 0.0
        yield _gauge("search_oldest_age_seconds", "How long the oldest of them has waited.", max(age, 0.0))
        yield _family("replay_runs_unfinished", "Replay runs under way.", "state", now.runs)
        yield _family("replay_attempts_unfinished", "Attempts that wait or are asked.", "state", now.attempts)
        yield _family("alert_deliveries_unfinished", "Alerts on their way.", "state", now.deliveries)
        if now.scheduler_sent_at is not None:
            sent = now.scheduler_sent_at.timestamp()
            yield _gauge(
                "scheduler_last_sent_timestamp_seconds", "When the scheduler last sent a task.", sent
            )
        yield _gauge("database_connections", "Connections to the database, everybody's.", now.connections)
        yield _gauge("database_size_bytes", "The whole database.", now.database_size)
        sizes = {table.name: table.size for table in measures.table_sizes(most=_TABLES)}
        yield _family("table_size_bytes", "The largest tables, with their indexes.", "table", sizes)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"reviewapp_{name}", told, value=value)


def _family(name: str, told: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"reviewapp_{name}", told, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


# --- The answer -----------------------------------------------------------------------------------


class _Latest:
    """The latest answer; who asks while it is made waits for the same one."""

    def __init__(self) -> None:
        self._asked_at = 0.0
        self._answer: asyncio.Task[bytes] | None = None

    async def answer(self) -> bytes:
        now = time.monotonic()
        if self._answer is None or (self._answer.done() and now - self._asked_at > KEPT_SECONDS):
            self._asked_at = now
            self._answer = asyncio.create_task(_make())
        return await asyncio.shield(self._answer)


async def _make() -> bytes:
    findings = await health.findings(optional=True)
    return await asyncio.to_thread(exposition, findings)


def exposition(findings: list[health.Finding]) -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry()
    add_up(registry)
    registry.register(State(findings))
    return generate_latest(registry)


_latest = _Latest()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request for `/metrics`."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    client = (scope.get("client") or ("", 0))[0]
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    forwarded = b"x-forwarded-for" in headers or b"forwarded" in headers
    allowed = settings.METRICS and may_scrape(
        # Whom a proxy speaks for is not on this machine, wherever the proxy is.
        authorization=authorization,
        client="" if forwarded else client,
    )
    if not allowed:
        await _send(send, 404, b"Not found.\n", [(b"content-type", b"text/plain; charset=utf-8")])
    elif scope["method"] not in {"GET", "HEAD"}:
        await _send(send, 405, b"Only GET.\n", [(b"allow", b"GET, HEAD"), (b"content-type", b"text/plain")])
    else:
        body = await _latest.answer()
        await _send(send, 200, body, [(b"content-type", CONTENT_TYPE_LATEST.encode())])


async def _send(send: Any, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    more = [(b"cache-control", b"no-store"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
