"""The interactions list: filter chips, search, keyboard, preview."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp import replica
from reviewapp.models import (
    Endpoint,
    Flag,
    Interaction,
    Permission,
    Severity,
    VerdictName,
)
from reviewapp.models.browsing import known_values, list_rows
from reviewapp.models.filters import FILTER_NAMES, Filter, InvalidFilter, apply, read_filter
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.models.review import flag_reasons
from reviewapp.models.saved_view import views_of
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.searching import FIELDS, unknown_terms
from reviewapp.stages import find, review
from reviewapp.web.frame import AppRequest, fragment_or_page, is_fragment, needs, toast, vary_on_htmx
from reviewapp.web.pages.listing import COLUMNS, Listing, listing_of, shown_columns
from reviewapp.web.refusals import words_of

PAGE_SIZES = (50, 100, 200)
# So many conditions of a list that is empty are tried without; so many unknown filters are told.
MOST_DROPPED = 8
MOST_UNKNOWN = 3

LABELS: dict[str, Any] = {
    "q": gettext_lazy("words"),
    "source": gettext_lazy("source"),
    "provider": gettext_lazy("provider"),
    "model": gettext_lazy("model"),
    "fingerprint": gettext_lazy("fingerprint"),
    "seed": gettext_lazy("seed"),
    "status": gettext_lazy("status"),
    "flagged": gettext_lazy("flagged"),
    "discussed": gettext_lazy("discussed"),
    "tag": gettext_lazy("tag"),
    "trace": gettext_lazy("trace"),
    "session": gettext_lazy("session"),
    "user": gettext_lazy("end user"),
    "endpoint": gettext_lazy("endpoint"),
    "finish_reason": gettext_lazy("finish reason"),
    "cost": gettext_lazy("cost in US$"),
    "verdict": gettext_lazy("last replay"),
    "since": gettext_lazy("since"),
    "until": gettext_lazy("until"),
    "request_hash": gettext_lazy("request hash"),
    "regressions": gettext_lazy("changed by backend change"),
    "selection": gettext_lazy("chosen by hand"),
    "replays": gettext_lazy("replays"),
    "canaries": gettext_lazy("canary questions"),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "flagged": ("yes", "no"),
    "discussed": ("open", "resolved", "yes", "no"),
    "endpoint": tuple(Endpoint.values),
    "verdict": tuple(VerdictName.values),
    "replays": ("no", "yes", "all"),
    "canaries": ("no", "yes", "all"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in force, the address without it, and what it can be changed to, where that is known."""

    name: str
    label: str
    value: str
    remove_url: str
    options: tuple[str, ...] = ()
    help: str = ""
    others: tuple[tuple[str, str], ...] = ()


@needs(Permission.READ)
@require_safe
def interactions(request: AppRequest) -> HttpResponse:
    """The list; htmx gets the rows alone."""
    return replica.read(lambda: _answered(request))


def _answered(request: AppRequest) -> HttpResponse:
    listing = listing_of(request)
    try:
        wanted = read_filter(listing.values, strict=False)
        rows = apply(
            Interaction.objects.visible_to(request.actor), wanted.browsed, project=request.actor.project
        ).select_related("source", "provider")
        page = page_of(
            rows,
            limit=_page_size(listing),
            cursor=request.GET.get("cursor", ""),
            oldest_first=listing.oldest_first,
        )
    except InvalidFilter as error:
        # The chips stay, so that the wrong one can be mended where it stands.
        return _list(request, listing, Filter(), problem=error, status=422)
    except InvalidCursor:
        return redirect(listing.address(listing.values))
    listing = replace(listing, values=wanted.values())
    older, newer = (
        listing.address({**listing.values, "cursor": cursor}) if cursor else None
        for cursor in (page.older, page.newer)
    )
    canaries_url = "" if page.items else _canaries_instead(request, listing, wanted)
    return _list(
        request,
        listing,
        wanted,
        rows=list_rows(page.items, actor=request.actor, search=wanted.q),
        canaries_url=canaries_url,
        in_the_way=[] if page.items or canaries_url else _in_the_way(request, listing, wanted),
        older=older,
        newer=newer,
    )


