"""The quick way in for `POST /api/v1/interactions/{id}/annotations`: past Django.

A judgement is two rows; what it cost was the way to them. Keys come from the gateway's directory in memory,
and what comes while another is being written gathers (gathering.py).

Only what is plain goes this way. Whatever is not (a key that the directory does not know or that calls too
often, a body that is no judgement, an answer that the rubric refuses) goes the ordinary way, which says what
is wrong with it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from reviewapp.models import Actor, ApiKey, Permission, Project
from reviewapp.stages import review
from reviewapp.web import encrypted
from reviewapp.web.api.judgements import NewAnnotation
from reviewapp.web.gateway.directory import Directory, KeyEntry
from reviewapp.web.gateway.process import shared
from reviewapp.web.gateway.relay import Receive, Send
from reviewapp.web.gathering import Unknown
from reviewapp.web.limiting import TooOften, address_in, limits

# Where annotations are posted, and the name of the route that takes them else.
ADDRESS: Final = re.compile("/api/v1/interactions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/annotations")
_ROUTE: Final = "api/v1/interactions/<uuid:id>/annotations"
# A longer body is read by the ordinary way.
_BODY_LIMIT: Final = 64 * 1024
_MAY: Final = frozenset([Permission.REVIEW])
_UNKNOWN: Final = json.dumps(
    {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The database went away while the judgement was being kept. It may be there: look before"
        " you send it again.",
    }
).encode()


async def annotating(scope: Any, receive: Receive, send: Send, *, ordinary: Any) -> None:
    """Answer one POST, or have it answered the ordinary way."""
    came: list[Any] = []
    given = await _read(scope, receive, came, shared().directory)
    try:
        answer = None if given is None else await shared().annotator.keep(given)
    except Unknown:
        # To write it again might write it twice; the client may look first.
        await _answer(
            send, 503, _UNKNOWN, (b"content-type", b"application/problem+json"), (b"retry-after", b"5")
        )
        return
    if answer is None:
        await ordinary(scope, _again(came, receive), send)
        return
    scope["route"] = _ROUTE
    await _answer(send, 201, answer, (b"content-type", b"application/json; charset=utf-8"))


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [*more, (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read(scope: Any, receive: Receive, came: list[Any], directory: Directory) -> review.Given | None:
    """What is given, where it is plain. What was received on the way is in `came`."""
    found = ADDRESS.fullmatch(scope["path"])
    headers = dict(scope["headers"])
    scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    key: KeyEntry | None = None
    if scheme.lower() == "bearer":
        key = directory.key(secret.strip(), now=datetime.now(tz=UTC))
    if (
        found is None
        or key is None
        or encrypted.is_refused_in(scope)
        or not key.may_review
        or b"content-encoding" in headers
    ):
        return None
    size = 0
    while True:
        message = await receive()
        came.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or size > _BODY_LIMIT:
            return None
        if not message.get("more_body", False):
            break
    try:
        said = NewAnnotation.model_validate_json(b"".join(one.get("body", b"") for one in came))
        limits.come(key=key.id, address=address_in(scope))
        # Where the ordinary way has to answer after all, the call is not counted again.
        scope["counted"] = True
    except (ValidationError, TooOften):
        return None
    project = Project(id=key.project)
    actor = Actor(project=project, permissions=_MAY, key=ApiKey(id=key.id, project=project, name=key.name))
    return review.Given(actor=actor, interaction=UUID(found[1]), said=said.model_dump())


def _again(came: list[Any], receive: Receive) -> Receive:
    """Receive what was received before, and then what comes."""

    async def received() -> Any:
        return came.pop(0) if came else await receive()

    return received
