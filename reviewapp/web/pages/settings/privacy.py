"""Privacy: what is deleted when, what is held, one person's data, what pseudonyms stand for."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from reviewapp import tasks
from reviewapp.models import (
    Erasure,
    ErasureState,
    Hold,
    Permission,
    ProjectPrivacy,
    Pseudonym,
    RetentionRule,
    Source,
    VerdictName,
)
from reviewapp.stages import privacy as stage
from reviewapp.stages.administer import Refused
from reviewapp.stages.privacy.erasing import is_genuine
from reviewapp.stages.privacy.retaining import LONGEST, RuleValues
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_who_is_there, is_no_trial, knows_who_is_there


class RuleForm(forms.Form):
    """A rule of retention."""

    days = forms.IntegerField(
        label=gettext_lazy("Delete what is older than, in days"), min_value=1, max_value=LONGEST
    )
    source = forms.ModelChoiceField(
        label=gettext_lazy("Of the source"),
        empty_label=gettext_lazy("Every source"),
        queryset=Source.objects.none(),
        required=False,
    )
    verdict = forms.ChoiceField(
        label=gettext_lazy("Whose last verdict is"),
        choices=[("", gettext_lazy("Any, or none")), *VerdictName.choices],
        required=False,
    )
    flagged = forms.ChoiceField(
        label=gettext_lazy("Flags"),
        choices=[
            ("", gettext_lazy("Flagged or not")),
            ("yes", gettext_lazy("With an open flag")),
            ("no", gettext_lazy("Without an open flag")),
        ],
        required=False,
    )

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Source.objects.visible_to(request.actor).order_by("name")
        self.fields["source"].queryset = rows  # type: ignore[attr-defined]


class HoldForm(forms.Form):
    """What nobody deletes."""

    prefix = "hold"
    source = forms.ModelChoiceField(
        label=gettext_lazy("A source"),
        queryset=Source.objects.none(),
        empty_label=gettext_lazy("No source"),
        required=False,
    )
    interaction = forms.UUIDField(label=gettext_lazy("Or one interaction, by its id"), required=False)
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300)

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Source.objects.visible_to(request.actor).order_by("name")
        self.fields["source"].queryset = rows  # type: ignore[attr-defined]


class PersonForm(forms.Form):
    """Whose data."""

    prefix = "person"
    name = forms.CharField(
        label=gettext_lazy("End user"),
        max_length=255,
        help_text=gettext_lazy(
            "As it was sent: in X-Review-User, as “user” of an interaction, or in the request itself."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class RevealForm(forms.Form):
    """Which pseudonym, and why."""

    prefix = "reveal"
    text = forms.CharField(label=gettext_lazy("Pseudonym"), max_length=60)
    reason = forms.CharField(label=gettext_lazy("Why it has to be looked up"), max_length=300)


def _page(request: AppRequest, *, status: int = 200, **said: Any) -> HttpResponse:
    project = request.actor.project
    kept = {
        "rules": RetentionRule.objects.visible_to(request.actor)
        .select_related("source")
        .order_by("created_at"),
        "holds": Hold.objects.visible_to(request.actor)
        .filter(lifted_at__isnull=True)
        .select_related("source", "interaction", "created_by")
        .order_by("-created_at"),
        "erasures": Erasure.objects.visible_to(request.actor)
        .select_related("created_by")
        .order_by("-created_at")[:20],
        "has_pseudonyms": ProjectPrivacy.objects.filter(
            project=project, pseudonym_key__isnull=False
        ).exists(),
        "pseudonyms": Pseudonym.objects.filter(project=project).count(),
        "rule_form": RuleForm(request=request),
        "hold_form": HoldForm(request=request),
        "person_form": PersonForm(),
        "reveal_form": RevealForm(),
    }
    return section(request, "pages/settings/privacy.html", "settings-privacy", status=status, **kept | said)


@needs(Permission.ADMIN)
@require_safe
def privacy(request: AppRequest) -> HttpResponse:
    """Everything at once."""
    return _page(request)


@needs(Permission.ADMIN)
@require_POST
@partial(asks_who_is_there, when=is_no_trial)
def rules(request: AppRequest) -> HttpResponse:
    """Add a rule; or, with `try`, show what it would delete."""
    form = RuleForm(request.POST, request=request)
    if form.is_valid():
        values = RuleValues(**form.cleaned_data)
        try:
            if "try" in request.POST:
                foreseen = stage.would_go(actor=request.actor, values=values, now=timezone.now())
                return _page(request, rule_form=form, would_go=foreseen)
            stage.add_rule(actor=request.actor, values=values, now=timezone.now())
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("The rule is saved; it is followed once a day."))
            return redirect("settings-privacy")
    return _page(request, rule_form=form, status=422)


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def remove_rule(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Delete nothing by it any more."""
    found = get_object_or_404(RetentionRule.objects.visible_to(request.actor), pk=id)
    stage.remove_rule(actor=request.actor, rule=found, now=timezone.now())
    return redirect("settings-privacy")


