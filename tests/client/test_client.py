"""The client that records: what is asked of a provider arrives in the app, and the caller notices nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from reviewapp.client import Recorder
from reviewapp.client.wire import Exchange
from reviewapp.models import Interaction
from reviewapp.providers.simulated import server
from tests.serving import free_port, settle

SAY: Any = [{"role": "user", "content": "Say hello."}]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def simulated():
    with server.running() as url:
        yield url


@pytest.fixture
def recorder(gateway, tmp_path):
    recorder = Recorder(str(gateway.base_url), key=gateway.key, source="watched", spill=tmp_path / "spill")
    yield recorder
    recorder.close()


@pytest.fixture
def asks():
    """A client of a provider, closed at the end."""
    made: list[openai.OpenAI] = []

    def make(url: str) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=url, api_key="sk-any", max_retries=0))
        return made[-1]

    yield make
    for client in made:
        client.close()


def recorded(recorder: Recorder) -> list[Interaction]:
    assert recorder.flush(seconds=120), recorder.delivered
    settle()
    return list(Interaction.objects.select_related("source", "body").order_by("started_at"))


def test_a_call_is_recorded_as_it_went_over_the_wire(recorder, simulated, asks):
    client = recorder.watch(asks(simulated))

    with recorder.context(session="s-1", user="u-1", tags=["beta"]):
        answer = client.chat.completions.with_raw_response.create(model="sim-small", messages=SAY, seed=42)

    (found,) = recorded(recorder)
    assert found.body.response_text.decode() == answer.text
    assert (found.seed, found.fingerprint) == (42, answer.parse().system_fingerprint)
    assert (found.source.name, found.session, found.end_user, found.tags) == (
        "watched",
        "s-1",
        "u-1",
        ["beta"],
    )
    assert b"sk-any" not in found.body.request_text


def test_a_stream_is_recorded_and_reaches_the_caller_whole(recorder, simulated, asks):
    client = recorder.watch(asks(simulated))

    chunks = list(client.chat.completions.create(model="sim-small", messages=SAY, seed=42, stream=True))

    (found,) = recorded(recorder)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert json.loads(found.body.response_text)["choices"][0]["message"]["content"] == said
    assert (found.streamed, found.status, found.error) == (True, 200, None)
    assert found.fingerprint


def test_a_stream_that_the_caller_leaves_is_recorded_as_far_as_it_came(recorder, simulated, asks):
    client = recorder.watch(asks(simulated))

    with client.chat.completions.create(model="sim-small", messages=SAY, stream=True) as stream:
        next(iter(stream))

    (found,) = recorded(recorder)
    assert found.error is None or "broken off" in found.error
    assert found.streamed


async def test_asynchronous_calls_and_streams_are_recorded(recorder, simulated):
    client = recorder.watch(openai.AsyncOpenAI(base_url=simulated, api_key="sk-any"))

    await client.chat.completions.create(model="sim-small", messages=SAY, seed=1)
    stream = await client.chat.completions.create(model="sim-small", messages=SAY, seed=2, stream=True)
    async for _ in stream:
        pass
    await client.close()

    assert recorder.flush(seconds=120)
    assert recorder.delivered.sent == 2


def test_errors_and_calls_that_were_never_answered_are_recorded(recorder, simulated, asks):
    client = recorder.watch(asks(simulated))
    nobody = recorder.watch(asks(f"http://127.0.0.1:{free_port()}/v1"))

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=SAY)
    with pytest.raises(openai.APIConnectionError):
        nobody.chat.completions.create(model="sim-small", messages=SAY)

    refused, unanswered = recorded(recorder)
    assert (refused.status, unanswered.status) == (404, None)
    assert "ConnectError" in (unanswered.error or "")


def test_copies_of_a_client_are_recorded_once(recorder, simulated, asks):
    client = recorder.watch(recorder.watch(asks(simulated)))

    client.with_options(timeout=60).chat.completions.create(model="sim-small", messages=SAY)
    client.models.list()

    assert len(recorded(recorder)) == 1


def test_what_can_not_be_sent_waits_on_disk_for_the_next_process(gateway, simulated, tmp_path, asks):
    away = free_port()
    first = Recorder(f"http://127.0.0.1:{away}", key=gateway.key, spill=tmp_path)
    client = first.watch(asks(simulated))

    client.chat.completions.create(model="sim-small", messages=SAY, seed=9)
    client.chat.completions.create(model="sim-small", messages=SAY, seed=10)
    first.close(seconds=60)
    waiting = list(tmp_path.glob("*/*.jsonl"))
    # The app comes back: under another address here, so what waits is moved to where that one's waits.
    second = Recorder(str(gateway.base_url), key=gateway.key, spill=tmp_path)
    for path in waiting:
        path.rename(_folder(second) / path.name)

    assert first.delivered.spilled == 2
    assert {found.seed for found in recorded(second)} == {9, 10}
    assert not list(tmp_path.glob("*/*.jsonl"))


def _folder(recorder: Recorder) -> Path:
    folder = recorder._sender._spill
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_full_queue_loses_what_is_new_and_counts_it(gateway, simulated, tmp_path, asks):
    recorder = Recorder(str(gateway.base_url), key=gateway.key, spill=tmp_path, queue_items=0)
    client = recorder.watch(asks(simulated))

    client.chat.completions.create(model="sim-small", messages=SAY)

    assert (recorder.delivered.lost, recorder.delivered.sent) == (1, 0)


def test_recordings_are_gathered_and_sent_together(recorder, monkeypatch):
    sent, all_are_there = [], threading.Event()
    deliver = recorder._sender._deliver

    def delivering(lines):
        sent.append(len(lines))
        assert all_are_there.wait(60)
        deliver(lines)

    monkeypatch.setattr(recorder._sender, "_deliver", delivering)
    call = Exchange("chat.completions", b'{"model": "m"}', time.time())

    recorder._sender.put(call)
    while not sent:
        time.sleep(0.01)
    # While the first is on its way, however long that takes.
    for _ in range(5):
        recorder._sender.put(call)
    all_are_there.set()

    assert recorder.flush(seconds=120)
    assert sent == [1, 5]


def test_a_client_that_can_not_be_watched_is_left_as_it_is(recorder):
    client = object()

    assert recorder.watch(client) is client


def test_a_call_takes_less_than_a_millisecond_more(recorder):
    body = json.dumps({"choices": [{"message": {"content": "x" * 20_000}}]}).encode()
    response = SimpleNamespace(status_code=200, headers={}, content=body, is_closed=True)
    http = SimpleNamespace(send=lambda request, **options: response)
    request = SimpleNamespace(
        method="POST", url=SimpleNamespace(path="/v1/chat/completions"), content=b'{"model": "m"}'
    )
    recorder.watch(http)
    times = []

    for _ in range(500):
        began = time.perf_counter(), time.thread_time()
        http.send(request)
        times.append((time.perf_counter() - began[0], time.thread_time() - began[1]))

    waited, computed = zip(*times, strict=True)
    assert statistics.median(computed) < 0.001
    # It waits for nothing; what a busy machine keeps a call waiting is not in the quickest of them.
    assert min(waited) < 0.001


def test_what_is_recorded_last_is_sent_when_the_process_ends(gateway, simulated, tmp_path):
    script = (
        "import openai, sys\n"
        "from reviewapp.client import Recorder, sending\n"
        "app, key, provider, spill = sys.argv[1:]\n"
        # At its end it waits five seconds for the app, which may need more on a busy machine.
        "close = sending.Sender.close\n"
        "sending.Sender.close = lambda sender, *, seconds: close(sender, seconds=120)\n"
        "client = openai.OpenAI(base_url=provider, api_key='sk-any')\n"
        "Recorder(app, key=key, spill=spill).watch(client)\n"
        "say = [{'role': 'user', 'content': 'Hi'}]\n"
        "client.chat.completions.create(model='sim-small', seed=5, messages=say)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(gateway.base_url), gateway.key, simulated, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    settle()

    assert (done.returncode, done.stderr) == (0, "")
    assert Interaction.objects.get().seed == 5


def test_it_needs_nothing_but_the_standard_library():
    script = (
        "import sys; before = set(sys.modules); import reviewapp.client\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(roots & {'django', 'celery', 'openai', 'orjson', 'zstandard'}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('reviewapp') and 'client' not in name))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=600, check=True
    )

    assert done.stdout == "[]\n['reviewapp']\n"
