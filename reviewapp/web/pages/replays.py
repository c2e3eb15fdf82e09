"""Replay runs: all of them, and one of them as it works, its attempts the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import Attempt, Permission, ReplayRun, RunKind, RunState, VerdictName
from reviewapp.models.fingerprint import states_of
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.models.replaying import CANCELLED, WAITING, WORST_FIRST, RunRow, Spent, attempts_page, run_rows
from reviewapp.models.replaying import spent as added_up
from reviewapp.stages import replay
from reviewapp.tasks import replay_nudge
from reviewapp.templatetags.figures import count
from reviewapp.templatetags.said import in_words, row_text, typed_or_told
from reviewapp.web.comparing.telling import what_happened
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.interactions import LABELS

RUNS_SHOWN = 30
ATTEMPTS_SHOWN = 50
# Looking at a larger run costs more, so that it is looked at less often.
LARGE_RUN = 5_000


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run as the screens tell it."""

    row: RunRow
    selection: str
    spent: Spent
    rate: float | None
    left: float | None

    @property
    def run(self) -> ReplayRun:
        return self.row.run

    @property
    def title(self) -> str:
        """The note is what people know a run by; without one, what was chosen."""
        return typed_or_told(self.run, "note") or _("Replay of %(selection)s") % {"selection": self.selection}

    @property
    def expected_cost(self) -> float | None:
        cost: float | None = self.run.estimate.get("cost")
        return cost

    @property
    def outcome(self) -> str:
        return outcome(self.row)

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        begun, ended = self.run.started_at, self.run.finished_at
        return (ended - begun).total_seconds() if begun and ended else None


def shown_runs(runs: Sequence[ReplayRun], *, now: datetime) -> list[ShownRun]:
    """The runs, in order, in a handful of queries."""
    rows = run_rows(runs)
    used = added_up(rows)
    return [
        ShownRun(
            row=row,
            selection=selection_words(row.run.selection, row.run.estimate.get("interactions")),
            spent=used[row.run.pk],
            rate=row.rate(now),
            left=row.seconds_left(now),
        )
        for row in rows
    ]


def selection_words(selection: Mapping[str, Any], interactions: int | None = None) -> str:
    """What was chosen: `3 chosen interactions`, `14 interactions, flagged`."""
    narrowed = selection.get("filter")
    n = interactions if interactions is not None else selection.get("interactions", 0)
    number = {"n": count(n)}
    if narrowed is None:
        return ngettext("%(n)s chosen interaction", "%(n)s chosen interactions", n) % number
    if not narrowed:
        return ngettext("the only interaction", "all %(n)s interactions", n) % number
    words = ngettext("%(n)s interaction", "%(n)s interactions", n) % number
    return ", ".join([words, *(_term(name, narrowed[name]) for name in LABELS if name in narrowed)])


def _term(name: str, value: str) -> str:
    """A filter's field in words: `flagged`, `model gpt-4o-mini`."""
    if name == "flagged":
        return _("flagged") if value == "yes" else _("not flagged")
    return f"{LABELS.get(name, name)} {value}"


def outcome(row: RunRow) -> str:
    """What the run has shown so far, in a sentence; empty while nothing is known."""
    same = row.verdicts.get(VerdictName.IDENTICAL, 0) + row.verdicts.get(VerdictName.EQUIVALENT, 0)
    failed = row.verdicts.get(VerdictName.FAILED, 0)
    answered = sum(row.verdicts.values()) - failed
    parts = []
    if answered and same == answered:
        words = ngettext("The answer came back the same.", "All %(n)s answers came back the same.", answered)
        parts.append(words % {"n": count(answered)})
    elif answered:
        words = _("%(same)s of %(all)s answers came back the same.")
        if not same and answered == 1:
            words = _("The answer came back different.")
        elif not same:
            words = _("None of the %(all)s answers came back the same.")
        parts.append(words % {"same": count(same), "all": count(answered)})
    changed = row.verdicts.get(VerdictName.BACKEND_CHANGED, 0)
    if changed:
        words = ngettext(
            "%(n)s differs in a way that chance does not explain.",
            "%(n)s differ in a way that chance does not explain.",
            changed,
        )
        parts.append(words % {"n": count(changed)})
    if failed:
        parts.append(ngettext("%(n)s got no answer.", "%(n)s got no answer.", failed) % {"n": count(failed)})
    return " ".join(parts)


