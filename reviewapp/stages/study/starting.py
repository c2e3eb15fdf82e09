"""Starting and cancelling a study, and taking its figures home."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Actor, Permission, Study, StudyKind
from reviewapp.pure.words import storable
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.replay import Estimate
from reviewapp.stages.study.planning import Deviations, Plan, Seeds, ways

LONGEST_NAME = 200


def estimate(*, actor: Actor, plan: Plan, repeats: int) -> Estimate:
    """What the study would ask, and what that costs where prices are known. Raises Refused."""
    actor.check(Permission.REPLAY)
    interactions, asked = ways(actor=actor, plan=plan)
    return replay.estimate_ways(actor=actor, interactions=interactions, ways=asked, attempts=repeats)


@transaction.atomic
def start(*, actor: Actor, plan: Plan, repeats: int, name: str, now: datetime) -> Study:
    """Begin a study; the caller nudges the workers for its run, on commit. Raises Refused."""
    actor.check(Permission.REPLAY)
    name = storable(" ".join(name.split()))
    if not name or len(name) > LONGEST_NAME:
        raise Refused(
            gettext("Give the study a name of at most %(longest_name)s characters.")
            % {"longest_name": LONGEST_NAME},
            field="name",
        )
    interactions, asked = ways(actor=actor, plan=plan)
    if isinstance(plan, Seeds) and repeats < 2:
        raise Refused(gettext("Ask each seed at least twice: once shows nothing of it."), field="repeats")
    run = replay.start_varied_run(
        actor=actor, interactions=interactions, ways=asked, attempts=repeats, note=name, now=now
    )
    study: Study = Study.objects.create(
        project=actor.project,
        kind=_kind(plan),
        name=name,
        run=run,
        interaction_id=interactions[0] if isinstance(plan, Deviations | Seeds) else None,
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    write_audit(actor=actor, action="study.start", target=study, now=now, kind=study.kind, name=name)
    return study


def _kind(plan: Plan) -> str:
    if isinstance(plan, Deviations):
        return StudyKind.DEVIATION
    return StudyKind.SEEDS if isinstance(plan, Seeds) else StudyKind.PROVIDERS


@transaction.atomic
def cancel(*, actor: Actor, study: Study, now: datetime) -> bool:
    """Ask nothing more; what was answered stays and counts. False when it had ended already."""
    actor.check(Permission.REPLAY)
    cancelled = replay.cancel_run(actor=actor, run=study.run, now=now)
    if cancelled:
        write_audit(actor=actor, action="study.cancel", target=study, now=now)
    return cancelled


def audit_export(*, actor: Actor, study: Study, now: datetime, format: str, rows: int) -> None:  # noqa: A002
    """Somebody takes the study's figures home."""
    actor.check(Permission.EXPORT)
    write_audit(actor=actor, action="study.export", target=study, now=now, format=format, rows=rows)
