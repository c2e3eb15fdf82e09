"""How well people agree: a queue's figures, pairs and disagreements; and one person's page."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewapp.models import Membership, Permission, Person, Queue, QueueSlot, SlotState
from reviewapp.models.agreeing import MOST_ITEMS, agreement_of, agreement_of_person
from reviewapp.models.reviewing import mine
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.review.queues import find_queue

DAYS = 30


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
            {**context, "found": found, "names": names},
        )
    )


@needs(Permission.READ)
@require_safe
def person(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """What somebody did, how fast, how much they agree with the others, what is left for them."""
    members = Membership.objects.select_related("person").filter(person=id)
    here = members.filter(project=request.actor.project)
    found: Membership = find_or_404(request, here if here.exists() else members)
    who: Person = found.person
    since = timezone.now() - timedelta(days=DAYS)
    slots = QueueSlot.objects.filter(project=found.project_id, person=who)
    days = dict(
        slots.filter(state=SlotState.JUDGED, finished_at__gte=since)
        .order_by()
        .values_list(TruncDate("finished_at"))
        .annotate(n=Count("pk"))
    )
    today = timezone.now().date()
    queues = Queue.objects.filter(
        project=found.project_id, pk__in=slots.order_by().values("queue").distinct()
    ).order_by("name")
    rows = [
        (
            agreement_of_person(queue=queue, person=who, rubric=review.rubric_of(queue)),
            mine(queue=queue, person=who),
        )
        for queue in queues
    ]
    return render(
        request,
        "pages/review/person.html",
        {
            "who": who,
            "rows": rows,
            "judged": sum(days.values()),
            "days": [days.get(today - timedelta(days=DAYS - 1 - at), 0) for at in range(DAYS)],
        },
    )
