"""The quick way in for `POST /api/v1/interactions`: past Django, whose handler costs more than all the rest.

It takes and refuses what the API's operation does, whose description it has in OpenAPI. Keys come from the
gateway's directory in memory; so recording goes on while the database is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from reviewapp import tasks
from reviewapp.journal import JournalError
from reviewapp.models import Permission
from reviewapp.web import encrypted
from reviewapp.web.api import bodies
from reviewapp.web.api.ingest import read_posted
from reviewapp.web.api.problems import NO_KEY, Problem, problem_body
from reviewapp.web.gateway.directory import Directory, KeyEntry
from reviewapp.web.gateway.process import shared
from reviewapp.web.gateway.relay import Receive, Send
from reviewapp.web.limiting import TooOften, address_in, limits

PATH: Final = "/api/v1/interactions"
# A body beyond this is read in a thread, so that the streams of the gateway go on meanwhile.
_AT_ONCE: Final = 64 * 1024


async def receiving(scope: Any, receive: Receive, send: Send) -> None:
    """Answer one POST."""
    try:
        status, answer, more = 202, await _receive(scope, receive), {}
    except Problem as problem:
        status, answer = problem.status, problem_body(problem.status, problem.detail, more=problem.more)
        more = {"Content-Type": "application/problem+json"}
        if status == 401:
            more["WWW-Authenticate"] = 'Bearer realm="reviewapp"'
        elif status == 503:
            more["Retry-After"] = "5"
    except TooOften as error:
        status, answer = 429, problem_body(429, str(error))
        more = {"Content-Type": "application/problem+json", "Retry-After": str(error.seconds)}
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(answer)),
        "X-Content-Type-Options": "nosniff",
    }
    named = [(name.lower().encode(), value.encode()) for name, value in (headers | more).items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": answer, "more_body": False})


async def _receive(scope: Any, receive: Receive) -> bytes:
    now = datetime.now(tz=UTC)
    headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
    key = await authenticate(shared().directory, headers, now, scope=scope)
    body = await read_body(headers, receive)
    given: dict[str, Any] = {"headers": headers, "project": key.project, "source": key.source, "now": now}
    if len(body) > _AT_ONCE:
        receipt = await asyncio.to_thread(read_posted, body, **given)
    else:
        receipt = read_posted(body, **given)
    try:
        await tasks.journal().append_all(receipt.frames)
    except JournalError as error:
        raise Problem(503, str(error)) from None
    return orjson.dumps(receipt.answer())


async def authenticate(
    directory: Directory, headers: Mapping[str, str], now: datetime, *, scope: Mapping[str, Any]
) -> KeyEntry:
    """The key of the request, which may send. Raises Problem and TooOften."""
    if encrypted.is_refused_in(scope):
        raise Problem(403, encrypted.IN_THE_CLEAR)
    address = address_in(scope)
    scheme, _, secret = headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    key = directory.key(secret, now=now) if scheme.lower() == "bearer" else None
    if key is None and scheme.lower() == "bearer" and secret:
        await directory.refreshed()
        if directory.snapshot is None:
            raise Problem(503, "The keys can't be checked, because the database is not there yet.")
        key = directory.key(secret, now=now)
    if key is None:
        limits.try_wrong(address=address)
        raise Problem(401, NO_KEY)
    limits.come(key=key.id, address=address)
    if not key.may_ingest:
        lacking = Permission.INGEST
        raise Problem(403, f"This key may not {lacking.value}: it lacks the scope “{lacking.name.lower()}”.")
    return key


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The body as it came, within the bound. Raises Problem."""
    length = headers.get("Content-Length", "")
    if length.isdigit() and int(length) > bodies.BYTES_LIMIT:
        raise bodies.too_large()
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The client left before its request was complete.")
        piece = message.get("body", b"")
        size += len(piece)
        if size > bodies.BYTES_LIMIT:
            raise bodies.too_large()
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
