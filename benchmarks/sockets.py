"""A server and a client of HTTP that do as little as can be, so that what stands between them is measured.

usage: python -m benchmarks.sockets PORT DELAY_MS     a provider that gives the same answer to everything
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.workload import interaction


def _answer() -> bytes:
    plain = next(one for i in range(9) if not (one := interaction(i)["response"])["choices"][0]["logprobs"])
    return json.dumps(plain).encode()


ANSWER = _answer()
PIECES = 20
DONE = b"data: [DONE]\n\n"


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_795_132_800,
    "model": "gpt-4.1-mini",
    "system_fingerprint": "fp_4a7c1e9b02",
    "choices": [{"index": 0, "delta": {"content": "a dozen words of an answer "}, "finish_reason": None}],
}
_STREAM = _STREAM_HEAD + b"".join(
    [*[_chunked(b"data: " + json.dumps(_PIECE).encode() + b"\n\n")] * PIECES, _chunked(DONE), b"0\r\n\r\n"]
)


class Upstream(asyncio.Protocol):
    """Answers each request, whatever it asks, after a while."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._plain = _response(ANSWER)
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
            answer = _STREAM if b'"stream": true' in body else self._plain
            assert self._transport is not None
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)
            else:
                self._transport.write(answer)


@dataclass
class Measured:
    """What clients saw: seconds to the first and to the last byte of each answer, and of all together."""

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0

    @property
    def rate(self) -> float:
        return len(self.last) / self.seconds

    def percentile(self, share: float, *, of_first: bool = False) -> float:
        """In milliseconds."""
        times = sorted(self.first if of_first else self.last)
        return times[min(int(len(times) * share), len(times) - 1)] * 1000


def request(port: int, path: str, key: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_all(port: int, requests: Sequence[bytes], *, clients: int) -> Measured:
    """Send the requests over so many connections, each one after the other."""
    measured = Measured()
    waiting = iter(requests)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        for one in waiting:
            started = time.perf_counter()
            writer.write(one)
            head = await reader.readuntil(b"\r\n\r\n")
            if b"chunked" in head.lower():
                first = await _read_chunks(reader)
            else:
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                first = time.perf_counter()
            measured.first.append(first - started)
            measured.last.append(time.perf_counter() - started)
            measured.failed += not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 202"))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    measured.seconds = time.perf_counter() - started
    return measured


async def _read_chunks(reader: asyncio.StreamReader) -> float:
    first = 0.0
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        first = first or time.perf_counter()
        if size == 0:
            return first


async def _serve(port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
