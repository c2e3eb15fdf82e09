"""Home: what changed since you last looked."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import Membership, Permission, Queue
from reviewapp.models.composed import Composed, one_of
from reviewapp.models.discussing import waiting_threads
from reviewapp.models.fingerprint import states_of
from reviewapp.models.overview import overview
from reviewapp.models.reviewing import to_do
from reviewapp.web.frame import AppRequest, needs

# Somebody who was never here before is told about the last week.
FIRST_LOOK = timedelta(days=7)

_SEEN_AT: Final = Composed(
    lambda project, person: Membership.objects.filter(project=project, person=person).values_list(
        "home_seen_at"
    )
)
_QUEUES: Final = Composed(
    lambda queues: Queue.objects.filter(one_of("pk", queues)).order_by("due_on", "name")
)


@needs(Permission.READ)
@require_safe
def home(request: AppRequest) -> HttpResponse:
    """What happened, what waits, and how reproducible each model is."""
    now = timezone.now()
    (seen_at,) = _SEEN_AT.first(project=request.actor.project.pk, person=request.user.pk)
    since = seen_at or now - FIRST_LOOK
    told = overview(actor=request.actor, since=since, now=now)
    states = states_of(told.newest)
    waiting = to_do(actor=request.actor)
    return render(
        request,
        "pages/home.html",
        {
            "overview": told,
            "newest": [(one, states.get(one.pk, "")) for one in told.newest],
            "first_look": seen_at is None,
            "queues": [
                (queue, waiting[queue.pk])
                for queue in (_QUEUES.rows(queues=list(waiting)) if waiting else ())
            ],
            "threads": waiting_threads(actor=request.actor),
            "base_url": request.build_absolute_uri("/v1"),
        },
    )


@needs(Permission.READ)
@require_POST
def seen(request: AppRequest) -> HttpResponse:
    """I have seen all this: count from now."""
    Membership.objects.filter(project=request.actor.project, person=request.actor.person).update(
        home_seen_at=timezone.now()
    )
    return redirect("home")
