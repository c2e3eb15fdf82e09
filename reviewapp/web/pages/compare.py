"""Compare: original against attempt, with the verdict on top."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.models import Attempt, AttemptState, Permission
from reviewapp.stages import compare as stage
from reviewapp.web.frame import AppRequest, find_or_404, needs


@needs(Permission.READ)
@require_safe
def compare(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One attempt beside its original."""
    attempt: Attempt = find_or_404(
        request, Attempt.objects.select_related("run", "original", "provider"), id=id
    )
    view = stage.view(attempt=attempt) if attempt.state == AttemptState.DONE else None
    return render(request, "pages/compare.html", {"attempt": attempt, "view": view})
