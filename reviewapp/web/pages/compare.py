"""Compare: original against attempt, the verdict on top, and what a person decides about it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

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
    FlagReason,
    FlagState,
    Interaction,
    Permission,
    Severity,
)
from reviewapp.models.bodies import exchange_of
from reviewapp.models.replaying import neighbours
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import Verdict, VerdictKind
from reviewapp.stages import compare as stage
from reviewapp.stages.administer import Refused
from reviewapp.templatetags.faces import VERDICTS
from reviewapp.web import rendering
from reviewapp.web.comparing.drawing import MODES, draw
from reviewapp.web.comparing.facts import facts, one_sided, settings_of
from reviewapp.web.comparing.groups import together
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx

# What people may still come back to by "undo" travels in an address.
LONGEST_NOTE = 500


@needs(Permission.READ)
@require_safe
def compare(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One attempt beside its original; htmx gets the bodies in another mode."""
    attempt = _load(request, id)
    if attempt.state != AttemptState.DONE:
        return _unanswered(request, attempt)
    view = stage.view(attempt=attempt)
    bodies = draw(view, mode=request.GET.get("mode", ""), everything="all" in request.GET)
    drawn = {"attempt": attempt, "view": view, "bodies": bodies, "modes": MODES.items()}
    if is_fragment(request):
        return vary_on_htmx(render(request, "pages/compare.html#bodies", drawn))
    lead, rest = _sentence(view.verdict)
    context = {
        **_around(request, attempt),
        **drawn,
        "verdict": view.verdict,
        "lead": lead,
        "rest": rest,
        "reasons": [reason.render(_) for reason in view.verdict.reasons],
        "figures": {name: value for name, value in view.verdict.figures.items() if value is not None},
        "together": together(view),
        # What the attempt's own sentence says already is not said twice.
        "together_sentence": _other_words(_tidy(view.together.render(_)), rest),
        "facts": facts(
            original=view.original,
            answer=view.answer,
            original_row=view.original_row,
            answer_row=view.answer_row,
        ),
        "settings": settings_of(original=view.original, answer=view.answer, overrides=view.overrides),
        "original_row": view.original_row,
        **_asked(view.original),
    }
    return vary_on_htmx(render(request, "pages/compare.html", context))


def _sentence(verdict: Verdict) -> tuple[str, str]:
    """The words that one reads first, and the rest of the sentence."""
    parts = [_tidy(part.render(_)) for part in verdict.parts]
    if verdict.kind == VerdictKind.BACKEND_CHANGED:
        return parts[0], " ".join(parts[1:])
    return str(VERDICTS[verdict.kind.value][0]).capitalize() + ".", " ".join(parts)


def _tidy(sentence: str) -> str:
    """A shortened fingerprint at a sentence's end brings dots enough."""
    return sentence.replace("….", "…")


def _other_words(sentence: str, said: str) -> str:
    return "" if sentence in said else sentence


def _asked(original: Exchange) -> dict[str, Any]:
    view = read_request(original.endpoint, original.request)
    return {"messages_shown": rendering.show_messages(view.messages), "prompt": view.preview}


def _around(request: AppRequest, attempt: Attempt) -> dict[str, Any]:
    """What every attempt's page has, whatever became of it."""
    siblings = list(
        Attempt.objects.filter(run=attempt.run_id, original=attempt.original_id)
        .order_by("number")
        .values_list("pk", "number")
    )
    place = next(at for at, (pk, _number) in enumerate(siblings) if pk == attempt.pk)
    before, after = neighbours(run=attempt.run, attempt=attempt)
    return {
        "attempt": attempt,
        "run": attempt.run,
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
        "flag_reasons": FlagReason.objects.filter(project=attempt.project, is_active=True).order_by(
            "position"
        ),
        "severities": Severity.choices,
        "longest_note": LONGEST_NOTE,
    }


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
        "waits": attempt.state in {AttemptState.QUEUED, AttemptState.LEASED},
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
    words = dict(Decision.choices)[decision]
    undo = {"decision": before or "", "note": note_before, "seen": decision}
    return _toast(response, words, undo=f"{reverse('compare-decide', args=[id])}?{urlencode(undo)}")


def _toast(response: HttpResponse, message: str, *, undo: str = "", kind: str = "plain") -> HttpResponse:
    detail = {"message": message, "kind": kind, **({"undo": undo} if undo else {})}
    return trigger_client_event(response, "toast", detail)


def _load(request: AppRequest, id_: UUID) -> Attempt:
    found: Attempt = find_or_404(
        request,
        Attempt.objects.select_related(
            "run", "run__created_by", "original", "provider", "comparison", "comparison__decided_by"
        ),
        id=id_,
    )
    return found
