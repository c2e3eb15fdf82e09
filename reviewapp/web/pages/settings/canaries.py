"""Canary sets: made, scheduled, captured, paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import Canary, CanarySet, Permission, Provider
from reviewapp.models.canarying import checks_since, set_rows
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import CanaryValues
from reviewapp.tasks import replay_nudge, watch_prepare_canaries
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_who_is_there
from reviewapp.web.strips import draw_strip

CHECKS_SHOWN = 40
_EVERY = (
    (5, gettext_lazy("every 5 minutes")),
    (15, gettext_lazy("every 15 minutes")),
    (30, gettext_lazy("every 30 minutes")),
    (60, gettext_lazy("every hour")),
    (180, gettext_lazy("every 3 hours")),
    (360, gettext_lazy("every 6 hours")),
    (720, gettext_lazy("every 12 hours")),
    (1440, gettext_lazy("once a day, at the same hour")),
)
_LEARN = (
    (10, gettext_lazy("10 minutes apart")),
    (60, gettext_lazy("an hour apart")),
    (480, gettext_lazy("8 hours apart: three times of one day")),
    (1440, gettext_lazy("a day apart")),
)


class ScheduleForm(forms.Form):
    every_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Check"), coerce=int, choices=_EVERY, initial=60
    )
    learn_every_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Learn the baseline in three sessions"),
        coerce=int,
        choices=_LEARN,
        initial=480,
        help_text=gettext_lazy(
            "The further apart, the more of what is ordinary is known: other hours, load and machines."
        ),
    )
    repeats = forms.IntegerField(
        label=gettext_lazy("Ask each canary"),
        min_value=1,
        max_value=10,
        initial=1,
        help_text=gettext_lazy("Times in a check. What looks unusual is asked five more times at once."),
    )
    daily_budget = forms.IntegerField(
        label=gettext_lazy("Budget"),
        min_value=1,
        max_value=1_000_000,
        initial=2_000,
        help_text=gettext_lazy("Requests a day (UTC), never passed."),
    )
    retires_on = forms.DateField(
        label=gettext_lazy("Last day of the model"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy(
            "If the provider has announced one. Until then a baseline can still be captured."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: tuple[tuple[str, Any, Callable[[int], str]], ...] = (
            ("every_minutes", _EVERY, lambda n: ngettext("every minute", "every %(n)s minutes", n)),
            ("learn_every_minutes", _LEARN, lambda n: ngettext("a minute apart", "%(n)s minutes apart", n)),
        )
        for name, choices, words in offered:
            given = self.initial.get(name)
            # What a command or the demo has set stays what it is.
            if given is not None and given not in dict(choices):
                field = self.fields[name]
                assert isinstance(field, forms.TypedChoiceField)
                field.choices = [(given, words(given) % {"n": given}), *choices]


class NewForm(ScheduleForm):
    provider = forms.ChoiceField(label=gettext_lazy("Provider"))
    model = forms.CharField(
        label=gettext_lazy("Model"), max_length=200, help_text=gettext_lazy("As the provider calls it.")
    )
    field_order = ("provider", "model")

    def __init__(self, *args: Any, providers: list[Provider], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(str(one.pk), one.name) for one in providers]


@needs(Permission.ADMIN)
@require_safe
def canaries(request: AppRequest) -> HttpResponse:
    """The models that are watched."""
    now = timezone.now()
    return section(
        request,
        "pages/settings/canaries.html",
        "settings-canaries",
        rows=[(row, row.days_left(now)) for row in set_rows(project=request.actor.project, now=now)],
        can_make=bool(_callable(request)),
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """Watch a model with a starter set."""
    providers = _callable(request)
    initial = {name: request.GET.get(name, "") for name in ("provider", "model") if request.GET.get(name)}
    form = NewForm(request.POST or None, providers=providers, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        chosen, model = values.pop("provider"), values.pop("model")
        provider = next(one for one in providers if str(one.pk) == chosen)
        try:
            made = watch.make_set(
                actor=request.actor,
                provider=provider,
                model=model,
                values=CanaryValues(**values),
                now=timezone.now(),
            )
        except Refused as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            watch_prepare_canaries.delay(set_id=str(made.pk))
            return redirect("settings-canary-set", id=made.pk)
    return section(
        request,
        "pages/settings/canaries-new.html",
        "settings-canaries",
        form=form,
        status=422 if form.errors else 200,
    )


def _callable(request: AppRequest) -> list[Provider]:
    return list(
        Provider.objects.visible_to(request.actor)
        .exclude(base_url="")
        .defer("api_key")
        .order_by("-is_default", "name")
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_who_is_there
def canary_set(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One model's canaries: what they saw, what they are compared with, when they are asked."""
    found = _load(request, id)
    now = timezone.now()
    initial = {name: getattr(found, name) for name in ScheduleForm.base_fields}
    form = ScheduleForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            watch.change_set(
                actor=request.actor, canaries=found, values=CanaryValues(**form.cleaned_data), now=now
            )
        except Refused as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("settings-canary-set", id=found.pk)
    return section(
        request,
        "pages/settings/canary-set.html",
        "settings-canaries",
        status=422 if form.errors else 200,
        form=form,
        **_shown(request, found, now),
    )


