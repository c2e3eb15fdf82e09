"""One interaction: the conversation, its tokens, its JSON; who asked, what came back, what people said."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from reviewapp.formats.openai import RequestView, output_text, read_request
from reviewapp.formats.snippets import as_curl, as_python
from reviewapp.models import (
    Annotation,
    Attempt,
    Canary,
    Flag,
    FlagState,
    Interaction,
    Permission,
    Reuse,
    Severity,
)
from reviewapp.models.changing import carried_from, carried_to
from reviewapp.models.discussing import unread_here
from reviewapp.models.fingerprint import present_of, states_of
from reviewapp.models.review import flag_reasons
from reviewapp.models.reviewing import others_hidden_from
from reviewapp.models.studying import studies_of
from reviewapp.models.tag import added_tags
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply
from reviewapp.stages import administer, export, review, watch
from reviewapp.stages.administer import Refused
from reviewapp.web import rendering
from reviewapp.web.discussing import show_discussion
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.review.asking import labels_of
from reviewapp.web.studying.telling import AskedAs, asked_as

VIEWS = {
    "conversation": gettext_lazy("Conversation"),
    "tokens": gettext_lazy("Tokens"),
    "json": gettext_lazy("JSON"),
}


@needs(Permission.READ)
@require_safe
def interaction(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """The page; the list's preview pane gets its heart alone."""
    found = load(request, id)
    context = shown(found) | beside(request, found) | discussed(request, found)
    part = "preview" if is_fragment(request) and "view" not in request.GET else ""
    part = "main" if is_fragment(request) and "view" in request.GET else part
    template = "pages/interaction.html" + (f"#{part}" if part else "")
    return vary_on_htmx(render(request, template, {**context, **_view(request)}))


def refused(request: AppRequest, found: Interaction, **said: Any) -> HttpResponse:
    """The whole page once more, for who has no scripts: why it was refused, and what was written."""
    context = shown(found) | beside(request, found) | discussed(request, found) | _view(request) | said
    return vary_on_htmx(render(request, "pages/interaction.html", context, status=422))


def discussed(request: AppRequest, found: Interaction) -> dict[str, Any]:
    """The card of discussions, on a whole page."""
    if is_fragment(request):
        return {}
    return {
        "card": show_discussion(actor=request.actor, one=found),
        "unread_here": unread_here(actor=request.actor, interaction_id=found.pk),
    }


def _view(request: AppRequest) -> dict[str, Any]:
    view = request.GET.get("view", "conversation")
    return {
        "view": view if view in VIEWS else "conversation",
        "views": VIEWS.items(),
        "as_source": "source" in request.GET,
    }


def load(request: AppRequest, id_: UUID) -> Interaction:
    """The interaction with its body, in whichever of the person's projects it is."""
    found: Interaction = find_or_404(
        request, Interaction.objects.select_related("source", "provider", "body"), id=id_
    )
    return found


def said(found: Interaction) -> dict[str, Any]:
    """What the templates draw of the conversation, for who reads nothing but that."""
    view = read_request(found.endpoint, rawjson.parse(found.body.request_text))  # type: ignore[arg-type]
    return _said(found, view, review.said_of(found))


def _said(found: Interaction, view: RequestView, reply: Reply) -> dict[str, Any]:
    model = found.response_model or found.model
    return {
        "one": found,
        "messages_shown": rendering.show_messages(view.messages),
        "choices": [rendering.show_choice(choice, model=model) for choice in reply.choices],
        "answer_text": output_text(reply),
        "answer_error": found.error or reply.error,
    }


