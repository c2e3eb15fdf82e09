"""Backend changes: the list, and each one's story up to the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import DECIDED, UNDECIDED, BackendChange, ChangeEvent, Permission, Queue
from reviewapp.models.changing import ChangeRow, Differing, change_rows, differing
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.models.pools import PoolValue, values_for
from reviewapp.stages import export, watch
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import CHANGED_ANSWERS
from reviewapp.tasks import export_make, replay_nudge
from reviewapp.templatetags.figures import percents
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.strips import STATISTICS

SHOWN = 30
# The worst of the changed answers stand on the page; all of them in the run.
DIFFERING = 12
# Of the pool, those that matter: the change's own values, and the latest others.
VALUES = 8
TABS = {
    "": (gettext_lazy("All"), None),
    "waiting": (gettext_lazy("Waiting for a decision"), UNDECIDED),
    "decided": (gettext_lazy("Decided"), DECIDED),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the story, with what stands behind it in figures."""

    event: ChangeEvent
    values: list[tuple[str, str]]
    before: list[tuple[str, float, str]]
    parts: list[tuple[str, str, str]]
    facts: list[tuple[str, Any]]


@needs(Permission.READ)
@require_safe
def changes(request: AppRequest) -> HttpResponse:
    """The project's changes, the newest first; htmx gets the list alone."""
    show = request.GET.get("show", "")
    show = show if show in TABS else ""
    rows = BackendChange.objects.visible_to(request.actor).select_related(
        "provider", "decided_by", "decided_by_key"
    )
    states = TABS[show][1]
    rows = (rows.filter(state__in=states) if states else rows).defer("provider__api_key")
    try:
        page = page_of(rows, limit=SHOWN, cursor=request.GET.get("cursor", ""), by="opened_at")
    except InvalidCursor:
        return redirect("changes")
    shown = change_rows(page.items)
    here = f"{reverse('changes')}?{f'show={show}&' if show else ''}cursor="
    return vary_on_htmx(
        render(
            request,
            "pages/changes.html" + ("#list" if is_fragment(request) else ""),
            {
                "rows": shown,
                "active": any(row.change.state == "verifying" for row in shown),
                "tabs": [(name, word) for name, (word, _states) in TABS.items()],
                "show": show,
                "newer": f"{here}{page.newer}" if page.newer else "",
                "older": f"{here}{page.older}" if page.older else "",
                "now": timezone.now(),
            },
        )
    )


