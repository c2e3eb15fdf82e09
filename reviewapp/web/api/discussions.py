"""Discussions over the API: threads, replies, resolving; editing and removing what a key wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.http import Http404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import Interaction, Permission, Post, Thread, ThreadState
from reviewapp.models.discussing import readable
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import discuss
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.describing import described
from reviewapp.web.api.lists import LIMIT, MOST
from reviewapp.web.api.problems import Problem

router = Router(tags=["discussions"])
posts = Router(tags=["discussions"])
on_interactions = Router(tags=["discussions"])


class NewSpan(Schema):
    """Words that a thread is about, in characters: of `output_text`, or of a message's text."""

    model_config = ConfigDict(extra="forbid")

    on: str = "answer"
    message: int | None = None
    start: int
    end: int


class NewThread(Schema):
    """What is said first, and of which words; without a span it is about the whole interaction."""

    model_config = ConfigDict(extra="forbid")

    text: str
    span: NewSpan | None = None


class NewPost(Schema):
    """What is said. `@name` names a person of the project."""

    model_config = ConfigDict(extra="forbid")

    text: str


class ChangedPost(Schema):
    """What it says from now on; `version` is that of the post one read, so that nobody's change is lost."""

    model_config = ConfigDict(extra="forbid")

    text: str
    version: int


class Wanted(Schema):
    """Which threads to list."""

    state: str = ""
    limit: int = LIMIT
    cursor: str = ""


