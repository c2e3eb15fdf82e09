"""Flags: marks that an interaction needs attention, and the reasons people can choose from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_noop

from reviewapp.models import (
    FLAG_TRANSITIONS,
    Actor,
    Flag,
    FlagReason,
    FlagState,
    Interaction,
    Permission,
    Severity,
)
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.pure.words import storable
from reviewapp.stages.administer import write_audit
from reviewapp.stages.review.texts import NOTE_LIMIT, text_of


@transaction.atomic
def flag(
    *,
    actor: Actor,
    interaction: Interaction,
    reason: str,
    severity: str = Severity.MEDIUM,
    note: str = "",
    now: datetime,
) -> Flag:
    """Mark an interaction. The reason is one of the project's, or a text of one's own (through the API)."""
    actor.check(Permission.REVIEW)
    reason = text_of("reason", reason, limit=80).strip()
    if not reason:
        raise InvalidAnswer("reason", gettext_noop("is missing; say why in a few words"))
    if severity not in Severity.values:
        raise InvalidAnswer(
            "severity", gettext_noop("must be one of %(choices)s"), choices=", ".join(Severity.values)
        )
    made: Flag = Flag.objects.create(
        project=actor.project,
        interaction=interaction,
        reason=reason,
        severity=severity,
        note=text_of("note", note, limit=NOTE_LIMIT),
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    write_audit(
        actor=actor,
        action="flag.create",
        target=made,
        now=now,
        interaction=str(interaction.pk),
        reason=reason,
        severity=severity,
    )
    return made


@transaction.atomic
def move_flag(*, actor: Actor, flag_id: UUID, to: str, now: datetime) -> bool:
    """Resolve, remove or reopen a flag. False when somebody was first, which is no error."""
    actor.check(Permission.REVIEW)
    sources = [state for state, targets in FLAG_TRANSITIONS.items() if to in targets]
    moved = (
        Flag.objects.visible_to(actor)
        .filter(pk=flag_id, state__in=sources)
        .update(state=to, changed_by=actor.person, changed_at=now)
    )
    if moved:
        write_audit(actor=actor, action=f"flag.{to}", target=Flag.objects.get(pk=flag_id), now=now)
    return bool(moved)


@transaction.atomic
def undo_flags(*, actor: Actor, made_at: datetime, now: datetime) -> int:
    """Take back the flags that somebody made in one go: theirs, of that moment, still open."""
    actor.check(Permission.REVIEW)
    made = Flag.objects.visible_to(actor).filter(
        created_by=actor.person, created_by_key=actor.key, created_at=made_at, state=FlagState.OPEN
    )
    ids = list(made.values_list("pk", flat=True))
    return sum(move_flag(actor=actor, flag_id=one, to=FlagState.REMOVED, now=now) for one in ids)


@transaction.atomic
def save_flag_reasons(*, actor: Actor, names: Sequence[str], now: datetime) -> None:
    """The reasons people can choose from, in this order; others are kept for the flags that have them."""
    actor.check(Permission.ADMIN)
    wanted = list(dict.fromkeys(names))
    if not wanted or len(wanted) > 30:
        raise InvalidAnswer("reasons", gettext_noop("must be 1 to 30 lines, one reason each"))
    for reason in wanted:
        text_of("reasons", reason, limit=80)
    FlagReason.objects.filter(project=actor.project).exclude(name__in=wanted).update(is_active=False)
    for position, reason in enumerate(wanted):
        FlagReason.objects.update_or_create(
            project=actor.project, name=storable(reason), defaults={"position": position, "is_active": True}
        )
    write_audit(actor=actor, action="flag_reasons.save", target=actor.project, now=now, reasons=wanted)
