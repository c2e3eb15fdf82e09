"""Fingerprints: what each model answers with, over time, and what is decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp.models import CanaryCheck, Fingerprint, Permission
from reviewapp.models.canarying import SetRow, checks_since, set_rows
from reviewapp.models.identity import NOTHING, Identity, identities_of
from reviewapp.models.pools import Pool, PoolValue, events_of, history_of, pool_of, pools_of
from reviewapp.pure.pools import Life, PoolEvent, overlap_length, shape_words
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.lanes import Timeline, draw_timeline
from reviewapp.web.strips import Strip, draw_strip

# Each is a drawing and a table; more go on the next page.
POOLS = 6
EVENTS = 5
RANGES = {
    "day": (gettext_lazy("Day"), timedelta(days=1)),
    "week": (gettext_lazy("Week"), timedelta(days=7)),
    "month": (gettext_lazy("Month"), timedelta(days=30)),
    "all": (gettext_lazy("All"), None),
}
# Values beside the first ones are folded away.
ROWS = 12
# Checks in the table beside a strip.
CHECKS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a pool's table."""

    value: PoolValue
    shapes: list[str]
    interactions: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What the canaries of a model saw: the strip, and the same facts for a table, the latest first."""

    canaries: SetRow
    strip: Strip
    checks: list[CanaryCheck]


@dataclass(frozen=True, slots=True)
class Shown:
    """One pool, drawn."""

    pool: Pool
    timeline: Timeline
    events: list[PoolEvent]
    identity: Identity
    rows: list[Row]
    more: list[Row]
    overlap_day: str
    watched: Watched | None = None


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
    identities = identities_of(project=request.actor.project)
    pooled = {(pool.provider.pk, pool.model) for pool in found}
    alone = [row for row in canaries if (row.set.provider_id, row.set.model) not in pooled]
    _word, span = RANGES[_range(request)]
    return render(
        request,
        "pages/fingerprints.html",
        {
            "pools": [
                _shown(request, pool, now, canaries=canaries, identities=identities)
                for pool in found[page * POOLS : (page + 1) * POOLS]
            ],
            "unpooled": [_watched(row, start=now - span if span else None, end=now) for row in alone]
            if not any(wanted.values())
            else [],
            "total": len(found),
            "narrowed": any(wanted.values()),
            "ranges": [
                (name, word, _address(request, range=name, page="")) for name, (word, _span) in RANGES.items()
            ],
            "range": _range(request),
            "newer": _address(request, page=str(page - 1)) if page else "",
            "older": _address(request, page=str(page + 1)) if (page + 1) * POOLS < len(found) else "",
        },
    )


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
    pool = pool_of(fingerprint=found, now=timezone.now())
    if not is_fragment(request):
        messages.info(request, message)
        return redirect(f"{reverse('fingerprints')}#{pool.anchor}")
    response = render(
        request, "pages/fingerprints.html#pool", {"shown": _shown(request, pool, timezone.now())}
    )
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


def _watched(row: SetRow, *, start: datetime | None, end: datetime) -> Watched:
    """The checks of a set between these moments; without a start, of all of its time."""
    checks = checks_since(sets=[row.set.pk], since=start).get(row.set.pk, [])
    start = start or (checks[0].created_at if checks else end)
    return Watched(
        canaries=row,
        strip=draw_strip(checks=checks, start=start, end=end),
        checks=list(reversed(checks))[:CHECKS],
    )


def _shown(
    request: AppRequest,
    pool: Pool,
    now: datetime,
    *,
    canaries: Sequence[SetRow] | None = None,
    identities: Mapping[tuple[UUID, str], Identity] | None = None,
) -> Shown:
    _word, span = RANGES[_range(request)]
    known = identities_of(project=request.actor.project) if identities is None else identities
    if canaries is None:
        canaries = set_rows(project=request.actor.project, now=now, provider=pool.provider.pk)
    history = history_of(pool)
    events = events_of(history)
    lives = [Life(value.value, value.first_seen, value.last_seen, value.count) for value in pool.values]
    several = len({shape for value in pool.values for shape in value.shapes}) > 1
    rows = [
        Row(
            value=value,
            shapes=[shape_words(shape) for shape in value.shapes] if several else [],
            interactions=f"{reverse('interactions')}?"
            + urlencode(
                {
                    "provider": pool.provider.name,
                    "model": pool.model,
                    "fingerprint": value.value or "none",
                }
            ),
        )
        for value in sorted(pool.values, key=lambda value: value.state != "new")
    ]
    timeline = draw_timeline(
        pool=pool, history=history, events=events, since=now - span if span else None, now=now
    )
    own = next(
        (row for row in canaries if (row.set.provider_id, row.set.model) == (pool.provider.pk, pool.model)),
        None,
    )
    return Shown(
        pool=pool,
        timeline=timeline,
        watched=None if own is None else _watched(own, start=timeline.start, end=timeline.end),
        events=list(reversed(events))[:EVENTS],
        identity=known.get((pool.provider.pk, pool.model), NOTHING),
        rows=rows[:ROWS],
        more=rows[ROWS:],
        overlap_day=(now + overlap_length(lives)).date().isoformat(),
    )


def _range(request: AppRequest) -> str:
    wanted = request.GET.get("range", "")
    return wanted if wanted in RANGES else "month"


def _page(text: str, total: int) -> int:
    return min(int(text), max(total - 1, 0) // POOLS) if text.isascii() and text.isdecimal() else 0


def _address(request: AppRequest, **changes: str) -> str:
    query = {**request.GET.dict(), **changes}
    kept = {name: value for name, value in query.items() if value}
    return f"{reverse('fingerprints')}?{urlencode(kept)}" if kept else reverse("fingerprints")


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
