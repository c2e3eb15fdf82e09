"""Discussions as the API tells them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reviewapp.models import Actor, Post, Thread, ThreadPlace
from reviewapp.models.discussing import discussion_of


def thread_value(thread: Thread, posts: Sequence[Post]) -> dict[str, Any]:
    """A thread with those of its posts that the caller may read."""
    span = None
    if thread.place != ThreadPlace.WHOLE:
        span = {
            "on": thread.place,
            "message": thread.message,
            "start": thread.start,
            "end": thread.end,
            "quote": thread.quote,
        }
    return {
        "id": str(thread.pk),
        "interaction": str(thread.interaction_id),
        "span": span,
        "state": thread.state,
        "created_by": _who(thread),
        "created_at": _time(thread.created_at),
        "resolved_by": thread.resolved_by.email if thread.resolved_by is not None else None,
        "resolved_at": _time(thread.resolved_at),
        "posts": [post_value(post) for post in posts],
    }


def post_value(post: Post) -> dict[str, Any]:
    """A post; of one that was removed, that it was."""
    removed = post.removed_at is not None
    return {
        "id": str(post.pk),
        "text": None if removed else post.text,
        "mentions": [] if removed else sorted(post.mentions),
        "version": post.version,
        "created_by": _who(post),
        "created_at": _time(post.created_at),
        "edited_at": _time(post.edited_at),
        "removed_at": _time(post.removed_at),
    }


def threads_value(*, actor: Actor, interaction_id: UUID) -> list[dict[str, Any]]:
    """All threads of an interaction that the caller may read, the open ones first."""
    found: Any = discussion_of(actor=actor, interactions=[interaction_id])
    return [thread_value(thread, thread.shown) for thread in found.threads]


def _who(row: Thread | Post) -> str | None:
    if row.created_by is not None:
        return row.created_by.email
    return f"key {row.created_by_key.name}" if row.created_by_key is not None else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
