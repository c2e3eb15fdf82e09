"""Alerts over the API, newest first, as webhooks tell them."""

from __future__ import annotations

from typing import Any

from ninja import Router

from reviewapp.models import Alert, AlertSeverity, Permission
from reviewapp.models.pages import page_of
from reviewapp.stages.watch.messages import alert_json
from reviewapp.web.api import lists
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem

router = Router(tags=["alerts"])
_PARAMETERS: list[dict[str, Any]] = [
    {"name": "kind", "in": "query", "schema": {"type": "string"}},
    {"name": "severity", "in": "query", "schema": {"type": "string", "enum": AlertSeverity.values}},
    {"name": "state", "in": "query", "schema": {"type": "string", "enum": ["open"]}},
    *lists.PARAMETERS,
]


@router.get(
    "",
    auth=KeyAuth(Permission.READ),
    response=dict[str, Any],
    openapi_extra={"parameters": _PARAMETERS},
    summary="List alerts",
)
def alerts(request: ApiRequest) -> dict[str, Any]:
    """Newest first. `state=open` leaves out what somebody has acknowledged."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    rows = Alert.objects.visible_to(request.auth).select_related("project").prefetch_related("marks__person")
    severity, kind, state = (request.GET.get(name, "") for name in ("severity", "kind", "state"))
    if severity:
        if severity not in AlertSeverity.values:
            raise Problem(
                422, f"severity: must be one of {', '.join(AlertSeverity.values)}.", field="severity"
            )
        rows = rows.filter(severity=severity)
    if "\x00" in kind:
        raise Problem(422, "kind: holds a NUL character.", field="kind")
    if kind:
        rows = rows.filter(kind=kind)
    if state not in {"", "open"}:
        raise Problem(422, "state: must be open, or left out.", field="state")
    if state:
        rows = rows.open()
    page = page_of(rows, limit=limit, cursor=request.GET.get("cursor", ""), by="last_at")
    return {"items": [_value(alert) for alert in page.items], "next": page.next}


def _value(alert: Alert) -> dict[str, Any]:
    return alert_json(alert) | {
        "acknowledged": [{"by": person.email, "at": at} for person, at in alert.acknowledgements]
    }
