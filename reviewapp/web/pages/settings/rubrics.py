"""The rubric that people judge by, and the reasons they can flag for."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from reviewapp.models import FlagReason, Permission, Rubric
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, needs
from reviewapp.web.pages.settings import section


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def rubrics(request: AppRequest) -> HttpResponse:
    """See the rubric, and save a new version of it; what was judged by the old one stays readable."""
    rubric = review.default_rubric(request.actor)
    problem = ""
    questions = json.dumps(rubric.questions, indent=2, ensure_ascii=False) if rubric else "[]"
    labels = json.dumps(rubric.labels, indent=2, ensure_ascii=False) if rubric else "[]"
    instructions = rubric.instructions if rubric else ""
    if request.method == "POST":
        questions = request.POST.get("questions", "")
        labels = request.POST.get("labels", "")
        instructions = request.POST.get("instructions", "")
        try:
            review.save_rubric(
                actor=request.actor,
                name=rubric.name if rubric else _("Answer quality"),
                instructions=instructions,
                questions=_json("questions", questions),
                labels=_json("labels", labels),
                now=timezone.now(),
            )
        except InvalidAnswer as error:
            problem = str(error)
        else:
            messages.success(request, _("Rubric saved."))
            return redirect("settings-rubrics")
    return section(
        request,
        "pages/settings/rubrics.html",
        "settings-rubrics",
        rubric=rubric,
        versions=Rubric.objects.filter(project=request.actor.project).order_by("name", "-version"),
        questions=questions,
        labels=labels,
        instructions=instructions,
        problem=problem,
        reasons=FlagReason.objects.filter(project=request.actor.project).order_by("position", "name"),
        status=422 if problem else 200,
    )


def _json(field: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidAnswer(field, f"is no JSON: {error}") from None


@needs(Permission.ADMIN)
@require_POST
def reasons(request: AppRequest) -> HttpResponse:
    """Save the list of flag reasons, one a line."""
    names = [line.strip() for line in request.POST.get("reasons", "").splitlines() if line.strip()]
    try:
        review.save_flag_reasons(actor=request.actor, names=names, now=timezone.now())
    except InvalidAnswer as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Reasons saved."))
    return redirect("settings-rubrics")
