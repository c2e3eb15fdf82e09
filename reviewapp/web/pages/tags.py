"""Tags that people put on one interaction, from its page."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reviewapp.models import Permission
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.interaction import load
from reviewapp.web.refusals import words_of


@needs(Permission.REVIEW)
@require_POST
def add(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Put a tag on it."""
    found = load(request, id)
    name = _name(request)
    try:
        if review.add_tag(actor=request.actor, interaction=found, name=name, now=timezone.now()):
            undo = f"{reverse('interaction-untag', args=[found.pk])}?{urlencode({'tag': name})}"
            messages.success(request, _("Tagged"), extra_tags=undo)
    except InvalidAnswer as error:
        messages.error(request, words_of(error))
    return redirect("interaction", id=found.pk)


@needs(Permission.REVIEW)
@require_POST
def remove(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take it off; recorded tags stay."""
    found = load(request, id)
    name = _name(request)
    if review.remove_tag(actor=request.actor, interaction=found, name=name, now=timezone.now()):
        undo = f"{reverse('interaction-tag', args=[found.pk])}?{urlencode({'tag': name})}"
        messages.success(request, _("Tag taken off"), extra_tags=undo)
    return redirect("interaction", id=found.pk)


def _name(request: AppRequest) -> str:
    """From the form, or from the address of an undo."""
    return " ".join((request.POST.get("tag") or request.GET.get("tag", "")).split())
