"""Writing in discussions: threads, posts, changes of one's own, resolving and reopening.

Whoever is named by `@` and whoever is in the thread already is told in the same transaction. Only
people of the project can be named; another name stays the words that it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from reviewapp.formats.openai import read_request
from reviewapp.models import (
    THREAD_TRANSITIONS,
    Actor,
    Interaction,
    Membership,
    Permission,
    Post,
    PostRevision,
    Thread,
    ThreadPlace,
    ThreadState,
)
from reviewapp.models.discussing import readable
from reviewapp.pure import anchors, rawjson
from reviewapp.pure.mentions import MOST, handles, mentions
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.words import storable
from reviewapp.stages import review
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.discuss.telling import tell_of_post

TEXT_LIMIT: Final = 10_000
_QUOTE_LIMIT: Final = 2_000


class NotYourPost(Refused):
    """Somebody tried to change what another person wrote."""

    def __init__(self) -> None:
        super().__init__("Only who wrote this can change or remove it; answer it instead.")


class ChangedMeanwhile(Refused):
    """The post changed since the form was loaded; nothing was written."""

    def __init__(self) -> None:
        super().__init__("This was changed in another window. Look at it, then make your change again.")


@dataclass(frozen=True, slots=True)
class Anchor:
    """Words that a thread is about: of the answer, or of a message of the request, counted from 0."""

    start: int
    end: int
    message: int | None = None


def handles_of(actor: Actor) -> dict[str, UUID]:
    """The handles by which the project's people are named."""
    return handles(
        Membership.objects.filter(project=actor.project, person__is_active=True)
        .order_by("person__email")
        .values_list("person", "person__name", "person__email")
    )


def anchored_text(*, interaction: Interaction, message: int | None) -> str:
    """The text that an anchor counts in: the answer's, or a message's. Raises InvalidAnswer."""
    if message is None:
        return review.answer_text(interaction)
    found = read_request(
        interaction.endpoint,  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
        rawjson.parse(interaction.body.request_text),
    ).messages
    if not 0 <= message < len(found):
        raise InvalidAnswer(
            "span.message",
            gettext_noop("must be the number of a message, 0 to %(value)s"),
            value=len(found) - 1,
        )
    return found[message].text


def find_anchor(*, interaction: Interaction, message: int | None, words: str, near: int) -> Anchor:
    """Where words that somebody selected on a page stand. Raises InvalidAnswer."""
    text = anchored_text(interaction=interaction, message=message)
    found = anchors.find_words(text=text, words=words, near=near)
    if found is None:
        raise InvalidAnswer(
            "span", gettext_noop("holds words that don't stand there as they were recorded; select others")
        )
    return Anchor(start=found[0], end=found[1], message=message)


@transaction.atomic
def start_thread(
    *,
    actor: Actor,
    interaction: Interaction,
    text: str,
    now: datetime,
    anchor: Anchor | None = None,
) -> Thread:
    """Begin a discussion of an interaction, or of words of it. Raises InvalidAnswer."""
    actor.check(Permission.REVIEW)
    said = _checked_text(text)
    thread: Thread = Thread.objects.create(
        project=actor.project,
        interaction=interaction,
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
        changed_at=now,
        **_place(interaction, anchor),
    )
    write_audit(
        actor=actor,
        action="thread.create",
        target=thread,
        now=now,
        interaction=str(interaction.pk),
        place=thread.place,
    )
    _post(actor, thread, said, now)
    return thread


def _place(interaction: Interaction, anchor: Anchor | None) -> dict[str, Any]:
    if anchor is None:
        return {"place": ThreadPlace.WHOLE}
    text = anchored_text(interaction=interaction, message=anchor.message)
    if not 0 <= anchor.start < anchor.end <= len(text):
        raise InvalidAnswer(
            "span",
            gettext_noop("must begin before it ends, inside the text of %(count)s characters"),
            count=f"{len(text):,}",
        )
    return {
        "place": ThreadPlace.ANSWER if anchor.message is None else ThreadPlace.MESSAGE,
        "message": anchor.message,
        "start": anchor.start,
        "end": anchor.end,
        "quote": storable(text[anchor.start : min(anchor.end, anchor.start + _QUOTE_LIMIT)]),
    }


@transaction.atomic
def reply(*, actor: Actor, thread: Thread, text: str, now: datetime, resolve: bool = False) -> Post:
    """Write in a thread; with `resolve` it is resolved by that, else one that was resolved opens again.

    Raises InvalidAnswer.
    """
    actor.check(Permission.REVIEW)
    said = _checked_text(text)
    held = _locked(actor, thread)
    post = _post(actor, held, said, now)
    wanted = ThreadState.RESOLVED if resolve else ThreadState.OPEN
    if held.state != wanted:
        move_thread(actor=actor, thread=held, to=wanted, now=now)
    return post


def _locked(actor: Actor, thread: Thread) -> Thread:
    """The thread as it is now, held until the end of the transaction."""
    found: Thread = (
        Thread.objects.select_for_update(of=("self",))
        .select_related("interaction")
        .get(pk=thread.pk, project=actor.project)
    )
    return found


