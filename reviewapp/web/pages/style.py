"""The style guide: every component in every state. Admins see it; it is how the design is tested."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewapp.models import Permission
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.style_sample import sample


@require_safe
@needs(Permission.ADMIN)
def style(request: AppRequest) -> HttpResponse:
    """GET /settings/style/"""
    if settings.PRODUCTION:
        raise Http404
    return render(request, "pages/style.html", sample(now=timezone.now()))
