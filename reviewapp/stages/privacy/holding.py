"""Holds: what nobody deletes, rules of retention and erasures included, until they are lifted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, Hold, Interaction, Permission, Source
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit

REASON_LIMIT = 300


@transaction.atomic
def place_hold(
    *,
    actor: Actor,
    reason: str,
    now: datetime,
    source: Source | None = None,
    interaction: UUID | None = None,
) -> Hold:
    """Keep one interaction, or all of a source. Raises Refused."""
    actor.check(Permission.ADMIN)
    reason = storable(" ".join(reason.split()))
    if not reason or len(reason) > REASON_LIMIT:
        raise Refused(
            gettext("Say why, in at most %(reason_limit)s characters.") % {"reason_limit": REASON_LIMIT},
            field="reason",
        )
    if (source is None) == (interaction is None):
        raise Refused(gettext("Choose a source, or name one interaction."), field="interaction")
    if source is not None and source.project_id != actor.project.pk:
        raise Refused(gettext("That source belongs to another project."), field="source")
    if interaction is not None and not Interaction.objects.visible_to(actor).filter(pk=interaction).exists():
        raise Refused(gettext("There is no interaction with this id."), field="interaction")
    made: Hold = Hold.objects.create(
        project=actor.project,
        source=source,
        interaction_id=interaction,
        reason=reason,
        created_by=actor.person,
        created_at=now,
    )
    write_audit(
        actor=actor,
        action="hold.place",
        target=made,
        now=now,
        source=source.name if source else None,
        interaction=str(interaction) if interaction else None,
        reason=reason,
    )
    return made


@transaction.atomic
def lift_hold(*, actor: Actor, hold: Hold, now: datetime) -> bool:
    """End it. False when somebody was first, which is no error."""
    actor.check(Permission.ADMIN)
    moved = Hold.objects.filter(pk=hold.pk, project=actor.project, lifted_at__isnull=True).update(
        lifted_at=now
    )
    if moved:
        write_audit(actor=actor, action="hold.lift", target=hold, now=now, reason=hold.reason)
    return bool(moved)
