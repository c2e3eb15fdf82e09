"""The audit trail: one entry a deed, in the deed's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from reviewapp.models import Actor, AuditEntry, Project


class Refused(Exception):
    """The deed can't be done; the message is a sentence for the person, `field` names the input."""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)


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
    AuditEntry.objects.create(
        project=project or (actor.project if actor else None),
        person=actor.person if actor else None,
        key=actor.key if actor else None,
        action=action,
        object_type=target._meta.model_name or "",
        object_id=str(target.pk),
        detail=detail,
        at=now,
    )