def _shown(request: AppRequest, found: CanarySet, now: datetime) -> dict[str, Any]:
    row = next(row for row in set_rows(project=request.actor.project, now=now) if row.set.pk == found.pk)
    checks = checks_since(sets=[found.pk], since=None).get(found.pk, [])
    return {
        "row": row,
        "one": row.set,
        "days_left": row.days_left(now),
        "left_today": max(0, row.set.daily_budget - row.spent),
        "strip": draw_strip(checks=checks, start=checks[0].created_at, end=now) if checks else None,
        "checks": list(reversed(checks))[:CHECKS_SHOWN],
        "canaries": Canary.objects.filter(set=found)
        .select_related("interaction")
        .order_by("kind", "interaction__prompt_preview"),
    }


@needs(Permission.ADMIN)
@require_POST
def ask(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Check now, or capture a session of the baseline now."""
    found = _load(request, id)
    try:
        with transaction.atomic():
            run = watch.ask_now(
                actor=request.actor, canaries=found, capture=to == "capture", now=timezone.now()
            )
            transaction.on_commit(lambda: replay_nudge.delay(run_id=str(run)))
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Asking now; what came of it stands here within a minute or two."))
    return redirect("settings-canary-set", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def move(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Pause, resume, or take what answers now for the new baseline."""
    found = _load(request, id)
    now = timezone.now()
    try:
        if to == "pause":
            watch.pause(actor=request.actor, canaries=found, now=now)
        elif to == "resume":
            watch.resume(actor=request.actor, canaries=found, now=now)
        elif to != "renew":
            raise Http404
        else:
            watch.renew(actor=request.actor, canaries=found, now=now)
            messages.success(request, _("A new baseline begins with what answers now."))
    except Refused as error:
        messages.error(request, str(error))
    return redirect("settings-canary-set", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def remove(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Watch this model no more."""
    found = _load(request, id)
    watch.remove_set(actor=request.actor, canaries=found, now=timezone.now())
    messages.success(
        request, _("The canaries of %(model)s are gone; their answers stay.") % {"model": found.model}
    )
    return redirect("settings-canaries")


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def remove_canary(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask one interaction no more."""
    found = get_object_or_404(
        Canary.objects.select_related("set").filter(set__project=request.actor.project), pk=id
    )
    watch.remove_canary(actor=request.actor, canary=found, now=timezone.now())
    return redirect("settings-canary-set", id=found.set_id)


def _load(request: AppRequest, id_: UUID) -> CanarySet:
    rows = CanarySet.objects.visible_to(request.actor).select_related("provider")
    found: CanarySet = get_object_or_404(rows.defer("provider__api_key"), pk=id_)
    return found
