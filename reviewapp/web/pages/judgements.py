"""Flags and annotations from the interaction page: fragments in, fragments out, undo in the toast."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from reviewapp.models import Annotation, Flag, FlagState, Interaction, Permission, Severity
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.interaction import beside, load, shown


@needs(Permission.REVIEW)
@require_POST
def flag_interaction(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Flag it."""
    found = load(request, id)
    try:
        made = review.flag(
            actor=request.actor,
            interaction=found,
            reason=request.POST.get("reason", ""),
            severity=request.POST.get("severity", Severity.MEDIUM),
            note=request.POST.get("note", ""),
            now=timezone.now(),
        )
    except InvalidAnswer as error:
        return _problem(request, str(error))
    response = _flags(request, found)
    trigger_client_event(response, "dialog-close", {})
    return _toast(
        response, _("Flagged"), undo=reverse("flag-move", args=[made.pk, FlagState.REMOVED]), target="#flags"
    )


@needs(Permission.REVIEW)
@require_POST
def move_flag(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Resolve, remove or reopen a flag."""
    flag = get_object_or_404(Flag.objects.visible_to(request.actor).select_related("interaction"), pk=id)
    before = flag.state
    moved = review.move_flag(actor=request.actor, flag_id=id, to=to, now=timezone.now())
    response = _flags(request, load(request, flag.interaction_id))
    if not moved:
        return response
    words = {
        FlagState.OPEN: _("Flag open again"),
        FlagState.RESOLVED: _("Flag resolved"),
        FlagState.REMOVED: _("Flag removed"),
    }
    return _toast(
        response, words[FlagState(to)], undo=reverse("flag-move", args=[id, before]), target="#flags"
    )


@needs(Permission.REVIEW)
@require_POST
def annotate(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Give one's judgement, or change it."""
    found = load(request, id)
    now = timezone.now()
    values: dict[str, Any] = {}
    try:
        values = _judgement(request, found)
        if request.POST.get("annotation"):
            annotation = get_object_or_404(
                Annotation.objects.visible_to(request.actor).select_related("interaction__body", "rubric"),
                pk=request.POST["annotation"],
                interaction=found,
            )
            made = review.edit_annotation(
                actor=request.actor,
                annotation=annotation,
                version=int(request.POST.get("version") or 0),
                now=now,
                **values,
            )
        else:
            made = review.annotate(actor=request.actor, interaction=found, now=now, **values)
    except (InvalidAnswer, review.NotYours, review.EditedMeanwhile) as error:
        return _not_saved(request, found, error)
    response = _annotations(request, found)
    undo = reverse("annotation-remove", args=[made.pk]) if made.version == 1 else ""
    return _toast(response, _("Saved"), undo=undo, target="#annotations")


@needs(Permission.REVIEW)
@require_POST
def remove_annotation(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take one's judgement back."""
    return _set_removed(request, id, removed=True)


@needs(Permission.REVIEW)
@require_POST
def restore_annotation(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Undo taking it back."""
    return _set_removed(request, id, removed=False)


def _set_removed(request: AppRequest, id_: UUID, *, removed: bool) -> HttpResponse:
    annotation = get_object_or_404(Annotation.objects.visible_to(request.actor), pk=id_)
    found = load(request, annotation.interaction_id)
    deed = review.remove_annotation if removed else review.restore_annotation
    try:
        deed(actor=request.actor, annotation=annotation, now=timezone.now())
    except review.NotYours as error:
        return _problem(request, str(error))
    response = _annotations(request, found)
    undo = reverse("annotation-restore", args=[id_]) if removed else ""
    words = _("Judgement taken back") if removed else _("Judgement restored")
    return _toast(response, words, undo=undo, target="#annotations")


def _judgement(request: AppRequest, found: Interaction) -> dict[str, Any]:
    """The form's values as the stage takes them. Raises InvalidAnswer."""
    rubric = review.default_rubric(request.actor)
    scores: dict[str, Any] = {}
    for question in rubric.questions if rubric else []:
        text = request.POST.get(f"score-{question['key']}", "")
        if text == "":
            continue
        if question["kind"] == "boolean":
            scores[question["key"]] = text == "true"
        elif question["kind"] == "number":
            try:
                number = float(text)
            except ValueError:
                raise InvalidAnswer(f"scores.{question['key']}", "must be a number") from None
            scores[question["key"]] = int(number) if number.is_integer() else number
        else:
            scores[question["key"]] = text
    try:
        spans = json.loads(request.POST.get("spans") or "[]")
    except ValueError:
        raise InvalidAnswer("spans", "must be JSON") from None
    # A text area sends line breaks as CR LF, which are none of the correction.
    correction = request.POST.get("correction", "").replace("\r\n", "\n")
    corrected = "correct" in request.POST and correction != review.answer_text(found)
    return {
        "scores": scores,
        "spans": spans,
        "correction": correction if corrected else None,
        "comment": request.POST.get("comment", "").replace("\r\n", "\n").strip(),
    }


def _flags(request: AppRequest, found: Interaction) -> HttpResponse:
    if not request.htmx:
        return redirect("interaction", id=found.pk)
    return render(request, "pages/interaction.html#flags", {"one": found, **beside(request, found)})


def _annotations(request: AppRequest, found: Interaction) -> HttpResponse:
    if not request.htmx:
        return redirect("interaction", id=found.pk)
    return render(request, "pages/annotations.html", {**shown(found), **beside(request, found)})


def _not_saved(request: AppRequest, found: Interaction, error: Exception) -> HttpResponse:
    """Say why, in the form. The form itself stays as it is: it holds what somebody wrote."""
    if not request.htmx:
        context = {**shown(found), **beside(request, found), "problem": error}
        return render(request, "pages/annotations.html", context, status=422)
    notice = {"kind": "error", "title": _("Not saved"), "text": str(error)}
    response = render(request, "components/notice.html", notice, status=422)
    response.headers["HX-Retarget"] = "#judgement-problem"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _problem(request: AppRequest, sentence: str) -> HttpResponse:
    """A deed that was refused: the screen stays, a toast says why."""
    response = HttpResponse(sentence, status=422, content_type="text/plain; charset=utf-8")
    response.headers["HX-Reswap"] = "none"
    return _toast(response, sentence, kind="error")


def _toast(
    response: HttpResponse, message: str, *, undo: str = "", target: str = "", kind: str = "plain"
) -> HttpResponse:
    """Tell it; `undo` is where a POST takes it back, and `target` what its answer takes the place of."""
    detail = {"message": message, "kind": kind, **({"undo": undo, "target": target} if undo else {})}
    return trigger_client_event(response, "toast", detail)
