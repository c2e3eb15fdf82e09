"""Traffic that knows what it was promised: each call and each batch is unlike any other, and remembered.

A provider answers every question with the question's own mark, so that an answer which was kept under
another call's id would show. What a client holds a whole answer of (200, 202) was acknowledged; what broke
off, was refused or was left was not, and may be recorded or not, but never twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

BATCH = 20
STREAM_SHARE = 0.2
LEAVES_SHARE = 0.05
_PATIENCE = 20.0
_PROSE = "What would a careful assistant say about release notes, refunds and late parcels? " * 8


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


@dataclass
class Promises:
    """What was sent, and what of it was acknowledged: by id, the digests of request and response."""

    sent: int = 0
    refused: int = 0
    left: int = 0
    kept: dict[UUID, tuple[str, str]] = field(default_factory=dict)


# --- The provider -----------------------------------------------------------------------------------


class Echo(asyncio.Protocol):
    """Answers with the mark that the question carries, plain or as a stream."""

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
            self._answer(json.loads(body))

    def _answer(self, request: dict[str, Any]) -> None:
        assert self._transport is not None
        mark = request["messages"][0]["content"].partition(" ")[0]
        plain = {"id": f"chatcmpl-{mark}", "model": "m", "system_fingerprint": "fp_storm"}
        if not request.get("stream"):
            message = {"role": "assistant", "content": f"Kept: {mark}"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = json.dumps(plain | {"object": "chat.completion", "choices": [choice]}).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                + body
            )
            return
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        words = ["Kept: ", mark, ".", " Bye", "."]
        chunks = [
            plain | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
            for word in words
        ]
        for place, text in enumerate([*map(json.dumps, chunks), "[DONE]"]):
            event = f"data: {text}\n\n".encode()
            last = b"0\r\n\r\n" if place == len(words) else b""
            piece = b"%x\r\n" % len(event) + event + b"\r\n" + last
            asyncio.get_running_loop().call_later(0.02 * place, self._write, piece)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


# --- The clients ------------------------------------------------------------------------------------


@dataclass
class Traffic:
    """Gateway calls and batches of the API, at a steady rate, until it is stopped."""

    port: int
    key: str
    rate: float
    batches: float
    calls: Promises = field(default_factory=Promises)
    posted: Promises = field(default_factory=Promises)
    # Set when all clients have gone home.
    over: threading.Event = field(default_factory=threading.Event)
    _stop: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _rng: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def acknowledged(self) -> int:
        return len(self.calls.kept) + len(self.posted.kept)

    async def run(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._paced(group, self.rate, self._call))
                group.create_task(self._paced(group, self.batches, self._post))
        finally:
            self.over.set()

    def end(self) -> None:
        """Send no more, and wait for the answers that are under way."""
        if self._stop is not None and self._loop is not None:
            # The loop may be closed already: then everybody has gone home.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self.over.wait(2 * _PATIENCE)

    async def _paced(self, group: asyncio.TaskGroup, rate: float, send: Any) -> None:
        assert self._stop is not None
        began, number = time.monotonic(), 0
        # Where the product stands still, clients wait for it: no more of them than so many seconds' worth.
        room = asyncio.Semaphore(max(round(rate * 2), 4))

        async def one() -> None:
            try:
                await send()
            finally:
                room.release()

        while not self._stop.is_set():
            number += 1
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
            await room.acquire()
            group.create_task(one())

    async def _call(self) -> None:
        mark = uuid4().hex
        chance = self._rng.random()
        streams, leaves = chance < STREAM_SHARE, chance < LEAVES_SHARE
        asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": f"{mark} {_PROSE}"}]}
        body = json.dumps(asked | ({"stream": True} if streams else {})).encode()
        self.calls.sent += 1
        answer = await self._ask("/v1/chat/completions", body, mark, leave=leaves)
        if leaves:
            self.calls.left += 1
        elif answer is None or answer[0] != 200 or mark.encode() not in answer[2]:
            self.calls.refused += 1
        else:
            self.calls.kept[UUID(answer[1]["x-review-interaction"])] = (digest(body), mark)

    async def _post(self) -> None:
        items = []
        for _ in range(BATCH):
            mark = uuid4().hex
            request = {"model": "m", "messages": [{"role": "user", "content": f"{mark} {_PROSE}"}]}
            response = {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": f"Kept: {mark}"}}]
            }
            items.append((uuid4(), mark, json.dumps(request), json.dumps(response)))
        texts = [
            f'{{"id": "{id_}", "trace": "storm-{mark}", "source": "storm", '
            f'"request": {request}, "response": {response}}}'
            for id_, mark, request, response in items
        ]
        body = f"[{','.join(texts)}]".encode()
        self.posted.sent += BATCH
        # The same ids again until they are taken: that is what ids are for.
        while (answer := await self._ask("/api/v1/interactions", body, None)) is None or answer[0] != 202:
            if self._stop is None or self._stop.is_set():
                self.posted.refused += BATCH
                return
            await asyncio.sleep(0.2)
        self.posted.kept |= {id_: (digest(request.encode()), mark) for id_, mark, request, _ in items}

    async def _ask(
        self, path: str, body: bytes, mark: str | None, *, leave: bool = False
    ) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body of a whole answer; None where it did not come whole."""
        writer: asyncio.StreamWriter | None = None
        context = f"X-Review-Trace: storm-{mark}\r\nX-Review-Source: storm\r\n" if mark else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{context}\r\n"
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(head.encode() + body)
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])
                }
                if leave:
                    return None
                return int(lines[0].split()[1]), headers, await _whole(reader, headers)
        except (OSError, ValueError, IndexError, TimeoutError, asyncio.IncompleteReadError):
            return None
        finally:
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.close()


async def _whole(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@contextmanager
def echoing() -> Iterator[int]:
    """The provider on a port of its own, in a thread of this process."""
    loop, ready, port = asyncio.new_event_loop(), threading.Event(), 0

    def serve() -> None:
        nonlocal port
        server = loop.run_until_complete(loop.create_server(Echo, "127.0.0.1", 0, backlog=1024))
        port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        server.close()
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def blowing(traffic: Traffic) -> Iterator[Traffic]:
    """Traffic in a thread of its own, as long as the block."""
    thread = threading.Thread(target=lambda: asyncio.run(traffic.run()), daemon=True)
    thread.start()
    try:
        yield traffic
    finally:
        traffic.end()
        thread.join(_PATIENCE)
