"""A tiny provider on a real socket that answers what a test tells it, and remembers what it was asked.

For what the simulated provider does not do: odd statuses, broken connections, exact bytes.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    body: bytes
    headers: dict[str, str]
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[[Asked], Awaitable[web.StreamResponse] | web.StreamResponse]


def completion(text: str = "Paris.", *, fingerprint: str | None = "fp_one", **members: Any) -> web.Response:
    """A chat completion that says `text`."""
    body = {
        "id": "chatcmpl-x",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": fingerprint,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        **members,
    }
    return web.json_response(body)


def refusal(status: int, message: str = "no", **headers: str) -> web.Response:
    """An error in OpenAI's shape."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(
        {"error": {"message": message, "type": "x", "code": None}}, status=status, headers=named
    )


@dataclass
class Answering:
    """The running provider. `behave` may be replaced at any time."""

    behave: Behaviour = lambda _: completion()
    asked: list[Asked] = field(default_factory=list)
    base_url: str = ""
    # For what needs the connection itself; takes the place of `behave`.
    handle_raw: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    busy: int = 0
    most_busy: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.path, await request.read(), dict(request.headers), time.monotonic())
        self.asked.append(asked)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            if self.handle_raw is not None:
                return await self.handle_raw(request)
            answer = self.behave(asked)
            return await answer if asyncio.iscoroutine(answer) else answer
        finally:
            self.busy -= 1


@contextmanager
def answering(behave: Behaviour | None = None, *, host: str = "127.0.0.1") -> Iterator[Answering]:
    """Serve on a free port, in a thread of its own, until the block ends."""
    provider = Answering()
    if behave is not None:
        provider.behave = behave
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", provider.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, 0, backlog=2048)
        await site.start()
        provider.base_url = f"http://{host}:{runner.addresses[0][1]}/v1"
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        # Ready only when it runs: what is stopped before that would not hear it, and never end.
        loop.call_soon(ready.set)
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        for left in (open_ := asyncio.all_tasks(loop)):
            left.cancel()
        loop.run_until_complete(asyncio.gather(*open_, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
