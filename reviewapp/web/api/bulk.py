"""Bulk work over the API: one deed done to all that a filter matches, watched, cancelled, taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import BulkWork, Permission
from reviewapp.models.filters import read_filter
from reviewapp.models.pages import page_of
from reviewapp.stages import find
from reviewapp.tasks import find_bulk
from reviewapp.web.api import lists
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem

router = Router(tags=["bulk work"])
_DOES = KeyAuth(Permission.REVIEW)
_WATCHES = KeyAuth(Permission.READ, Permission.REVIEW)


class NewWork(Schema):
    """What to do (`flag`, `tag`, `untag`, `queue`, `annotate`), to which (ids or a filter), and how.

    `flag` takes `reason`, `severity` and `note`; `tag` and `untag` take `tag`; `queue` takes the queue's id;
    `annotate` takes `scores` and `comment`.
    """

    model_config = ConfigDict(extra="forbid")

    deed: str
    interactions: list[UUID] | None = None
    filter: dict[str, Any] | None = None
    reason: str = ""
    severity: str = ""
    note: str = ""
    tag: str = ""
    queue: str = ""
    scores: dict[str, Any] = {}
    comment: str = ""


class Work(Schema):
    """Bulk work and how far it is: `expected` may be about, `changed` is what can be taken back."""

    id: UUID
    deed: str
    filter: dict[str, Any]
    parameters: dict[str, Any]
    state: str
    expected: int
    walked: int
    changed: int
    taken_back: int
    error: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    url: str


@router.post("", auth=_DOES, response={202: Work}, summary="Do something to many")
def start(request: ApiRequest, body: NewWork) -> Status[dict[str, Any]]:
    """The background does it; what is recorded from now on is not touched. The key needs `read` too."""
    if (body.interactions is None) == (body.filter is None):
        raise Problem(422, "Say which interactions: either “interactions”, a list of ids, or “filter”.")
    now = timezone.now()
    with transaction.atomic():
        values = body.filter
        if body.interactions is not None:
            chosen = find.choose(actor=request.auth, ids=body.interactions, now=now)
            values = {"selection": str(chosen.pk), "replays": "all"}
        made = find.start_bulk(
            actor=request.auth,
            deed=body.deed,
            wanted=read_filter(values or {}),
            parameters=body.dict(exclude={"deed", "interactions", "filter"}),
            now=now,
        )
        transaction.on_commit(lambda: find_bulk.delay(work_id=str(made.pk)))
    return Status(202, _value(request, made))


@router.get(
    "",
    auth=_WATCHES,
    response=dict[str, Any],
    openapi_extra={"parameters": lists.PARAMETERS},
    summary="List bulk work",
)
def works(request: ApiRequest) -> dict[str, Any]:
    """Newest first."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    page = page_of(_rows(request), limit=limit, cursor=request.GET.get("cursor", ""), by="created_at")
    return {"items": [_value(request, one) for one in page.items], "next": page.next}


@router.get("/{uuid:id}", auth=_WATCHES, response=Work, summary="How far bulk work is")
def read(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """State and counts."""
    return _value(request, _find(request, id))


@router.post("/{uuid:id}/cancel", auth=_DOES, response={202: Work}, summary="Cancel bulk work")
def cancel(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """Stop it; what is done stays until it is taken back. Work that has ended stays as it is."""
    find.cancel_bulk(actor=request.auth, work=_find(request, id), now=timezone.now())
    return Status(202, _value(request, _find(request, id)))


@router.post("/{uuid:id}/undo", auth=_DOES, response={202: Work}, summary="Take bulk work back")
def undo(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """Have all of it taken back, but what somebody worked on since. The same again changes nothing."""
    with transaction.atomic():
        if find.undo_bulk(actor=request.auth, work=_find(request, id), now=timezone.now()):
            transaction.on_commit(lambda: find_bulk.delay(work_id=str(id)))
    return Status(202, _value(request, _find(request, id)))


def _rows(request: ApiRequest) -> Any:
    """The project's: a key that may judge need not be one that may read."""
    rows = BulkWork.objects.filter(project=request.auth.project)
    return rows.select_related("created_by", "created_by_key")


def _find(request: ApiRequest, id_: UUID) -> BulkWork:
    found: BulkWork | None = _rows(request).filter(pk=id_).first()
    if found is None:
        raise Http404
    return found


def _value(request: ApiRequest, found: BulkWork) -> dict[str, Any]:
    return {
        "id": found.pk,
        "deed": found.deed,
        "filter": found.filter,
        "parameters": found.parameters,
        "state": found.state,
        "expected": found.expected,
        "walked": found.walked,
        "changed": found.changed,
        "taken_back": found.taken_back,
        "error": found.error,
        "created_by": found.made_by,
        "created_at": found.created_at,
        "finished_at": found.finished_at,
        "url": request.build_absolute_uri(reverse("bulk", args=[found.pk])),
    }
