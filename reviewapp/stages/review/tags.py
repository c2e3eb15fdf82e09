"""Tags that a person puts on one interaction, and takes off again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from reviewapp.models import Actor, AddedTag, Interaction, Permission
from reviewapp.models.tag import TAG_LIMIT
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages.administer import write_audit
from reviewapp.stages.review.texts import text_of


@transaction.atomic
def add_tag(*, actor: Actor, interaction: Interaction, name: str, now: datetime) -> bool:
    """Put a tag on it. False when it has that tag already. Raises InvalidAnswer."""
    actor.check(Permission.REVIEW)
    name = " ".join(text_of("tag", name, limit=TAG_LIMIT).split())
    if not name:
        raise InvalidAnswer("tag", gettext_noop("is missing; write a word or two"))
    if name in interaction.tags:
        return False
    _tag, is_new = AddedTag.objects.get_or_create(
        project=actor.project,
        interaction=interaction,
        name=name,
        defaults={"created_by": actor.person, "created_by_key": actor.key, "created_at": now},
    )
    if is_new:
        write_audit(actor=actor, action="tag.add", target=interaction, now=now, tag=name)
    return bool(is_new)


@transaction.atomic
def remove_tag(*, actor: Actor, interaction: Interaction, name: str, now: datetime) -> bool:
    """Take an added tag off. False when it was not there: recorded tags stay, as all that is recorded."""
    actor.check(Permission.REVIEW)
    gone, _ = AddedTag.objects.visible_to(actor).filter(interaction=interaction, name=name).delete()
    if gone:
        write_audit(actor=actor, action="tag.remove", target=interaction, now=now, tag=name)
    return bool(gone)
