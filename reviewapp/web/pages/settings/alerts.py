"""Alert channels: where alerts are sent, tried out, switched off, and what became of each sending."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import (
    AlertChannel,
    AlertDelivery,
    AlertKind,
    AlertSeverity,
    ChannelKind,
    DeliveryState,
    Permission,
)
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import channels, delivering
from reviewapp.stages.watch.channels import ChannelValues
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_before_the_form, asks_who_is_there

LOG = 25
_TONES = {
    DeliveryState.QUEUED: "busy",
    DeliveryState.LEASED: "busy",
    DeliveryState.SENT: "good",
    DeliveryState.FAILED: "bad",
    DeliveryState.DROPPED: "off",
}


def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and name[:4] != "Etc/")
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class ChannelForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Who hears of it there, such as “on call”."),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=ChannelKind.choices, initial=ChannelKind.APPRISE
    )
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "dir": "ltr"}),
        help_text=gettext_lazy(
            "E-mail: mailtos://user:password@example.org?to=team@example.org. Slack, Teams and others: "
            "as Apprise writes them. Webhook: https://example.org/hook. Kept encrypted, never shown whole; "
            "empty keeps the present one."
        ),
    )
    secret = forms.CharField(
        label=gettext_lazy("Secret of the webhook"),
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("What messages are signed with (whsec_…). Empty: one is made, or kept."),
    )
    least_severity = forms.ChoiceField(
        label=gettext_lazy("From this severity on"),
        choices=AlertSeverity.choices,
        initial=AlertSeverity.WARNING,
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("About"),
        choices=AlertKind.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: everything."),
    )
    quiet_from = forms.TimeField(
        label=gettext_lazy("Quiet from"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    quiet_until = forms.TimeField(
        label=gettext_lazy("Quiet until"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text=gettext_lazy("What is raised in between is sent when the quiet ends."),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=_zones, initial="UTC")
    critical_passes = forms.BooleanField(
        label=gettext_lazy("Critical alerts pass also when it is quiet"), required=False, initial=True
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery in the log."""

    delivery: AlertDelivery
    tone: str
    again: bool


@needs(Permission.ADMIN)
@require_safe
def overview(request: AppRequest) -> HttpResponse:
    """The project's channels."""
    rows = (
        AlertChannel.objects.visible_to(request.actor)
        .standing()
        .annotate(
            last_sent=Max("deliveries__finished_at", filter=Q(deliveries__state=DeliveryState.SENT)),
            failing=Count(
                "deliveries",
                filter=Q(deliveries__state=DeliveryState.QUEUED, deliveries__tries__gt=0),
            ),
        )
        .defer("secret")
        .order_by("name")
    )
    shown = [(channel, channels.shown_address(channel=channel)) for channel in rows]
    return section(request, "pages/settings/alerts.html", "settings-alerts", channels=shown)


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_before_the_form
def channel(request: AppRequest, id: UUID | None = None) -> HttpResponse:  # noqa: A002
    """Add a channel, or change one. The answer to the form is the one page that shows a new secret."""
    found = _load(request, id) if id else None
    initial = (
        {}
        if found is None
        else {name: getattr(found, name) for name in ChannelForm.base_fields if name not in {"url", "secret"}}
    )
    form = ChannelForm(request.POST or None, initial=initial)
    form.fields["url"].required = found is None
    secret = ""
    if request.method == "POST" and form.is_valid():
        values: dict[str, Any] = dict(form.cleaned_data)
        had = None if found is None or found.secret_problem else found.secret
        try:
            saved = channels.save_channel(
                actor=request.actor, values=ChannelValues(**values), channel=found, now=timezone.now()
            )
        except Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            if not saved.secret_problem and saved.secret and saved.secret not in {had, values["secret"]}:
                found, secret = saved, saved.secret
            else:
                messages.success(request, _("%(name)s saved.") % {"name": saved.name})
                return redirect("settings-alert", id=saved.pk)
    response = section(
        request,
        "pages/settings/alert.html",
        "settings-alerts",
        form=form,
        channel=found,
        secret=secret,
        address=channels.shown_address(channel=found) if found else "",
        status=422 if form.errors else 200,
        **(_log(request, found) if found else {}),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def switch(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """On or off."""
    if to not in {"on", "off"}:
        raise Http404
    found = _load(request, id)
    if channels.set_enabled(actor=request.actor, channel=found, enabled=to == "on", now=timezone.now()):
        said = _("%(name)s is on.") if to == "on" else _("%(name)s is off. Nothing is sent there.")
        messages.success(request, said % {"name": found.name})
    return redirect("settings-alerts")


@needs(Permission.ADMIN)
@require_POST
@asks_who_is_there
def delete(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Delete it; for an hour that can be taken back."""
    found = _load(request, id)
    if channels.delete_channel(actor=request.actor, channel=found, now=timezone.now()):
        messages.success(
            request,
            _("%(name)s deleted.") % {"name": found.name},
            extra_tags=reverse("settings-alert-restore", args=[found.pk]),
        )
    return redirect("settings-alerts")


@needs(Permission.ADMIN)
@require_POST
def restore(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Undo a deletion."""
    found = get_object_or_404(AlertChannel.objects.visible_to(request.actor), pk=id)
    try:
        if channels.restore_channel(actor=request.actor, channel=found, now=timezone.now()):
            messages.success(request, _("%(name)s is back.") % {"name": found.name})
        else:
            messages.error(request, _("It is too late to take that back: the address was forgotten."))
    except Refused as error:
        messages.error(request, str(error))
    return redirect("settings-alerts")


@needs(Permission.ADMIN)
@require_POST
def test(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Send a test, and say in words what became of it."""
    found = _load(request, id)
    outcome = channels.test_channel(actor=request.actor, channel=found, now=timezone.now())
    if not request.htmx:
        said = _("The test was sent.") if outcome.ok else outcome.error
        (messages.success if outcome.ok else messages.error)(request, said)
        return redirect("settings-alert", id=found.pk)
    return render(request, "pages/settings/alert.html#test", {"channel": found, "outcome": outcome})


@needs(Permission.ADMIN)
@require_POST
def retry(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Send a delivery again."""
    found = get_object_or_404(
        AlertDelivery.objects.select_related("channel"), pk=id, channel__project=request.actor.project
    )
    if delivering.retry(actor=request.actor, delivery=found, now=timezone.now()):
        messages.success(request, _("It is sent again within seconds."))
    else:
        messages.error(request, _("It is under way already, was sent, or its channel is off."))
    return redirect("settings-alert", id=found.channel_id)


def _load(request: AppRequest, id_: UUID) -> AlertChannel:
    found: AlertChannel = get_object_or_404(
        AlertChannel.objects.visible_to(request.actor).standing().select_related("project"), pk=id_
    )
    return found


def _log(request: AppRequest, found: AlertChannel) -> dict[str, Any]:
    rows = AlertDelivery.objects.filter(channel=found).select_related("alert")
    try:
        page = page_of(rows, limit=LOG, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        page = page_of(rows, limit=LOG, by="created_at")
    here = reverse("settings-alert", args=[found.pk])
    over = {DeliveryState.FAILED, DeliveryState.DROPPED}
    return {
        "log": [
            Row(row, _TONES[DeliveryState(row.state)], again=row.state in over and found.enabled)
            for row in page.items
        ],
        "newer": f"{here}?cursor={page.newer}" if page.newer else "",
        "older": f"{here}?cursor={page.older}" if page.older else "",
    }