@on_interactions.get(
    "/{uuid:id}/threads",
    auth=KeyAuth(Permission.READ),
    response=dict[str, Any],
    summary="List an interaction's threads",
)
def threads_of(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """With all their posts, the open ones first."""
    if not Interaction.objects.visible_to(request.auth).filter(pk=id).exists():
        raise Http404
    return {"items": discuss.threads_value(actor=request.auth, interaction_id=id), "next": None}


@on_interactions.post(
    "/{uuid:id}/threads",
    auth=KeyAuth(Permission.REVIEW),
    response={201: dict[str, Any]},
    summary="Begin a thread",
)
def start(request: ApiRequest, id: UUID, body: NewThread) -> Status[dict[str, Any]]:  # noqa: A002
    """On an interaction, or on words of its answer or of a message."""
    found = Interaction.objects.filter(project=request.auth.project, pk=id).select_related("body").first()
    if found is None:
        raise Http404
    made = discuss.start_thread(
        actor=request.auth,
        interaction=found,
        text=body.text,
        anchor=_anchor(body.span),
        now=timezone.now(),
    )
    return Status(201, discuss.thread_value(made, list(made.posts.all())))


def _anchor(span: NewSpan | None) -> discuss.Anchor | None:
    if span is None:
        return None
    if span.on not in {"answer", "message"}:
        raise InvalidAnswer("span.on", "must be answer or message")
    if (span.on == "message") != (span.message is not None):
        raise InvalidAnswer(
            "span.message", "is the number of a message, given with on: message and only then"
        )
    return discuss.Anchor(start=span.start, end=span.end, message=span.message)


@router.get("", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="List threads")
def threads(request: ApiRequest, wanted: Query[Wanted]) -> dict[str, Any]:
    """Of the whole project, newest first. `state` is open or resolved."""
    if not 1 <= wanted.limit <= MOST:
        raise Problem(422, f"limit: must be between 1 and {MOST}.", field="limit")
    if wanted.state and wanted.state not in ThreadState.values:
        raise Problem(422, f"state: must be one of {', '.join(ThreadState.values)}.", field="state")
    rows = _rows(request)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    try:
        page = page_of(rows, limit=wanted.limit, cursor=wanted.cursor, by="created_at")
    except InvalidCursor:
        raise Problem(422, "cursor: is none that this list gave.", field="cursor") from None
    return {"items": [discuss.thread_value(one, one.shown) for one in page.items], "next": page.older}


@router.get("/{uuid:id}", auth=KeyAuth(Permission.READ), response=dict[str, Any], summary="Read a thread")
def thread(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """With all its posts."""
    found = _rows(request).filter(pk=id).first()
    if found is None:
        raise Http404
    return discuss.thread_value(found, found.shown)


@router.post(
    "/{uuid:id}/replies",
    auth=KeyAuth(Permission.REVIEW),
    response={201: dict[str, Any]},
    summary="Reply in a thread",
)
def reply(request: ApiRequest, id: UUID, body: NewPost) -> Status[dict[str, Any]]:  # noqa: A002
    """One that was resolved opens again by it."""
    post = discuss.reply(actor=request.auth, thread=_thread(request, id), text=body.text, now=timezone.now())
    return Status(201, discuss.post_value(post))


@router.post(
    "/{uuid:id}/resolve",
    auth=KeyAuth(Permission.REVIEW),
    response=dict[str, Any],
    summary="Resolve a thread",
)
def resolve(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """What it was about is settled. The same again changes nothing."""
    return _moved(request, id, ThreadState.RESOLVED)


@router.post(
    "/{uuid:id}/reopen", auth=KeyAuth(Permission.REVIEW), response=dict[str, Any], summary="Reopen a thread"
)
def reopen(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """It is not settled after all. The same again changes nothing."""
    return _moved(request, id, ThreadState.OPEN)


_WRITES: dict[str, Any] = {"auth": KeyAuth(Permission.REVIEW), "response": dict[str, Any]}
_CHANGED = "The post was changed or removed since it was read."


@posts.post(
    "/{uuid:id}/edit",
    **_WRITES,
    openapi_extra={"responses": {409: described(_CHANGED)}},
    summary="Edit a post",
)
def edit(request: ApiRequest, id: UUID, body: ChangedPost) -> dict[str, Any]:  # noqa: A002
    """Only the key that wrote it can. What it said before is kept; who is newly named is told."""
    try:
        post = discuss.edit_post(
            actor=request.auth,
            post=_post(request, id),
            text=body.text,
            version=body.version,
            now=timezone.now(),
        )
    except discuss.NotYourPost as error:
        raise Problem(403, str(error)) from None
    except discuss.ChangedMeanwhile as error:
        raise Problem(409, str(error), field="version") from None
    return discuss.post_value(post)


@posts.post("/{uuid:id}/remove", **_WRITES, summary="Remove a post")
def remove(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """Only the key that wrote it can. It is shown as removed; the same again changes nothing."""
    return _set(request, id, discuss.remove_post)


@posts.post("/{uuid:id}/restore", **_WRITES, summary="Restore a post")
def restore(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """Take removing back. The same again changes nothing."""
    return _set(request, id, discuss.restore_post)


def _set(request: ApiRequest, id_: UUID, deed: Callable[..., bool]) -> dict[str, Any]:
    try:
        deed(actor=request.auth, post=_post(request, id_), now=timezone.now())
    except discuss.NotYourPost as error:
        raise Problem(403, str(error)) from None
    return discuss.post_value(_post(request, id_))


def _post(request: ApiRequest, id_: UUID) -> Post:
    rows = Post.objects.filter(project=request.auth.project, pk=id_)
    found: Post | None = rows.select_related("created_by", "created_by_key").first()
    if found is None:
        raise Http404
    return found


def _moved(request: ApiRequest, id_: UUID, to: str) -> dict[str, Any]:
    discuss.move_thread(actor=request.auth, thread=_thread(request, id_), to=to, now=timezone.now())
    # A key that may judge need not be one that may read.
    posts = list(Post.objects.filter(thread=id_)) if request.auth.may(Permission.READ) else []
    return discuss.thread_value(_thread(request, id_), posts)


def _thread(request: ApiRequest, id_: UUID) -> Thread:
    found: Thread | None = Thread.objects.filter(project=request.auth.project, pk=id_).first()
    if found is None:
        raise Http404
    return found


def _rows(request: ApiRequest) -> Any:
    posts = readable(Post.objects.all(), request.auth).select_related("created_by", "created_by_key")
    return (
        Thread.objects.visible_to(request.auth)
        .select_related("created_by", "created_by_key", "resolved_by")
        .prefetch_related(Prefetch("posts", queryset=posts.order_by("created_at", "id"), to_attr="shown"))
    )