@needs(Permission.READ)
@require_safe
def change(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One change's story; htmx gets what moves."""
    return _story(request, _load(request, id))


def _story(request: AppRequest, found: BackendChange, *, status: int = 200, **said: Any) -> HttpResponse:
    now = timezone.now()
    (row,) = change_rows([found])
    values = values_for(project=found.project, provider=found.provider_id, model=found.model, now=now)
    last = row.last
    differing_ones = _differing(last) if last else []
    context = {
        "row": row,
        "change": found,
        "story": _told(row, values),
        "values": _latest(row, values),
        "scope": watch.counted_scope(change=found, now=now) if found.state == "open" else None,
        "differing": differing_ones,
        "any_decided": any(one.comparison.decision for one in differing_ones),
        "more_differing": max(0, (last.changed + last.unclear if last else 0) - DIFFERING),
        "queue": Queue.objects.filter(project=found.project, slug=CHANGED_ANSWERS).first(),
        "why_not_decide": _reason(watch.check_can_decide, request, found),
        "why_not_report": _reason(watch.check_can_report, request, found),
        "now": now,
        **said,
    }
    template = "pages/change.html" + ("#live" if is_fragment(request) and status == 200 else "")
    return vary_on_htmx(render(request, template, context, status=status))


def _differing(last: Any) -> list[Differing]:
    return differing(verification=last.verification, limit=DIFFERING)


def _told(row: ChangeRow, values: Sequence[PoolValue]) -> list[Told]:
    states = {value.value: value.state for value in values}
    return [
        Told(
            event=event,
            values=[(value, states.get(value, "")) for value in event.values],
            before=_before(event),
            parts=[(str(a), str(b), str(c)) for a, b, c in event.evidence.get("parts", [])],
            facts=[
                (str(word), _fact(name, event.evidence[name]))
                for name, word in _FACTS.items()
                if event.evidence.get(name) is not None
            ],
        )
        for event in row.events
    ]


def _fact(name: str, value: Any) -> Any:
    """Its value, in words where it is a word of ours."""
    known: Mapping[str, Mapping[str, Any]] = {"grade": _GRADES, "statistic": STATISTICS}
    words = known.get(name, {})
    return _(str(words[value])) if value in words else value


def _before(event: ChangeEvent) -> list[tuple[str, float, str]]:
    """The commonest values until then, with their shares, also as they are written."""
    told = [(str(value), float(share)) for value, share in event.evidence.get("before", [])]
    written = percents([share for _, share in told])
    return [(value, share, figure) for (value, share), figure in zip(told, written, strict=True)]


# What canaries and counts put into an event's evidence, in words.
_FACTS = {
    "statistic": gettext_lazy("Statistic"),
    "column": gettext_lazy("Judged by"),
    "effect": gettext_lazy("Effect"),
    "floor": gettext_lazy("Ordinary variation"),
    "p": gettext_lazy("Chance of this without a change"),
    "requests": gettext_lazy("Requests"),
    "smallest_detectable": gettext_lazy("Smallest detectable effect"),
    "grade": gettext_lazy("What the fingerprint is worth"),
    "name": gettext_lazy("Header"),
}


_GRADES = {
    "informative": gettext_lazy("informative"),
    "rotating": gettext_lazy("rotating"),
    "constant": gettext_lazy("constant"),
    "random": gettext_lazy("random"),
    "none": gettext_lazy("none reported"),
    "unknown": gettext_lazy("not known yet"),
}


def _latest(row: ChangeRow, values: Sequence[PoolValue]) -> list[tuple[PoolValue, str]]:
    """The change's own values first, then the latest others, each with its share as it is written."""
    own = set(row.values)
    reported = [value for value in values if value.value]
    shares = percents([value.share or 0.0 for value in reported])
    written = {value.value: share for value, share in zip(reported, shares, strict=True)}
    shown = sorted(reported, key=lambda value: value.value not in own)[: max(VALUES, len(own))]
    return [(value, written[value.value]) for value in shown]


def _reason(check: Callable[..., None], request: AppRequest, found: BackendChange) -> str:
    """Why this can't be done now; empty where it can. What one may not do at all is not offered."""
    if not request.actor.may(Permission.ADMIN):
        return ""
    try:
        check(actor=request.actor, change=found)
    except Refused as error:
        return str(error)
    return ""


def _load(request: AppRequest, id_: UUID) -> BackendChange:
    found: BackendChange = find_or_404(
        request,
        BackendChange.objects.select_related("provider", "decided_by", "decided_by_key", "export").defer(
            "provider__api_key"
        ),
        id=id_,
    )
    return found


@needs(Permission.ADMIN)
@require_POST
def verify(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask again what people judged."""
    found = _load(request, id)
    try:
        with transaction.atomic():
            made = watch.start_verification(actor=request.actor, change=found, now=timezone.now())
            transaction.on_commit(lambda: replay_nudge.delay(run_id=str(made.run_id)))
    except Refused as error:
        messages.error(request, str(error))
    return redirect("change", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Stop the verification."""
    found = _load(request, id)
    cancelled = watch.cancel_verification(actor=request.actor, change=found, now=timezone.now())
    if cancelled is not None and cancelled.was_cancelled:
        messages.success(request, _("Verification cancelled. Nothing was carried over."))
    elif cancelled is not None:
        messages.success(request, _("Asking again was stopped. What was found before stands."))
    else:
        messages.info(request, _("No verification is running any more."))
    return redirect("change", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
def retry(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask once more what got no answer."""
    found = _load(request, id)
    try:
        with transaction.atomic():
            again = watch.retry_unmeasured(actor=request.actor, change=found, now=timezone.now())
            if again is not None:
                transaction.on_commit(lambda: replay_nudge.delay(run_id=str(again.run_id)))
            else:
                messages.info(request, _("Nothing had failed."))
    except Refused as error:
        messages.error(request, str(error))
    return redirect("change", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
def accept(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The backend may be as it is now."""
    found, note = _load(request, id), request.POST.get("note", "")
    try:
        moved = watch.accept_change(actor=request.actor, change=found, note=note, now=timezone.now())
    except Refused as error:
        return _refused(request, found, error, note, "accept")
    return _decided(
        request, found, moved, _("Accepted. The earlier fingerprints stay valid for their overlap.")
    )


@needs(Permission.ADMIN)
@require_POST
def report(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The changed answers are regressions: make the export that anybody can run again."""
    found, note = _load(request, id), request.POST.get("note", "")
    try:
        with transaction.atomic():
            made = export.report_regressions(actor=request.actor, change=found, note=note, now=timezone.now())
            if made is not None:
                transaction.on_commit(lambda: export_make.delay(export_id=str(made.pk)))
    except Refused as error:
        return _refused(request, found, error, note, "report")
    return _decided(
        request, found, made is not None, _("Reported. The export with the regressions is being made.")
    )


@needs(Permission.ADMIN)
@require_POST
def dismiss(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """It was no change that matters."""
    found, note = _load(request, id), request.POST.get("note", "")
    try:
        moved = watch.dismiss_change(actor=request.actor, change=found, note=note, now=timezone.now())
    except Refused as error:
        return _refused(request, found, error, note, "dismiss")
    return _decided(request, found, moved, _("Dismissed. The fingerprints stay as they are."))


@needs(Permission.ADMIN)
@require_POST
def undo(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take the decision back."""
    found = _load(request, id)
    try:
        undone = watch.undo_decision(actor=request.actor, change=found, now=timezone.now())
    except Refused as error:
        messages.error(request, str(error))
        return redirect("change", id=found.pk)
    return _decided(request, found, undone, _("Taken back. The change waits for a decision again."))


def _decided(request: AppRequest, found: BackendChange, moved: bool, message: str) -> HttpResponse:
    if moved:
        messages.success(request, message)
    else:
        messages.error(request, _("Somebody decided in the same moment; this is how it is now."))
    return redirect("change", id=found.pk)


def _refused(request: AppRequest, found: BackendChange, error: Refused, note: str, deed: str) -> HttpResponse:
    """The page with the reason, and what was written still there."""
    found.refresh_from_db()
    return _story(request, found, status=422, refusal=str(error), written=note, deed=deed)
