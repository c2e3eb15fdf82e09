"""The settings screens: one module each; `menu` is what they share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from reviewapp.models import ApiKey, Membership, Permission, Provider, Rubric, Source
from reviewapp.stages import administer
from reviewapp.web.frame import AppRequest, needs

# Address name, word, icon.
SECTIONS: tuple[tuple[str, Any, str], ...] = (
    ("settings", gettext_lazy("Project"), "folder2"),
    ("settings-members", gettext_lazy("Members"), "people"),
    ("settings-keys", gettext_lazy("API keys"), "key"),
    ("settings-providers", gettext_lazy("Providers"), "server"),
    ("settings-sources", gettext_lazy("Sources"), "broadcast"),
    ("settings-seeds", gettext_lazy("Seeds"), "dice-5"),
    ("settings-import", gettext_lazy("Import"), "upload"),
    ("settings-canaries", gettext_lazy("Canaries"), "activity"),
    ("settings-rubrics", gettext_lazy("Rubrics and flags"), "clipboard-check"),
    ("settings-alerts", gettext_lazy("Alert channels"), "bell"),
    ("settings-privacy", gettext_lazy("Privacy"), "shield-check"),
    ("settings-operations", gettext_lazy("Operations"), "speedometer2"),
    ("settings-audit", gettext_lazy("Audit log"), "receipt"),
)


def section(
    request: AppRequest, template: str, current: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """A settings page with its menu."""
    menu = [
        {"url": reverse(name), "word": word, "icon": icon, "current": name == current}
        for name, word, icon in SECTIONS
    ]
    title = next(word for name, word, _icon in SECTIONS if name == current)
    return render(request, template, {"menu": menu, "section_title": title, **context}, status=status)


class NameForm(forms.Form):
    """What the project is called."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        help_text=gettext_lazy("Links, keys and commands keep working: the name in them does not change."),
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def overview(request: AppRequest) -> HttpResponse:
    """What the project has, how to send it data, and its name."""
    project = request.actor.project
    form = NameForm(request.POST or None, initial={"name": project.name})
    if request.method == "POST" and form.is_valid():
        try:
            administer.rename_project(actor=request.actor, name=form.cleaned_data["name"], now=timezone.now())
        except administer.Refused as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, _("The name is saved."))
            return redirect("settings")
    return section(
        request,
        "pages/settings/project.html",
        "settings",
        form=form,
        slug=project.slug,
        figures=[
            (gettext_lazy("Members"), Membership.objects.filter(project=project).count(), "settings-members"),
            (
                gettext_lazy("Keys in use"),
                ApiKey.objects.filter(project=project, revoked_at__isnull=True).count(),
                "settings-keys",
            ),
            (
                gettext_lazy("Providers"),
                Provider.objects.filter(project=project).count(),
                "settings-providers",
            ),
            (gettext_lazy("Sources"), Source.objects.filter(project=project).count(), "settings-sources"),
            (
                gettext_lazy("Rubrics"),
                Rubric.objects.filter(project=project, is_current=True).count(),
                "settings-rubrics",
            ),
        ],
        base_url=request.build_absolute_uri("/v1"),
        api_url=request.build_absolute_uri("/api/v1/interactions"),
        status=422 if form.errors else 200,
    )
