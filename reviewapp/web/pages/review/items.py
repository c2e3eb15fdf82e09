"""One item of a queue: all that was said about it side by side, and which of it counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import (
    OPEN_STATES,
    ItemState,
    Permission,
    QueueItem,
    QueueKind,
    QueueSlot,
    SlotState,
)
from reviewapp.models.reviewing import others_hidden_from
from reviewapp.pure.disagreement import PREFERENCE
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.stages.administer import Refused
from reviewapp.web.frame import AppRequest, find_or_404, needs
from reviewapp.web.pages.interaction import discussed, shown
from reviewapp.web.pages.judgements import read_judgement
from reviewapp.web.pages.review.asking import labels_of, questions_of
from reviewapp.web.pages.review.focus import beside, choices_of
from reviewapp.web.refusals import sentence_of


@needs(Permission.READ)
@require_safe
def item(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The answer, everybody's judgement, where they differ; for an adjudicator the decision."""
    return render(request, "pages/review/item.html", _context(request, _item(request, id)))


def _context(request: AppRequest, found: QueueItem) -> dict[str, Any]:
    slots = list(
        QueueSlot.objects.filter(item=found, state=SlotState.JUDGED, annotation__isnull=False)
        .select_related("annotation__created_by", "annotation__rubric", "person")
        .order_by("round", "finished_at")
    )
    hidden = set(others_hidden_from(request.actor.person).filter(item=found).values_list("pk", flat=True))
    counted = [slot for slot in slots if slot.round == found.round and slot.pk not in hidden]
    rubric = review.rubric_of(found.queue)
    differing = set(review.disagreeing(found.queue, [slot.annotation for slot in counted]))
    labels = {question["key"]: question["label"] for question in (rubric.questions if rubric else [])}
    labels[PREFERENCE] = _("Which answer is better?")
    may_decide = review.can_adjudicate(actor=request.actor, queue=found.queue)
    blank = QueueSlot(item=found, queue=found.queue)
    judged = review.judged_interaction(found)
    context: dict[str, Any] = {
        "item": found,
        "queue": found.queue,
        "here": "items",
        "rubric": rubric,
        "slots": counted,
        "earlier": [slot for slot in slots if slot.round < found.round],
        "hidden": len(hidden),
        "differing": [labels[key] for key in differing if key in labels],
        "can_decide": may_decide and found.state in {ItemState.ADJUDICATION, ItemState.DONE},
        "undoes": _last_decided(request, found) if may_decide else None,
        "can_requeue": request.actor.may(Permission.ADMIN) and found.state not in OPEN_STATES,
        "questions": questions_of(slot=blank, item=found, rubric=rubric),
        "labels": labels_of(rubric.labels if rubric else []),
        "next_disputed": QueueItem.objects.filter(queue=found.queue, state=ItemState.ADJUDICATION)
        .exclude(pk=found.pk)
        .in_order()
        .first(),
        **shown(judged),
    }
    context |= discussed(request, judged)
    if found.attempt is not None:
        context |= beside(found.attempt)
        if found.queue.kind == QueueKind.PAIRWISE:
            context["pair_shown"] = [
                (_("Original"), choices_of(found.interaction_id)),
                (_("Replay"), context["choices"]),
            ]
    return context


def _last_decided(request: AppRequest, found: QueueItem) -> QueueItem | None:
    """What undo takes back: this person's decision on this item, or else their last one in the queue."""
    mine = QueueItem.objects.filter(
        queue=found.queue, state=ItemState.DONE, adjudicated_by=request.actor.person
    )
    last: QueueItem | None = mine.filter(pk=found.pk).first() or mine.order_by("-finished_at", "-id").first()
    return last


@needs(Permission.REVIEW)
@require_POST
def adjudicate(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Say which judgement counts, or give the one that does."""
    found = _item(request, id)
    chosen = request.POST.get("chosen", "")
    judged, rubric = review.judged_interaction(found), review.rubric_of(found.queue)
    try:
        if chosen:
            review.adjudicate(actor=request.actor, item_id=found.pk, chosen=UUID(chosen), now=timezone.now())
        else:
            values = read_judgement(request.POST, rubric=rubric, answer=lambda: review.answer_text(judged))
            own = review.Judgement(**asdict(values), preference=request.POST.get("preference") or None)
            review.adjudicate(actor=request.actor, item_id=found.pk, judgement=own, now=timezone.now())
    except (InvalidAnswer, Refused, ValueError) as error:
        context = {
            **_context(request, found),
            "problem": sentence_of(error, rubric.questions if rubric else ()),
        }
        return render(request, "pages/review/item.html", context, status=422)
    messages.success(request, _("Decided."), extra_tags=reverse("review-item-undo", args=[found.pk]))
    after = (
        QueueItem.objects.filter(queue=found.queue, state=ItemState.ADJUDICATION).in_order().first() or found
    )
    return redirect("review-item", id=after.pk)


@needs(Permission.REVIEW)
@require_POST
def undo(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take one's decision back, and have the item before oneself again."""
    found = _item(request, id)
    try:
        review.undo_adjudication(actor=request.actor, item_id=found.pk, now=timezone.now())
    except Refused as error:
        context = {**_context(request, found), "problem": error}
        return render(request, "pages/review/item.html", context, status=409)
    messages.success(request, _("Decision taken back"))
    return redirect("review-item", id=found.pk)


@needs(Permission.ADMIN)
@require_POST
def requeue(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Have it judged anew."""
    found = _item(request, id)
    if review.requeue(actor=request.actor, item_id=found.pk, now=timezone.now()):
        messages.success(request, _("Sent back into the queue. What was said before stays here."))
    return redirect("review-item", id=found.pk)


def _item(request: AppRequest, id_: UUID) -> QueueItem:
    found: QueueItem = find_or_404(
        request,
        QueueItem.objects.select_related(
            "queue", "interaction", "attempt", "authoritative__created_by", "adjudicated_by"
        ),
        id=id_,
    )
    return found
