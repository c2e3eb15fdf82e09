"""What the app keeps of somebody who works with it: for themselves, as a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reviewapp.models import (
    AddedTag,
    Annotation,
    ApiKey,
    AuditEntry,
    Export,
    Flag,
    Membership,
    Notification,
    NotificationChoice,
    Person,
    Post,
    QueueSlot,
    ReplayRun,
    SavedView,
    Thread,
)

# What is kept to check somebody by, not about them.
_SECRET = frozenset(["password", "digest", "key", "data", "session_key"])


def account_data(*, person: Person) -> dict[str, Any]:
    """All rows that a person is, made, or did, by table."""
    by = {"created_by": person}
    tables: dict[str, Iterable[Any]] = {
        "memberships": Membership.objects.filter(person=person).select_related("project"),
        "annotations": Annotation.objects.filter(**by),
        "flags": Flag.objects.filter(**by),
        "threads": Thread.objects.filter(**by),
        "posts": Post.objects.filter(**by),
        "tags": AddedTag.objects.filter(**by),
        "views": SavedView.objects.filter(**by),
        "exports": Export.objects.filter(**by),
        "replay_runs": ReplayRun.objects.filter(**by),
        "api_keys": ApiKey.objects.filter(**by),
        "review_places": QueueSlot.objects.filter(person=person),
        "notifications": Notification.objects.filter(person=person),
        "notification_choices": NotificationChoice.objects.filter(person=person),
        "audit_log": AuditEntry.objects.filter(person=person).order_by("at"),
        "email_addresses": person.emailaddress_set.all(),
        "sessions": person.usersession_set.all(),
        "single_sign_on": person.socialaccount_set.all(),
        "second_factors": person.authenticator_set.all(),
    }
    return {"account": _row(person)} | {name: [_row(row) for row in rows] for name, rows in tables.items()}


def _row(row: Any) -> dict[str, Any]:
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in _SECRET and not isinstance(getattr(row, field.attname), bytes | memoryview)
    }