@needs(Permission.ADMIN)
@require_POST
def holds(request: AppRequest) -> HttpResponse:
    """Keep something from being deleted."""
    form = HoldForm(request.POST, request=request)
    if form.is_valid():
        try:
            stage.place_hold(actor=request.actor, now=timezone.now(), **form.cleaned_data)
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("It is held: nothing of it is deleted until the hold is lifted."))
            return redirect("settings-privacy")
    return _page(request, hold_form=form, status=422)


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def lift_hold(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """End a hold."""
    found = get_object_or_404(Hold.objects.visible_to(request.actor), pk=id)
    stage.lift_hold(actor=request.actor, hold=found, now=timezone.now())
    return redirect("settings-privacy")


@needs(Permission.ADMIN)
@require_POST
@partial(asks_who_is_there, when=lambda request: "export" in request.POST)
def person(request: AppRequest) -> HttpResponse:
    """What is recorded of an end user: looked at, or taken along as a file."""
    form = PersonForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["name"]
        try:
            if "export" in request.POST:
                with transaction.atomic():
                    made = stage.export_person(actor=request.actor, name=name, now=timezone.now())
                    transaction.on_commit(lambda: tasks.export_make.delay(export_id=str(made.pk)))
                return redirect("export", id=made.pk)
            found = stage.look_for(actor=request.actor, name=name)
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            return _page(request, person_form=form, found=found)
    return _page(request, person_form=form, status=422)


@needs(Permission.ADMIN)
@require_POST
@knows_who_is_there
def erase(request: AppRequest) -> HttpResponse:
    """Erase everything of an end user."""
    form = PersonForm(request.POST)
    if form.is_valid():
        try:
            with transaction.atomic():
                made = stage.start_erasure(
                    actor=request.actor, name=form.cleaned_data["name"], now=timezone.now()
                )
                transaction.on_commit(lambda: tasks.privacy_erase.delay(erasure_id=str(made.pk)))
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            return redirect("settings-privacy-erasure", id=made.pk)
    return _page(request, person_form=form, status=422)


@needs(Permission.ADMIN)
@require_safe
def erasure(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The certificate, or how far it is; `?file` gives it as a file."""
    found: Erasure = get_object_or_404(Erasure.objects.visible_to(request.actor), pk=id)
    done = found.state == ErasureState.DONE
    if "file" in request.GET and done:
        answer = JsonResponse(found.certificate, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="erasure-{found.pk}.json"'
        return answer
    return section(
        request,
        "pages/settings/erasure.html",
        "settings-privacy",
        erasure=found,
        done=done,
        counts=sorted(found.counts.items()),
        genuine=done and is_genuine(found.certificate),
    )


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def pseudonyms(request: AppRequest) -> HttpResponse:
    """Write pseudonyms from now on."""
    stage.choose_pseudonyms(actor=request.actor, now=timezone.now())
    messages.success(request, _("From now on what is hidden gets a pseudonym of its own."))
    return redirect("settings-privacy")


@needs(Permission.ADMIN)
@require_POST
@knows_who_is_there
def forget_pseudonyms(request: AppRequest) -> HttpResponse:
    """Forget what they all stand for."""
    gone = stage.forget_pseudonyms(actor=request.actor, now=timezone.now())
    said = ngettext("%(n)s pseudonym is forgotten.", "%(n)s pseudonyms are forgotten.", gone)
    messages.success(request, said % {"n": gone})
    return redirect("settings-privacy")


@needs(Permission.ADMIN)
@require_POST
@knows_who_is_there
def reveal(request: AppRequest) -> HttpResponse:
    """What a pseudonym stands for."""
    form = RevealForm(request.POST)
    if form.is_valid():
        try:
            value = stage.reveal(actor=request.actor, now=timezone.now(), **form.cleaned_data)
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            answer = _page(request, reveal_form=form, revealed=value)
            answer["Cache-Control"] = "no-store"
            return answer
    return _page(request, reveal_form=form, status=422)
