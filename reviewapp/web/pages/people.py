"""People: who does how much, how fast and how well they agree; and what waits for one of them.

Everybody sees all of their own, and admins all of everybody's. Of others a member sees how much they
judged in queues that are not blind, since in those nothing is kept from anybody anyway.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from reviewapp.models import Annotation, Membership, Permission, Person, Queue, actor_for_person
from reviewapp.models.agreeing import agreement_of_person
from reviewapp.models.reviewing import mine
from reviewapp.models.working import Done, figures_of, mine_to_do
from reviewapp.stages import review
from reviewapp.web.frame import AppRequest, find_or_404, needs

DAYS = 30


@needs(Permission.ADMIN)
@require_safe
def people(request: AppRequest) -> HttpResponse:
    """The project's people with their figures, who did most this week first."""
    members = Person.objects.filter(memberships__project=request.actor.project).order_by("name", "email")
    found = figures_of(project=request.actor.project, people=list(members), now=timezone.now())
    found.sort(key=lambda one: (-one.done.week, -one.done.all))
    return render(request, "pages/people.html", {"people": found})


@needs(Permission.READ)
@require_safe
def person(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """What somebody did, how fast, how much they agree with the others, what waits for them."""
    members = Membership.objects.select_related("person").filter(person=id)
    here = members.filter(project=request.actor.project)
    found: Membership = find_or_404(request, here if here.exists() else members)
    who: Person = found.person
    now = timezone.now()
    [figures] = figures_of(project=found.project, people=[who], now=now)
    is_me = who == request.user
    sees_all = is_me or request.actor.may(Permission.ADMIN)
    queues = list(Queue.objects.filter(pk__in=[pk for pk in figures.queues if pk]).order_by("name"))
    shown = queues if sees_all else [queue for queue in queues if not queue.blind]
    context = {
        "who": who,
        "is_me": is_me,
        "sees_all": sees_all,
        "figures": figures,
        "queues_hidden": len(queues) - len(shown),
        "queues": [(queue, figures.queues[queue.pk]) for queue in shown],
        "outside": figures.queues.get(None, Done()),
    }
    if sees_all:
        actor = request.actor if is_me else actor_for_person(person=who, project=found.project)
        context |= {
            "rows": [
                (
                    agreement_of_person(queue=queue, person=who, rubric=review.rubric_of(queue)),
                    mine(queue=queue, person=who),
                )
                for queue in shown
            ],
            "days": _days(found, now),
            "todo": mine_to_do(actor=actor) if actor is not None else None,
        }
    return render(request, "pages/person.html", context)


def _days(member: Membership, now: datetime) -> list[int]:
    """Judgements on each of the last days, the oldest first."""
    today = now.date()
    days = dict(
        Annotation.objects.filter(
            project=member.project_id,
            created_by=member.person_id,
            removed_at__isnull=True,
            created_at__gte=now - timedelta(days=DAYS),
        )
        .order_by()
        .values_list(TruncDate("created_at"))
        .annotate(n=Count("pk"))
    )
    return [days.get(today - timedelta(days=DAYS - 1 - at), 0) for at in range(DAYS)]
