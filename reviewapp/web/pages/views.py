"""Saved views: what is done to them from the list's menu; each deed leads back to the list."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reviewapp.models import Permission, SavedView
from reviewapp.models.filters import InvalidFilter, read_filter
from reviewapp.stages import find
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, needs
from reviewapp.web.pages.listing import NO_VIEW, read_listing


@needs(Permission.READ)
@require_POST
def save(request: AppRequest) -> HttpResponse:
    """Keep the list as it is under a name."""
    try:
        made = find.save_view(
            actor=request.actor,
            name=request.POST.get("name", ""),
            is_shared="shared" in request.POST,
            values=_values(request.POST.get("query", "")),
            now=timezone.now(),
        )
        if "default" in request.POST:
            find.choose_default(actor=request.actor, view=made, now=timezone.now())
    except (Refused, InvalidFilter) as error:
        return _refused(request, error, f"?{request.POST.get('query', '')}")
    undo = reverse("interactions-view-remove", args=[made.pk])
    messages.success(request, _("View saved: %(name)s") % {"name": made.name}, extra_tags=undo)
    return redirect(_address(made))


@needs(Permission.READ)
@require_POST
def edit(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Rename it, share it or keep it to oneself; undo brings back what it was, by the same address."""
    view = _load(request, id)
    undoing = "name" in request.GET
    data = request.GET if undoing else request.POST
    before = {"name": view.name, **({"shared": "yes"} if view.is_shared else {})}
    try:
        find.edit_view(
            actor=request.actor,
            view=view,
            name=data.get("name", ""),
            is_shared="shared" in data,
            now=timezone.now(),
        )
    except Refused as error:
        return _refused(request, error, f"?view={view.pk}")
    undo = f"{reverse('interactions-view-edit', args=[view.pk])}?{urlencode(before)}"
    _tell(request, _("As it was") if undoing else _("View changed"), undo="" if undoing else undo)
    return redirect(_address(view))


@needs(Permission.READ)
@require_POST
def update(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Have it keep the list as it is now."""
    view = _load(request, id)
    undoing = "query" in request.GET
    query = (request.GET if undoing else request.POST).get("query", "")
    kept = [("column", name) for name in view.columns] + ([("order", "oldest")] if view.oldest_first else [])
    before = urlencode([*view.filter.items(), *kept])
    try:
        find.update_view(actor=request.actor, view=view, values=_values(query), now=timezone.now())
    except (Refused, InvalidFilter) as error:
        return _refused(request, error, f"?{query}&of={view.pk}")
    undo = f"{reverse('interactions-view-update', args=[view.pk])}?{urlencode({'query': before})}"
    _tell(request, _("As it was") if undoing else _("Changes saved"), undo="" if undoing else undo)
    return redirect(_address(view))


@needs(Permission.READ)
@require_POST
def remove(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take it away; undo brings it back."""
    view = _load(request, id)
    try:
        find.remove_view(actor=request.actor, view=view, now=timezone.now())
    except Refused as error:
        return _refused(request, error, f"?view={view.pk}")
    undo = reverse("interactions-view-restore", args=[view.pk])
    _tell(request, _("View deleted: %(name)s") % {"name": view.name}, undo=undo)
    return redirect(f"{reverse('interactions')}?view={NO_VIEW}")


@needs(Permission.READ)
@require_POST
def restore(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Bring it back."""
    view = _load(request, id)
    try:
        find.restore_view(actor=request.actor, view=view, now=timezone.now())
    except Refused as error:
        return _refused(request, error, "")
    return redirect(_address(view))


@needs(Permission.READ)
@require_POST
def default(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Open the list with it, for oneself or for the project; or no longer."""
    view = _load(request, id)
    for_project = request.POST.get("of") == "project"
    chosen = None if "off" in request.POST else view
    try:
        find.choose_default(actor=request.actor, view=chosen, for_project=for_project, now=timezone.now())
    except Refused as error:
        return _refused(request, error, f"?view={view.pk}")
    if chosen is None:
        words = _("The list opens without it.")
    elif for_project:
        words = _("The list opens with it for everybody who chose none.")
    else:
        words = _("The list opens with it.")
    _tell(request, words)
    return redirect(_address(view))


def _load(request: AppRequest, id_: UUID) -> SavedView:
    found: SavedView = find_or_404(request, SavedView.objects.seen_by(request.user), id=id_)
    return found


def _values(query: str) -> find.ViewValues:
    """What an address keeps. Raises InvalidFilter."""
    found = replace(read_listing(QueryDict(query[:20_000])), view=None)
    return find.ViewValues(
        filter=read_filter(found.values), columns=found.columns, oldest_first=found.oldest_first
    )


def _address(view: SavedView) -> str:
    return f"{reverse('interactions')}?view={view.pk}"


def _tell(request: AppRequest, words: str, *, undo: str = "") -> None:
    messages.success(request, words, extra_tags=undo)


def _refused(request: AppRequest, error: Exception, query: str) -> HttpResponse:
    messages.error(request, str(error))
    return redirect(reverse("interactions") + query)
