"""The gateway: the OpenAI API, recorded. Changing an app's base URL and key is all it takes.

A call never touches the database on its way: keys, sources and providers come from the directory in
memory, the answer goes to the journal. So it works on while the database or the broker is away.

Errors of the gateway itself (a wrong key, a body that is no JSON object) have OpenAI's shape and
are not recorded: nothing was asked of a model. What a provider did or failed to do is.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reviewapp import metrics, tasks
from reviewapp.journal import Journal, JournalError
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.ids import new_id
from reviewapp.stages.reuse import Wanted
from reviewapp.web.gateway import calls, errors, upstream
from reviewapp.web.gateway.directory import ProviderEntry
from reviewapp.web.gateway.errors import GatewayError
from reviewapp.web.gateway.process import shared
from reviewapp.web.gateway.relay import Exchange, Receive, Send, send_error
from reviewapp.web.gateway.reuse import Answer, Reuser, answer_of, send_answer

Scope = Any


class Recorded:
    """An endpoint whose calls are recorded."""

    def __init__(self, endpoint: Endpoint, path: str) -> None:
        self._endpoint: Final = endpoint
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at, began = datetime.now(tz=UTC), time.perf_counter()
        try:
            call = await self._read(scope, receive, started_at)
            journal = tasks.journal()
        except GatewayError as error:
            await send_error(send, error)
        except JournalError as error:
            # Before the provider is asked: an answer that can't be recorded would be paid for in vain.
            await send_error(send, errors.not_recorded(str(error)))
        else:
            exchange = Exchange(call, session=shared().session, append=journal.append, send=send)
            ask = partial(
                exchange.run,
                path=self._path,
                query=scope["query_string"].decode("latin-1"),
                headers=scope["headers"],
                receive=receive,
            )
            reuser = shared().reuse
            wanted = reuser.wanted(call)
            if wanted is None:
                await ask()
                metrics.GATEWAY_ADDED.observe(time.perf_counter() - began - exchange.asked_seconds)
            elif (answer := await _reusable(reuser, wanted, journal)) is not None:
                await send_answer(send, answer, call)
            else:
                flight = reuser.take_off(wanted)
                try:
                    await ask()
                finally:
                    reuser.land(wanted, flight, answer_of(call, exchange))

    async def _read(self, scope: Scope, receive: Receive, started_at: datetime) -> calls.Call:
        headers = dict(scope["headers"])
        directory = shared().directory
        key = await calls.authenticate(directory, headers, now=started_at, scope=scope)
        context = calls.read_context(headers)
        body = await _read_body(headers, receive)
        request = calls.read_request(body)
        route = await calls.find_route(directory, key, context)
        given: int | None = None
        if route.source is not None and calls.wants_seed(self._endpoint, request, route.source):
            given = await shared().seeds.next(route.source, self._endpoint, request)
        body, seed = calls.outgoing(self._endpoint, body, request, route.source, seed=given)
        return calls.Call(
            id=new_id(),
            endpoint=self._endpoint,
            route=route,
            context=context,
            request=body,
            seed=seed,
            started_at=started_at,
        )


async def _reusable(reuser: Reuser, wanted: Wanted, journal: Journal) -> Answer | None:
    """A stored answer, or that of an equal call which is being asked now."""
    flight = reuser.under_way(wanted)
    if flight is None:
        stored = await reuser.stored(wanted)
        # While the tables were looked at, another call may have begun to ask.
        flight = reuser.under_way(wanted) if stored is None else None
        if flight is None:
            if stored is not None:
                reuser.note(wanted, stored, journal)
            return stored
    # Shielded: a caller that goes must not take the answer from the others.
    answer = await asyncio.shield(flight)
    if answer is not None:
        reuser.join(wanted, answer)
    return answer


async def _read_body(headers: calls.Headers, receive: Receive) -> bytes:
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        raise GatewayError(415, "Send the request without content encoding.", code="unsupported_encoding")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > calls.BODY_LIMIT:
        raise errors.body_too_large(calls.BODY_LIMIT)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayError(400, "The client left before its request was complete.", code="client_left")
        piece = message.get("body", b"")
        size += len(piece)
        if size > calls.BODY_LIMIT:
            raise errors.body_too_large(calls.BODY_LIMIT)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def models(request: Request) -> Response:
    """The provider's own list of models, or one of them; not recorded, since nothing is asked of a model."""
    headers = dict(request.scope["headers"])
    try:
        directory = shared().directory
        key = await calls.authenticate(directory, headers, now=datetime.now(tz=UTC), scope=request.scope)
        route = await calls.find_route(directory, key, calls.read_context(headers))
        return await _fetch(request, route.provider)
    except GatewayError as error:
        return Response(error.body, error.status, headers=error.headers, media_type="application/json")


async def _fetch(request: Request, provider: ProviderEntry) -> Response:
    # The path as it was asked for: a model's name may hold an escaped slash.
    path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1").partition("?")[0]
    url = upstream.address(provider, path.removeprefix("/v1"), request.url.query)
    try:
        async with shared().session.get(
            url,
            headers=upstream.request_headers(request.scope["headers"], provider),
            allow_redirects=False,
            timeout=upstream.timeout_of(provider),
        ) as response:
            body = await response.read()
    except TimeoutError:
        raise errors.timed_out(provider.name, provider.timeout_seconds) from None
    except upstream.FAILED as error:
        raise errors.unreachable(provider.name, upstream.reason_of(error)) from None
    answer = Response(body, response.status)
    answer.raw_headers += upstream.response_headers(response.raw_headers, {})
    return answer


async def _unknown(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    message = f"The gateway has no {request.method} {request.url.path}."
    code = "method_not_allowed" if status == 405 else "unknown_url"
    return Response(GatewayError(status, message, code=code).body, status, media_type="application/json")


# By their whole path.
RECORDED: Final = {
    "/v1/chat/completions": Recorded("chat.completions", "/chat/completions"),
    "/v1/responses": Recorded("responses", "/responses"),
    "/v1/completions": Recorded("completions", "/completions"),
    "/v1/embeddings": Recorded("embeddings", "/embeddings"),
}

gateway = Starlette(
    routes=[
        *(Route(path, call, methods=["POST"]) for path, call in RECORDED.items()),
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{model:path}", models, methods=["GET"]),
    ],
    exception_handlers={404: _unknown, 405: _unknown},
)
