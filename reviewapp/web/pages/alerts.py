"""Alerts: what happened that people should know of, newest first, and the bell in the header."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp.models import Alert, AlertKind, AlertSeverity, Permission
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages import watch
from reviewapp.templatetags.frame import count_shown
from reviewapp.web.bell import bell
from reviewapp.web.frame import (
    AppRequest,
    find_or_404,
    fragment_or_page,
    is_fragment,
    needs,
    vary_on_htmx,
    waiting,
)

STATES: tuple[tuple[str, Any], ...] = (
    ("", gettext_lazy("All")),
    ("open", gettext_lazy("Not acknowledged")),
)
PAGE = 50


@needs(Permission.READ)
@require_safe
def alerts(request: AppRequest) -> HttpResponse:
    """The list."""
    given = {name: request.GET.get(name, "").replace("\x00", "") for name in ("state", "severity", "kind")}
    rows = Alert.objects.visible_to(request.actor)
    if given["state"] == "open":
        rows = rows.open()
    if given["severity"] in AlertSeverity.values:
        rows = rows.filter(severity=given["severity"])
    if given["kind"]:
        rows = rows.filter(kind=given["kind"])
    rows = _told(request, rows)
    try:
        page = page_of(rows, limit=PAGE, cursor=request.GET.get("cursor", ""), by="last_at")
    except InvalidCursor:
        page = page_of(rows, limit=PAGE, by="last_at")
    response = render(
        request,
        fragment_or_page(request, "pages/alerts.html", "list"),
        {
            "alerts": page.items,
            "seen_ids": ",".join(str(alert.pk) for alert in page.items if not alert.seen),
            "given": given,
            "narrowed": any(given.values()),
            "states": [(_address(given, state=name), word, given["state"] == name) for name, word in STATES],
            "severities": _choices(given, "severity", [(str(s.value), s.label) for s in AlertSeverity]),
            "kinds": _choices(given, "kind", [(str(k.value), k.label) for k in AlertKind]),
            "newer": _address(given, cursor=page.newer) if page.newer else "",
            "older": _address(given, cursor=page.older) if page.older else "",
        },
    )
    return vary_on_htmx(response)


@needs(Permission.REVIEW)
@require_POST
def acknowledge(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """I have taken note; others see that."""
    found = find_or_404(request, Alert.objects.all(), id=id)
    watch.acknowledge(actor=request.actor, alert=found, now=timezone.now())
    return _row(request, found, _("Acknowledged"), undo=reverse("alert-take-back", args=[found.pk]))


@needs(Permission.REVIEW)
@require_POST
def take_back(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Undo: I have not."""
    found = find_or_404(request, Alert.objects.all(), id=id)
    watch.take_back(actor=request.actor, alert=found, now=timezone.now())
    return _row(request, found, _("Taken back"), undo="")


@needs(Permission.READ)
@require_safe
def ring(request: AppRequest) -> HttpResponse:
    """The bell as it is now, and what waits for people, which the rail counts."""
    response = render(
        request, "components/alerts.html", {"bell": bell(actor=request.actor, now=timezone.now())}
    )
    counts = waiting(actor=request.actor)
    shown = {name: count_shown(count) if count else "" for name, count in counts.items()}
    return trigger_client_event(response, "waiting", {"shown": shown})


@needs(Permission.READ)
@require_POST
def seen(request: AppRequest) -> HttpResponse:
    """I have these before my eyes; gives the bell."""
    watch.note_seen(actor=request.actor, alerts=_ids(request.POST.get("alerts", "")), now=timezone.now())
    return render(request, "components/alerts.html", {"bell": bell(actor=request.actor, now=timezone.now())})


def _ids(text: str) -> list[UUID]:
    found = []
    for part in text.split(",")[: 2 * PAGE]:
        try:
            found.append(UUID(part))
        except ValueError:
            continue
    return found


def _told(request: AppRequest, rows: Any) -> Any:
    return rows.seen_by(request.user).prefetch_related("marks__person")


def _row(request: AppRequest, found: Alert, message: str, *, undo: str) -> HttpResponse:
    if not is_fragment(request):
        messages.success(request, message, extra_tags=undo)
        return redirect("alerts")
    alert = _told(request, Alert.objects.visible_to(request.actor)).get(pk=found.pk)
    response = render(request, "pages/alerts.html#row", {"alert": alert})
    detail = {"message": message, **({"undo": undo, "target": f"#alert-{found.pk}"} if undo else {})}
    return vary_on_htmx(trigger_client_event(response, "toast", detail))


def _choices(given: dict[str, str], name: str, choices: list[tuple[str, Any]]) -> list[tuple[str, Any, bool]]:
    """Address, word, whether it is chosen; the first one takes the choice away."""
    every = [("", _("Any")), *choices]
    return [(_address(given, **{name: value}), word, given[name] == value) for value, word in every]


def _address(given: dict[str, str], **changes: str) -> str:
    query = {name: value for name, value in (given | changes).items() if value}
    return reverse("alerts") + (f"?{urlencode(query)}" if query else "")
