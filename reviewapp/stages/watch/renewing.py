"""The baseline of a canary set: begun anew, by hand or when a change was accepted, and brought back.

What accepting moved is kept with the change, as its fingerprints are, so that taking the decision back
puts the former baseline in its place again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    BackendChange,
    CanaryBaseline,
    CanaryCheck,
    CanarySession,
    CanarySet,
    ChangeState,
    Permission,
    SessionState,
    VerdictName,
    system_actor,
)
from reviewapp.models.sweeping import each
from reviewapp.pure.said import said, to_store
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch.canaries import lock


@transaction.atomic
def renew(*, actor: Actor, canaries: CanarySet, now: datetime, reason: str = "") -> dict[str, Any]:
    """What answers now is the new baseline; the old one stays in the archive.

    What was answered since the change is already of the new backend, so it stands in the new baseline.
    Gives what was moved, for `bring_back`.
    """
    actor.check(Permission.ADMIN)
    locked = lock(actor, canaries)
    standing = CanaryBaseline.objects.filter(set=locked, ended_at__isnull=True).first()
    if standing is None:
        raise Refused(gettext("There is no baseline yet that could be renewed."))
    CanaryBaseline.objects.filter(pk=standing.pk).update(ended_at=now)
    why = reason or said("baseline_renewed", name=actor.name)
    fresh = CanaryBaseline.objects.create(
        set=locked, started_at=locked.changed_at or now, reason=why, said=to_store(reason=why)
    )
    taken = []
    if locked.changed_at is not None:
        since = CanaryCheck.objects.filter(
            set=locked, created_at__gte=locked.changed_at, verdict=VerdictName.BACKEND_CHANGED
        )
        sessions = CanarySession.objects.filter(check_of__in=since, state=SessionState.READ)
        taken = list(sessions.values_list("pk", "fit"))
        sessions.update(baseline=fresh, fit=True)
    CanarySet.objects.filter(pk=locked.pk).update(evidence=0, changed_at=None, alarmed_at=None)
    write_audit(
        actor=actor,
        action="canaries.renew",
        target=locked,
        now=now,
        reason=fresh.reason,
        before=str(standing.pk),
    )
    return {
        "canaries": str(locked.pk),
        "former": str(standing.pk),
        "fresh": str(fresh.pk),
        "sessions": [[str(pk), fit] for pk, fit in taken],
        "evidence": locked.evidence,
        "changed_at": locked.changed_at.isoformat() if locked.changed_at else None,
        "alarmed_at": locked.alarmed_at.isoformat() if locked.alarmed_at else None,
    }


def renew_accepted(*, now: datetime) -> int:
    """Renew the baselines of models whose changed behaviour was accepted; gives how many."""
    alarmed = CanarySet.objects.filter(alarmed_at__isnull=False).select_related("project")
    return sum(each(alarmed, lambda canaries: _renew_accepted(canaries, now), what="A canary set"))


def _renew_accepted(canaries: CanarySet, now: datetime) -> bool:
    standing = CanaryBaseline.objects.filter(set=canaries, ended_at__isnull=True).first()
    check = (
        CanaryCheck.objects.filter(set=canaries, baseline=standing, alarmed=True, change__isnull=False)
        .order_by("-created_at")
        .first()
    )
    if check is None:
        return False
    # Held, so that nobody takes the decision back meanwhile.
    change = BackendChange.objects.select_for_update().filter(pk=check.change_id).first()
    if change is None or change.state != ChangeState.ACCEPTED:
        return False
    if not CanarySet.objects.filter(pk=canaries.pk, alarmed_at=canaries.alarmed_at).exists():
        return False
    moved = renew(
        actor=system_actor(project=canaries.project),
        canaries=canaries,
        now=now,
        reason=said("baseline_accepted"),
    )
    BackendChange.objects.filter(pk=change.pk).update(moved=[*change.moved, moved])
    return True


def bring_back(*, actor: Actor, moved: Mapping[str, Any], now: datetime) -> bool:
    """Undo what `renew` moved; False where the baseline was begun anew once more since, or is gone."""
    canaries = CanarySet.objects.filter(pk=moved["canaries"], project=actor.project).first()
    if canaries is None:
        return False
    locked = lock(actor, canaries)
    standing = CanaryBaseline.objects.filter(pk=moved["fresh"], set=locked, ended_at__isnull=True)
    if not standing.exists() or not CanaryBaseline.objects.filter(pk=moved["former"], set=locked).exists():
        return False
    for session in CanarySession.objects.filter(set=locked, state=SessionState.ASKING).select_related("run"):
        # What it would be compared with is no baseline any more.
        replay.cancel_run(actor=system_actor(project=locked.project), run=session.run, now=now)
    standing.update(ended_at=now)
    CanaryBaseline.objects.filter(pk=moved["former"]).update(ended_at=None)
    for fit in (True, False):
        own = [pk for pk, was_fit in moved["sessions"] if was_fit == fit]
        CanarySession.objects.filter(pk__in=own, set=locked).update(baseline=moved["former"], fit=fit)
    CanarySet.objects.filter(pk=locked.pk).update(
        evidence=moved["evidence"],
        changed_at=parse_datetime(moved["changed_at"]) if moved["changed_at"] else None,
        alarmed_at=parse_datetime(moved["alarmed_at"]) if moved["alarmed_at"] else None,
    )
    write_audit(
        actor=actor,
        action="canaries.bring_back",
        target=locked,
        now=now,
        before=moved["fresh"],
        after=moved["former"],
    )
    return True
