"""Deciding about a backend change: accept it, report its regressions, or dismiss it.

A decision is a compare-and-swap on the state, so that two people never decide twice. Accepting moves
the change's new fingerprints to *accepted*, which keeps the older ones valid for the usual overlap; the
sweep then gives the model's canaries a new baseline (see `renewing`).
All of it can be taken back while no newer change of the model waits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime
from django.utils.formats import number_format
from django.utils.translation import gettext

from reviewapp.models import (
    CHANGE_TRANSITIONS,
    Actor,
    BackendChange,
    ChangeState,
    Export,
    Fingerprint,
    FingerprintState,
    Permission,
    Verification,
)
from reviewapp.models.changing import change_rows, figures_of
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch.deciding import accept, put_back
from reviewapp.stages.watch.renewing import bring_back

NOTE_LIMIT: Final = 10_000


def check_can_decide(*, actor: Actor, change: BackendChange) -> None:
    """Raise with the reason why this actor can't decide about the change now."""
    actor.check(Permission.ADMIN)
    if change.state == ChangeState.VERIFYING:
        raise Refused(gettext("The verification is still running: wait for it, or cancel it."))
    if change.is_decided:
        raise Refused(gettext("This change is decided already."))


def check_can_report(*, actor: Actor, change: BackendChange) -> None:
    """Raise with the reason why there are no regressions to report."""
    check_can_decide(actor=actor, change=change)
    if change.state != ChangeState.VERIFIED:
        raise Refused(
            gettext("Verify first: regressions are the judged answers that a verification found changed.")
        )
    last = _last_finished(change)
    if last is None or not figures_of(verification=last).changed:
        raise Refused(gettext("The verification found no changed answer, so there is nothing to report."))


@transaction.atomic
def accept_change(*, actor: Actor, change: BackendChange, note: str, now: datetime) -> bool:
    """The backend may be as it is now. False: somebody decided in the same moment. Raises Refused."""
    check_can_decide(actor=actor, change=change)
    note = _checked(note, wanted=gettext("Say why the change is fine; the note stays with it."))
    if not _decide(actor, change, ChangeState.ACCEPTED, note, now):
        return False
    moved = _accept_fingerprints(actor, change, now)
    BackendChange.objects.filter(pk=change.pk).update(moved=moved)
    change.moved = moved
    return True


def _accept_fingerprints(actor: Actor, change: BackendChange, now: datetime) -> list[dict[str, Any]]:
    """The change's undecided values, the latest first: accepting one sets older accepted ones on overlap."""
    (row,) = change_rows([change])
    found: dict[str, Fingerprint] = {}
    rows = Fingerprint.objects.filter(
        project=change.project_id,
        provider=change.provider_id,
        model=change.model,
        value__in=row.values,
        state=FingerprintState.NEW,
    ).order_by("-first_seen", "id")
    for fingerprint in rows.select_related("project"):
        found.setdefault(fingerprint.value or "", fingerprint)
    moved = []
    for fingerprint in found.values():
        before, until = fingerprint.state, fingerprint.overlap_until
        if accept(actor=actor, fingerprint=fingerprint, now=now):
            moved.append(
                {
                    "id": str(fingerprint.pk),
                    "state": before,
                    "until": until.isoformat() if until else None,
                }
            )
    return moved


@transaction.atomic
def report_change(*, actor: Actor, change: BackendChange, export: Export, note: str, now: datetime) -> bool:
    """The changed answers are regressions, and stand in the export. False: somebody decided first."""
    check_can_report(actor=actor, change=change)
    note = _checked(
        note, wanted=gettext("Say what is wrong with the new answers; the note stays with the change.")
    )
    if not _decide(actor, change, ChangeState.REPORTED, note, now):
        return False
    BackendChange.objects.filter(pk=change.pk).update(export=export)
    change.export = export
    return True


@transaction.atomic
def dismiss_change(*, actor: Actor, change: BackendChange, note: str, now: datetime) -> bool:
    """It was none. The fingerprints stay as they are. False: somebody decided in the same moment."""
    check_can_decide(actor=actor, change=change)
    return _decide(actor, change, ChangeState.DISMISSED, _checked(note), now)


@transaction.atomic
def undo_decision(*, actor: Actor, change: BackendChange, now: datetime) -> bool:
    """The change waits again, and what accepting it moved is as before. False: it waits already."""
    actor.check(Permission.ADMIN)
    if not change.is_decided:
        return False
    to = ChangeState.VERIFIED if _last_finished(change) else ChangeState.OPEN
    before = change.state
    # Held and read anew: canaries may have taken a new baseline meanwhile.
    held = BackendChange.objects.select_for_update().filter(pk=change.pk, project=actor.project).first()
    moved = held.moved if held is not None else []
    try:
        with transaction.atomic():
            undone = BackendChange.objects.filter(pk=change.pk, project=actor.project, state=before).update(
                state=to,
                decided_by=None,
                decided_by_key=None,
                decided_at=None,
                note="",
                moved=[],
                export=None,
            )
    except IntegrityError:
        raise Refused(
            gettext("A newer change of %(model)s waits for a decision: decide about that one.")
            % {"model": change.model}
        ) from None
    if not undone:
        return False
    for entry in reversed(moved):
        if "canaries" in entry:
            bring_back(actor=actor, moved=entry, now=now)
            continue
        fingerprint = Fingerprint.objects.select_related("project").filter(pk=entry["id"]).first()
        if fingerprint is not None and fingerprint.state == FingerprintState.ACCEPTED:
            until = parse_datetime(entry["until"]) if entry["until"] else None
            put_back(actor=actor, fingerprint=fingerprint, state=entry["state"], until=until, now=now)
    write_audit(actor=actor, action="change.undo", target=change, now=now, before=before, after=to)
    return True


def _last_finished(change: BackendChange) -> Verification | None:
    rows = Verification.objects.filter(change=change, was_cancelled=False, finished_at__isnull=False)
    found: Verification | None = rows.select_related("run").order_by("-started_at").first()
    return found


def _decide(actor: Actor, change: BackendChange, to: ChangeState, note: str, now: datetime) -> bool:
    sources = [state for state, targets in CHANGE_TRANSITIONS.items() if to in targets]
    moved = BackendChange.objects.filter(
        pk=change.pk, project=actor.project, state=change.state, state__in=sources
    ).update(state=to, decided_by=actor.person, decided_by_key=actor.key, decided_at=now, note=note)
    if not moved:
        return False
    write_audit(
        actor=actor,
        action=f"change.{to}",
        target=change,
        now=now,
        before=change.state,
        model=change.model,
        note=note[:500],
    )
    change.state, change.note, change.decided_at = to, note, now
    return True


def _checked(note: str, *, wanted: str = "") -> str:
    note = storable(note).strip()
    if wanted and not note:
        raise Refused(wanted, field="note")
    if len(note) > NOTE_LIMIT:
        raise Refused(
            gettext("The note is longer than %(note_limit)s characters.")
            % {"note_limit": number_format(NOTE_LIMIT, force_grouping=True)},
            field="note",
        )
    return note
