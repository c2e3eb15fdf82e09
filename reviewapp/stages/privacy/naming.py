"""Pseudonyms: chosen by a project, looked up with a reason, forgotten for good."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, Permission, ProjectPrivacy, Pseudonym
from reviewapp.stages.administer import Refused, write_audit


@transaction.atomic
def choose_pseudonyms(*, actor: Actor, now: datetime) -> None:
    """From now on what is hidden gets a pseudonym, by a new key of the project's own."""
    actor.check(Permission.ADMIN)
    if ProjectPrivacy.objects.filter(project=actor.project, pseudonym_key__isnull=False).exists():
        return
    ProjectPrivacy.objects.update_or_create(
        project=actor.project, defaults={"pseudonym_key": secrets.token_hex(32), "changed_at": now}
    )
    write_audit(actor=actor, action="pseudonyms.choose", target=actor.project, now=now)


@transaction.atomic
def forget_pseudonyms(*, actor: Actor, now: datetime) -> int:
    """Forget the key and all that pseudonyms stand for; gives how many. Nobody can look them up again."""
    actor.check(Permission.ADMIN)
    ProjectPrivacy.objects.filter(project=actor.project).update(pseudonym_key=None, changed_at=now)
    gone, _ = Pseudonym.objects.filter(project=actor.project).delete()
    write_audit(actor=actor, action="pseudonyms.forget", target=actor.project, now=now, forgotten=gone)
    return gone


@transaction.atomic
def reveal(*, actor: Actor, text: str, reason: str, now: datetime) -> str:
    """What a pseudonym stands for; that it was looked up, and why, is in the audit log. Raises Refused."""
    actor.check(Permission.ADMIN)
    reason = " ".join(reason.split())
    if not reason or len(reason) > 300:
        raise Refused(gettext("Say why, in at most 300 characters."), field="reason")
    match = re.search(r"[a-z2-7]{12}(?=\]|$)", text.strip())
    found = Pseudonym.objects.filter(project=actor.project, token=match[0]).first() if match else None
    if found is None:
        raise Refused(
            gettext("No such pseudonym is known: it was forgotten, or never one of this project."),
            field="text",
        )
    write_audit(
        actor=actor, action="pseudonym.reveal", target=found, now=now, pseudonym=str(found), reason=reason
    )
    value: str = found.value
    return value
