"""Focus mode: one item, its questions, and nothing else.

The page brings the first item; static/js/focus.js fetches the next one ahead and shows it the
moment this one is judged, while the judgement is on its way. Without JavaScript the form sends
itself and the page comes again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import (
    Attempt,
    AttemptState,
    Interaction,
    Permission,
    Queue,
    QueueItem,
    QueueKind,
    QueueSlot,
    SlotState,
)
from reviewapp.models.composed import Composed
from reviewapp.models.fingerprint import states_of
from reviewapp.models.reviewing import BOUND, mine, waits
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import compare, replay, review
from reviewapp.stages.administer import Refused
from reviewapp.tasks import replay_nudge
from reviewapp.web import rendering
from reviewapp.web.comparing.drawing import draw
from reviewapp.web.comparing.telling import told_of
from reviewapp.web.frame import AppRequest, found_or_404, needs, vary_on_htmx
from reviewapp.web.pages.interaction import said
from reviewapp.web.pages.judgements import read_judgement
from reviewapp.web.pages.review.asking import labels_of, questions_of
from reviewapp.web.refusals import sentence_of

PAGE = "pages/review/focus.html"
# What every step asks.
_QUEUE: Final = Composed(
    lambda pk, person: Queue.objects.filter(pk=pk, project__memberships__person=person).select_related(
        "project", "rubric"
    )
)
_SLOT: Final = Composed(
    lambda pk, person: QueueSlot.objects.filter(
        pk=pk, person=person, project__memberships__person=person
    ).select_related("project", "queue__rubric", "annotation")
)
_ITEM: Final = Composed(
    lambda pk: QueueItem.objects.filter(pk=pk).select_related("attempt", "interaction__body")
)


@needs(Permission.REVIEW)
@require_safe
def focus(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The item that this person works on, or the next one."""
    queue = _queue(request, id)
    context: dict[str, Any] = {"queue": queue}
    try:
        slot = review.take(actor=request.actor, queue=queue, now=timezone.now())
    except Refused as error:
        context["refused"] = error
    else:
        context |= _item(slot) if slot is not None else {}
    last = (
        QueueSlot.objects.filter(
            queue=queue, person=request.actor.person, state__in=[SlotState.JUDGED, SlotState.SKIPPED]
        )
        .order_by("-finished_at")
        .first()
    )
    return render(request, PAGE, {**context, "last": last, "figures": figures(request, queue)})