@needs(Permission.READ)
@require_safe
def replays(request: AppRequest) -> HttpResponse:
    """The runs, newest first; htmx gets the list alone."""
    now = timezone.now()
    runs = ReplayRun.objects.visible_to(request.actor).select_related("created_by", "created_by_key")
    # Canaries ask all day long; theirs are found from their checks, or here when asked for.
    canaries = request.GET.get("kind") == RunKind.CANARY
    # A study's run is found from the study.
    runs = (
        runs.filter(kind=RunKind.CANARY)
        if canaries
        else runs.exclude(kind__in=[RunKind.CANARY, RunKind.STUDY])
    )
    try:
        page = page_of(runs, limit=RUNS_SHOWN, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        return redirect("replays")
    here = f"{reverse('replays')}?kind=canary&" if canaries else f"{reverse('replays')}?"
    shown = shown_runs(page.items, now=now)
    return vary_on_htmx(
        render(
            request,
            "pages/replays.html" + ("#list" if is_fragment(request) else ""),
            {
                "runs": shown,
                "canaries": canaries,
                "active": any(one.row.active for one in shown),
                "newer": f"{here}cursor={page.newer}" if page.newer else "",
                "older": f"{here}cursor={page.older}" if page.older else "",
                "now": now,
            },
        )
    )


@needs(Permission.READ)
@require_safe
def run(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One run: its progress, and its attempts; htmx gets what changes."""
    found = _load(request, id)
    now = timezone.now()
    (shown,) = shown_runs([found], now=now)
    show = request.GET.get("show", "")
    try:
        page = attempts_page(
            run=found,
            show=show if show in {*VerdictName.values, WAITING, CANCELLED} else "",
            limit=ATTEMPTS_SHOWN,
            cursor=request.GET.get("cursor", ""),
            counted=shown.row,
        )
    except InvalidCursor:
        return redirect("replay-run", id=found.pk)
    return vary_on_htmx(
        render(
            request,
            "pages/replay-run.html" + ("#live" if is_fragment(request) else ""),
            {
                "one": shown,
                "run": found,
                "row": shown.row,
                "pace": 5 if shown.row.total > LARGE_RUN else 1,
                "attempts": _with_words(page.items),
                "any_decided": any(_decided(one) for one in page.items),
                "show": show,
                "shows": _shows(shown.row),
                "before": _address(show=show, cursor=page.before) if page.before else "",
                "after": _address(show=show, cursor=page.after) if page.after else "",
                "now": now,
            },
        )
    )


def _with_words(attempts: Sequence[Attempt]) -> list[tuple[Attempt, str, str]]:
    """Each attempt, what happened in a line, and the state of its answer's fingerprint."""
    states = states_of([one.answer for one in attempts if one.answer is not None])
    return [(one, _told(one), states.get(one.pk, "")) for one in attempts]


def _decided(attempt: Attempt) -> bool:
    """Whether a person has said what the comparison means."""
    comparison = getattr(attempt, "comparison", None)
    return comparison is not None and bool(comparison.decision)


def _told(attempt: Attempt) -> str:
    """What happened, in a line."""
    comparison = getattr(attempt, "comparison", None)
    return in_words(row_text(attempt, "error")) if comparison is None else what_happened(comparison)


def _shows(row: RunRow) -> list[tuple[str, int]]:
    """What the attempts can be narrowed to, the worst first, with their numbers."""
    found = [(str(name), row.verdicts.get(name, 0)) for name in WORST_FIRST]
    found += [(WAITING, row.without_verdict), (CANCELLED, row.cancelled)]
    return [(name, n) for name, n in found if n]


def _address(**values: str) -> str:
    return "?" + urlencode({name: value for name, value in values.items() if value})


@needs(Permission.REPLAY)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Stop it: what waits is not asked any more."""
    found = _load(request, id)
    if replay.cancel_run(actor=request.actor, run=found, now=timezone.now()):
        messages.success(request, _("Cancelled. What was answered already is kept."))
    else:
        messages.info(request, _("It had ended already."))
    return redirect("replay-run", id=found.pk)


@needs(Permission.REPLAY)
@require_POST
def retry(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask once more what failed."""
    found = _load(request, id)
    with transaction.atomic():
        queued = replay.retry_failed(actor=request.actor, run=found, now=timezone.now())
        if queued:
            transaction.on_commit(lambda: replay_nudge.delay(run_id=str(found.pk)))
    if queued:
        words = ngettext(
            "%(n)s failed attempt is asked again.", "%(n)s failed attempts are asked again.", queued
        )
        messages.success(request, words % {"n": count(queued)})
    elif found.state == RunState.CANCELLED:
        messages.error(request, _("A cancelled run is not taken up again; start a new one."))
    else:
        messages.info(request, _("Nothing had failed."))
    return redirect("replay-run", id=found.pk)


def _load(request: AppRequest, id_: UUID) -> ReplayRun:
    found: ReplayRun = find_or_404(
        request, ReplayRun.objects.select_related("created_by", "created_by_key"), id=id_
    )
    return found
