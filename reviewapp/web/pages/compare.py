"""Compare: original against attempt, the verdict on top, and what a person decides about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp.formats.openai import read_request
from reviewapp.models import (
    Annotation,
    Attempt,
    AttemptState,
    Comparison,
    Decision,
    Flag,
    FlagState,
    Interaction,
    Permission,
    Severity,
)
from reviewapp.models.bodies import exchange_of
from reviewapp.models.fingerprint import states_of
from reviewapp.models.probing import Probed, probed_of
from reviewapp.models.replaying import neighbours
from reviewapp.models.review import flag_reasons
from reviewapp.pure.exchange import Exchange
from reviewapp.stages import compare as stage
from reviewapp.stages.administer import Refused
from reviewapp.web import rendering
from reviewapp.web.comparing.drawing import MODES, draw
from reviewapp.web.comparing.facts import facts, one_sided, settings_of
from reviewapp.web.comparing.groups import together
from reviewapp.web.comparing.telling import told_now, told_of
from reviewapp.web.discussing import ShownDiscussion, show_discussion
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.studying.telling import asked_as

# Reading and judging so many tokens takes an eighth of a second; what has more comes after the page.
QUICK_TOKENS = 1_500
WAITING_STATES = frozenset({AttemptState.QUEUED, AttemptState.LEASED})
# What people may still come back to by "undo" travels in an address.
LONGEST_NOTE = 500


@needs(Permission.READ)
@require_safe
def compare(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One attempt beside its original; htmx gets the bodies in another mode, or the siblings."""
    attempt = _load(request, id)
    if is_fragment(request) and "waiting" in request.GET and attempt.state not in WAITING_STATES:
        # Its page is another one now.
        return HttpResponse(headers={"HX-Refresh": "true"})
    if attempt.state != AttemptState.DONE:
        return _unanswered(request, attempt)
    if is_fragment(request) and "together" in request.GET:
        context = {"attempt": attempt, **_judged(attempt, patient=True)}
        return vary_on_htmx(render(request, "pages/compare.html#together", context))
    pair = stage.pair(attempt=attempt)
    bodies = draw(pair, mode=request.GET.get("mode", ""), everything="all" in request.GET)
    states = states_of([pair.original_row, pair.answer_row])
    drawn = {
        "attempt": attempt,
        "pair": pair,
        "bodies": bodies,
        "modes": MODES.items(),
        "original_state": states.get(attempt.original_id, ""),
        "answer_state": states.get(attempt.pk, ""),
    }
    if is_fragment(request):
        return vary_on_htmx(render(request, "pages/compare.html#bodies", drawn))
    context = {
        **_around(request, attempt),
        **drawn,
        **_judged(attempt),
        "facts": facts(pair),
        "probed": _probed(attempt, pair),
        "settings": settings_of(original=pair.original, answer=pair.answer, overrides=attempt.overrides),
        **_asked(pair.original),
        "cards": _discussions(request, attempt),
    }
    return vary_on_htmx(render(request, "pages/compare.html", context))


def _judged(attempt: Attempt, *, patient: bool = False) -> dict[str, Any]:
    """The verdict, and what the siblings show together: at once where that is quickly told."""
    siblings = (
        attempt.asked_alike()
        .filter(state=AttemptState.DONE)
        .aggregate(n=Count("pk"), tokens=Sum("answer__output_tokens"))
    )
    comparison = getattr(attempt, "comparison", None)
    quick = patient or (siblings["tokens"] or 0) <= QUICK_TOKENS
    view = None
    if comparison is None or (siblings["n"] > 1 and quick):
        view = stage.view(attempt=attempt)
    told = told_of(comparison) if comparison is not None else None
    if told is None and view is not None:
        told = told_now(view.verdict)
    return {
        "told": told,
        "together": together(view) if view is not None and siblings["n"] > 1 else None,
        "together_later": siblings["n"] > 1 and view is None,
    }


def _probed(attempt: Attempt, pair: stage.Pair) -> list[Probed]:
    """Whether the seed counts for anything there; nothing to say where none was sent."""
    if pair.original_row.seed is None:
        return []
    return probed_of(pairs=[(attempt.provider_id, pair.answer_row.model)])


def _asked(original: Exchange) -> dict[str, Any]:
    view = read_request(original.endpoint, original.request)
    return {"messages_shown": rendering.show_messages(view.messages), "prompt": view.preview}


def _around(request: AppRequest, attempt: Attempt) -> dict[str, Any]:
    """What every attempt's page has, whatever became of it."""
    siblings = list(attempt.asked_alike().order_by("number").values_list("pk", "number"))
    place = next(at for at, (pk, _number) in enumerate(siblings) if pk == attempt.pk)
    before, after = neighbours(run=attempt.run, attempt=attempt)
    return {
        "attempt": attempt,
        "run": attempt.run,
        "asked_as": asked_as(attempt),
        "original": attempt.original,
        "attempts": len(siblings),
        "previous_attempt": siblings[place - 1][0] if place else None,
        "next_attempt": siblings[place + 1][0] if place + 1 < len(siblings) else None,
        "previous_in_run": before,
        "next_in_run": after,
        "comparison": getattr(attempt, "comparison", None),
        "decisions": _decisions(),
        "flags": Flag.objects.filter(interaction=attempt.original_id, state=FlagState.OPEN).order_by(
            "created_at"
        ),
        "judgements": Annotation.objects.filter(
            interaction=attempt.original_id, removed_at__isnull=True
        ).count(),
        "flag_reasons": flag_reasons(attempt.project_id),
        "severities": Severity.choices,
        "longest_note": LONGEST_NOTE,
    }


