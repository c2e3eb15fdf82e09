"""Discussions: the card beside an interaction, what is written in it, and whom an @ can name."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from reviewapp.models import Interaction, Permission, Person, Post, Thread, ThreadState
from reviewapp.models.discussing import unread_here, version_of
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import discuss
from reviewapp.stages.administer import Refused
from reviewapp.web.discussing import show_discussion
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, toast, vary_on_htmx
from reviewapp.web.pages.interaction import load, refused
from reviewapp.web.refusals import reason_of

MOST_NAMES = 8


@needs(Permission.READ)
@require_http_methods(["GET", "HEAD", "POST"])
def discussion(request: AppRequest, id: UUID) -> HttpResponseBase:  # noqa: A002
    """The card as it is now, nothing at all where that is what the page has; a new thread."""
    if request.method == "POST":
        return _start(request, id)
    find_or_404(request, Interaction.objects.all(), id=id)
    if not is_fragment(request):
        # What stands alone is no page.
        return redirect("interaction", id=id)
    # Asked every few seconds: the interaction's body is read only where something changed.
    if request.GET.get("version") == version_of(actor=request.actor, interactions=[id]):
        return vary_on_htmx(HttpResponse(status=204))
    return _card(request, load(request, id))


@needs(Permission.REVIEW)
def _start(request: AppRequest, id_: UUID) -> HttpResponse:
    found = load(request, id_)
    try:
        thread = discuss.start_thread(
            actor=request.actor,
            interaction=found,
            text=request.POST.get("text", ""),
            anchor=_anchor(request, found),
            now=timezone.now(),
        )
    except InvalidAnswer as error:
        return _not_kept(request, found, error)
    return _kept(request, found, thread, form=f"thread-new-{found.pk}")


def _anchor(request: AppRequest, found: Interaction) -> discuss.Anchor | None:
    """The words that were selected, if any were. Raises InvalidAnswer."""
    place, words = request.POST.get("place", ""), request.POST.get("words", "")
    if not place:
        return None
    message = None
    if place != "answer":
        if not place.isascii() or not place.isdigit() or len(place) > 6:
            raise InvalidAnswer("span", gettext_noop("names no message"))
        message = int(place)
    near = request.POST.get("near", "")
    return discuss.find_anchor(
        interaction=found,
        message=message,
        words=words,
        near=int(near) if near.isascii() and near.isdigit() and len(near) < 10 else 0,
    )


@needs(Permission.REVIEW)
@require_POST
def reply(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Write in a thread; with `resolve`, and settle it by that."""
    thread = _thread(request, id)
    found = load(request, thread.interaction_id)
    try:
        discuss.check_can_read(actor=request.actor, thread=thread)
        discuss.reply(
            actor=request.actor,
            thread=thread,
            text=request.POST.get("text", ""),
            resolve="resolve" in request.POST,
            now=timezone.now(),
        )
    except (InvalidAnswer, Refused) as error:
        return _not_kept(request, found, error)
    return _kept(request, found, thread, form=f"reply-{thread.pk}")


@needs(Permission.REVIEW)
@require_POST
def move(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Resolve it, or open it again."""
    if to not in ThreadState.values:
        raise Http404
    thread = _thread(request, id)
    before = thread.state
    found = load(request, thread.interaction_id)
    try:
        discuss.check_can_read(actor=request.actor, thread=thread)
    except Refused as error:
        return _not_kept(request, found, error)
    moved = discuss.move_thread(actor=request.actor, thread=thread, to=to, now=timezone.now())
    response = _kept(request, found, thread)
    if not moved or not is_fragment(request):
        return response
    words = {ThreadState.OPEN: _("Open again"), ThreadState.RESOLVED: _("Resolved")}
    undo = f"/threads/{thread.pk}/{before}/"
    return toast(response, str(words[ThreadState(to)]), undo=undo, target=f"#discussion-{found.pk}")


@needs(Permission.REVIEW)
@require_POST
def edit(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Change what one wrote."""
    post = _post(request, id)
    found = load(request, post.thread.interaction_id)
    version = request.POST.get("version", "")
    try:
        discuss.edit_post(
            actor=request.actor,
            post=post,
            text=request.POST.get("text", ""),
            version=int(version) if version.isascii() and version.isdigit() else 0,
            now=timezone.now(),
        )
    except (InvalidAnswer, Refused) as error:
        return _not_kept(request, found, error)
    return _kept(request, found, post.thread, form=f"edit-{post.pk}")


@needs(Permission.REVIEW)
@require_POST
def set_removed(request: AppRequest, id: UUID, to: str) -> HttpResponse:  # noqa: A002
    """Take back what one wrote, or undo that."""
    deeds = {"removed": discuss.remove_post, "restored": discuss.restore_post}
    if to not in deeds:
        raise Http404
    post = _post(request, id)
    found = load(request, post.thread.interaction_id)
    try:
        deeds[to](actor=request.actor, post=post, now=timezone.now())
    except Refused as error:
        return _not_kept(request, found, error)
    response = _kept(request, found, post.thread)
    if to == "restored" or not is_fragment(request):
        return response
    undo = f"/posts/{post.pk}/restored/"
    return toast(response, _("Removed"), undo=undo, target=f"#discussion-{found.pk}")


@needs(Permission.REVIEW)
@require_safe
def names(request: AppRequest) -> HttpResponse:
    """The people of the project whose handle or name begins like what was typed after an @."""
    typed = request.GET.get("q", "")[:100].casefold()
    known = discuss.handles_of(request.actor)
    people = Person.objects.in_bulk(list(known.values()))
    found = [
        {"handle": handle, "name": people[id_].short_name, "email": people[id_].email}
        for handle, id_ in sorted(known.items())
        if _fits(typed, handle, people[id_].short_name)
    ]
    return JsonResponse({"items": found[:MOST_NAMES]})


def _fits(typed: str, handle: str, name: str) -> bool:
    return handle.startswith(typed) or any(part.startswith(typed) for part in name.casefold().split())


def _card(request: AppRequest, found: Interaction) -> HttpResponse:
    context = {
        "card": show_discussion(actor=request.actor, one=found),
        "unread_here": unread_here(actor=request.actor, interaction_id=found.pk),
    }
    return vary_on_htmx(render(request, "pages/discussion.html", context))


def _kept(request: AppRequest, found: Interaction, thread: Thread, *, form: str = "") -> HttpResponse:
    if not is_fragment(request):
        return redirect(discuss.path_of(thread))
    response = _card(request, found)
    return trigger_client_event(response, "discussion-kept", {"form": form}) if form else response


def _not_kept(request: AppRequest, found: Interaction, error: Exception) -> HttpResponse:
    """Say why, at the form, which stays as it is: it holds what somebody wrote."""
    sentence = str(error)
    if isinstance(error, InvalidAnswer):
        subject = _("The text") if error.field == "text" else _("The selection")
        sentence = _("%(name)s %(reason)s.") % {"name": subject, "reason": reason_of(error)}
    if not is_fragment(request):
        if request.POST.get("text"):
            return refused(request, found, refusal=sentence, said=request.POST["text"])
        messages.error(request, sentence)
        return redirect("interaction", id=found.pk)
    response = HttpResponse(sentence, status=409, content_type="text/plain; charset=utf-8")
    return toast(response, sentence, kind="error")


def _thread(request: AppRequest, id_: UUID) -> Thread:
    found: Thread = find_or_404(request, Thread.objects.all(), id=id_)
    return found


def _post(request: AppRequest, id_: UUID) -> Post:
    found: Post = find_or_404(request, Post.objects.select_related("thread"), id=id_)
    return found
