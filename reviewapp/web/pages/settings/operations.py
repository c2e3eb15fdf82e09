"""Operations: what was set aside of this project; for who runs the installation also how its parts are."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from reviewapp import health
from reviewapp.journal import lag
from reviewapp.models import FailedMessage, Permission, measures
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages.record import second_try
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section

PAGE = 20
# So many a click: a person waits for the answer.
AT_ONCE = 200
TABLES = 6


@needs(Permission.ADMIN)
@require_safe
def operations(request: AppRequest) -> HttpResponse:
    """What was set aside, newest first."""
    rows = FailedMessage.objects.filter(project=request.actor.project, recorded_at=None)
    try:
        page = page_of(rows, limit=PAGE, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        page = page_of(rows, limit=PAGE, by="created_at")
    here = reverse("settings-operations")
    return section(
        request,
        "pages/settings/operations.html",
        "settings-operations",
        failed=[(row, second_try.content_of(message=row)) for row in page.items],
        newer=f"{here}?cursor={page.newer}" if page.newer else "",
        older=f"{here}?cursor={page.older}" if page.older else "",
        is_operator=request.user.is_operator,
    )


@needs(Permission.ADMIN)
@require_safe
def parts(request: AppRequest) -> HttpResponse:
    """How the parts of the installation are, now: for operators, since it is everybody's."""
    if not request.user.is_operator:
        raise Http404
    findings = asyncio.run(health.findings(optional=True))
    partitions, how = health.partitioned()
    findings += [how] if how is not None else []
    journal = lag(Path(settings.JOURNAL_DIR))
    try:
        queues = health.queue_lengths()
    except Exception:  # whatever a broker that is away raises; the findings above say so
        queues = {}
    now = measures.measures()
    disk = shutil.disk_usage(settings.DATA_DIR)
    return render(
        request,
        "pages/settings/operations.html#parts",
        {
            "findings": findings,
            "journal": journal,
            "queues": queues,
            "measures": now,
            "partitions": partitions,
            "tables": measures.table_sizes(most=TABLES),
            "schedule": measures.schedule(),
            "disk": disk,
            "homeless": FailedMessage.objects.filter(project=None, recorded_at=None).count(),
            "metrics": settings.METRICS,
        },
    )


@needs(Permission.ADMIN)
@require_POST
def retry(request: AppRequest, id: UUID | None = None) -> HttpResponse:  # noqa: A002
    """Try one again, or the oldest of them all."""
    rows = FailedMessage.objects.filter(project=request.actor.project)
    if id is not None:
        chosen = [get_object_or_404(rows, pk=id).pk]
    else:
        chosen = list(rows.filter(recorded_at=None).order_by("id").values_list("pk", flat=True)[:AT_ONCE])
    done = second_try.try_again(messages=chosen, actor=request.actor, now=timezone.now())
    if done.recorded:
        said = ngettext("%(n)s message recorded.", "%(n)s messages recorded.", done.recorded)
        messages.success(request, said % {"n": done.recorded})
    if done.still:
        said = ngettext(
            "%(n)s message still can't be recorded.", "%(n)s messages still can't be recorded.", done.still
        )
        messages.error(request, said % {"n": done.still})
    return redirect("settings-operations")
