"""Exports over the API: asked for, watched, taken."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import Export, ExportState, Permission
from reviewapp.models.filters import read_filter
from reviewapp.stages import export
from reviewapp.tasks import export_make
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem

router = Router(tags=["exports"])


class NewExport(Schema):
    """What to export, and how."""

    model_config = ConfigDict(extra="forbid")

    format: str
    filter: dict[str, Any] = {}


def _value(request: HttpRequest, found: Export) -> dict[str, Any]:
    done = found.state == ExportState.DONE
    return {
        "id": str(found.pk),
        "format": found.format,
        "filter": found.filter,
        "state": found.state,
        "rows": found.rows,
        "bytes": found.bytes,
        "sha256": found.sha256 or None,
        "error": found.error,
        "created_at": found.created_at,
        "finished_at": found.finished_at,
        "manifest": found.manifest or None,
        "url": request.build_absolute_uri(f"/api/v1/exports/{found.pk}/file") if done else None,
    }


def _find(request: ApiRequest, id_: UUID) -> Export:
    """An export of the key's project."""
    found = Export.objects.filter(project=request.auth.project, pk=id_).first()
    if found is None:
        raise Http404
    return found  # type: ignore[no-any-return]


@router.post("", auth=KeyAuth(Permission.EXPORT), response={202: dict[str, Any]}, summary="Make an export")
def make(request: ApiRequest, body: NewExport) -> Status[dict[str, Any]]:
    """Start one; the background makes the file."""
    with transaction.atomic():
        made = export.start_export(
            actor=request.auth, format=body.format, wanted=read_filter(body.filter), now=timezone.now()
        )
        transaction.on_commit(lambda: export_make.delay(export_id=str(made.pk)))
    return Status(202, _value(request, made))


@router.get(
    "/{uuid:id}", auth=KeyAuth(Permission.EXPORT), response=dict[str, Any], summary="An export's state"
)
def read(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """State, counts, digest, and where the file is."""
    return _value(request, _find(request, id))


@router.get("/{uuid:id}/file", auth=KeyAuth(Permission.EXPORT), summary="An export's file")
def take(request: ApiRequest, id: UUID) -> FileResponse:  # noqa: A002
    """The file; taking it leaves an audit entry."""
    found = _find(request, id)
    try:
        file = export.open_file(export=found) if found.state == ExportState.DONE else None
    except export.StorageAway as away:
        raise Problem(503, str(away.strerror)) from None
    if file is None:
        raise Http404("The file is not there: it is still being made, or making it failed.")
    export.audit_download(actor=request.auth, export=found, now=timezone.now())
    return FileResponse(file, as_attachment=True, filename=found.file_name)


@router.post(
    "/{uuid:id}/cancel", auth=KeyAuth(Permission.EXPORT), response={202: dict[str, Any]}, summary="Cancel"
)
def cancel(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """Stop making it."""
    found = _find(request, id)
    export.cancel_export(actor=request.auth, export=found, now=timezone.now())
    found.refresh_from_db()
    return Status(202, _value(request, found))
