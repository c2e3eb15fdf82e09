"""The rubric that people judge by, and the reasons they can flag for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import FlagReason, Permission, Rubric
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section
from reviewapp.web.pages.settings.rubric_form import (
    QUESTIONS_LIMIT,
    Draft,
    changed,
    drafts_of,
    labels_of,
    posted_drafts,
    questions_of,
    tell,
)
from reviewapp.web.refusals import words_of

KINDS = (
    ("boolean", gettext_lazy("Yes or no")),
    ("choice", gettext_lazy("One of several choices")),
    ("number", gettext_lazy("A number")),
    ("text", gettext_lazy("Free text")),
)


@dataclass(slots=True)
class _Page:
    """What stands in the fields."""

    instructions: str
    drafts: list[Draft]
    marks: str
    marks_were: str
    questions: str
    labels: str
    problem: str = ""
    # Changed and not saved yet, with the question to stand at.
    is_changed: bool = False
    at: int | None = None
    saved: bool = field(default=False)


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def rubrics(request: AppRequest) -> HttpResponse:
    """See the rubric, and save a new version of it; what was judged by the old one stays readable."""
    rubric = review.default_rubric(request.actor)
    page = _page_of(rubric)
    as_json = request.GET.get("as") == "json"
    if request.method == "POST":
        as_json = "questions" in request.POST
        (_post_json if as_json else _post_form)(request, rubric, page)
        if page.saved:
            messages.success(request, _("Rubric saved."))
            return redirect("settings-rubrics")
    return section(
        request,
        "pages/settings/rubrics.html",
        "settings-rubrics",
        rubric=rubric,
        page=page,
        as_json=as_json,
        kinds=KINDS,
        may_add=len(page.drafts) < QUESTIONS_LIMIT,
        last=len(page.drafts) - 1,
        reasons=FlagReason.objects.filter(project=request.actor.project).order_by("position", "name"),
        status=422 if page.problem else 200,
    )


def _page_of(rubric: Rubric | None) -> _Page:
    questions: list[dict[str, Any]] = rubric.questions if rubric else []
    labels: list[dict[str, str]] = rubric.labels if rubric else []
    return _Page(
        instructions=rubric.instructions if rubric else "",
        drafts=drafts_of(questions),
        marks="\n".join(label["label"] for label in labels),
        marks_were=json.dumps(labels, ensure_ascii=False),
        questions=json.dumps(questions, indent=2, ensure_ascii=False),
        labels=json.dumps(labels, indent=2, ensure_ascii=False),
    )


def _post_form(request: AppRequest, rubric: Rubric | None, page: _Page) -> None:
    page.instructions = _text(request, "instructions")
    page.drafts = posted_drafts(request.POST)
    page.marks = request.POST.get("marks", "")
    page.marks_were = request.POST.get("marks-were", "[]")
    deed = request.POST.get("do", "save")
    if deed != "save":
        page.at = changed(page.drafts, deed)
        page.is_changed = True
        return
    try:
        _save(
            request,
            rubric,
            page.instructions,
            questions_of(page.drafts),
            labels_of(page.marks, page.marks_were),
        )
        page.saved = True
    except InvalidAnswer as error:
        page.problem = tell(page.drafts, error)


def _post_json(request: AppRequest, rubric: Rubric | None, page: _Page) -> None:
    page.instructions = _text(request, "instructions")
    page.questions = request.POST.get("questions", "")
    page.labels = request.POST.get("labels", "")
    try:
        _save(
            request,
            rubric,
            page.instructions,
            _json("questions", page.questions),
            _json("labels", page.labels),
        )
        page.saved = True
    except InvalidAnswer as error:
        page.problem = words_of(error)


def _save(
    request: AppRequest, rubric: Rubric | None, instructions: str, questions: object, labels: object
) -> None:
    review.save_rubric(
        actor=request.actor,
        name=rubric.name if rubric else _("Answer quality"),
        instructions=instructions,
        questions=questions,
        labels=labels,
        now=timezone.now(),
    )


def _text(request: AppRequest, name: str) -> str:
    # Browsers send other line ends than the page had.
    return request.POST.get(name, "").replace("\r\n", "\n")


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidAnswer(name, f"is no JSON: {error}") from None


@needs(Permission.ADMIN)
@require_POST
def reasons(request: AppRequest) -> HttpResponse:
    """Save the list of flag reasons, one a line."""
    names = [line.strip() for line in request.POST.get("reasons", "").splitlines() if line.strip()]
    try:
        review.save_flag_reasons(actor=request.actor, names=names, now=timezone.now())
    except InvalidAnswer as error:
        messages.error(request, words_of(error))
    else:
        messages.success(request, _("Reasons saved."))
    return redirect("settings-rubrics")
