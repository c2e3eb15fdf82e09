"""Interactions over the API: sent, listed, read."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Schema, Status

from reviewapp import replica, tasks
from reviewapp.models import Interaction, Permission, filters
from reviewapp.models.filters import FILTER_NAMES
from reviewapp.models.pages import page_of
from reviewapp.stages import discuss, export
from reviewapp.web.api import bodies, lists
from reviewapp.web.api.access import ApiRequest, KeyAuth, key_of
from reviewapp.web.api.ingest import read_posted

router = Router(tags=["interactions"])


class Rejected(Schema):
    """An item that was not taken, and why; `field` is the member that is wrong, absent where none is."""

    index: int
    error: str
    field: str | None = None


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
    exclude_none=True,
    openapi_extra=_BODY,
    summary="Send interactions",
)
def send_interactions(request: ApiRequest) -> Status[dict[str, Any]]:
    """One object, an array, or NDJSON: at most 1,000 items and 16 MiB, gzip or zstd allowed."""
    source = key_of(request.auth).source
    receipt = read_posted(
        _read(request),
        headers=request.headers,
        project=request.auth.project.id,
        source=source.name if source is not None else None,
        now=timezone.now(),
    )
    tasks.journal().append_sync(receipt.frames)
    return Status(202, receipt.answer())


_LIST: dict[str, Any] = {
    "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in FILTER_NAMES]
    + lists.PARAMETERS
}


@router.get(
    "",
    auth=KeyAuth(Permission.READ),
    response=dict[str, Any],
    openapi_extra=_LIST,
    summary="List interactions",
)
def list_interactions(request: ApiRequest) -> HttpResponse:
    """Newest first, narrowed by the filters; `cursor` is the `next` of the page before."""
    return replica.read(lambda: _page(request))


def _page(request: ApiRequest) -> HttpResponse:
    values = request.GET.dict()
    limit, cursor = lists.read_limit(values.pop("limit", "")), values.pop("cursor", "")
    wanted = filters.read_filter(values)
    rows = filters.apply(Interaction.objects.visible_to(request.auth), wanted, project=request.auth.project)
    page = page_of(rows, limit=limit, cursor=cursor, read=export.read_stored)
    return lists.list_of_texts([row.line for row in export.export_rows(page.items)], page.next)


@router.get(
    "/{uuid:id}", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="Read an interaction"
)
def read_interaction(request: ApiRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """All of it, with flags, annotations, replays and threads; request and response as they came."""
    found = export.with_bodies(Interaction.objects.visible_to(request.auth)).filter(pk=id).first()
    if found is None:
        raise Http404
    (row,) = export.rows_of([found])
    threads = json.dumps(discuss.threads_value(actor=request.auth, interaction_id=id), ensure_ascii=False)
    # The line is a text already, in which recorded JSON stands as it came.
    return lists.json_text(f'{row.line.removesuffix("}")}, "threads": {threads}}}')


def _read(request: HttpRequest) -> bytes:
    body = request.read(bodies.BYTES_LIMIT + 1)
    if len(body) > bodies.BYTES_LIMIT:
        raise bodies.too_large()
    return body
