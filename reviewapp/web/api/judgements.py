"""Flags and annotations over the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import Interaction, Permission, Severity
from reviewapp.stages import export, review
from reviewapp.web.api.access import ApiRequest, KeyAuth

router = Router(tags=["judgements"])


class NewFlag(Schema):
    """A reviewer's mark: why, how bad, and a note."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    severity: str = Severity.MEDIUM
    note: str = ""


class NewAnnotation(Schema):
    """A judgement by the project's rubric; spans are in characters of `output_text`."""

    model_config = ConfigDict(extra="forbid")

    scores: dict[str, Any] = {}
    spans: list[dict[str, Any]] = []
    correction: str | None = None
    comment: str = ""


def _interaction(request: ApiRequest, id_: UUID) -> Interaction:
    """An interaction of the key's project: a key that may judge need not be one that may read."""
    # What it says is read where words are marked, and only then.
    rows = Interaction.objects.filter(project=request.auth.project, pk=id_).only(
        "project", "endpoint", "status"
    )
    found = rows.first()
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


@router.post(
    "/{uuid:id}/flags",
    auth=KeyAuth(Permission.REVIEW),
    response={201: dict[str, Any]},
    summary="Flag an interaction",
)
def flag(request: ApiRequest, id: UUID, body: NewFlag) -> Status[dict[str, Any]]:  # noqa: A002
    """Mark it as needing attention, or as one to reproduce."""
    made = review.flag(
        actor=request.auth, interaction=_interaction(request, id), now=timezone.now(), **body.dict()
    )
    return Status(201, export.flag_value(made))


@router.post(
    "/{uuid:id}/annotations",
    auth=KeyAuth(Permission.REVIEW),
    response={201: dict[str, Any]},
    summary="Annotate an interaction",
)
def annotate(request: ApiRequest, id: UUID, body: NewAnnotation) -> Status[dict[str, Any]]:  # noqa: A002
    """Give a judgement."""
    made = review.annotate(
        actor=request.auth, interaction=_interaction(request, id), now=timezone.now(), **body.dict()
    )
    return Status(201, export.annotation_value(made))
