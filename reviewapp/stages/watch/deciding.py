"""What becomes of a fingerprint: accepted, valid until its overlap ends, retired.

A decision is about the value at its provider and model, so it moves the value's rows of all
request shapes together, by compare-and-swap. Accepting a new value opens the overlap of those
accepted before it. When an overlap has passed, a value that is no longer seen retires by itself;
one that is still seen belongs to a rotating pool after all and is accepted again, unless a person
set the end: then it waits until it is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    FINGERPRINT_TRANSITIONS,
    Actor,
    Fingerprint,
    FingerprintState,
    Permission,
    system_actor,
)
from reviewapp.models.fingerprint import lives_of
from reviewapp.models.sweeping import each
from reviewapp.pure.pools import LEARNING_CALLS, Life, overlap_length
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch.pools import calls_since

# Longer is no window but a decision never taken.
LONGEST_OVERLAP: Final = timedelta(days=366)
QUIET: Final = timedelta(hours=1)
UNSEEN: Final = timedelta(days=1)
_REPLACED: Final = "A newer value was accepted."


def accept(*, actor: Actor, fingerprint: Fingerprint, now: datetime) -> bool:
    """Accept a value; those accepted before it stay valid for the usual overlap. False: another was first."""
    actor.check(Permission.ADMIN)
    with transaction.atomic():
        if not _move(actor, fingerprint, FingerprintState.ACCEPTED, now):
            return False
        others = Fingerprint.objects.filter(
            project=fingerprint.project_id,
            provider=fingerprint.provider_id,
            model=fingerprint.model,
            state=FingerprintState.ACCEPTED,
            value__isnull=False,
            first_seen__lt=fingerprint.first_seen,
        ).exclude(value=fingerprint.value)
        if fingerprint.value is not None:
            others.update(
                state=FingerprintState.OVERLAP,
                overlap_until=now + usual_overlap(fingerprint=fingerprint),
                decided_by=None,
                decided_by_key=None,
                decided_at=now,
                note=_REPLACED,
            )
    return True


def overlap(*, actor: Actor, fingerprint: Fingerprint, until: datetime | None, now: datetime) -> bool:
    """Keep a value valid until then (none: for the pool's usual time). False: somebody was first.

    Raises Refused for an end that has passed or is more than a year away.
    """
    actor.check(Permission.ADMIN)
    until = until or now + usual_overlap(fingerprint=fingerprint)
    if until <= now:
        raise Refused(gettext("The overlap must end in the future."), field="until")
    if until - now > LONGEST_OVERLAP:
        raise Refused(gettext("An overlap may last a year at most."), field="until")
    return _move(actor, fingerprint, FingerprintState.OVERLAP, now, until=until)


def retire(*, actor: Actor, fingerprint: Fingerprint, now: datetime) -> bool:
    """A value is no longer valid. False: somebody was first."""
    actor.check(Permission.ADMIN)
    return _move(actor, fingerprint, FingerprintState.RETIRED, now)


def put_back(
    *, actor: Actor, fingerprint: Fingerprint, state: str, until: datetime | None, now: datetime
) -> bool:
    """Undo: the value has its earlier state again, and what its acceptance set on overlap is accepted."""
    actor.check(Permission.ADMIN)
    if state not in FingerprintState.values:
        raise Refused(
            gettext("Choose one of %(choices)s.") % {"choices": ", ".join(FingerprintState.values)},
            field="state",
        )
    if state == FingerprintState.OVERLAP and until is None:
        raise Refused(gettext("An overlap needs its end."), field="until")
    with transaction.atomic():
        accepted_at = fingerprint.decided_at if fingerprint.state == FingerprintState.ACCEPTED else None
        end = until if state == FingerprintState.OVERLAP else None
        if not _move(actor, fingerprint, state, now, until=end, undo=True):
            return False
        if accepted_at is not None:
            Fingerprint.objects.filter(
                project=fingerprint.project_id,
                provider=fingerprint.provider_id,
                model=fingerprint.model,
                state=FingerprintState.OVERLAP,
                decided_at=accepted_at,
                note=_REPLACED,
            ).update(state=FingerprintState.ACCEPTED, overlap_until=None, decided_at=None, note="")
    return True


def open_overlap(*, fingerprint: Fingerprint, now: datetime) -> int:
    """A new value came: the accepted ones before it stay valid for the usual overlap; gives how many rows.

    Once for each new value: what is accepted again after its overlap, because it is still seen, stays so.
    """
    before = Fingerprint.objects.filter(
        project=fingerprint.project_id,
        provider=fingerprint.provider_id,
        model=fingerprint.model,
        state=FingerprintState.ACCEPTED,
        value__isnull=False,
        first_seen__lt=fingerprint.first_seen,
    ).exclude(value=fingerprint.value)
    with transaction.atomic():
        until = now + usual_overlap(fingerprint=fingerprint)
        moved: int = before.update(
            state=FingerprintState.OVERLAP,
            overlap_until=until,
            decided_by=None,
            decided_by_key=None,
            decided_at=now,
            note=gettext_noop("A new value answers."),
        )
        if moved:
            write_audit(
                actor=system_actor(project=fingerprint.project),
                action="fingerprint.overlap",
                target=fingerprint,
                now=now,
                value=fingerprint.value,
                model=fingerprint.model,
                until=until.isoformat(),
                note="A new value answers; the accepted ones before it stay valid until then.",
            )
    return moved


def settle(*, now: datetime) -> int:
    """End the overlaps whose window has passed; gives how many values."""
    rows = Fingerprint.objects.filter(state=FingerprintState.OVERLAP, overlap_until__lte=now)
    return sum(each(rows, lambda row: _end_overlap(row, now), what="An overlap"))


def _end_overlap(row: Fingerprint, now: datetime) -> int:
    # Other shapes of the value may have been seen later than this one, or moved by now.
    row.last_seen = max(
        Fingerprint.objects.of_value(row).values_list("last_seen", flat=True), default=row.last_seen
    )
    if _is_gone(row, now):
        return _settle(row, FingerprintState.RETIRED, "No longer seen when its overlap had passed.", now)
    if not row.was_decided:
        return _settle(row, FingerprintState.ACCEPTED, "Still seen when its overlap had passed.", now)
    return 0


def usual_overlap(*, fingerprint: Fingerprint) -> timedelta:
    """How long values of this pool have lived together."""
    rows = Fingerprint.objects.filter(
        project=fingerprint.project_id, provider=fingerprint.provider_id, model=fingerprint.model
    )
    return overlap_length(
        lives_of(Life(*row) for row in rows.values_list("value", "first_seen", "last_seen", "count"))
    )


def _is_gone(row: Fingerprint, now: datetime) -> bool:
    """Not seen for a while, and not only because nobody asked."""
    unseen = now - row.last_seen
    return unseen >= UNSEEN or (unseen >= QUIET and calls_since(row=row) >= LEARNING_CALLS)


@transaction.atomic
def _settle(row: Fingerprint, to: str, note: str, now: datetime) -> int:
    moved = (
        Fingerprint.objects.of_value(row)
        .filter(state=FingerprintState.OVERLAP, overlap_until=row.overlap_until)
        .update(state=to, overlap_until=None, decided_by=None, decided_by_key=None, decided_at=now, note=note)
    )
    if moved:
        write_audit(
            actor=system_actor(project=row.project),
            action=f"fingerprint.{to}",
            target=row,
            now=now,
            value=row.value,
            model=row.model,
            before=FingerprintState.OVERLAP.value,
            note=note,
        )
    return 1 if moved else 0


@transaction.atomic
def _move(
    actor: Actor,
    fingerprint: Fingerprint,
    to: str,
    now: datetime,
    *,
    until: datetime | None = None,
    undo: bool = False,
) -> bool:
    before, before_until = fingerprint.state, fingerprint.overlap_until
    if to == before and until == before_until and fingerprint.was_decided:
        return True
    if to != before and to not in FINGERPRINT_TRANSITIONS[before]:
        raise Refused(
            gettext("A fingerprint can't go from %(before)s to %(to)s.") % {"before": before, "to": to},
            field="state",
        )
    moved = (
        Fingerprint.objects.of_value(fingerprint)
        .filter(project=actor.project, state=before, overlap_until=before_until)
        .update(
            state=to,
            overlap_until=until,
            decided_by=actor.person,
            decided_by_key=actor.key,
            decided_at=now,
            note="",
        )
    )
    if not moved:
        return False
    write_audit(
        actor=actor,
        action="fingerprint.undo" if undo else f"fingerprint.{to}",
        target=fingerprint,
        now=now,
        value=fingerprint.value,
        model=fingerprint.model,
        before=before,
        after=to,
        until=until.isoformat() if until else None,
    )
    fingerprint.refresh_from_db()
    return True
