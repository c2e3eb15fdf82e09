"""The audit trail: one entry a deed, in the deed's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from reviewapp.models import Actor, AuditEntry, Project
from reviewapp.pure.refusing import Worded


class Refused(Exception):
    """The deed can't be done; the message is a sentence for the person, `field` names the input."""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)

    @classmethod
    def of(cls, error: Worded, *, field: str = "") -> Refused:
        """The refusal for that reason, in the language of who asks."""
        template = gettext(error.template)
        return cls(template % error.places if error.places else template, field=field)


def write_audit(
    *,
    actor: Actor | None,
    action: str,
    target: models.Model,
    now: datetime,
    project: Project | None = None,
    **detail: Any,
) -> None:
    """Leave an audit entry; call it inside the transaction of the deed."""
    entry_of(actor=actor, action=action, target=target, now=now, project=project, **detail).save(
        force_insert=True
    )


def entry_of(
    *,
    actor: Actor | None,
    action: str,
    target: models.Model,
    now: datetime,
    project: Project | None = None,
    **detail: Any,
) -> AuditEntry:
    """The entry, for who writes many at once."""
    return AuditEntry(
        project=project or (actor.project if actor else None),
        person=actor.person if actor else None,
        key=actor.key if actor else None,
        action=action,
        object_type=target._meta.model_name or "",
        object_id=str(target.pk),
        detail=_unnamed(detail),
        at=now,
    )


def _unnamed(value: Any) -> Any:
    """What is told without end users' names: an entry is for ever, and they may be erased one day.

    The same name has the same digest, so that what was done about one user can be seen together.
    """
    if isinstance(value, Mapping):
        return {
            key: f"digest:{salted_hmac('audit.user', one, algorithm='sha256').hexdigest()[:16]}"
            if key == "user" and isinstance(one, str) and one
            else _unnamed(one)
            for key, one in value.items()
        }
    return value
