"""Streams through the gateway: passed on as they come, recorded before they end."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time

import httpx2
from aiohttp import web

from reviewapp import tasks
from reviewapp.models import Interaction
from tests.serving import settle

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
FIRST = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
SECOND = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Streaming:
    """A provider's stream, piece by piece; `go` lets it write what follows the first piece."""

    def __init__(self, *pieces: bytes, hold: bool = False, abort: bool = False) -> None:
        self.pieces = pieces
        self.abort = abort
        self.go = threading.Event()
        self.left = threading.Event()
        if not hold:
            self.go.set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            for number, piece in enumerate(self.pieces):
                while number and not self.go.is_set():  # set in another thread
                    await asyncio.sleep(0.01)
                    await response.write(b": still there\n\n")
                await response.write(piece)
                await asyncio.sleep(0.01)
            if self.abort:
                request.transport.abort()
        except ConnectionResetError:
            self.left.set()
        return response


def stream(gateway: httpx2.Client):
    return gateway.stream("POST", "/v1/chat/completions", json=QUESTION)


def test_a_stream_passes_unchanged_and_is_recorded_chunk_by_chunk(gateway, provider):
    provider.handle_raw = Streaming(FIRST, SECOND, DONE)

    with stream(gateway) as response:
        body = response.read()

    assert body == FIRST + SECOND + DONE
    found = gateway.recorded(response)
    assert (found.streamed, found.answer_preview, found.finish_reason) == (True, "Hello", "stop")
    assert len(json.loads(found.body.chunks_text)) == 2


def test_each_piece_passes_before_the_next_one_comes(gateway, provider):
    provider.handle_raw = streaming = Streaming(FIRST, SECOND, DONE, hold=True)

    with stream(gateway) as response:
        pieces = response.iter_raw()
        first = next(pieces)
        streaming.go.set()
        rest = b"".join(pieces)

    assert first.startswith(FIRST)
    assert rest.endswith(SECOND + DONE)


def test_the_end_mark_waits_for_the_journal(gateway, provider):
    provider.handle_raw = Streaming(FIRST, SECOND + DONE[:9], DONE[9:])
    tasks.journal().close()

    with stream(gateway) as response:
        body = response.read()

    assert body.startswith(FIRST + SECOND)
    assert DONE not in body
    assert json.loads(body.split(b"data: ")[-1])["error"]["code"] == "not_recorded"


def test_a_plain_answer_that_can_not_be_recorded_is_a_503(gateway):
    tasks.journal().close()

    response = gateway.post("/v1/chat/completions", json=QUESTION)

    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_recorded")


def test_a_stream_without_an_end_mark_is_recorded(gateway, provider):
    provider.handle_raw = Streaming(FIRST, SECOND)

    with stream(gateway) as response:
        body = response.read()

    assert body == FIRST + SECOND
    assert gateway.recorded(response).answer_preview == "Hello"


def test_the_events_of_a_response_pass_and_are_recorded(gateway, provider):
    delta = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    answer = {
        "id": "resp_1",
        "model": "gpt-4o",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
    }
    completed = json.dumps({"type": "response.completed", "response": answer}).encode()
    end = b"event: response.completed\ndata: " + completed + b"\n\n"
    provider.handle_raw = Streaming(delta, end)

    with gateway.stream("POST", "/v1/responses", json={"input": "Hi", "stream": True}) as response:
        body = response.read()

    assert body == delta + end
    found = gateway.recorded(response)
    assert (found.endpoint, found.answer_preview) == ("responses", "Hi")
    assert json.loads(found.body.response_text) == answer


def test_a_provider_that_breaks_off_ends_the_stream_with_an_error_and_what_came_is_recorded(
    gateway, provider
):
    provider.handle_raw = Streaming(FIRST, SECOND, abort=True)

    with stream(gateway) as response:
        body = response.read()

    assert body.startswith(FIRST + SECOND)
    assert json.loads(body.split(b"data: ")[-1])["error"]["code"] == "provider_broke_off"
    found = gateway.recorded(response)
    assert (found.status, found.answer_preview) == (200, "Hello")
    assert "broke off" in found.error


def test_a_client_that_leaves_takes_the_provider_with_it_and_what_came_is_recorded(gateway, provider):
    provider.handle_raw = streaming = Streaming(FIRST, SECOND, hold=True)

    with stream(gateway) as response:
        next(response.iter_raw())

    assert streaming.left.wait(60)
    found = _wait_for_recording()
    assert found.error == "The client left before the answer was complete."
    assert (found.status, found.answer_preview) == (200, "Hel")


def test_a_client_that_leaves_before_the_answer_begins_is_recorded(gateway, provider):
    asked, enough = threading.Event(), threading.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        asked.set()
        while not enough.is_set():  # noqa: ASYNC110  # set in another thread
            await asyncio.sleep(0.01)
        return web.json_response({})

    provider.handle_raw = slowly

    leaving = http.client.HTTPConnection(gateway.base_url.host, gateway.base_url.port, timeout=60)
    headers = {"Authorization": gateway.headers["Authorization"], "Content-Type": "application/json"}
    leaving.request("POST", "/v1/chat/completions", json.dumps(QUESTION), headers)
    assert asked.wait(60)
    leaving.close()

    found = _wait_for_recording()
    enough.set()
    assert (found.status, found.error) == (None, "The client left before the answer was complete.")


def _wait_for_recording() -> Interaction:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        settle()
        found = Interaction.objects.first()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing was recorded")
