"""The audit log: who did what, newest first."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from reviewapp.models import AuditEntry, Permission
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section


@needs(Permission.ADMIN)
@require_safe
def audit(request: AppRequest) -> HttpResponse:
    """A page of the trail."""
    rows = AuditEntry.objects.filter(project=request.actor.project).select_related("person", "key")
    try:
        page = page_of(rows, limit=50, cursor=request.GET.get("cursor", ""), by="at")
    except InvalidCursor:
        page = page_of(rows, limit=50, by="at")
    here = reverse("settings-audit")
    return section(
        request,
        "pages/settings/audit.html",
        "settings-audit",
        trail=page.items,
        newer=f"{here}?cursor={page.newer}" if page.newer else "",
        older=f"{here}?cursor={page.older}" if page.older else "",
    )