def _post(actor: Actor, thread: Thread, said: str, now: datetime) -> Post:
    named = _named(actor, said)
    post: Post = Post.objects.create(
        project=actor.project,
        thread=thread,
        text=said,
        mentions={handle: str(person) for handle, person in named.items()},
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    Thread.objects.filter(pk=thread.pk).update(changed_at=now)
    write_audit(actor=actor, action="post.create", target=post, now=now, thread=str(thread.pk))
    tell_of_post(actor=actor, thread=thread, post=post, now=now)
    return post


def _checked_text(text: Any) -> str:
    if not isinstance(text, str):
        raise InvalidAnswer("text", gettext_noop("must be a text"))
    said = storable(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not said:
        raise InvalidAnswer("text", gettext_noop("is empty; write something"))
    if len(said) > TEXT_LIMIT:
        raise InvalidAnswer(
            "text", gettext_noop("is longer than %(text_limit)s characters"), text_limit=f"{TEXT_LIMIT:,}"
        )
    return said


def _named(actor: Actor, said: str) -> Mapping[str, UUID]:
    if "@" not in said:
        return {}
    known = handles_of(actor)
    found: dict[str, UUID] = {}
    for mention in mentions(said, known):
        found.setdefault(mention.handle, known[mention.handle])
        if len(found) == MOST:
            break
    return found


@transaction.atomic
def edit_post(*, actor: Actor, post: Post, text: str, version: int, now: datetime) -> Post:
    """Change what one wrote; what it said before is kept, and who is newly named is told.

    Raises InvalidAnswer, NotYourPost, ChangedMeanwhile.
    """
    actor.check(Permission.REVIEW)
    said = _checked_text(text)
    before = _own(actor, post)
    if before.version != version or before.removed_at is not None:
        raise ChangedMeanwhile
    if said == before.text:
        return before
    PostRevision.objects.create(post=before, version=before.version, text=before.text, replaced_at=now)
    named = _named(actor, said)
    Post.objects.filter(pk=before.pk).update(
        text=said,
        mentions={handle: str(person) for handle, person in named.items()},
        version=before.version + 1,
        edited_at=now,
    )
    Thread.objects.filter(pk=before.thread_id).update(changed_at=now)
    write_audit(actor=actor, action="post.edit", target=before, now=now, version=before.version + 1)
    after: Post = Post.objects.get(pk=before.pk)
    tell_of_post(actor=actor, thread=before.thread, post=after, now=now, edited=True)
    return after


@transaction.atomic
def remove_post(*, actor: Actor, post: Post, now: datetime) -> bool:
    """Take back what one wrote: it is shown as removed. `restore_post` undoes it."""
    return _set_removed(actor, post, now, removed=True)


@transaction.atomic
def restore_post(*, actor: Actor, post: Post, now: datetime) -> bool:
    """Undo removing."""
    return _set_removed(actor, post, now, removed=False)


def _set_removed(actor: Actor, post: Post, now: datetime, *, removed: bool) -> bool:
    actor.check(Permission.REVIEW)
    before = _own(actor, post)
    moved = Post.objects.filter(pk=before.pk, removed_at__isnull=removed).update(
        removed_at=now if removed else None
    )
    if moved:
        Thread.objects.filter(pk=before.thread_id).update(changed_at=now)
        action = "post.remove" if removed else "post.restore"
        write_audit(actor=actor, action=action, target=before, now=now)
    return bool(moved)


def _own(actor: Actor, post: Post) -> Post:
    """One's own post, held until the end of the transaction. Raises NotYourPost."""
    before: Post = (
        Post.objects.select_for_update(of=("self",))
        .select_related("thread__interaction", "created_by", "created_by_key")
        .get(pk=post.pk, project=actor.project)
    )
    who = actor.person or actor.key
    if who is None or who not in (before.created_by, before.created_by_key):
        raise NotYourPost
    return before


@transaction.atomic
def move_thread(*, actor: Actor, thread: Thread, to: str, now: datetime) -> bool:
    """Resolve a thread or open it again. False: somebody was first. Raises Refused."""
    actor.check(Permission.REVIEW)
    if to not in ThreadState.values:
        raise Refused(gettext("A discussion is open or resolved."), field="state")
    sources = [state for state, targets in THREAD_TRANSITIONS.items() if to in targets]
    resolved = to == ThreadState.RESOLVED
    moved = Thread.objects.filter(pk=thread.pk, project=actor.project, state__in=sources).update(
        state=to,
        resolved_by=actor.person if resolved else None,
        resolved_at=now if resolved else None,
        changed_at=now,
    )
    if moved:
        action = "thread.resolve" if resolved else "thread.reopen"
        write_audit(actor=actor, action=action, target=thread, now=now)
    return bool(moved)


def check_can_read(*, actor: Actor, thread: Thread) -> None:
    """Raise Refused while all of it is hidden from this person in a blind queue."""
    if not readable(Post.objects.filter(thread=thread), actor).exists():
        raise Refused(gettext("You can read and answer this once you have given your own judgement."))
