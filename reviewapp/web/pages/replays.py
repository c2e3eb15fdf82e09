"""Replay runs: choose and estimate, watch, look at the worst first."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from reviewapp.models import Permission, Provider, ReplayRun, RunState, VerdictName
from reviewapp.models.filters import InvalidFilter, read_filter
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.models.replaying import attempts_page, run_rows
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused
from reviewapp.tasks import replay_nudge
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.interactions import filter_values

ATTEMPTS_SHOWN = 200


@needs(Permission.READ)
@require_safe
def replays(request: AppRequest) -> HttpResponse:
    """The runs, newest first."""
    runs = ReplayRun.objects.visible_to(request.actor).select_related("created_by", "created_by_key")
    try:
        page = page_of(runs, limit=30, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        return redirect("replays")
    here = reverse("replays")
    return vary_on_htmx(
        render(
            request,
            "pages/replays.html" + ("#list" if is_fragment(request) else ""),
            {
                "rows": run_rows(page.items),
                "active": any(run.state in {RunState.QUEUED, RunState.RUNNING} for run in page.items),
                "newer": f"{here}?cursor={page.newer}" if page.newer else "",
                "older": f"{here}?cursor={page.older}" if page.older else "",
            },
        )
    )


class ReplayForm(forms.Form):
    """How to ask again. Empty fields ask exactly as it was recorded."""

    attempts = forms.IntegerField(label=gettext_lazy("Attempts each"), min_value=1, max_value=50, initial=1)
    note = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("What do you want to find out?")}),
    )
    provider = forms.ModelChoiceField(
        label=gettext_lazy("Other provider"),
        queryset=Provider.objects.none(),
        required=False,
        empty_label=gettext_lazy("as recorded"),
        to_field_name="name",
    )
    model = forms.CharField(label=gettext_lazy("Other model"), max_length=200, required=False)
    seed = forms.IntegerField(label=gettext_lazy("Other seed"), required=False)
    parameters = forms.CharField(
        label=gettext_lazy("Other parameters"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "placeholder": '{"temperature": 0}'}),
        help_text=gettext_lazy("JSON; each member replaces the request's own."),
    )

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Provider.objects.visible_to(request.actor).exclude(base_url="").order_by("name")
        self.fields["provider"].queryset = rows  # type: ignore[attr-defined]

    def clean_parameters(self) -> dict[str, Any]:
        text = self.cleaned_data["parameters"].strip()
        if not text:
            return {}
        try:
            value = json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(_("This is no JSON: %(error)s"), params={"error": error}) from None
        if not isinstance(value, dict):
            raise forms.ValidationError(_('This must be a JSON object, such as {"temperature": 0}.'))
        return value

    def overrides(self) -> dict[str, Any]:
        """What is asked otherwise than it was recorded."""
        values = self.cleaned_data
        result = dict(values["parameters"])
        if values["provider"]:
            result["provider"] = values["provider"].name
        if values["model"].strip():
            result["model"] = values["model"].strip()
        if values["seed"] is not None:
            result["seed"] = values["seed"]
        return result


def _selection(request: HttpRequest) -> dict[str, Any]:
    """The interactions asked for: ids, or a filter; of the form or of the address."""
    data = request.POST if request.method == "POST" else request.GET
    ids = [part for text in data.getlist("ids") for part in text.split(",") if part]
    if ids:
        return {"interactions": ids}
    return {"filter": read_filter(filter_values(data)).values()}


@needs(Permission.REPLAY)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """Choose how to ask again, see what it will cost, start."""
    selection = _selection(request)
    form = ReplayForm(request.POST or None, request=request)
    problem = ""
    try:
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                run = replay.start_run(
                    actor=request.actor,
                    selection=selection,
                    attempts=form.cleaned_data["attempts"],
                    overrides=form.overrides(),
                    note=form.cleaned_data["note"],
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: replay_nudge.delay(run_id=str(run.pk)))
            return redirect("replay-run", id=run.pk)
        expected = replay.estimate(actor=request.actor, selection=selection, attempts=1, overrides={})
    except (InvalidFilter, Refused) as error:
        problem, expected = str(error), None
    return render(
        request,
        "pages/replay-new.html",
        {"form": form, "expected": expected, "problem": problem, "selection": selection},
        status=422 if problem or form.errors else 200,
    )


@needs(Permission.READ)
@require_safe
def run(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One run: its progress, and its attempts, the worst first."""
    found: ReplayRun = find_or_404(
        request, ReplayRun.objects.select_related("created_by", "created_by_key"), id=id
    )
    verdict = request.GET.get("verdict", "")
    page = attempts_page(
        run=found, show=verdict if verdict in VerdictName.values else "", limit=ATTEMPTS_SHOWN
    )
    return render(
        request,
        "pages/replay-run.html",
        {"row": run_rows([found])[0], "attempts": page.items, "verdict": verdict},
    )
