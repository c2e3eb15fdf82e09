"""A person's word on a comparison: whether a replay's answer is as good as the original's."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, Comparison, Decision, Permission
from reviewapp.stages.administer import Refused, write_audit


@transaction.atomic
def decide(
    *, actor: Actor, comparison: Comparison, decision: str | None, now: datetime, note: str = ""
) -> bool:
    """A person's word on a comparison; None takes it back. False when somebody else decided meanwhile.

    Raises Refused for a decision that is none.
    """
    actor.check(Permission.REVIEW)
    if decision is not None and decision not in Decision.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(Decision.values)}, field="decision"
        )
    if len(note) > 10_000:
        raise Refused(gettext("The note is longer than 10,000 characters."), field="note")
    moved = Comparison.objects.filter(
        pk=comparison.pk, project=actor.project, decision=comparison.decision
    ).update(
        decision=decision,
        decided_by=actor.person if decision else None,
        decided_at=now if decision else None,
        decision_note=note.replace("\x00", "") if decision else "",
    )
    if moved:
        write_audit(
            actor=actor,
            action="comparison.decide",
            target=comparison,
            now=now,
            before=comparison.decision,
            after=decision,
        )
    return bool(moved)
