"""One check of canaries, with its evidence; and an interaction becomes a canary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import CanaryCheck, CanarySession, CheckState, Interaction, Permission
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused
from reviewapp.tasks import watch_prepare_canaries
from reviewapp.web.frame import AppRequest, find_or_404, needs
from reviewapp.web.strips import amount, column_words, kind_words, statistic_words


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One measure of one look, for the table."""

    look: int
    what: str
    kind: str
    effect: str
    floor: str
    detectable: str
    p: float
    rows: int
    known: int
    above: bool


@needs(Permission.READ)
@require_safe
def check(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """What one check found, and how."""
    found: CanaryCheck = find_or_404(
        request,
        CanaryCheck.objects.select_related("set", "set__provider", "baseline", "change"),
        id=id,
    )
    others = CanaryCheck.objects.filter(set=found.set, state=CheckState.DONE)
    sessions = CanarySession.objects.filter(check_of=found).select_related("run").order_by("created_at")
    known = CanarySession.objects.filter(pk__in=found.compared_with).order_by("created_at")
    return render(
        request,
        "pages/canary-check.html",
        {
            "check": found,
            "sessions": sessions,
            "known": list(known),
            "measures": _measures(found.figures),
            "statistic": statistic_words(found.statistic),
            "column": column_words(found.column),
            "effect": amount(found.statistic, found.effect),
            "floor": amount(found.statistic, found.floor),
            "detectable": amount(found.statistic, found.detectable),
            "newer": others.filter(created_at__gt=found.created_at).order_by("created_at").first(),
            "older": others.filter(created_at__lt=found.created_at).order_by("-created_at").first(),
        },
    )


def _measures(figures: dict[str, Any]) -> list[MeasureRow]:
    return [
        MeasureRow(
            look=number,
            what=statistic_words(name),
            kind=kind_words(one["kind"]),
            effect=amount(name, effect),
            floor=amount(name, floor),
            detectable=amount(name, one["smallest_detectable"]) if name == one["statistic"] else "–",
            p=one["p"],
            rows=one["tested_rows"],
            known=one["baseline_rows"],
            above=one["can_tell"] and effect >= floor,
        )
        for number, look in enumerate(figures.get("looks", []), start=1)
        for one in look
        for name, effect, floor in _effects(one)
    ]


def _effects(one: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """The effects of a measure, each with its name and its floor; checks of an earlier method have one."""
    yield one["statistic"], one["effect"], one["floor"]
    if one.get("shift_floor") is not None:
        yield "lp_shift", one["shift"], one["shift_floor"]


@needs(Permission.ADMIN)
@require_POST
def watch_with(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask this interaction again on a schedule."""
    found: Interaction = find_or_404(
        request, Interaction.objects.select_related("provider", "body").defer("provider__api_key"), id=id
    )
    try:
        made = watch.watch_with(actor=request.actor, interaction=found, now=timezone.now())
    except Refused as error:
        messages.error(request, str(error))
        return redirect("interaction", id=found.pk)
    watch_prepare_canaries.delay(set_id=str(made.pk))
    messages.success(request, _("It is a canary of %(model)s now.") % {"model": made.model})
    return redirect("settings-canary-set", id=made.pk)
