"""Backend changes over the API: what was seen, what verifying showed, what was decided."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from ninja import Query, Router, Schema

from reviewapp.models import BackendChange, ChangeState, Permission
from reviewapp.models.changing import ChangeRow, Figures, change_rows
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.lists import LIMIT, MOST
from reviewapp.web.api.problems import Problem

router = Router(tags=["backend changes"])


class Wanted(Schema):
    """Which changes to list."""

    provider: str = ""
    model: str = ""
    state: str = ""
    limit: int = LIMIT
    cursor: str = ""


@router.get("", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="List backend changes")
def changes(request: ApiRequest, wanted: Query[Wanted]) -> dict[str, Any]:
    """Newest first. `state` is open, verifying, verified, accepted, reported or dismissed."""
    if not 1 <= wanted.limit <= MOST:
        raise Problem(422, f"limit: must be between 1 and {MOST}.", field="limit")
    if wanted.state and wanted.state not in ChangeState.values:
        raise Problem(422, f"state: must be one of {', '.join(ChangeState.values)}.", field="state")
    for name in ("provider", "model"):
        if "\x00" in getattr(wanted, name):
            raise Problem(422, f"{name}: holds a NUL character.", field=name)
    rows = _rows(request)
    if wanted.provider:
        rows = rows.filter(provider__name=wanted.provider)
    if wanted.model:
        rows = rows.filter(model=wanted.model)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    try:
        page = page_of(rows, limit=wanted.limit, cursor=wanted.cursor, by="opened_at")
    except InvalidCursor:
        raise Problem(422, "cursor: is none that this list gave.", field="cursor") from None
    return {"items": [_value(row) for row in change_rows(page.items)], "next": page.older}


@router.get(
    "/{uuid:id}", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="One backend change"
)
def change(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """With all its events and verifications."""
    found = _rows(request).filter(pk=id).first()
    if found is None:
        raise Http404
    (row,) = change_rows([found])
    return _value(row)


def _rows(request: ApiRequest) -> Any:
    rows = BackendChange.objects.filter(project=request.auth.project)
    return rows.select_related("provider", "decided_by", "decided_by_key").defer("provider__api_key")


def _value(row: ChangeRow) -> dict[str, Any]:
    change = row.change
    return {
        "id": str(change.pk),
        "provider": change.provider.name,
        "model": change.model,
        "state": change.state,
        "title": change.title,
        "opened_at": change.opened_at,
        "last_event_at": change.last_event_at,
        "decided_at": change.decided_at,
        "decided_by": change.decided_by.email if change.decided_by else change.decided_by_whom or None,
        "note": change.note,
        "export": str(change.export_id) if change.export_id else None,
        "events": [
            {
                "id": str(event.pk),
                "kind": event.kind,
                "at": event.at,
                "noticed_at": event.noticed_at,
                "sentence": event.sentence,
                "values": event.values,
                "evidence": event.evidence,
            }
            for event in row.events
        ],
        "verification": _figures(row.last) if row.last else None,
        "verifications": [_figures(figures) for figures in row.figures],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    one = figures.verification
    share = figures.changed_share
    return {
        "run": str(one.run_id),
        "state": "cancelled" if one.was_cancelled else "running" if figures.is_running else "done",
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "approved": one.approved,
        "flagged": one.flagged,
        "asked": figures.asked,
        "attempts": figures.run.total,
        "done": figures.run.finished,
        "kept": figures.kept,
        "changed": figures.changed,
        "varied": figures.varied,
        "unclear": figures.unclear,
        "unmeasured": figures.unmeasured,
        "changed_share": None
        if share is None
        else {"low": share.low, "share": share.share, "high": share.high},
    }