def _canaries_instead(request: AppRequest, listing: Listing, wanted: Filter) -> str:
    """Where nothing else matches, but canary questions do: the address that shows them."""
    instead = replace(wanted, canaries="yes")
    if (
        wanted.canaries
        or not apply(
            Interaction.objects.visible_to(request.actor), instead, project=request.actor.project
        ).exists()
    ):
        return ""
    return listing.address(instead.values())


def _in_the_way(request: AppRequest, listing: Listing, wanted: Filter) -> list[Chip]:
    """Where nothing matches: the conditions without which, each by itself, something would."""
    seen = Interaction.objects.visible_to(request.actor)
    names = [
        name
        for name in list(wanted.values())[:MOST_DROPPED]
        if apply(seen, replace(wanted, **{name: ""}).browsed, project=request.actor.project).exists()
    ]
    return [chip for chip in _chips(wanted.values(), listing) if chip.name in names]


def _unknown(listing: Listing) -> list[dict[str, str]]:
    """What was typed as a filter and is none, with the addresses of what may have been meant."""
    words = listing.values.get("q", "")

    def with_words(old: str, new: str) -> str:
        # The whole term: `modle:a` is a part of `xmodle:a`, too.
        changed = re.sub(rf"(?<!\S){re.escape(old)}(?!\S)", lambda _: new, words, count=1)
        return listing.address({**listing.values, "q": changed})

    return [
        {
            "name": one.name,
            "term": one.term,
            "instead": one.instead,
            "instead_url": one.instead and with_words(one.term, one.instead),
            "quoted": one.quoted,
            "quoted_url": with_words(one.term, one.quoted),
            "known": ", ".join(FIELDS),
        }
        for one in unknown_terms(words)[:MOST_UNKNOWN]
    ]


def _list(
    request: AppRequest, listing: Listing, wanted: Filter, *, status: int = 200, **context: Any
) -> HttpResponse:
    shown = shown_columns(request, listing)
    fields = _fields(request, wanted)
    response = render(
        request,
        fragment_or_page(request, "pages/interactions.html", "rows"),
        {
            "chips": _editable(_chips(listing.values, listing), listing.values, fields),
            "unknown": _unknown(listing),
            "wanted": wanted,
            "columns": tuple((name, label, name in shown) for name, label in COLUMNS.items()),
            "shown": shown,
            "fields": fields,
            "listing": listing,
            # A view keeps the columns that are shown, also where nobody chose any.
            "view_query": replace(listing, columns=tuple(shown)).query,
            # What is done to all that match is done to what is shown.
            "filter_query": urlencode(wanted.browsed.values()),
            "flag_reasons": flag_reasons(request.actor.project.pk),
            "severities": Severity.choices,
            "send_command": _send_command(request),
            "keys_url": reverse("settings-keys") if request.actor.may(Permission.ADMIN) else "",
            **({} if is_fragment(request) else _views(request, listing)),
            **context,
        },
        status=status,
    )
    return vary_on_htmx(response)


def _views(request: AppRequest, listing: Listing) -> dict[str, Any]:
    """The menu of views, and what this person may do to the one that is shown."""
    actor, view = request.actor, listing.view
    views, defaults = views_of(actor), listing.defaults
    own = actor.person.pk if actor.person else None
    return {
        "shared_views": [one for one in views if one.is_shared],
        "own_views": [one for one in views if not one.is_shared],
        "my_default": defaults.own and defaults.own.pk,
        "project_default": defaults.project and defaults.project.pk,
        "may_edit_view": view is not None and find.can_edit_view(actor=actor, view=view),
        "may_hide_view": view is not None and view.created_by_id == own,
    }


def _editable(found: list[Chip], values: Mapping[str, str], fields: tuple[Field, ...]) -> list[Chip]:
    """The chips with all that their small forms need."""
    known = {name: (options, example) for name, _label, _value, options, example in fields}
    return [
        replace(
            chip,
            options=known.get(chip.name, ((), ""))[0],
            help=known.get(chip.name, ((), ""))[1],
            others=tuple((name, value) for name, value in values.items() if name != chip.name),
        )
        for chip in found
    ]


HELP = {
    "seed": "100..199",
    "since": "7d",
    "until": "2026-11-22",
    "status": "200, 5xx, error",
    "fingerprint": "fp_…",
    "cost": ">0.01, 0.01..0.05",
    "request_hash": "sha256:…",
}


