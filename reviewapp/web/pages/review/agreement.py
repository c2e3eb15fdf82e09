"""How well people agree: a queue's figures, pairs and disagreements."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.models import Permission
from reviewapp.models.agreeing import MOST_ITEMS, agreement_of
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.review.queues import find_queue


@needs(Permission.READ)
@require_safe
def agreement(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The page comes at once; its figures take a second or two, so they come after it."""
    queue = find_queue(request, id)
    context = {"queue": queue, "here": "agreement", "most": MOST_ITEMS}
    if not is_fragment(request) and "now" not in request.GET:
        return vary_on_htmx(render(request, "pages/review/agreement.html", {**context, "waits": True}))
    found = agreement_of(queue=queue, rubric=review.rubric_of(queue))
    names = {str(person.pk): person.short_name for person in found.people}
    part = "#figures" if is_fragment(request) else ""
    return vary_on_htmx(
        render(
            request,
            f"pages/review/agreement.html{part}",
            {
                **context,
                "found": found,
                "names": names,
                "has_choices": any(question.choices for question in found.questions),
                "drifts": any(question.stretches for question in found.questions),
            },
        )
    )