def shown(found: Interaction) -> dict[str, Any]:
    """What the templates draw of the exchange itself."""
    row = export.recorded_of(found)
    request_value = rawjson.parse(row.request_text)
    view = read_request(row.endpoint, request_value)
    reply = review.reply_of(found)
    return {
        **_said(found, view, reply),
        "added_tags": added_tags([found.pk]).get(found.pk, []),
        "request_view": view,
        "reply": reply,
        "tokens": [rendering.show_tokens(choice.tokens) for choice in reply.choices],
        "hidden_kinds": sorted((found.body.hidden or {}).items()),
        "settings": sorted(view.parameters.items()),
        "request_json": rendering.pretty(row.request_text),
        "response_json": rendering.pretty(row.response_text),
        "chunks_json": rendering.pretty(row.chunks_text) if row.chunks_text else "",
        "metadata": rawjson.parse(row.metadata_text) if row.metadata_text else None,
    }


def beside(request: AppRequest, found: Interaction) -> dict[str, Any]:
    """What stands beside the exchange: flags, annotations, replays, and what can be copied."""
    row = export.recorded_of(found)
    base_url = found.provider.base_url or "https://api.openai.com/v1"
    mine = request.actor.person
    annotations = list(
        Annotation.objects.filter(interaction=found, removed_at__isnull=True)
        # Who still has to judge it in a blind queue sees it without the others' judgements here too.
        .exclude(queue_slot__in=others_hidden_from(mine))
        .select_related("created_by", "created_by_key", "rubric")
        .prefetch_related("revisions")
        .order_by("created_at")
    )
    attempts = list(
        # What studies asked stands by study: they ask many times, mostly something else.
        Attempt.objects.filter(original=found, variant__isnull=True)
        .select_related("answer", "comparison", "run", "run__created_by")
        .order_by("-created_at")[:50]
    )
    rubric = review.default_rubric(request.actor)
    reused = Reuse.objects.filter(interaction=found).aggregate(count=Count("pk"), last=Max("at"))
    states = states_of([found, *(one.answer for one in attempts if one.answer is not None)])
    return {
        "flags": Flag.objects.filter(interaction=found)
        .exclude(state=FlagState.REMOVED)
        .select_related("created_by", "created_by_key")
        .order_by("created_at"),
        "flag_reasons": flag_reasons(found.project_id),
        "severities": Severity.choices,
        "annotations": annotations,
        "my_annotation": next((a for a in annotations if mine and a.created_by_id == mine.pk), None),
        "rubric": rubric,
        "labels": labels_of(rubric.labels if rubric else []),
        "canary": Canary.objects.filter(interaction=found).first(),
        "cannot_watch": _why_not_watched(found),
        "attempts": [(one, states.get(one.pk, "")) for one in attempts],
        "studies": studies_of(found.pk),
        "asked_as": _asked_as(found),
        "carried": carried_to(interaction=found.pk) if found.replay_of_id else [],
        "carried_on": carried_from(interaction=found.pk)[:5],
        "fingerprint_state": states.get(found.pk, ""),
        "reused": reused,
        "present": present_of(found) if reused["count"] else None,
        "seed_owner": None
        if found.seed is None
        else administer.describe_seed(actor=request.actor, seed=found.seed),
        "original": Interaction.objects.filter(pk=found.replay_of_id).first() if found.replay_of_id else None,
        "curl": as_curl(endpoint=row.endpoint, request_text=row.request_text, base_url=base_url),
        "python": as_python(endpoint=row.endpoint, request_text=row.request_text, base_url=base_url),
        "link": permanent_link(request, found),
    }


def _asked_as(found: Interaction) -> AskedAs | None:
    """In which way of which study this answer was asked for, if any did."""
    if found.replay_of_id is None:
        return None
    attempts = Attempt.objects.filter(answer=found, variant__isnull=False)
    attempt = attempts.select_related("variant", "run__study").first()
    return None if attempt is None else asked_as(attempt)


def _why_not_watched(found: Interaction) -> str:
    """Why it can't be made a canary; empty when it can."""
    try:
        watch.check_can_watch(found)
    except Refused as error:
        return str(error)
    return ""


def permanent_link(request: HttpRequest, found: Interaction) -> str:
    """A link that works for whoever may see it: it carries its project."""
    path = reverse("interaction", args=[found.pk])
    return request.build_absolute_uri(f"{path}?project={found.project.slug}")