# Name, label, value, choices and example.
Field = tuple[str, str, str, tuple[str, ...], str]


def _fields(request: AppRequest, wanted: Filter) -> tuple[Field, ...]:
    """Each filter, for the dialog."""
    project = request.actor.project
    return tuple(
        (
            name,
            str(LABELS[name]),
            getattr(wanted, name),
            CHOICES.get(name) or tuple(known_values(project=project, name=name, limit=60)),
            HELP.get(name, ""),
        )
        for name in FILTER_NAMES
        if name != "q"
    )


def _send_command(request: HttpRequest) -> str:
    """What a developer runs to see a first interaction arrive."""
    base = request.build_absolute_uri("/v1")
    return f'OpenAI(base_url="{base}", api_key="ra_…")'


@needs(Permission.REVIEW)
@require_POST
def flag_many(request: AppRequest) -> HttpResponse:
    """Flag the selected interactions; undo takes all of these flags back."""
    chosen = _ids(request.POST.getlist("ids"))
    rows = list(Interaction.objects.visible_to(request.actor).filter(pk__in=chosen))
    now = timezone.now()
    try:
        with transaction.atomic():
            for row in rows:
                review.flag(
                    actor=request.actor,
                    interaction=row,
                    reason=request.POST.get("reason", ""),
                    severity=request.POST.get("severity", Severity.MEDIUM),
                    note=request.POST.get("note", ""),
                    now=now,
                )
    except InvalidAnswer as error:
        if request.htmx:
            return toast(HttpResponse(status=422), words_of(error), kind="error")
        messages.error(request, words_of(error))
        return redirect(_back(request))
    words = ngettext("%(n)d interaction flagged.", "%(n)d interactions flagged.", len(rows)) % {
        "n": len(rows)
    }
    undo = f"{reverse('interactions-unflag')}?{urlencode({'at': now.isoformat()})}" if rows else ""
    return _reflagged(request, rows, words, undo=undo)


@needs(Permission.REVIEW)
@require_POST
def unflag_many(request: AppRequest) -> HttpResponse:
    """Take back the flags that one deed made."""
    try:
        made_at = parse_datetime(request.GET.get("at", ""))
    except ValueError:
        made_at = None
    if made_at is None or made_at.tzinfo is None:
        raise Http404
    n = review.undo_flags(actor=request.actor, made_at=made_at, now=timezone.now())
    flags = Flag.objects.visible_to(request.actor).filter(created_by=request.actor.person, created_at=made_at)
    rows = list(Interaction.objects.filter(pk__in=flags.values("interaction")))
    words = ngettext("%(n)d flag taken back.", "%(n)d flags taken back.", n)
    return _reflagged(request, rows, words % {"n": n})


def _reflagged(request: AppRequest, rows: list[Interaction], words: str, *, undo: str = "") -> HttpResponse:
    """The flags of these rows as they are now, put where they stand: the list itself stays as it is."""
    if not request.htmx:
        messages.success(request, words, extra_tags=undo)
        return redirect(_back(request))
    drawn = render(
        request,
        "pages/interactions.html#reflagged",
        {"rows": list_rows(rows, actor=request.actor)},
    )
    trigger_client_event(drawn, "dialog-close", {})
    return vary_on_htmx(toast(drawn, words, undo=undo))


def _ids(texts: list[str]) -> list[UUID]:
    """The ids among what a form sent; at most a page of them."""
    found = []
    for text in texts[: PAGE_SIZES[-1]]:
        with contextlib.suppress(ValueError):
            found.append(UUID(text))
    return found


def _back(request: HttpRequest) -> str:
    """The list as it was, when the form came from it."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    if came_from.path == reverse("interactions"):
        return f"{came_from.path}?{came_from.query}"
    return reverse("interactions")


def chips(wanted: Filter) -> list[Chip]:
    """The filters in force."""
    return _chips(wanted.values(), Listing())


def _chips(values: Mapping[str, str], listing: Listing) -> list[Chip]:
    return [
        Chip(
            name=name,
            label=str(LABELS[name]),
            value=value,
            remove_url=listing.address({k: v for k, v in values.items() if k != name}),
        )
        for name, value in values.items()
    ]


def _page_size(listing: Listing) -> int:
    return int(listing.limit) if listing.limit in {str(size) for size in PAGE_SIZES} else PAGE_SIZES[0]
