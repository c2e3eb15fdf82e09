"""Interactions over the API: sent, listed, read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status

from reviewapp import tasks
from reviewapp.formats.interchange import InvalidInteraction
from reviewapp.models import Permission
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from reviewapp.web.api import bodies
from reviewapp.web.api.access import ApiRequest, KeyAuth, key_of
from reviewapp.web.api.problems import Problem

router = Router(tags=["interactions"])


class Rejected(Schema):
    """An item that was not taken, and why."""

    index: int
    error: str


class Received(Schema):
    """What was taken: it is in the journal, and survives the loss of any process."""

    accepted: list[UUID]
    rejected: list[Rejected]


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"type": "object", "required": ["request"]},
                        {
                            "type": "array",
                            "items": {"type": "object", "required": ["request"]},
                            "maxItems": 1000,
                        },
                    ]
                }
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "",
    auth=KeyAuth(Permission.INGEST),
    response={202: Received},
    openapi_extra=_BODY,
    summary="Send interactions",
)
def send_interactions(request: ApiRequest) -> Status[dict[str, Any]]:
    """One object, an array, or NDJSON: at most 1,000 items and 16 MiB, gzip or zstd allowed."""
    body = _read(request)
    data = bodies.unpacked(body, request.headers.get("Content-Encoding", ""))
    items = bodies.items_of(data, request.headers.get("Content-Type", ""))
    now = timezone.now()
    source = key_of(request.auth).source
    arrivals: list[record.Arrival] = []
    rejected: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        if isinstance(item, InvalidInteraction):
            rejected.append({"index": index, "error": str(item)})
            continue
        if item.source is None and source is not None:
            item = replace(item, source=source.name)
        arrivals.append(
            record.Arrival(
                id=item.id or new_id(), project_id=request.auth.project.id, received_at=now, content=item
            )
        )
    if not arrivals:
        detail = rejected[0]["error"] if len(rejected) == 1 else "None of the interactions is valid."
        raise Problem(422, detail, rejected=rejected)
    tasks.journal().append_sync([record.encode(arrival) for arrival in arrivals])
    return Status(202, {"accepted": [arrival.id for arrival in arrivals], "rejected": rejected})


def _read(request: HttpRequest) -> bytes:
    body = request.read(bodies.BYTES_LIMIT + 1)
    if len(body) > bodies.BYTES_LIMIT:
        raise Problem(413, "The body is larger than 16 MiB; send it in several requests.")
    return body
