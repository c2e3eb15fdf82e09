"""What templates need to tell a person what concerns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django import template

from reviewapp.models import Notification, NotificationKind
from reviewapp.stages.discuss import sentence_of
from reviewapp.templatetags.said import in_reader, row_text

register = template.Library()
_ICONS: Final[dict[str, str]] = {
    NotificationKind.MENTION: "chat-left-text",
    NotificationKind.REPLY: "chat-left-text",
    NotificationKind.ASSIGNED: "check2-square",
    NotificationKind.ADJUDICATED: "clipboard-check",
    NotificationKind.RETURNED: "arrow-counterclockwise",
    NotificationKind.CHANGE: "activity",
}


@register.filter
def told_sentence(told: Notification) -> str:
    """What it says, without the words of a post."""
    return sentence_of(told, subject=in_reader(row_text(told, "subject")))


@register.filter
def told_icon(kind: str) -> str:
    """The icon of a kind."""
    return _ICONS.get(kind, "bell")


@register.filter
def of_queue(queues: Mapping[UUID | None, Any], queue: UUID) -> Any:
    """What a person did in a queue."""
    return queues[queue]
