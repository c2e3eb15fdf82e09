"""Fingerprints over the API: the values each model answers with, and what is decided about them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import ConfigDict

from reviewapp.models import Fingerprint, Permission
from reviewapp.models.pages import InvalidCursor
from reviewapp.models.pools import PoolValue, pools_of, value_of
from reviewapp.stages import watch
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem

router = Router(tags=["fingerprints"])

LONGEST_PAGE = 500


class OverlapEnd(Schema):
    """When the value stops being valid; left out, after the pool's usual overlap."""

    model_config = ConfigDict(extra="forbid")

    until: datetime | None = None


class Wanted(Schema):
    """Which fingerprints to list."""

    provider: str = ""
    model: str = ""
    state: str = ""
    limit: int = 50
    cursor: str = ""


@router.get("", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="List fingerprints")
def fingerprints(request: ApiRequest, wanted: Query[Wanted]) -> dict[str, Any]:
    """By provider and model, each pool's latest value first. `value` is null where none was reported."""
    if not 1 <= wanted.limit <= LONGEST_PAGE:
        raise Problem(422, f"limit: must be between 1 and {LONGEST_PAGE}")
    start = _place(wanted.cursor)
    pools = sorted(
        pools_of(project=request.auth.project, now=timezone.now()),
        key=lambda pool: (pool.provider.name, pool.model),
    )
    items = [
        _shown(value, pool.graded.grade)
        for pool in pools
        if wanted.provider in ("", pool.provider.name) and wanted.model in ("", pool.model)
        for value in pool.values
        if wanted.state in ("", value.state)
    ]
    end = start + wanted.limit
    return {"items": items[start:end], "next": _cursor(end) if end < len(items) else None}


@router.post(
    "/{uuid:id}/accept", auth=KeyAuth(Permission.ADMIN), response=dict[str, Any], summary="Accept a value"
)
def accept(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """It is expected from now on; the values accepted before it stay valid for the usual overlap."""
    found = _find(request, id)
    now = timezone.now()
    return _decided(found, watch.accept(actor=request.auth, fingerprint=found, now=now), now)


@router.post(
    "/{uuid:id}/overlap",
    auth=KeyAuth(Permission.ADMIN),
    response=dict[str, Any],
    summary="Keep a value valid",
)
def overlap(request: ApiRequest, id: UUID, body: OverlapEnd | None = None) -> dict[str, Any]:  # noqa: A002
    """It stays valid beside newer ones until then, and retires by itself once it is no longer seen."""
    found = _find(request, id)
    now = timezone.now()
    until = body.until if body else None
    if until is not None and until.tzinfo is None:
        until = timezone.make_aware(until)
    moved = watch.overlap(actor=request.auth, fingerprint=found, until=until, now=now)
    return _decided(found, moved, now)


@router.post(
    "/{uuid:id}/retire", auth=KeyAuth(Permission.ADMIN), response=dict[str, Any], summary="Retire a value"
)
def retire(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """It is no longer valid."""
    found = _find(request, id)
    now = timezone.now()
    return _decided(found, watch.retire(actor=request.auth, fingerprint=found, now=now), now)


def _find(request: ApiRequest, id_: UUID) -> Fingerprint:
    found = Fingerprint.objects.filter(project=request.auth.project, pk=id_).select_related("project").first()
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


def _decided(found: Fingerprint, moved: bool, now: datetime) -> dict[str, Any]:
    if not moved:
        raise Problem(409, "Somebody decided about this fingerprint in the same moment; read it again.")
    return _shown(value_of(fingerprint=found, now=now))


def _shown(value: PoolValue, grade: str | None = None) -> dict[str, Any]:
    return {
        "id": str(value.id),
        "provider": value.provider.name,
        "model": value.model,
        "value": value.value,
        "state": value.state,
        "first_seen": value.first_seen,
        "last_seen": value.last_seen,
        "count": value.count,
        "share": value.share,
        "overlap_until": value.overlap_until,
        "shapes": list(value.shapes),
        "decided_by": value.decided_by or None,
        "decided_at": value.decided_at,
        **({"grade": grade} if grade else {}),
    }


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"f{place}".encode()).decode()


def _place(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    if not text.startswith("f") or not text[1:].isdecimal():
        raise InvalidCursor
    return int(text[1:])