@needs(Permission.REVIEW)
@require_POST
def next_item(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The item after those that this person has in hand (`slot`, several), leased and drawn."""
    queue = _queue(request, id)
    try:
        slot = review.take(actor=request.actor, queue=queue, now=timezone.now(), beside=_uuids(request))
    except Refused as error:
        return vary_on_htmx(render(request, f"{PAGE}#nothing", {"queue": queue, "refused": error}))
    if slot is None:
        nothing = {"queue": queue, "figures_now": figures(request, queue)}
        return vary_on_htmx(render(request, f"{PAGE}#nothing", nothing))
    return vary_on_htmx(render(request, f"{PAGE}#item", {"queue": queue, **_item(slot)}))


@needs(Permission.REVIEW)
@require_safe
def slot_item(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """An item that this person had before, with what they said."""
    slot = _slot(request, id)
    return vary_on_htmx(render(request, f"{PAGE}#item", {"queue": slot.queue, **_item(slot)}))


@needs(Permission.REVIEW)
@require_POST
def judge(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Keep the judgement."""
    slot = _slot(request, id)
    rubric = review.rubric_of(slot.queue)
    try:
        values = read_judgement(
            request.POST,
            rubric=rubric,
            answer=lambda: review.answer_text(review.judged_interaction(slot.item)),
        )
        preference = request.POST.get("preference") or None
        kept = review.judge(
            actor=request.actor,
            slot_id=slot.pk,
            judgement=review.Judgement(**asdict(values), preference=preference),
            now=timezone.now(),
        )
    except InvalidAnswer as error:
        return _said(
            request, slot.queue, problem=sentence_of(error, rubric.questions if rubric else ()), status=422
        )
    except (Refused, review.NotYours, review.EditedMeanwhile) as error:
        return _said(request, slot.queue, problem=str(error), status=409)
    note = (
        ""
        if kept.counted
        else _("Kept with the answer. Others had judged it meanwhile, so it counts no more.")
    )
    return _said(request, slot.queue, note=note)


@needs(Permission.REVIEW)
@require_POST
def skip(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Leave it to others."""
    slot = _slot(request, id)
    try:
        review.skip(actor=request.actor, slot_id=slot.pk, now=timezone.now())
    except Refused as error:
        return _said(request, slot.queue, problem=str(error), status=409)
    return _said(request, slot.queue)


@needs(Permission.REVIEW)
@require_POST
def undo(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take one's judgement or skip back, and have the item again."""
    slot = _slot(request, id)
    now = timezone.now()
    try:
        review.undo(actor=request.actor, slot_id=slot.pk, now=now, lease_until=now + review.LEASE)
    except Refused as error:
        return _said(request, slot.queue, problem=str(error), status=409)
    if not _from_script(request):
        return redirect("review-queue", id=slot.queue_id)
    again = {"queue": slot.queue, "figures_now": figures(request, slot.queue), **_item(_slot(request, id))}
    return vary_on_htmx(render(request, f"{PAGE}#item", again))


@needs(Permission.REVIEW)
@require_POST
def renew(request: AppRequest) -> HttpResponse:
    """I am still at these."""
    held = review.renew(actor=request.actor, slot_ids=_uuids(request), now=timezone.now())
    return JsonResponse({"held": [str(pk) for pk in held]})


@needs(Permission.REVIEW)
@require_POST
def leave(request: AppRequest) -> HttpResponse:
    """I leave these to others."""
    review.leave(actor=request.actor, slot_ids=_uuids(request), now=timezone.now())
    return HttpResponse(status=204)


@needs(Permission.REPLAY)
@require_http_methods(["GET", "HEAD", "POST"])
def replay_now(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask the item's question again, now, and show the comparison beside it when it is there."""
    slot = _slot(request, id)
    part = f"{PAGE}#replayed"
    if request.method == "POST":
        try:
            with transaction.atomic():
                run = replay.start_run(
                    actor=request.actor,
                    selection={"interactions": [str(slot.item.interaction_id)]},
                    note=_("Asked while reviewing"),
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: replay_nudge.delay(run_id=str(run.pk)))
        except Refused as error:
            return render(request, part, {"slot": slot, "problem": error})
    attempt = (
        Attempt.objects.filter(original=slot.item.interaction_id, run__created_by=request.user)
        .select_related("run", "comparison")
        .order_by("-created_at")
        .first()
    )
    context: dict[str, Any] = {"slot": slot, "attempt": attempt}
    if attempt is not None and attempt.state == AttemptState.DONE and hasattr(attempt, "comparison"):
        context |= beside(attempt)
    return vary_on_htmx(render(request, part, context))


def _item(slot: QueueSlot) -> dict[str, Any]:
    """What the templates draw of an item and of what is asked about it."""
    item = _ITEM.first(pk=slot.item_id)
    item.queue = slot.queue
    rubric = review.rubric_of(item.queue)
    judged = item.interaction if item.attempt_id is None else review.judged_interaction(item)
    context: dict[str, Any] = {
        "slot": slot,
        "item": item,
        "rubric": rubric,
        "pairwise": item.queue.kind == QueueKind.PAIRWISE,
        "questions": questions_of(slot=slot, item=item, rubric=rubric),
        "labels": [] if item.queue.kind == QueueKind.PAIRWISE else labels_of(rubric.labels if rubric else []),
        "annotation": slot.annotation,
        # Before that the server keeps back what would give others' judgements away, wherever it is asked.
        "may_discuss": not item.queue.blind or slot.state == SlotState.JUDGED,
        **said(judged),
    }
    if item.attempt is None:
        return context
    if context["pairwise"]:
        pair = [choices_of(item.interaction_id), choices_of(item.attempt_id)]
        context["pair_shown"] = list(zip("AB", reversed(pair) if slot.replay_first else pair, strict=True))
        return context
    return context | beside(item.attempt)


def choices_of(interaction_id: UUID) -> list[rendering.ShownMessage]:
    """The answers of an interaction, drawn; without the model's name, which could tell which is which."""
    row = Interaction.objects.select_related("body").get(pk=interaction_id)
    return [rendering.show_choice(choice, model="") for choice in review.said_of(row).choices]


def beside(attempt: Attempt) -> dict[str, Any]:
    """A replay's answer against its original's, with the verdict in a sentence."""
    pair = compare.pair(attempt=attempt)
    states = states_of([pair.original_row, pair.answer_row])
    comparison = getattr(attempt, "comparison", None)
    return {
        "pair": pair,
        "bodies": draw(pair, mode="words"),
        "original_state": states.get(attempt.original_id, ""),
        "answer_state": states.get(attempt.pk, ""),
        "told": told_of(comparison) if comparison is not None else None,
        "beside": True,
    }


def _said(
    request: AppRequest, queue: Queue, *, problem: str = "", note: str = "", status: int = 200
) -> HttpResponse:
    """For the script: what came of it, and how far this person is. Otherwise the page again."""
    if not _from_script(request):
        if problem or note:
            messages.add_message(request, messages.ERROR if problem else messages.INFO, problem or note)
        return redirect("review-queue", id=queue.pk)
    if problem:
        return JsonResponse({"problem": problem}, status=status)
    return JsonResponse({"note": note, **figures(request, queue)})


def figures(request: AppRequest, queue: Queue) -> dict[str, Any]:
    """How far this person is in the queue, and how much waits for them in all queues."""
    done = mine(queue=queue, person=request.user)
    # Counting what is left stops there.
    total = f"{done.total}+" if done.left >= BOUND else str(done.total)
    words = [_("%(done)s of %(total)s") % {"done": done.done, "total": total}]
    if done.skipped:
        words.append(_("%(n)s skipped") % {"n": done.skipped})
    if done.left and done.minutes:
        words.append(_("about %(minutes)s min left") % {"minutes": done.minutes})
    waiting = waits(actor=request.actor)
    return {
        "done": done.done,
        "left": done.left,
        "total": done.total,
        "words": ", ".join(words),
        "waiting": waiting,
        "waiting_words": str(waiting) if waiting < BOUND else f"{BOUND - 1}+",
    }


def _from_script(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


def _queue(request: AppRequest, id_: UUID) -> Queue:
    found: Queue = found_or_404(request, _QUEUE.first(pk=id_, person=request.user.pk))
    return found


def _slot(request: AppRequest, id_: UUID) -> QueueSlot:
    found: QueueSlot = found_or_404(request, _SLOT.first(pk=id_, person=request.user.pk))
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _uuids(request: HttpRequest) -> list[UUID]:
    return [found for text in request.POST.getlist("slot")[:100] if (found := _uuid(text)) is not None]
