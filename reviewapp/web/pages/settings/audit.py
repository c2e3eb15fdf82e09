"""The audit log: who did what, newest first; searched, and taken along as a file that can be verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import AuditEntry, Permission
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages.administer import sealing
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_who_is_there


@dataclass(frozen=True, slots=True)
class Search:
    """What of the log is wanted, as it was typed; `problem` says what can't be understood of it."""

    q: str = ""
    since: str = ""
    until: str = ""
    problem: str = ""

    @property
    def query(self) -> str:
        given = {"q": self.q, "since": self.since, "until": self.until}
        return urlencode({name: value for name, value in given.items() if value})


def _read(request: AppRequest) -> tuple[Search, QuerySet[AuditEntry]]:
    rows = AuditEntry.objects.filter(project=request.actor.project)
    q, since, until = (request.GET.get(name, "").strip()[:200] for name in ("q", "since", "until"))
    q = q.replace("\x00", "")
    problem = ""
    for text, lookup, days in ((since, "at__gte", 0), (until, "at__lt", 1)):
        if not text:
            continue
        try:
            day = date.fromisoformat(text) + timedelta(days=days)
        except (ValueError, OverflowError):
            problem = _("“%(text)s” is no date; write it like 2026-11-30.") % {"text": text}
            rows = rows.none()
        else:
            rows = rows.filter(**{lookup: datetime(day.year, day.month, day.day, tzinfo=UTC)})
    for word in q.split():
        rows = rows.filter(
            Q(action__icontains=word)
            | Q(object_type__icontains=word)
            | Q(object_id__icontains=word)
            | Q(person__email__icontains=word)
            | Q(key__name__icontains=word)
            | Q(detail__icontains=word)
        )
    return Search(q, since, until, problem), rows


@needs(Permission.ADMIN)
@require_safe
def audit(request: AppRequest) -> HttpResponse:
    """A page of the trail."""
    search, rows = _read(request)
    rows = rows.select_related("person", "key")
    try:
        page = page_of(rows, limit=50, cursor=request.GET.get("cursor", ""), by="at")
    except InvalidCursor:
        page = page_of(rows, limit=50, by="at")
    here = f"{reverse('settings-audit')}?{search.query}{'&' if search.query else ''}cursor="
    return section(
        request,
        "pages/settings/audit.html",
        "settings-audit",
        search=search,
        trail=page.items,
        newer=f"{here}{page.newer}" if page.newer else "",
        older=f"{here}{page.older}" if page.older else "",
        chain=sealing.verify_audit(project=request.actor.project, now=timezone.now())
        if request.GET.get("verify")
        else None,
    )


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def export(request: AppRequest) -> HttpResponseBase:
    """What matches, as JSON Lines with the links of the chain. Taking it along is a deed too."""
    search, rows = _read(request)
    sealing.note_taken(actor=request.actor, search=search.query, now=timezone.now())
    slug = request.actor.project.slug
    answer = StreamingHttpResponse(sealing.audit_lines(entries=rows), content_type="application/x-ndjson")
    answer["Content-Disposition"] = f'attachment; filename="reviewapp-audit-{slug}.jsonl"'
    return answer
