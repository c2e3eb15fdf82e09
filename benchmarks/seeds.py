"""Seeds given out, stored answers served again, and what the client adds to a call.

Seeds are taken by twenty clients at once, each on a connection of its own, and looked through afterwards:
none twice, none outside. Reuse is asked through the gateway's code, from the call to the last byte of the
answer, among a million interactions, written straight into the table. The client watches an `openai`
client whose calls stay within the process, so that nothing but its own work is between the two figures.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from benchmarks.lines import Line
from benchmarks.recording import fill
from reviewapp.client import Recorder
from reviewapp.models import Interaction, Provider, SeedCounter, system_actor
from reviewapp.pure.canonical import request_hash
from reviewapp.stages import administer
from reviewapp.web.gateway import RECORDED, process

CLIENTS = 20
SEEDS = 100_000
AT_ONCE = 100
STORED = 1_000_000
LOOKED_FOR = 400
CALLS = 300
# A quick provider; calls without any would come so fast that the sender had no time of its own.
PROVIDER_SECONDS = 0.02


def measure(*, rows: int) -> Iterator[Line]:
    project, _ = fill(min(rows, 200))
    yield from _allocation(project)
    yield from _reuse(project)
    yield from _client()


# ---- seeds ----


def _allocation(project: Any) -> Iterator[Line]:
    now = datetime.now(tz=UTC)
    actor = system_actor(project=project)
    source = administer.ensure_source(project=project, name="seeds", now=now)
    first = 1_000_000_000
    values = administer.RangeValues(first=first, last=first + SEEDS - 1)
    made = administer.reserve_range(actor=actor, source=source, values=values, now=now)
    given: list[int] = []

    def take() -> None:
        mine: list[int] = []
        for _ in range(SEEDS // AT_ONCE // CLIENTS):
            mine += administer.allocate_seeds(actor=actor, source=source, count=AT_ONCE, now=now)
        given.extend(mine)

    used = time.process_time()
    seconds = _together(take)
    used = time.process_time() - used
    assert len(given) == len(set(given)) == SEEDS, "a seed was given twice"
    assert min(given) == first, "a seed outside of its range was given"
    assert max(given) == first + SEEDS - 1, "a seed outside of its range was given"

    def bare() -> None:
        with connection.cursor() as cursor:
            for _ in range(SEEDS // AT_ONCE // CLIENTS):
                # What cannot be done without: one row counted up, each time in a transaction of its own.
                cursor.execute(
                    f"UPDATE {SeedCounter._meta.db_table} SET given = given + 0 WHERE range_id = %s",
                    [made.pk],
                )

    floor = _together(bare)
    name = f"{SEEDS:,} seeds given to {CLIENTS} clients"
    yield Line(name, SEEDS / seconds, SEEDS / floor, "seeds/s")
    # Of this process alone, so that it says the same on a busy machine.
    yield Line("processor time for a seed given", used / SEEDS * 1e6, None, "µs", at_most=200)


def _together(deed: Callable[[], None]) -> float:
    """The seconds that the clients take, all at once."""

    def client() -> None:
        try:
            deed()
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


# ---- reuse ----


def _reuse(project: Any) -> Iterator[Line]:
    like = Interaction.objects.filter(project=project, status=200, endpoint="chat.completions").first()
    assert like is not None
    chosen = _store(like)
    now = datetime.now(tz=UTC)
    _, key = administer.create_api_key(project=project, name="reuse", scopes=["ingest"], now=now)
    Provider.objects.filter(pk=like.provider_id).update(base_url="http://127.0.0.1:9/v1", is_default=True)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_note (at timestamptz)")

    def bare() -> None:
        """What one who notes it first cannot do without: a row by its key, and a row that is on the disk."""
        assert Interaction.objects.filter(pk=like.pk).first() is not None
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_note VALUES (now())")

    ours, floor, work = asyncio.run(_calls(chosen, key, bare))
    name = f"a stored answer of {STORED:,}"
    yield Line(f"{name}: median", statistics.median(ours), statistics.median(floor), "ms")
    yield Line(f"{name}: 95th percentile", _percentile(ours, 0.95), None, "ms", at_most=5)
    yield Line("its floor: 95th percentile", _percentile(floor, 0.95), None, "ms")
    # Of this process: the call, and its note on the way into the journal.
    yield Line("processor time of a stored answer served", work * 1000, None, "ms")


async def _calls(
    chosen: Sequence[bytes], key: str, bare: Callable[[], None]
) -> tuple[list[float], list[float], float]:
    """Milliseconds of each call through the gateway's own code, and of the floor; seconds of work a call."""
    ours, floor, work = [], [], 0.0
    headers = [
        (b"authorization", f"Bearer {key}".encode()),
        (b"content-type", b"application/json"),
        (b"x-review-reuse", b"valid"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": headers,
    }
    for number, body in enumerate([*chosen[:20], *chosen]):
        sent: list[Any] = []

        async def receive(body: bytes = body) -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        worked, started = time.process_time(), time.perf_counter()
        await RECORDED["/v1/chat/completions"](scope, receive, send)
        took, worked = time.perf_counter() - started, time.process_time() - worked
        assert b"x-review-reused" in dict(sent[0]["headers"]), "nothing was served"
        # In turns, so that whatever else the machine and its disk do meets both.
        started = time.perf_counter()
        await asyncio.to_thread(bare)
        if number >= 20:  # connections, caches
            ours.append(took * 1000)
            work += worked
            floor.append((time.perf_counter() - started) * 1000)
    await process.close()
    return ours, floor, work / len(ours)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _store(like: Interaction) -> list[bytes]:
    """A million interactions like this one, each with a request and seed of its own; gives some requests."""
    columns = [field.column for field in Interaction._meta.concrete_fields]
    new = {
        "id": "gen_random_uuid()",
        "seed": "n",
        "request_hash": "sha256(('request ' || n)::bytea)",
        "started_at": "started_at - n * interval '1 second'",
    }
    asked: dict[int, bytes] = {}
    hashes: list[tuple[bytes, int, Any]] = []
    for seed in range(7, STORED, STORED // LOOKED_FOR):
        said = [{"role": "user", "content": f"Request {seed}: " + "which of these words is meant? " * 40}]
        body = {"model": like.model, "messages": said, "seed": seed}
        asked[seed] = json.dumps(body).encode()
        hashes.append((bytes.fromhex(request_hash("chat.completions", body)[7:]), seed, like.project_id))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO reviewapp_interaction ({', '.join(columns)}) "
            f"SELECT {', '.join(new.get(column, column) for column in columns)} "
            "FROM reviewapp_interaction, generate_series(1, %s) AS n WHERE reviewapp_interaction.id = %s",
            [STORED, like.pk],
        )
        cursor.executemany(
            "UPDATE reviewapp_interaction SET request_hash = %s WHERE seed = %s AND project_id = %s", hashes
        )
        cursor.execute(
            "INSERT INTO reviewapp_interactionbody "
            "(interaction_id, request, response, response_is_json, chunks, metadata, headers) "
            "SELECT one.id, request, response, response_is_json, chunks, metadata, headers "
            "FROM reviewapp_interaction one, reviewapp_interactionbody WHERE interaction_id = %s "
            "AND one.seed = ANY(%s) AND one.project_id = %s ON CONFLICT DO NOTHING",
            [like.pk, list(asked), like.project_id],
        )
        cursor.execute("VACUUM ANALYZE")
    found = list(asked.values())
    random.Random(1).shuffle(found)
    return found


# ---- the client ----

# It takes what it is sent, in a process of its own: its work is none of the client's.
_SINK = """
import http.server
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "32")
        self.end_headers()
        self.wfile.write(b'{"accepted": [], "rejected": []}')
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def _sink() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _client() -> Iterator[Line]:
    import httpx2
    import openai

    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "word " * 250},
                    "finish_reason": "stop",
                }
            ],
        }
    ).encode()
    headers = {"content-type": "application/json"}

    def answer(_: Any) -> Any:
        time.sleep(PROVIDER_SECONDS)
        return httpx2.Response(200, content=body, headers=headers)

    transport = httpx2.MockTransport(answer)

    def made() -> openai.OpenAI:
        http = httpx2.Client(transport=transport)
        return openai.OpenAI(api_key="any", base_url="http://upstream/v1", http_client=http, max_retries=0)

    prompt: Any = [{"role": "user", "content": "word " * 300}]
    with _sink() as port:
        recorder = Recorder(f"http://127.0.0.1:{port}", key="ra_any")
        bare, watched = made(), recorder.watch(made())
        times: dict[str, list[float]] = {"bare": [], "watched": []}
        worked: dict[str, list[float]] = {"bare": [], "watched": []}
        process, thread = time.process_time(), time.thread_time()
        for number in range(CALLS + 20):
            # In turns, so that whatever else the machine does meets both.
            for name, client in (("bare", bare), ("watched", watched)):
                started, worked_before = time.perf_counter(), time.thread_time()
                client.chat.completions.create(model="m", messages=prompt, seed=number)
                if number >= 20:
                    times[name].append((time.perf_counter() - started) * 1000)
                    worked[name].append((time.thread_time() - worked_before) * 1000)
        thread = time.thread_time() - thread
        delivered = recorder.flush(seconds=30)
        behind = (time.process_time() - process - thread) / (CALLS + 20) * 1000
        recorder.close()
    assert delivered, "not everything was sent"
    medians = {name: statistics.median(found) for name, found in times.items()}
    yield Line("a call of the client, watched: median", medians["watched"], medians["bare"], "ms")
    added = medians["watched"] - medians["bare"]
    yield Line("added by the client to a call: median", added, None, "ms", at_most=1)
    # Of the caller's own thread, so that it says the same on a busy machine.
    added = statistics.median(worked["watched"]) - statistics.median(worked["bare"])
    yield Line("work added by the client to a call: median", added, None, "ms", at_most=1)
    # What the process pays beside the call: encoding, packing and sending.
    yield Line("processor time of the client's thread for a call", behind, None, "ms")
