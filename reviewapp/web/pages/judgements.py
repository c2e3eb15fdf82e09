"""Flags and annotations from the interaction page: fragments in, fragments out, undo in the toast."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from reviewapp.models import Annotation, Flag, FlagState, Interaction, Permission, Rubric, Severity
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.words import storable
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, needs, toast
from reviewapp.web.pages.interaction import beside, load, refused, shown
from reviewapp.web.refusals import sentence_of


@dataclass(frozen=True, slots=True)
class Written:
    """What a person's form said. Refused, it is shown again, so that nothing written is lost."""

    scores: dict[str, Any]
    spans: Any
    correction: str | None
    comment: str


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
        return _problem(request, found, sentence_of(error))
    response = _flags(request, found)
    trigger_client_event(response, "dialog-close", {})
    return toast(
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
    return toast(
        response, words[FlagState(to)], undo=reverse("flag-move", args=[id, before]), target="#flags"
    )


@needs(Permission.REVIEW)
@require_POST
def annotate(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Give one's judgement, or change it."""
    found = load(request, id)
    now = timezone.now()
    written = _written(request, found)
    try:
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
                **asdict(written),
            )
        else:
            made = review.annotate(actor=request.actor, interaction=found, now=now, **asdict(written))
    except (InvalidAnswer, review.NotYours, review.EditedMeanwhile) as error:
        return _not_saved(request, found, error, written)
    response = _annotations(request, found)
    undo = reverse("annotation-remove", args=[made.pk]) if made.version == 1 else ""
    return toast(response, _("Saved"), undo=undo, target="#annotations")


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
        return _problem(request, found, str(error))
    response = _annotations(request, found)
    undo = reverse("annotation-restore", args=[id_]) if removed else ""
    words = _("Judgement taken back") if removed else _("Judgement restored")
    return toast(response, words, undo=undo, target="#annotations")


def _written(request: AppRequest, found: Interaction) -> Written:
    return read_judgement(
        request.POST, rubric=review.default_rubric(request.actor), answer=lambda: review.answer_text(found)
    )


def read_judgement(post: QueryDict, *, rubric: Rubric | None, answer: Callable[[], str]) -> Written:
    """A rubric's form as the stage takes it; what can't be read stays, for the stage to refuse.

    `answer` gives the text that may have been corrected; it is asked for where it may have been.
    """
    scores: dict[str, Any] = {}
    for question in rubric.questions if rubric else []:
        text = post.get(f"score-{question['key']}", "")
        if text == "":
            continue
        if question["kind"] == "boolean":
            scores[question["key"]] = text == "true"
        else:
            scores[question["key"]] = _number(text) if question["kind"] == "number" else text
    spans = post.get("spans") or "[]"
    with suppress(ValueError):
        spans = json.loads(spans)
    return Written(
        scores=scores,
        spans=spans,
        correction=_correction(post, storable(answer())) if "correct" in post else None,
        comment=_line_ends(post.get("comment", "")).strip(),
    )


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _correction(post: QueryDict, answer: str) -> str | None:
    """The corrected answer, or None where nothing was changed.

    A text area sends every line break as CR LF, whatever the answer has. They become what the answer
    has, so that line ends are no part of a correction.
    """
    written = _line_ends(post.get("correction", ""))
    if written == _line_ends(answer):
        return None
    return written.replace("\n", "\r\n") if "\r\n" in answer else written


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _flags(request: AppRequest, found: Interaction) -> HttpResponse:
    if not request.htmx:
        return redirect("interaction", id=found.pk)
    return render(request, "pages/interaction.html#flags", {"one": found, **beside(request, found)})


def _annotations(request: AppRequest, found: Interaction) -> HttpResponse:
    if not request.htmx:
        return redirect("interaction", id=found.pk)
    return render(request, "pages/annotations.html", {**shown(found), **beside(request, found)})


def _not_saved(request: AppRequest, found: Interaction, error: Exception, written: Written) -> HttpResponse:
    """Say why, in the form. The form itself stays as it is: it holds what somebody wrote."""
    rubric = review.default_rubric(request.actor)
    sentence = sentence_of(error, rubric.questions if rubric else ())
    if not request.htmx:
        return refused(request, found, problem=sentence, written=written)
    notice = {"kind": "error", "title": _("Not saved"), "text": sentence}
    response = render(request, "components/notice.html", notice, status=422)
    response.headers["HX-Retarget"] = "#judgement-problem"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _problem(request: AppRequest, found: Interaction, sentence: str) -> HttpResponse:
    """A deed that was refused: the screen stays, a toast says why."""
    if not request.htmx:
        return refused(request, found, refusal=sentence)
    response = HttpResponse(sentence, status=422, content_type="text/plain; charset=utf-8")
    response.headers["HX-Reswap"] = "none"
    return toast(response, sentence, kind="error")