def _discussions(request: AppRequest, attempt: Attempt) -> list[ShownDiscussion]:
    """The original's, and the replay's answer's."""
    found = [(attempt.original, _("Discussion of the original"))]
    if attempt.answer is not None:
        found.append((attempt.answer, _("Discussion of the replay")))
    return [show_discussion(actor=request.actor, one=one, title=title) for one, title in found]


def _decisions() -> list[tuple[str, str, str, str, str]]:
    """Value, word, key, icon, and what it means."""
    return [
        (
            Decision.SAME,
            _("Same"),
            "s",
            "check2",
            _("The replay is as good as the original: what differs does not matter."),
        ),
        (Decision.REGRESSION, _("Regression"), "x", "x", _("The replay is worse than the original.")),
        (
            Decision.NEEDS_PERSON,
            _("Needs a person"),
            "e",
            "person",
            _("Somebody who knows the matter should look at it."),
        ),
    ]


# ---- attempts without an answer ----


_ADVICE = {
    "rate_limited": gettext_lazy(
        "It was asked several times, longer and longer apart. Retry when the provider is less busy, or lower "
        "its limits under Settings, Providers."
    ),
    "provider_down": gettext_lazy("It was asked several times. Retry when the provider works again."),
    "timed_out": gettext_lazy(
        "It was asked several times. Long answers may need a higher time limit under Settings, Providers."
    ),
    "bad_request": gettext_lazy(
        "Asking the same again will be refused again. Often the model is gone, or a parameter is not "
        "accepted any more; the provider's words below say which."
    ),
    "not_callable": gettext_lazy("An admin mends this under Settings, Providers; then retry."),
    "worker_lost": gettext_lazy("The worker's log says why; then retry."),
}


def _unanswered(request: AppRequest, attempt: Attempt) -> HttpResponse:
    """The page of an attempt that failed, waits, or was cancelled: what is known, and what to do."""
    row = Interaction.objects.select_related("source", "provider", "body").get(pk=attempt.original_id)
    exchange = exchange_of(row)
    failure = attempt.failure or {}
    context = {
        **_around(request, attempt),
        "original_row": row,
        "facts": one_sided(original=exchange, original_row=row),
        "original_state": states_of([row]).get(row.pk, ""),
        "waits": attempt.state in WAITING_STATES,
        "failure": failure,
        "failure_body": rendering.pretty(failure.get("body") or ""),
        "advice": _ADVICE.get(failure.get("kind") or "", ""),
        "answer": rendering.show_choice(exchange.reply.choices[0], model=exchange.reply.model or "")
        if exchange.reply.choices
        else None,
        **_asked(exchange),
    }
    part = "#waiting" if is_fragment(request) else ""
    return vary_on_htmx(render(request, "pages/compare-unanswered.html" + part, context))


# ---- what a person decides ----


@needs(Permission.REVIEW)
@require_POST
def decide(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Same, regression, or needs a person; empty takes it back. `seen` is what the page showed before."""
    attempt = _load(request, id)
    comparison: Comparison = find_or_404(
        request, Comparison.objects.select_related("decided_by"), attempt=attempt
    )
    asked = request.POST if "decision" in request.POST else request.GET
    before, note_before = comparison.decision, comparison.decision_note
    decision = asked.get("decision") or None
    note = asked.get("note", "")[:LONGEST_NOTE]
    if "seen" in asked:
        comparison.decision = asked["seen"] or None
    try:
        moved = stage.decide(
            actor=request.actor, comparison=comparison, decision=decision, note=note, now=timezone.now()
        )
    except Refused as error:
        return _toast(HttpResponse(str(error), status=422), str(error), kind="error")
    if not request.htmx:
        return redirect("compare", id=attempt.pk)
    attempt = _load(request, id)
    response = render(request, "pages/compare.html#decision", _around(request, attempt))
    # The undo of a toast has no element of its own to swap.
    response.headers["HX-Retarget"] = "#decision"
    response.headers["HX-Reswap"] = "outerMorph"
    if not moved:
        return _toast(response, _("Somebody else decided meanwhile; this is their decision."), kind="error")
    if decision is None:
        return _toast(response, _("Decision taken back"))
    words = str(Decision(decision).label)
    undo = {"decision": before or "", "note": note_before, "seen": decision}
    return _toast(response, words, undo=f"{reverse('compare-decide', args=[id])}?{urlencode(undo)}")


def _toast(response: HttpResponse, message: str, *, undo: str = "", kind: str = "plain") -> HttpResponse:
    detail = {"message": message, "kind": kind, **({"undo": undo} if undo else {})}
    return trigger_client_event(response, "toast", detail)


def _load(request: AppRequest, id_: UUID) -> Attempt:
    found: Attempt = find_or_404(
        request,
        Attempt.objects.select_related(
            *("run", "run__created_by", "run__study", "variant"),
            *("original", "provider", "comparison", "comparison__decided_by"),
        ),
        id=id_,
    )
    return found
