"""Writes replies to the connection, and fails on purpose in the middle of them.

A stream is paced by the clock, not by one sleep for each token: whatever is due goes out in one write, so
that a thousand streams at once cost few wake-ups and no stream falls behind for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, TypeAlias

import orjson
from starlette.types import Receive, Send

from reviewapp.providers.simulated.behaviour import Allowance, Serving
from reviewapp.providers.simulated.config import Model
from reviewapp.providers.simulated.refusals import Refusal
from reviewapp.providers.simulated.replies import DONE, Event

Headers: TypeAlias = list[tuple[bytes, bytes]]

SIMULATED = (b"x-simulated-provider", b"1")
_JSON = (b"content-type", b"application/json")
_SSE = (b"content-type", b"text/event-stream; charset=utf-8")
_BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>simulated</center>\r\n</body>\r\n</html>\r\n"
)


def span(seconds: float) -> str:
    """A time as the rate-limit headers write it: 6ms, 1.2s, 1m30s."""
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(seconds // 60)}m{ceil(seconds % 60)}s"


def limit_headers(allowance: Allowance | None) -> Headers:
    """The headers that say what is left of a rate limit."""
    if allowance is None:
        return []
    found: list[tuple[str, str]] = []
    if allowance.limit_requests:
        found += [
            ("x-ratelimit-limit-requests", str(allowance.limit_requests)),
            ("x-ratelimit-remaining-requests", str(allowance.left_requests)),
            ("x-ratelimit-reset-requests", span(allowance.reset_requests)),
        ]
    if allowance.limit_tokens:
        found += [
            ("x-ratelimit-limit-tokens", str(allowance.limit_tokens)),
            ("x-ratelimit-remaining-tokens", str(allowance.left_tokens)),
            ("x-ratelimit-reset-tokens", span(allowance.reset_tokens)),
        ]
    return [(name.encode(), value.encode()) for name, value in found]


def refused_by_limit(model: Model, allowance: Allowance) -> Refusal:
    """The refusal when a rate limit has no room."""
    limit = allowance.limit_requests if allowance.what == "requests" else allowance.limit_tokens
    unit = "RPM" if allowance.what == "requests" else "TPM"
    return rate_limited(
        f"Rate limit reached for {model.name} on {allowance.what} per min ({unit}): Limit {limit}."
        f" Please try again in {span(allowance.wait)}.",
        allowance.wait,
        kind=allowance.what,
    )


def rate_limited(message: str, wait: float, *, kind: str = "requests") -> Refusal:
    """A 429 that says when to come back."""
    return Refusal(
        429,
        message,
        kind=kind,
        code="rate_limit_exceeded",
        headers={"retry-after": str(ceil(wait)), "retry-after-ms": str(ceil(wait * 1000))},
    )


def fault_refusal(fault: str | None, model: Model) -> Refusal | None:
    """The refusal that a fault is, if it is one."""
    if fault == "rate_limited":
        message = f"Rate limit reached for {model.name} on requests per min (RPM). Please try again later."
        return rate_limited(message, model.retry_after_seconds)
    if fault == "quota":
        message = "You exceeded your current quota, please check your plan and billing details."
        return Refusal(429, message, kind="insufficient_quota", code="insufficient_quota")
    if fault == "server_error":
        message = "The server had an error while processing your request. Sorry about that!"
        return Refusal(500, message, kind="server_error")
    if fault == "overloaded":
        message = "The engine is currently overloaded, please try again later."
        return Refusal(503, message, kind="server_error", headers={"retry-after": "1"})
    return None


class Reply:
    """One connection's way out: headers that all replies share, and the ways to send and to fail."""

    def __init__(self, receive: Receive, send: Send, headers: Headers) -> None:
        self._receive = receive
        self._send = send
        self.headers = headers
        self.status: int | None = None

    async def _start(self, status: int, *more: tuple[bytes, bytes]) -> None:
        self.status = status
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [SIMULATED, *more, *self.headers]}
        )

    async def _body(self, data: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(
        self,
        status: int,
        data: bytes,
        *,
        content_type: tuple[bytes, bytes] = _JSON,
        length: int | None = None,
    ) -> None:
        """A reply in one piece; a `length` beyond the data's breaks the connection off."""
        size = (b"content-length", str(len(data) if length is None else length).encode())
        await self._start(status, content_type, size)
        await self._body(data, more=length is not None)

    async def refusal(self, refusal: Refusal) -> None:
        """An error reply."""
        self.headers = [
            *self.headers,
            *((name.encode(), value.encode()) for name, value in refusal.headers.items()),
        ]
        await self.whole(refusal.status, refusal.body)

    async def hang(self, seconds: float) -> bool:
        """Waits, until the client gives up or the time is over. True when the client is still there."""

        async def gone() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(gone(), seconds)
        except TimeoutError:
            return True
        return False

    async def json(self, body: Mapping[str, Any], serving: Serving, model: Model) -> None:
        """A reply of JSON, or what the fault makes of it."""
        data = orjson.dumps(body)
        fault = serving.fault
        if fault == "timeout":
            if await self.hang(model.timeout_seconds):
                await self.refusal(Refusal(504, "The upstream did not answer in time.", kind="server_error"))
        elif fault == "bad_gateway":
            await self.whole(502, _BAD_GATEWAY, content_type=(b"content-type", b"text/html"))
        elif fault == "hang_up":
            await self.whole(200, b"", length=len(data))
        elif fault == "truncated":
            await self.whole(200, data[: _part(len(data), serving)], length=len(data))
        elif fault in ("malformed", "ended_early"):
            await self.whole(200, data[: _part(len(data), serving)])
        elif fault == "stream_error":
            await self.refusal(
                Refusal(500, "The server had an error while processing your request.", kind="server_error")
            )
        else:
            await self.whole(200, data)

    async def stream(
        self,
        events: Sequence[Event],
        serving: Serving,
        model: Model,
        *,
        token_seconds: float,
        done: bytes = DONE,
    ) -> None:
        """A stream of events, or what the fault makes of it."""
        fault = serving.fault
        if fault == "bad_gateway":
            await self.whole(502, _BAD_GATEWAY, content_type=(b"content-type", b"text/html"))
            return
        if fault == "hang_up" or (fault == "timeout" and serving.fault_at < 0.5):
            if fault == "timeout" and await self.hang(model.timeout_seconds):
                await self.refusal(Refusal(504, "The upstream did not answer in time.", kind="server_error"))
            elif fault == "hang_up":
                await self.whole(200, b"", content_type=_SSE, length=1)
            return
        cut = fault in ("truncated", "ended_early", "malformed", "stream_error", "timeout")
        count = _part(len(events), serving) if cut else len(events)
        await self._start(200, _SSE, (b"cache-control", b"no-cache"))
        await self._paced(events[:count], token_seconds)
        if fault == "timeout":
            await self.hang(model.timeout_seconds)
        elif fault == "ended_early":
            await self._body(b"")
        elif fault == "malformed":
            broken = events[count].data if count < len(events) else events[-1].data
            rest = b"".join(event.data for event in events[count + 1 :])
            await self._body(broken[: len(broken) // 2] + b"\n\n" + rest + done)
        elif fault == "stream_error":
            error = Refusal(
                500, "The server had an error while processing your request.", kind="server_error"
            )
            await self._body(b"data: " + error.body + b"\n\n")
        elif fault != "truncated":
            await self._body(done)

    async def canned_stream(self, events: Sequence[Event], token_seconds: float) -> None:
        """A stream that was made before; without a pace it has its end mark already."""
        await self._start(200, _SSE, (b"cache-control", b"no-cache"))
        if not token_seconds:
            await self._body(events[0].data)
            return
        await self._paced(events, token_seconds)
        await self._body(DONE)

    async def _paced(self, events: Sequence[Event], token_seconds: float) -> None:
        if not token_seconds:
            await self._body(b"".join(event.data for event in events), more=True)
            return
        clock = asyncio.get_running_loop().time
        began = clock()
        at = 0
        while at < len(events):
            # What is due by now: the wait may have been longer than asked for.
            reached = int((clock() - began) / token_seconds)
            until = at
            while until < len(events) and events[until].due <= reached:
                until += 1
            if until > at:
                await self._body(b"".join(event.data for event in events[at:until]), more=True)
                at = until
            if at < len(events):
                await asyncio.sleep(max(0.0, began + events[at].due * token_seconds - clock()))


def _part(length: int, serving: Serving) -> int:
    """Where to cut: after the first, before the last."""
    return min(max(1, length - 1), 1 + int(serving.fault_at * max(0, length - 1)))
