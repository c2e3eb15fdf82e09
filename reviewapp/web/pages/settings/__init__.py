"""The settings screens: one module each; `menu` is what they share."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewapp.models import ApiKey, Membership, Permission, Provider, Rubric, Source
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
    title = next(word for name, word, _ in SECTIONS if name == current)
    return render(request, template, {"menu": menu, "section_title": title, **context}, status=status)


@needs(Permission.ADMIN)
@require_safe
def overview(request: AppRequest) -> HttpResponse:
    """What the project has, and how to send it data."""
    project = request.actor.project
    return section(
        request,
        "pages/settings/project.html",
        "settings",
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
    )
