"""Fingerprints: what each model answers with, over time, and what is decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotModified, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp.models import Fingerprint, Permission
from reviewapp.models.canarying import set_rows
from reviewapp.models.happenings import noted_of
from reviewapp.models.pools import Pool, pools_of
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, fragment_or_page, is_fragment, needs, vary_on_htmx
from reviewapp.web.lanes import stretch
from reviewapp.web.poolcards import draw_cards, draw_watched, freshness
from reviewapp.web.spans import Chosen, choose_span

# Each is a drawing and a table; more go on the next page.
POOLS = 6


@needs(Permission.READ)
@require_safe
def fingerprints(request: AppRequest) -> HttpResponse:
    """The project's pools, those that wait for a decision first."""
    now = timezone.now()
    found = pools_of(project=request.actor.project, now=now)
    wanted = {name: request.GET.get(name, "") for name in ("provider", "model")}
    found = [
        pool
        for pool in found
        if wanted["provider"] in ("", pool.provider.name) and wanted["model"] in ("", pool.model)
    ]
    page = _page(request.GET.get("page", ""), len(found))
    canaries = set_rows(project=request.actor.project, now=now)
    pooled = {(pool.provider.pk, pool.model) for pool in found}
    alone = [row for row in canaries if (row.set.provider_id, row.set.model) not in pooled]
    chosen = _chosen(request, found, now)
    noted = noted_of(project=request.actor.project)
    mark = freshness(pools=found, canaries=canaries, noted=noted, chosen=chosen, now=now)
    if is_fragment(request) and request.headers.get("If-None-Match") == mark:
        return vary_on_htmx(HttpResponseNotModified())
    shown = draw_cards(
        project=request.actor.project,
        pools=found[page * POOLS : (page + 1) * POOLS],
        chosen=chosen,
        canaries=canaries,
        noted=noted,
        now=now,
    )
    response = render(
        request,
        fragment_or_page(request, "pages/fingerprints.html", "timelines"),
        {
            "now": now,
            "chosen": chosen,
            # Asked again with it; nothing is drawn and sent while it is the same.
            "mark": mark,
            "span": shown.span,
            "span_words": stretch(shown.span),
            "is_coarse": shown.is_coarse,
            "pools": shown.cards,
            "unpooled": [draw_watched(row, start=chosen.start, end=chosen.end) for row in alone]
            if not any(wanted.values())
            else [],
            "narrowed": any(wanted.values()),
            "newer": _address(request, page=page - 1) if page else "",
            "older": _address(request, page=page + 1) if (page + 1) * POOLS < len(found) else "",
        },
    )
    return vary_on_htmx(response)


@needs(Permission.ADMIN)
@require_POST
def accept(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Accept a value."""
    found = _load(request, id)
    before = found.state, found.overlap_until
    moved = watch.accept(actor=request.actor, fingerprint=found, now=timezone.now())
    return _decided(request, found, moved, _("Fingerprint accepted"), before)


@needs(Permission.ADMIN)
@require_POST
def overlap(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Keep a value valid until the end of a day."""
    found = _load(request, id)
    before = found.state, found.overlap_until
    try:
        moved = watch.overlap(
            actor=request.actor,
            fingerprint=found,
            until=_end_of_day(request.POST.get("until", "")),
            now=timezone.now(),
        )
    except Refused as error:
        return _refused(request, found, str(error))
    return _decided(request, found, moved, _("Overlap set"), before)


@needs(Permission.ADMIN)
@require_POST
def retire(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Retire a value."""
    found = _load(request, id)
    before = found.state, found.overlap_until
    moved = watch.retire(actor=request.actor, fingerprint=found, now=timezone.now())
    return _decided(request, found, moved, _("Fingerprint retired"), before)


@needs(Permission.ADMIN)
@require_POST
def undo(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Give a value its earlier state back."""
    found = _load(request, id)
    try:
        moved = watch.put_back(
            actor=request.actor,
            fingerprint=found,
            state=request.GET.get("to", ""),
            until=parse_datetime(request.GET.get("until", "").replace(" ", "+")),
            now=timezone.now(),
        )
    except (Refused, ValueError) as error:
        return _refused(request, found, str(error))
    return _decided(request, found, moved, _("Taken back"), None)


def _load(request: AppRequest, id_: UUID) -> Fingerprint:
    found: Fingerprint = find_or_404(request, Fingerprint.objects.all(), id=id_)
    return found


def _decided(
    request: AppRequest,
    found: Fingerprint,
    moved: bool,
    message: str,
    before: tuple[str, datetime | None] | None,
) -> HttpResponse:
    """The pool as it is now, and what can be taken back."""
    kind = "plain"
    if not moved:
        message, kind, before = (
            _("Somebody decided in the same moment; this is how it is now."),
            "error",
            None,
        )
    now = timezone.now()
    pools = pools_of(project=found.project, now=now)
    pool = next(one for one in pools if (one.provider.pk, one.model) == (found.provider_id, found.model))
    if not is_fragment(request):
        messages.info(request, message)
        return redirect(f"{reverse('fingerprints')}#{pool.anchor}")
    shown = draw_cards(
        project=found.project,
        pools=[pool],
        chosen=_chosen(request, pools, now),
        canaries=set_rows(project=found.project, now=now, provider=pool.provider.pk),
        noted=noted_of(project=found.project),
        now=now,
    )
    response = render(request, "pages/fingerprints.html#pool", {"shown": shown.cards[0], "now": now})
    detail: dict[str, str] = {"message": message, "kind": kind}
    if before is not None:
        state, until = before
        query = {"to": state, **({"until": until.isoformat()} if until else {})}
        detail["undo"] = f"{reverse('fingerprint-undo', args=[found.pk])}?{urlencode(query)}"
        detail["target"] = f"#{pool.anchor}"
    trigger_client_event(response, "dialog-close", {})
    return vary_on_htmx(trigger_client_event(response, "toast", detail))


def _refused(request: AppRequest, found: Fingerprint, sentence: str) -> HttpResponse:
    if not is_fragment(request):
        messages.error(request, sentence)
        return redirect("fingerprints")
    response = HttpResponse(sentence, status=422, content_type="text/plain; charset=utf-8")
    response.headers["HX-Reswap"] = "none"
    return trigger_client_event(response, "toast", {"message": sentence, "kind": "error"})


def _chosen(request: AppRequest, pools: Sequence[Pool], now: datetime) -> Chosen:
    """The span that the page shows, also where a decision about one value comes from it."""
    here = request.htmx.current_url_abs_path or ""
    return choose_span(
        query=request.GET if request.method in ("GET", "HEAD") else QueryDict(urlsplit(here).query),
        path=reverse("fingerprints"),
        first=min((pool.first_seen for pool in pools), default=None),
        last=max((pool.last_seen for pool in pools), default=None),
        now=now,
    )


def _page(text: str, total: int) -> int:
    return min(int(text), max(total - 1, 0) // POOLS) if text.isascii() and text.isdecimal() else 0


def _address(request: AppRequest, *, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"{reverse('fingerprints')}?{query.urlencode()}"


def _end_of_day(text: str) -> datetime | None:
    """The end of that day; None, which means the usual time, for no text."""
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Refused(_("Give the last day as a date, such as 2026-12-31."), field="until")
    return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))
