"""Seeds given out, stored answers served again, and what the client adds to a call.

Seeds are taken by twenty clients at once, each on a connection of its own, and looked through afterwards:
none twice, none outside. Reuse looks among a million interactions, written straight into the table. The
client watches an `openai` client whose calls stay within the process, so that nothing but its own work
is between the two figures.
"""

from __future__ import annotations

import json
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
from reviewapp.models import Interaction, SeedCounter, system_actor
from reviewapp.stages import administer, reuse
from reviewapp.stages.reuse import Wanted

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
    like = Interaction.objects.filter(project=project, status=200).first()
    assert like is not None
    _store(like)
    now = datetime.now(tz=UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pk, digest FROM looked_for ORDER BY random()")
        chosen = cursor.fetchall()

    def served(seed: int, digest: bytes) -> None:
        wanted = Wanted(
            project=project.pk,
            provider=like.provider_id,
            endpoint=like.endpoint,
            digest=bytes(digest),
            seed=seed,
            policy="valid",
            source=like.source_id,
        )
        assert reuse.serve(wanted=wanted, now=now) is not None, "nothing was served"

    for seed, digest in chosen[:20]:
        served(seed, digest)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_note (at timestamptz)")

    def bare(*_: Any) -> None:
        """What cannot be done without: a row by its key, and a row that is on the disk."""
        assert Interaction.objects.filter(pk=like.pk).first() is not None
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_note VALUES (now())")

    # In turns, so that whatever else the machine and its disk do meets both.
    ours, floor = _times_in_turns([served, bare], chosen)
    name = f"a stored answer of {STORED:,}"
    yield Line(f"{name}: median", statistics.median(ours), statistics.median(floor), "ms")
    yield Line(f"{name}: 95th percentile", _percentile(ours, 0.95), None, "ms", at_most=5)
    yield Line("its floor: 95th percentile", _percentile(floor, 0.95), None, "ms")


def _times_in_turns(deeds: Sequence[Callable[..., Any]], given: Sequence[Any]) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in deeds]
    for one in given:
        for deed, times in zip(deeds, found, strict=True):
            started = time.perf_counter()
            deed(*one)
            times.append((time.perf_counter() - started) * 1000)
    return found


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def _store(like: Interaction) -> None:
    """A million interactions like this one, each with a request and a seed of its own."""
    columns = [field.column for field in Interaction._meta.concrete_fields]
    new = {
        "id": "gen_random_uuid()",
        "seed": "n",
        "request_hash": "sha256(('request ' || n)::bytea)",
        "started_at": "started_at - n * interval '1 second'",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO reviewapp_interaction ({', '.join(columns)}) "
            f"SELECT {', '.join(new.get(column, column) for column in columns)} "
            "FROM reviewapp_interaction, generate_series(1, %s) AS n WHERE reviewapp_interaction.id = %s",
            [STORED, like.pk],
        )
        cursor.execute(
            "CREATE TEMPORARY TABLE looked_for AS SELECT id, seed AS pk, request_hash AS digest "
            "FROM reviewapp_interaction WHERE seed %% %s = 7 AND seed <= %s AND project_id = %s",
            [STORED // LOOKED_FOR, STORED, like.project_id],
        )
        cursor.execute(
            "INSERT INTO reviewapp_interactionbody "
            "(interaction_id, request, response, response_is_json, chunks, metadata, headers) "
            "SELECT looked_for.id, request, response, response_is_json, chunks, metadata, headers "
            "FROM looked_for, reviewapp_interactionbody WHERE interaction_id = %s ON CONFLICT DO NOTHING",
            [like.pk],
        )
        cursor.execute("ANALYZE")


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
