"""What a source hides before it is stored: saved, or tried on its latest calls, on the source's page."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reviewapp.models import Permission, Source
from reviewapp.pure.redaction import Policy
from reviewapp.stages import administer
from reviewapp.stages.record.foreseeing import foresee
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings.providers import source_page
from reviewapp.web.pages.settings.redacting import RedactionForm
from reviewapp.web.reauthenticating import asks_who_is_there, is_no_trial


@needs(Permission.ADMIN)
@require_POST
@partial(asks_who_is_there, when=is_no_trial)
def redaction(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Save what is hidden; or, with `try`, show what would have been hidden of the latest calls."""
    found = get_object_or_404(Source.objects.visible_to(request.actor), pk=id)
    form = RedactionForm(request.POST)
    if not form.is_valid():
        return source_page(request, found, redaction_form=form, status=422)
    policy: Policy = form.cleaned_data["policy"]
    if "try" in request.POST:
        return source_page(request, found, redaction_form=form, foreseen=foresee(source=found, policy=policy))
    administer.save_redaction(actor=request.actor, source=found, policy=policy, now=timezone.now())
    messages.success(
        request,
        _("From now on this is hidden before a call of %(name)s is stored.") % {"name": found.name}
        if policy
        else _("Nothing is hidden of the calls of %(name)s.") % {"name": found.name},
    )
    return redirect("settings-source", id=found.pk)
