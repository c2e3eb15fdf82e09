"""What a source hides of its calls before they are stored."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from reviewapp.models import Actor, Permission, Source
from reviewapp.pure.redaction import InvalidPolicy, Policy, check_policy
from reviewapp.stages.administer.audit import Refused, write_audit


@transaction.atomic
def save_redaction(*, actor: Actor, source: Source, policy: Policy, now: datetime) -> None:
    """Hide these from now on; what is stored stays as it is. Raises Refused."""
    actor.check(Permission.ADMIN)
    try:
        check_policy(policy)
    except InvalidPolicy as error:
        raise Refused.of(error, field=error.field) from None
    Source.objects.filter(pk=source.pk, project=actor.project).update(redaction=policy.as_json())
    write_audit(
        actor=actor,
        action="source.redaction",
        target=source,
        now=now,
        name=source.name,
        detectors=list(policy.detectors),
        # A pattern may itself say what must not be said.
        patterns=[one.name for one in policy.patterns],
    )
