"""Watches an `openai` client: its HTTP client's `send` is wrapped, which sees the bytes of every call.

Wrapped there, and not at the methods of the SDK, a recording is what went over the wire: every endpoint,
sync and async, streams, raw responses, retries and errors, without a copy of the SDK's own shape. The
wrapper keeps references and hands them over when the answer ended; all work is done by the sender's thread.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from reviewapp.client.sending import Delivered, Sender
from reviewapp.client.wire import BODY_LIMIT, BROKEN_OFF, Exchange, endpoint_of, now

log = logging.getLogger("reviewapp.client")

Client = TypeVar("Client")
_MARK: Final = "_reviewapp_recorder"
_context: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("reviewapp_context", default={})  # noqa: B039


class Recorder:
    """Records the calls of the clients that it watches; one for a process is enough."""

    def __init__(
        self,
        url: str,
        *,
        key: str,
        source: str | None = None,
        provider: str | None = None,
        spill: Path | str | None = None,
        queue_items: int = 10_000,
        queue_bytes: int = 64 * 1024 * 1024,
        spill_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._about = {name: told for name, told in (("source", source), ("provider", provider)) if told}
        self._sender = Sender(
            url,
            key=key,
            spill=Path(spill) if spill is not None else None,
            queue_items=queue_items,
            queue_bytes=queue_bytes,
            spill_bytes=spill_bytes,
        )

    def watch(self, client: Client) -> Client:
        """The same client, whose calls are recorded from now on, as are those of its `with_options`."""
        try:
            http: Any = getattr(client, "_client", client)
            if getattr(http, _MARK, None) is None:
                send = http.send
                http.send = (
                    self._sending_async(send) if inspect.iscoroutinefunction(send) else self._sending(send)
                )
                setattr(http, _MARK, self)
        except Exception:
            log.warning("This client can't be watched, so its calls are not recorded", exc_info=True)
        return client

    @contextmanager
    def context(self, **values: Any) -> Iterator[None]:
        """What the calls within belong to: `trace`, `session`, `user`, `tags`, `metadata`, `source`."""
        token = _context.set({**_context.get(), **values})
        try:
            yield
        finally:
            _context.reset(token)

    def flush(self, *, seconds: float = 10.0) -> bool:
        """Wait until all that was recorded is with the app; False when the time was too short."""
        return self._sender.flush(seconds=seconds)

    def close(self, *, seconds: float = 5.0) -> None:
        """Flush, and put on disk what could not be sent; happens by itself when the process ends."""
        self._sender.close(seconds=seconds)

    @property
    def delivered(self) -> Delivered:
        """How many recordings were sent, are waiting, were put on disk or lost."""
        return self._sender.delivered

    def _sending(self, send: Any) -> Any:
        def recorded_send(request: Any, **options: Any) -> Any:
            exchange = self._begin(request)
            if exchange is None:
                return send(request, **options)
            began = time.perf_counter()
            try:
                response = send(request, **options)
            except BaseException as error:
                self._fail(exchange, began, error)
                raise
            self._answered(exchange, began, response, stream=options.get("stream", False), tee=_Tee)
            return response

        return recorded_send

    def _sending_async(self, send: Any) -> Any:
        async def recorded_send(request: Any, **options: Any) -> Any:
            exchange = self._begin(request)
            if exchange is None:
                return await send(request, **options)
            began = time.perf_counter()
            try:
                response = await send(request, **options)
            except BaseException as error:
                self._fail(exchange, began, error)
                raise
            self._answered(exchange, began, response, stream=options.get("stream", False), tee=_AsyncTee)
            return response

        return recorded_send

    def _begin(self, request: Any) -> Exchange | None:
        try:
            endpoint = endpoint_of(request.url.path) if request.method == "POST" else None
            if endpoint is None:
                return None
            return Exchange(endpoint, request.content, now(), context={**self._about, **_context.get()})
        except Exception:
            log.debug("A call can't be recorded", exc_info=True)
            return None

    def _fail(self, exchange: Exchange, began: float, error: BaseException) -> None:
        exchange.error = f"{type(error).__name__}: {error}"
        self._done(exchange, began)

    def _answered(self, exchange: Exchange, began: float, response: Any, *, stream: bool, tee: Any) -> None:
        try:
            exchange.status = response.status_code
            exchange.headers = dict(response.headers)
            if stream and not response.is_closed:
                exchange.packed = True
                response.stream = tee(response.stream, exchange, lambda: self._done(exchange, began))
            else:
                exchange.pieces.append(response.content)
                self._done(exchange, began)
        except Exception:
            log.debug("An answer can't be recorded", exc_info=True)

    def _done(self, exchange: Exchange, began: float) -> None:
        try:
            exchange.took = time.perf_counter() - began
            self._sender.put(exchange)
        except Exception:
            log.debug("A call can't be recorded", exc_info=True)


class _Kept:
    """The pieces of a body as they pass, up to the bound; told once when it ended, however it did."""

    def __init__(self, stream: Any, exchange: Exchange, done: Any) -> None:
        self._stream = stream
        self._exchange = exchange
        self._done = done
        self._left = BODY_LIMIT
        self._ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _keep(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left >= 0:
            self._exchange.pieces.append(piece)
        else:
            self._exchange.error = "The answer is larger than the recorder keeps."

    def _end(self, error: str | None) -> None:
        if not self._ended:
            self._ended = True
            self._exchange.error = self._exchange.error or error
            self._done()


def _stream_classes() -> tuple[type, type]:
    """The classes that the SDK's HTTP library wants a stream to be of; it is httpx2, or httpx before 3.0."""
    for name in ("httpx2", "httpx"):
        try:
            module = __import__(name)
        except ImportError:
            continue
        return module.SyncByteStream, module.AsyncByteStream
    return object, object


_SyncStream, _AsyncStream = _stream_classes()


class _Tee(_Kept, _SyncStream):  # type: ignore[misc,valid-type]
    """The stream of an answer, of which every piece is kept."""

    def __iter__(self) -> Iterator[bytes]:
        error: str | None = BROKEN_OFF
        try:
            for piece in self._stream:
                self._keep(piece)
                yield piece
            error = None
        except Exception as broken:
            error = f"{type(broken).__name__}: {broken}"
            raise
        finally:
            self._end(error)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._end(BROKEN_OFF)


class _AsyncTee(_Kept, _AsyncStream):  # type: ignore[misc,valid-type]
    """The same, asynchronous."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        error: str | None = BROKEN_OFF
        try:
            async for piece in self._stream:
                self._keep(piece)
                yield piece
            error = None
        except Exception as broken:
            error = f"{type(broken).__name__}: {broken}"
            raise
        finally:
            self._end(error)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._end(BROKEN_OFF)
