"""Receiving by the whole product: durable interactions a second through the API and through the gateway.

All processes share the machine with the client that sends and the provider that answers. What is counted is
in the tables; the floor of the API is COPY of rows like them, that of the gateway the bare provider.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks.lines import Line
from benchmarks.product import KINDS, ROOT, Product, free_port, running
from benchmarks.recording import RECORDED, copy_seconds
from benchmarks.sockets import Measured, request, send_all
from benchmarks.workload import interaction, texts
from reviewapp.embedded import paths

BATCH = 100
CLIENTS = 4
CALLS = 4_000


def measure(*, rows: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(prefix="ra-bench-") as folder, running(Path(folder)) as product:
        key = product.make_key()
        yield from _api(product, key, rows)
        yield from _gateway(product, key)
        for kind in KINDS:
            yield Line(f"memory of the largest {kind} process", product.memory(kind), None, "MB", at_most=150)


def _api(product: Product, key: str, rows: int) -> Iterator[Line]:
    written = texts(rows, start=50_000_000)
    requests = [
        request(product.port, "/api/v1/interactions", key, f"[{','.join(written[at : at + BATCH])}]".encode())
        for at in range(0, rows, BATCH)
    ]
    before, used = _count(product), product.processor_seconds()
    started = time.perf_counter()
    sent = asyncio.run(send_all(product.port, requests, clients=CLIENTS))
    assert not sent.failed, f"{sent.failed} batches were refused"
    _wait_for(product, before + rows)
    seconds = time.perf_counter() - started
    name = "recorded through the API"
    yield Line(f"{name}, batches of {BATCH}", rows / seconds, None, "rows/s", at_least=2_500)
    yield from _shares(name, product.processor_seconds() - used, rows)
    _wait_for(product, 0, table="reviewapp_waitingwords", down=True)
    searchable = time.perf_counter() - started
    yield Line("recorded through the API and searchable", rows / searchable, None, "rows/s")
    yield from _shares(f"{name} and searchable", product.processor_seconds() - used, rows)
    with psycopg.connect(paths.database_url(product.data), autocommit=True) as connection:
        there = _count(product)
        floor = there / copy_seconds(connection.cursor(), RECORDED)
    yield Line(f"{name}, against COPY of the rows", rows / seconds, floor, "rows/s", at_least=0.3)


def _gateway(product: Product, key: str) -> Iterator[Line]:
    bodies = [json.dumps(interaction(index)["request"]).encode() for index in range(200)]
    with upstream(0) as port:
        product.make_provider(f"http://127.0.0.1:{port}/v1")
        time.sleep(1.5)  # the gateway looks for changed providers once a second
        for clients in (1, 20, 100):
            calls = CALLS // 4 if clients == 1 else CALLS
            before, used = _count(product), product.processor_seconds()
            bare = _calls(port, "/v1/chat/completions", key, bodies, calls, clients)
            ours = _calls(product.port, "/v1/chat/completions", key, bodies, calls, clients)
            _wait_for(product, before + calls)
            if clients == 1:
                added = ours.percentile(0.5) - bare.percentile(0.5)
                yield Line("gateway, one client: added at the median", added, None, "ms", at_most=3)
                added = ours.percentile(0.99) - bare.percentile(0.99)
                yield Line("gateway, one client: added at the 99th percentile", added, None, "ms", at_most=10)
            else:
                name = f"gateway, {clients} clients"
                yield Line(name, ours.rate, None, "calls/s", at_least=800)
                yield Line(f"{name}: median", ours.percentile(0.5), bare.percentile(0.5), "ms")
        yield from _shares("a call through the gateway, recorded", product.processor_seconds() - used, calls)
        streamed = [body[:-1] + b', "stream": true}' for body in bodies]
        ours = _calls(product.port, "/v1/chat/completions", key, streamed, CALLS // 2, 20)
        yield Line("gateway, 20 clients, streams", ours.rate, None, "streams/s")
    with upstream(200) as port:
        product.make_provider(f"http://127.0.0.1:{port}/v1")
        time.sleep(1.5)
        bare = _calls(port, "/v1/chat/completions", key, bodies, CALLS // 2, 100)
        ours = _calls(product.port, "/v1/chat/completions", key, bodies, CALLS // 2, 100)
        yield Line("gateway, answers of 200 ms, 100 clients", ours.rate, bare.rate, "calls/s", at_least=0.95)
        bare = _calls(port, "/v1/chat/completions", key, streamed, CALLS // 2, 100)
        ours = _calls(product.port, "/v1/chat/completions", key, streamed, CALLS // 2, 100)
        name = "gateway, streams of 200 ms, 100 clients"
        yield Line(name, ours.rate, bare.rate, "streams/s", at_least=0.95)
        added = ours.percentile(0.5, of_first=True) - bare.percentile(0.5, of_first=True)
        yield Line(f"{name}: first chunk, added", added, None, "ms", at_most=10)


def _calls(port: int, path: str, key: str, bodies: list[bytes], calls: int, clients: int) -> Measured:
    requests = [request(port, path, key, bodies[at % len(bodies)]) for at in range(calls)]
    asyncio.run(send_all(port, requests[: 10 * clients], clients=clients))  # connections, caches
    measured = asyncio.run(send_all(port, requests, clients=clients))
    assert not measured.failed, f"{measured.failed} calls failed"
    return measured


def _shares(name: str, used: Counter[str], rows: int) -> Iterator[Line]:
    """What it cost, whatever else the machine did meanwhile."""
    for kind, seconds in sorted(used.items()):
        yield Line(f"  {name}: {kind}", seconds / rows * 1_000_000, None, "µs")


@contextlib.contextmanager
def upstream(delay_ms: int) -> Iterator[int]:
    """The provider, in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.sockets", str(port), str(delay_ms)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            time.sleep(1)
            yield port
        finally:
            process.terminate()


def _count(product: Product, table: str = "reviewapp_interaction") -> int:
    with psycopg.connect(paths.database_url(product.data)) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def _wait_for(
    product: Product,
    wanted: int,
    *,
    table: str = "reviewapp_interaction",
    down: bool = False,
    seconds: float = 300,
) -> None:
    """Wait until the table has so many rows; `down`: no more than so many."""
    deadline = time.monotonic() + seconds
    while (found := _count(product, table)) != wanted and (found > wanted) is down:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found} of {wanted} rows in {table}")
        time.sleep(0.1)
