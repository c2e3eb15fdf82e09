"""One exchange: the request to the provider, the answer to the client as it comes, the record before its end.

The client's last byte means that the journal has the record. So a plain answer is sent once it is
kept; of a stream everything passes at once except its end mark and what comes after, which wait for the
journal (milliseconds, while many exchanges share a sync).

Whatever happens is recorded once: the answer, an error answer, a provider that can't be reached or
breaks off, a client that leaves. A client that leaves takes the provider's connection with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import aiohttp

from reviewapp.formats.openai import kept_headers
from reviewapp.journal import JournalError
from reviewapp.stages import record
from reviewapp.web.gateway import errors, upstream
from reviewapp.web.gateway.calls import Call
from reviewapp.web.gateway.errors import GatewayError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]
Append = Callable[[bytes], Awaitable[None]]

CLIENT_LEFT: Final = "The client left before the answer was complete."
STOPPED: Final = "reviewapp was stopped before the answer was complete."
TOO_LONG: Final = "The answer is longer than 64 MiB; only its beginning was kept."
KEPT_LIMIT: Final = 64 * 1024 * 1024
# A provider that leaves the stream open after its end mark does not keep the client waiting for longer.
_AFTER_END_SECONDS: Final = 1.0
# The last event of a stream: chat and text completions, and the four ways a response ends.
_END_MARKS: Final = (
    b"data: [DONE]",
    b"data:[DONE]",
    b"event: response.completed",
    b"event: response.incomplete",
    b"event: response.failed",
    b"event: error",
)
_LONGEST_MARK: Final = max(map(len, _END_MARKS))


class Departure:
    """Notices that the client goes, and then stops the waiting for the provider."""

    def __init__(self, receive: Receive) -> None:
        self.left = False
        self._armed = True
        self._waiter = asyncio.current_task()
        self._watch = asyncio.create_task(self._wait(receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self._armed and self._waiter is not None:
            self._waiter.cancel()

    def ignore(self) -> None:
        """From here on the exchange is finished whether the client is there or not."""
        self._armed = False

    def close(self) -> None:
        self._armed = False
        self._watch.cancel()


class Exchange:
    """One call on its way through."""

    def __init__(self, call: Call, *, session: aiohttp.ClientSession, append: Append, send: Send) -> None:
        self._call = call
        self._provider = call.route.provider
        self._session = session
        self._append = append
        self._send = send
        self._began = time.monotonic()
        # The provider's part of the time: what is left of a call's is the gateway's own.
        self.asked_seconds = 0.0
        self._response: aiohttp.ClientResponse | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._held: list[bytes] = []
        self._holds = False
        self._tail = b""
        self._streams = False
        self._started = False
        self._went_well = False

    @property
    def streams(self) -> bool:
        """Whether the answer came as a stream."""
        return self._streams

    @property
    def whole_answer(self) -> bytes | None:
        """The body of an answer that came well and whole; None else."""
        return b"".join(self._body) if self._went_well and self._size <= KEPT_LIMIT else None

    async def run(self, *, path: str, query: str, headers: RawHeaders, receive: Receive) -> None:
        """Ask, pass on, record."""
        departure = Departure(receive)
        failure: GatewayError | None = None
        error: str | None = None
        try:
            await self._ask(path, query, headers)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            error = CLIENT_LEFT if departure.left else STOPPED
            if departure.left and task is not None:
                task.uncancel()
        except TimeoutError:
            failure = errors.timed_out(self._provider.name, self._provider.timeout_seconds)
        except upstream.FAILED as problem:
            reason = upstream.reason_of(problem)
            tell = errors.unreachable if self._response is None else errors.broken_off
            failure = tell(self._provider.name, reason)
        finally:
            self.asked_seconds = time.monotonic() - self._began
            departure.ignore()
            if self._response is not None:
                self._response.release() if error is None and failure is None else self._response.close()
        try:
            if failure is not None:
                error = failure.message
            elif error is None and self._size > KEPT_LIMIT:
                error = TOO_LONG
            try:
                await self._append(self._frame(error))
                self._went_well = (
                    error is None and self._response is not None and self._response.status == 200
                )
            except JournalError as problem:
                failure = errors.not_recorded(str(problem))
            if error != STOPPED:
                await self._finish(failure)
            elif not departure.left:
                raise asyncio.CancelledError
        finally:
            departure.close()

    async def _ask(self, path: str, query: str, headers: RawHeaders) -> None:
        """Read the whole answer; pieces of a stream are passed on as they come."""
        response = await self._session.post(
            upstream.address(self._provider, path, query),
            data=upstream.payload(self._call.request),
            headers=upstream.request_headers(headers, self._provider),
            allow_redirects=False,
            timeout=upstream.timeout_of(self._provider),
        )
        self._response = response
        self._streams = response.content_type == "text/event-stream"
        if not self._streams:
            await self._read_plain(response)
            return
        await self._start(response)
        while True:
            try:
                async with asyncio.timeout(_AFTER_END_SECONDS if self._holds else None):
                    data = await response.content.readany()
            except TimeoutError:
                if self._holds:
                    return
                raise
            if not data:
                return
            self._keep(data)
            await self._pass_on(data)

    async def _read_plain(self, response: aiohttp.ClientResponse) -> None:
        while data := await response.content.readany():
            self._keep(data)
            if self._started:
                await self._send_piece(data)
            elif self._size > KEPT_LIMIT:
                # Too long to be held back: from here on it passes as it comes.
                await self._start(response)
                await self._send_piece(b"".join([*self._body, data]))

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= KEPT_LIMIT:
            self._body.append(data)

    async def _pass_on(self, data: bytes) -> None:
        """Send a piece of a stream, up to its end mark; the rest is held until the record is kept."""
        if self._holds:
            self._held.append(data)
            return
        seen = self._tail + data
        at = min((place for mark in _END_MARKS if (place := seen.find(mark)) >= 0), default=-1)
        if at >= 0:
            self._holds = True
            cut = max(at - len(self._tail), 0)
            self._held.append(data[cut:])
            data = data[:cut]
        else:
            self._tail = seen[-_LONGEST_MARK:]
        if data:
            await self._send_piece(data)

    def _frame(self, error: str | None) -> bytes:
        call, response = self._call, self._response
        context = call.context
        source = call.route.source
        wire = record.Wire(
            endpoint=call.endpoint,
            request=call.request,
            response=b"".join(self._body) if response is not None else None,
            content_type=response.headers.get("Content-Type", "") if response is not None else "",
            status=response.status if response is not None else None,
            error=error,
            started_at=call.started_at,
            latency_ms=round((time.monotonic() - self._began) * 1000),
            source=call.route.source_name,
            provider=self._provider.name,
            trace=context.trace,
            session=context.session,
            user=context.user,
            tags=context.tags,
            headers=kept_headers(response.headers.items()) if response is not None else {},
        )
        return record.encode(
            record.Arrival(
                id=call.id,
                project_id=call.route.project,
                received_at=call.started_at,
                content=wire,
                source_id=source.id if source is not None else None,
                provider_id=self._provider.id,
            )
        )

    async def _finish(self, failure: GatewayError | None) -> None:
        """The rest of the answer: it is recorded now, or the failure says why not."""
        if self._started:
            rest = b"".join(self._held)
            if failure is not None:
                rest = b"data: " + failure.body + b"\n\n" if self._streams else b""
            await self._send_piece(rest, last=True)
        elif failure is not None:
            await send_error(self._send, failure, own=self._own_headers())
        elif self._response is not None:
            body = b"".join(self._body)
            await self._start(self._response, length=len(body))
            await self._send_piece(body, last=True)

    async def _start(self, response: aiohttp.ClientResponse, *, length: int | None = None) -> None:
        headers = upstream.response_headers(response.raw_headers, self._own_headers())
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        self._started = True
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})

    async def _send_piece(self, data: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    def _own_headers(self) -> dict[str, str]:
        own = {"X-Review-Interaction": str(self._call.id)}
        if self._call.seed is not None:
            own["X-Review-Seed"] = str(self._call.seed)
        return own


async def send_error(send: Send, error: GatewayError, *, own: Mapping[str, str] | None = None) -> None:
    """Answer with an error of the gateway's own."""
    body = error.body
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    headers |= error.headers | dict(own or {})
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
