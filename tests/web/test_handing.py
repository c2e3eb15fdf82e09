from __future__ import annotations

import asyncio
import tracemalloc

from django.http import FileResponse, StreamingHttpResponse

from reviewapp.web.handing import Pages


def sent(response: StreamingHttpResponse) -> list[bytes]:
    """The bodies that the server is given."""
    bodies: list[bytes] = []

    async def send(message):
        bodies.append(message.get("body", b""))

    asyncio.run(Pages().send_response(response, send))
    return [body for body in bodies if body]


def test_a_response_with_an_ordinary_iterator_is_sent_without_a_warning():
    assert b"".join(sent(StreamingHttpResponse(iter([b"one ", b"two"])))) == b"one two"


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path):
    file = tmp_path / "export.jsonl"
    with file.open("wb") as large:
        large.truncate(20 * 1024 * 1024)
    size = 0

    async def send(message):
        nonlocal size
        size += len(message.get("body", b""))

    with file.open("rb") as source:
        tracemalloc.start()
        asyncio.run(Pages().send_response(FileResponse(source), send))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert size == 20 * 1024 * 1024
    assert most < 4 * 1024 * 1024
