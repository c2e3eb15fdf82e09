"""One seed: whose it is, and which interactions carry it."""

from __future__ import annotations

import re

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.models import Interaction, Permission
from reviewapp.models.filters import Filter, apply
from reviewapp.models.fingerprint import states_of
from reviewapp.stages import administer
from reviewapp.web.frame import AppRequest, needs

SHOWN = 20


@needs(Permission.READ)
@require_safe
def seed(request: AppRequest, seed: str) -> HttpResponse:
    """The seed's page."""
    if not re.fullmatch(r"-?\d{1,20}", seed, re.ASCII):
        raise Http404
    try:
        found = administer.describe_seed(actor=request.actor, seed=int(seed))
    except administer.Refused as error:
        raise Http404(str(error)) from None
    rows = apply(
        Interaction.objects.filter(project=request.actor.project),
        Filter(seed=str(int(seed))),
        project=request.actor.project,
    )
    used = list(
        rows.originals().select_related("source", "provider").order_by("-started_at", "-id")[: SHOWN + 1]
    )
    states = states_of(used)
    return render(
        request,
        "pages/seed.html",
        {
            "found": found,
            "used": [(one, states.get(one.pk, "")) for one in used[:SHOWN]],
            "is_more": len(used) > SHOWN,
        },
    )
