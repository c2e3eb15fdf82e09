"""API keys: made and shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import ApiKey, Permission, Scope, Source
from reviewapp.stages import administer
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.reauthenticating import asks_who_is_there

LIFETIMES = [
    ("", gettext_lazy("Never")),
    ("30", gettext_lazy("In 30 days")),
    ("90", gettext_lazy("In 90 days")),
    ("365", gettext_lazy("In a year")),
]


class KeyForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        help_text=gettext_lazy("What uses it, such as “support bot”."),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.INGEST],
    )
    source = forms.ModelChoiceField(
        empty_label=gettext_lazy("Whichever the call names"),
        label=gettext_lazy("Source"),
        queryset=Source.objects.none(),
        required=False,
        help_text=gettext_lazy("Calls with this key count as this source unless they say otherwise."),
    )
    expires = forms.ChoiceField(label=gettext_lazy("Expires"), choices=LIFETIMES, required=False)

    def __init__(self, *args: Any, request: AppRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sources = Source.objects.filter(project=request.actor.project).order_by("name")
        self.fields["source"].queryset = sources  # type: ignore[attr-defined]


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_who_is_there
def keys(request: AppRequest) -> HttpResponse:
    """The project's keys. The answer to the form is the one page that ever shows the secret."""
    form = KeyForm(request.POST or None, request=request)
    secret = ""
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        days = form.cleaned_data["expires"]
        try:
            _key, secret = administer.create_api_key(
                project=request.actor.project,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                source=form.cleaned_data["source"],
                expires_at=now + timedelta(days=int(days)) if days else None,
                actor=request.actor,
                now=now,
            )
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            form = KeyForm(request=request)
    rows = (
        ApiKey.objects.filter(project=request.actor.project)
        .select_related("source", "created_by")
        .order_by("revoked_at", "-created_at")
    )
    response = section(
        request,
        "pages/settings/keys.html",
        "settings-keys",
        form=form,
        keys=rows,
        secret=secret,
        now=timezone.now(),
        base_url=request.build_absolute_uri("/v1"),
        status=422 if form.errors else 200,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@needs(Permission.ADMIN)
@require_POST
def revoke(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Make a key useless."""
    get_object_or_404(ApiKey, pk=id, project=request.actor.project)
    if administer.revoke_key(actor=request.actor, key_id=id, now=timezone.now()):
        messages.success(request, _("Key revoked. Calls with it are refused from now on."))
    return redirect("settings-keys")
