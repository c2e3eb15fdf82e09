"""What is done to many at once: asked for, watched, cancelled, taken back."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import (
    BulkDeed,
    BulkState,
    BulkWork,
    Interaction,
    Permission,
    Queue,
    QueueKind,
    QueueState,
    Severity,
)
from reviewapp.models.browsing import value_counts
from reviewapp.models.bulk import MOVING
from reviewapp.models.filters import Filter, InvalidFilter, apply, read_filter
from reviewapp.models.review import flag_reasons
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import find, review
from reviewapp.stages.administer import Refused
from reviewapp.tasks import find_bulk
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.interactions import chips
from reviewapp.web.pages.judgements import read_judgement
from reviewapp.web.pages.listing import filter_values
from reviewapp.web.refusals import words_of

EXAMPLES = 4
WORDS = {
    BulkDeed.FLAG: (gettext_lazy("Flag"), "flag"),
    BulkDeed.TAG: (gettext_lazy("Tag"), "tag"),
    BulkDeed.UNTAG: (gettext_lazy("Take a tag off"), "x"),
    BulkDeed.QUEUE: (gettext_lazy("Queue"), "list-ul"),
    BulkDeed.ANNOTATE: (gettext_lazy("Judge"), "pencil"),
}
TITLES = {
    BulkDeed.FLAG: gettext_lazy("Flag many"),
    BulkDeed.TAG: gettext_lazy("Tag many"),
    BulkDeed.UNTAG: gettext_lazy("Take a tag off many"),
    BulkDeed.QUEUE: gettext_lazy("Put many into a queue"),
    BulkDeed.ANNOTATE: gettext_lazy("Judge many alike"),
}

# What else can be done to what was chosen by hand, and where.
_TO = {"export": "export-new", "study": "study-new"}


@needs(Permission.READ)
@require_POST
def choose(request: AppRequest) -> HttpResponse:
    """Keep the rows that were checked as a selection, and go where something is done to it."""
    ids = []
    for text in request.POST.getlist("ids"):
        with contextlib.suppress(ValueError):
            ids.append(UUID(text))
    to = request.POST.get("to", "")
    try:
        made = find.choose(actor=request.actor, ids=ids, now=timezone.now())
    except Refused as error:
        messages.error(request, str(error))
        return redirect("interactions")
    # By hand somebody may have chosen answers of replays and canary questions too.
    query = urlencode({"selection": str(made.pk), "replays": "all", "canaries": "all"})
    if to in BulkDeed.values:
        return redirect(f"{reverse('bulk-new')}?deed={to}&{query}")
    return redirect(f"{reverse(_TO.get(to, 'interactions'))}?{query}")


@needs(Permission.REVIEW)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: AppRequest) -> HttpResponse:
    """What, to how many, and how; posted, it starts."""
    deed = request.GET.get("deed", BulkDeed.FLAG)
    if deed not in BulkDeed.values:
        raise Http404
    problem = ""
    wanted, count, examples = None, None, []
    try:
        wanted = read_filter(filter_values(request.GET))
        if request.method == "POST":
            with transaction.atomic():
                made = find.start_bulk(
                    actor=request.actor,
                    deed=deed,
                    wanted=wanted,
                    parameters=_parameters(request, deed),
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: find_bulk.delay(work_id=str(made.pk)))
            return redirect("bulk", id=made.pk)
    except (InvalidFilter, InvalidAnswer, Refused) as error:
        problem = words_of(error)
    if wanted is not None:
        count = find.expected(actor=request.actor, wanted=wanted)
        rows = apply(Interaction.objects.visible_to(request.actor), wanted, project=request.actor.project)
        examples = list(rows.newest_first()[:EXAMPLES])
    wanted = wanted or Filter()
    query = urlencode(wanted.values())
    actor = request.actor
    return render(
        request,
        "pages/bulk-new.html",
        {
            "deed": deed,
            "title": TITLES[BulkDeed(deed)],
            "deeds": [(value, *WORDS[value], f"?deed={value}&{query}") for value in BulkDeed],
            "chips": chips(wanted),
            "count": count,
            "examples": examples,
            "filter_query": query,
            "problem": problem,
            "posted": request.POST,
            "tag": request.POST.get("tag", wanted.tag if deed == BulkDeed.UNTAG else ""),
            "reasons": flag_reasons(actor.project.pk),
            "severities": Severity.choices,
            "queues": Queue.objects.visible_to(actor)
            .filter(state=QueueState.OPEN)
            .exclude(kind=QueueKind.PAIRWISE)
            .order_by("name"),
            "tags": list(value_counts(project=actor.project, name="tag", limit=100)),
            "rubric": review.default_rubric(actor),
        },
        status=422 if problem else 200,
    )


def _parameters(request: AppRequest, deed: str) -> dict[str, Any]:
    post: QueryDict = request.POST
    if deed == BulkDeed.ANNOTATE:
        said = read_judgement(post, rubric=review.default_rubric(request.actor), answer=lambda: "")
        return {"scores": said.scores, "comment": said.comment}
    return {name: post.get(name, "") for name in ("reason", "severity", "note", "tag", "queue")}


@needs(Permission.READ)
@require_safe
def bulk(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One piece of bulk work: its progress, then what came of it."""
    found = _load(request, id)
    template = "pages/bulk.html" + ("#state" if is_fragment(request) else "")
    return vary_on_htmx(render(request, template, _shown(request, found)))


@needs(Permission.REVIEW)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Stop it; what is done stays until it is taken back."""
    found = _load(request, id)
    try:
        find.cancel_bulk(actor=request.actor, work=found, now=timezone.now())
    except Refused as error:
        messages.error(request, str(error))
    return redirect("bulk", id=found.pk)


@needs(Permission.REVIEW)
@require_POST
def undo(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Take all of it back, in the background too."""
    found = _load(request, id)
    try:
        with transaction.atomic():
            if find.undo_bulk(actor=request.actor, work=found, now=timezone.now()):
                transaction.on_commit(lambda: find_bulk.delay(work_id=str(found.pk)))
    except Refused as error:
        messages.error(request, str(error))
    return redirect("bulk", id=found.pk)


def _load(request: AppRequest, id_: UUID) -> BulkWork:
    found: BulkWork = find_or_404(
        request, BulkWork.objects.select_related("created_by", "created_by_key"), id=id_
    )
    return found


def _shown(request: AppRequest, found: BulkWork) -> dict[str, Any]:
    undoing = found.state in {BulkState.UNDOING, BulkState.UNDONE}
    wanted = Filter(**{k: v for k, v in found.filter.items() if k in Filter.__dataclass_fields__})
    parameters = dict(found.parameters)
    if found.deed == BulkDeed.QUEUE:
        parameters["queue"] = Queue.objects.filter(pk=parameters["queue"]).first()
    return {
        "work": found,
        "title": TITLES[BulkDeed(found.deed)],
        "parameters": parameters,
        "chips": chips(wanted),
        "active": found.state in MOVING,
        "undoing": undoing,
        "done": found.taken_back if undoing else found.walked,
        "total": found.changed if undoing else max(found.expected, found.walked),
        "is_mine": found.created_by_id == request.user.pk or request.actor.may(Permission.ADMIN),
        "may_undo": found.state in {BulkState.DONE, BulkState.CANCELLED} and found.changed,
        "left": found.changed - found.taken_back,
        "list_url": f"{reverse('interactions')}?{urlencode(found.filter)}",
        "kept": _("What somebody worked on meanwhile was left as it is."),
    }
