"""What the frame asks for on every screen: the palette's finds, and the work that is going on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviewapp.models import Interaction, Permission, Person, Queue, QueueState, SavedView, Source
from reviewapp.models.browsing import known_values
from reviewapp.stages import administer
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import SECTIONS
from reviewapp.web.running import running_work


@dataclass(frozen=True, slots=True)
class Find:
    """One line of the palette."""

    icon: str
    text: str
    url: str
    note: str = ""


@needs(Permission.READ)
@require_safe
def palette(request: AppRequest) -> HttpResponse:
    """Screens, views, queues, people, ids, seeds, fingerprints and more that fit what was typed."""
    typed = request.GET.get("q", "").strip()[:200]
    finds = _finds(request, typed) if typed else []
    return render(request, "pages/palette.html", {"finds": finds, "typed": typed})


def _finds(request: AppRequest, typed: str) -> list[Find]:
    actor = request.actor
    here = reverse("interactions")
    found = _screens(request, typed.lower()) if len(typed) >= 2 else []
    if re.fullmatch(r"[0-9a-fA-F-]{32,36}", typed):
        row = _by_id(request, typed)
        if row is not None:
            found.append(
                Find(
                    "chat-square-text",
                    row.prompt_preview or str(row.pk),
                    reverse("interaction", args=[row.pk]),
                )
            )
    if re.fullmatch(r"-?\d{1,20}", typed):
        found.append(
            Find(
                "dice-5",
                _("Seed %(n)s") % {"n": typed},
                reverse("seed", args=[typed]),
                _whose(request, typed),
            )
        )
    lowered = typed.lower()
    found += _named(request, typed)
    if len(typed) >= 2:
        found += [
            Find("fingerprint", value, f"{here}?{urlencode({'fingerprint': value})}", _("fingerprint"))
            for value in known_values(project=actor.project, name="fingerprint")
            if lowered in value.lower()
        ][:5]
        found += [
            Find("cpu", value, f"{here}?{urlencode({'model': value})}", _("model"))
            for value in known_values(project=actor.project, name="model")
            if lowered in value.lower()
        ][:5]
    found += [
        Find("broadcast", source.name, f"{here}?{urlencode({'source': source.name})}", _("source"))
        for source in Source.objects.visible_to(actor).filter(name__icontains=typed).order_by("name")[:5]
    ]
    found.append(Find("search", _("Search for “%(q)s”") % {"q": typed}, f"{here}?{urlencode({'q': typed})}"))
    return found


def _named(request: AppRequest, typed: str) -> list[Find]:
    """What people have given names to, and the people themselves."""
    actor = request.actor
    views = SavedView.objects.visible_to(actor).kept().filter(name__icontains=typed).order_by("name")[:5]
    queues = Queue.objects.visible_to(actor).filter(name__icontains=typed).order_by("state", "name")[:5]
    people = (
        Person.objects.filter(memberships__project=actor.project, is_active=True)
        .filter(Q(name__icontains=typed) | Q(email__icontains=typed))
        .order_by("name", "email")[:5]
        if len(typed) >= 2
        else []
    )
    here = reverse("interactions")
    open_to_judge = actor.may(Permission.REVIEW)
    return [
        *(Find("bookmark", view.name, f"{here}?view={view.pk}", _("view")) for view in views),
        *(
            Find(
                "list-ul",
                queue.name,
                reverse(
                    "review-queue"
                    if open_to_judge and queue.state == QueueState.OPEN
                    else "review-queue-items",
                    args=[queue.pk],
                ),
                _("queue"),
            )
            for queue in queues
        ),
        *(
            Find("person", one.short_name, reverse("review-person", args=[one.pk]), _("person"))
            for one in people
        ),
    ]


def _whose(request: AppRequest, typed: str) -> str:
    try:
        found = administer.describe_seed(actor=request.actor, seed=int(typed)).range
    except administer.Refused:
        return ""
    return found.source.name if found is not None else _("in no range")


def _screens(request: AppRequest, typed: str) -> list[Find]:
    """The screens below those of the rail whose name has a word that begins so."""
    actor = request.actor
    known = [
        (word, icon, name, _("settings")) for name, word, icon in SECTIONS if actor.may(Permission.ADMIN)
    ]
    if actor.may(Permission.REPLAY):
        known.append((_("New replay run"), "arrow-repeat", "replay-new", ""))
    if actor.may(Permission.EXPORT):
        known.append((_("New export"), "download", "export-new", ""))
    return [
        Find(icon, str(word), reverse(name), note)
        for word, icon, name, note in known
        if re.search(rf"\b{re.escape(typed)}", str(word).lower())
    ]


def _by_id(request: AppRequest, text: str) -> Any:
    try:
        wanted = UUID(text)
    except ValueError:
        return None
    return Interaction.objects.visible_to(request.actor).filter(pk=wanted).first()


@needs(Permission.READ)
@require_safe
def running(request: AppRequest) -> HttpResponse:
    """The ring in the header: what is going on now."""
    return render(request, "components/running.html", {"running": running_work(actor=request.actor)})
