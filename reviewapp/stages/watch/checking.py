"""Checks of canaries, decided when the answers are there.

`advance` finds sessions whose run has ended, or has taken too long, reads their rows, and decides: fresh
requests, or the end of the check. A process that dies between leaves rows that the next sweep takes up.

What could not be measured is never a difference: failed requests make a check inconclusive, and leave
the evidence and the baseline as they were.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, Sum

from reviewapp.models import (
    BackendChange,
    CanaryCheck,
    CanarySession,
    CanarySet,
    CanaryState,
    CheckState,
    RunState,
    SeenKind,
    SessionPurpose,
    SessionState,
    VerdictName,
    system_actor,
)
from reviewapp.pure.drift import watching
from reviewapp.pure.drift.decision import SAME, Check, Decision, decide
from reviewapp.pure.drift.panel import CONFIRMING_ROWS
from reviewapp.pure.drift.report import evidence as evidence_values
from reviewapp.pure.drift.sequential import Detector
from reviewapp.pure.said import said, say, stored, text_of, to_store, together
from reviewapp.pure.words import storable
from reviewapp.stages import replay
from reviewapp.stages.watch import evidence
from reviewapp.stages.watch.asking import NothingToAsk, ask, locked
from reviewapp.stages.watch.changes import Seen, open_or_join

log = logging.getLogger(__name__)

# A session whose answers take longer is judged by what came.
PATIENCE: Final = timedelta(minutes=15)
# A baseline session of which less came is asked again.
LEAST_ANSWERED: Final = 0.8
# Evidence is a product; beyond this nothing is gained.
MOST_EVIDENCE: Final = 1e12
OPEN_RUNS: Final = (RunState.QUEUED, RunState.RUNNING)


def advance(*, now: datetime) -> list[UUID]:
    """Read sessions that have ended and decide their checks; gives the runs to nudge workers for."""
    asking = CanarySession.objects.filter(state=SessionState.ASKING)
    ended = asking.filter(~Q(run__state__in=OPEN_RUNS) | Q(created_at__lt=now - PATIENCE))
    nudge = []
    for session_id, set_id in list(ended.order_by("created_at").values_list("pk", "set")):
        try:
            run = _advance(session_id, set_id, now)
        except (OperationalError, InterfaceError):
            raise  # the database is away; the next sweep reads it
        except Exception:  # one set's trouble must not keep the others from being watched
            log.exception("A canary session can't be read")
            _give_up(session_id, now)
            continue
        if run is not None:
            nudge.append(run)
    return nudge


@transaction.atomic
def _advance(session_id: UUID, set_id: UUID, now: datetime) -> UUID | None:
    canaries = locked(set_id)
    session = (
        CanarySession.objects.select_related("set", "run", "baseline", "check_of")
        .filter(pk=session_id, state=SessionState.ASKING)
        .first()
    )
    if canaries is None or session is None:
        return None  # another worker was first
    if session.run.state in OPEN_RUNS:
        replay.cancel_run(actor=system_actor(project=canaries.project), run=session.run, now=now)
    told = evidence.read_session(session)
    usable = told.answered > 0
    fit = session.purpose == SessionPurpose.BASELINE and (
        told.answered >= LEAST_ANSWERED * (told.answered + told.failed)
    )
    CanarySession.objects.filter(pk=session.pk).update(
        state=SessionState.READ if usable and (fit or session.check_of_id) else SessionState.LOST,
        read_at=now,
        answered=told.answered,
        failed=told.failed,
        fit=fit,
        rows=evidence.pack(told.rows),
        rows_version=evidence.ROWS_VERSION,
    )
    if session.check_of_id is None:
        if not fit:
            lost = say("session_lost", answered=told.answered, requests=session.requests)
            trouble = together(lost, told.error)
            CanarySet.objects.filter(pk=canaries.pk).update(trouble=trouble, said=to_store(trouble=trouble))
        return None
    return _decide(canaries, session.check_of, now)


def _decide(canaries: CanarySet, check: CanaryCheck, now: datetime) -> UUID | None:
    """Fresh requests if the check wants them and they can be paid for, else its end."""
    decision = decide_check(check)
    looks = CanarySession.objects.filter(check_of=check).count()
    unpaid: Exception | None = None
    if decision.wants_confirmation and looks == 1 and canaries.state == CanaryState.WATCHING:
        try:
            return ask(
                canaries,
                check.baseline,
                SessionPurpose.CONFIRMATION,
                repeats=CONFIRMING_ROWS,
                check=check,
                now=now,
            )
        except NothingToAsk as error:
            unpaid = error
    _finish(canaries, check, decision, now, unpaid=unpaid)
    return None


def decide_check(check: CanaryCheck) -> Decision:
    """The decision that the stored answers of a check carry; the same each time."""
    sessions = list(
        CanarySession.objects.filter(check_of=check).select_related("set").order_by("created_at", "pk")
    )
    known = evidence.known_rows(check.compared_with)
    return decide(
        baseline=known.rows,
        check=Check(
            looks=tuple(evidence.rows_of(session) for session in sessions),
            asked=sum(session.answered + session.failed for session in sessions),
            failed=sum(session.failed for session in sessions),
            seed_honoured=check.set.seed_honoured is not False,
        ),
        rng=np.random.default_rng(check.pk.int),
        archive=evidence.archive_of(check.set),
        routine_permutations=watching.ROUTINE_PERMUTATIONS,
    )


def figures_of(
    check: CanaryCheck, decision: Decision, *, now: datetime, more: Sequence[str] = ()
) -> dict[str, Any]:
    """The columns of a check that a decision fills, with `more` notes."""
    notes = [*decision.notes, *more]
    _, strongest = watching.strongest(decision.looks[0]) if decision.looks else (1.0, None)
    measure = decision.deciding or strongest or (decision.looks[0][0] if decision.looks else None)
    statistic, effect, floor = measure.headline if measure else ("", math.nan, math.nan)
    sessions = CanarySession.objects.filter(check_of=check)
    counted = sessions.aggregate(n=Sum("requests"), failed=Sum("failed"))
    return {
        "state": CheckState.DONE,
        "decided_at": now,
        "verdict": decision.verdict.value,
        "sentence": storable(decision.sentence),
        "notes": [storable(note) for note in notes],
        "said": to_store(sentence=decision.sentence, notes=notes),
        "statistic": statistic,
        "column": measure.column if measure else "",
        "effect": _finite(effect),
        "floor": _finite(floor),
        "p": _finite(measure.p) if measure else None,
        "detectable": _finite(measure.detectable) if measure else None,
        "requests": counted["n"] or 0,
        "failed": counted["failed"] or 0,
        "figures": _storable({**evidence_values(decision), "own_unseen": watching.own_unseen(decision)}),
        "method": watching.METHOD_VERSION,
    }


def _finish(
    canaries: CanarySet, check: CanaryCheck, decision: Decision, now: datetime, *, unpaid: Exception | None
) -> None:
    """The check's end: its figures, what it adds to the evidence, and the alarm."""
    more: list[str] = []
    if unpaid is not None:
        more.append(together(say("check_unpaid"), text_of(unpaid)))
    gathered = watching.gathered(Detector(evidence=canaries.evidence), decision.looks).evidence
    gathered = min(gathered, MOST_EVIDENCE)
    confirmed = watching.is_confirmed(decision)
    settled = decision.verdict in SAME
    ordinary = settled and all(watching.strongest(look)[1] is None for look in decision.looks)
    changed_at = canaries.changed_at
    if confirmed and changed_at is None:
        changed_at = check.created_at
    if settled and changed_at is not None:
        more.append(said("check_returned"))
        changed_at, gathered = None, 0.0
    others = [
        watching.Standing(evidence=value)
        for value in CanarySet.objects.filter(project=canaries.project, state=CanaryState.WATCHING)
        .exclude(pk=canaries.pk)
        .values_list("evidence", flat=True)
    ]
    alarm = canaries.alarmed_at is None and watching.alarms(
        own=watching.Standing(evidence=gathered, confirmed=confirmed), others=others
    )
    if confirmed and not alarm and canaries.alarmed_at is None:
        more.append(said("check_waits", n=len(others) + 1))
    values = figures_of(check, decision, now=now, more=more)
    values |= {"evidence": gathered, "alarmed": alarm}
    for name, value in values.items():
        setattr(check, name, value)
    check.save()
    if ordinary:
        # What was unusual never enters the baseline; what was asked to confirm is no ordinary day either.
        CanarySession.objects.filter(check_of=check, purpose=SessionPurpose.LOOK).update(fit=True)
    canaries.evidence, canaries.changed_at = gathered, changed_at
    if alarm:
        canaries.alarmed_at = now
        check.change = _open_change(canaries, check, now)
        check.save(update_fields=["change"])
    elif changed_at is None and settled:
        canaries.alarmed_at = None
    canaries.save(update_fields=["evidence", "changed_at", "alarmed_at"])


def _open_change(canaries: CanarySet, check: CanaryCheck, now: datetime) -> BackendChange:
    """The backend change that this check's alarm opens, or joins."""
    sentence = stored(check.sentence, (check.said or {}).get("sentence"))
    if check.verdict != VerdictName.BACKEND_CHANGED:
        sentence = together(say("check_gathered"), sentence)
    return open_or_join(
        project_id=canaries.project_id,
        provider_id=canaries.provider_id,
        model=canaries.model,
        event=Seen(
            kind=SeenKind.BEHAVIOUR_CHANGED,
            # The same change is not seen twice: the next one is against another baseline, or after a return.
            key=f"canaries {check.baseline_id} {check.pk}",
            at=check.created_at,
            sentence=sentence,
            evidence={
                "check": str(check.pk),
                "statistic": check.statistic,
                "column": check.column,
                "effect": check.effect,
                "floor": check.floor,
                "p": check.p,
                "requests": check.requests,
                "smallest_detectable": check.detectable,
            },
        ),
        now=now,
    )


@transaction.atomic
def recompute_check(*, check_id: UUID, now: datetime) -> bool:
    """Read a finished check's answers again and decide; whether its verdict changed.

    What it added to the evidence, and its alarm, are history and stay.
    """
    check = CanaryCheck.objects.select_related("set").select_for_update(of=("self",)).get(pk=check_id)
    wanted = Q(check_of=check) | Q(pk__in=check.compared_with)
    stale = CanarySession.objects.filter(wanted).exclude(rows_version=evidence.ROWS_VERSION)
    for session in stale.select_related("set"):
        told = evidence.read_session(session)
        CanarySession.objects.filter(pk=session.pk).update(
            rows=evidence.pack(told.rows), rows_version=evidence.ROWS_VERSION
        )
    before = check.verdict
    values = figures_of(check, decide_check(check), now=check.decided_at or now)
    CanaryCheck.objects.filter(pk=check.pk).update(**values)
    return bool(before != values["verdict"])


@transaction.atomic
def _give_up(session_id: UUID, now: datetime) -> None:
    """A session that can't be read ends its check without a verdict on the backend."""
    session = CanarySession.objects.select_for_update().filter(pk=session_id).first()
    if session is None:
        return
    CanarySession.objects.filter(pk=session_id).update(state=SessionState.LOST, read_at=now)
    unreadable = said("check_unreadable")
    CanaryCheck.objects.filter(pk=session.check_of_id, state=CheckState.OPEN).update(
        state=CheckState.DONE,
        decided_at=now,
        verdict=VerdictName.INCONCLUSIVE,
        sentence=unreadable,
        said=to_store(sentence=unreadable),
        method=watching.METHOD_VERSION,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _storable(value: Any) -> Any:
    """What a JSON column can hold."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, Mapping):
        return {storable(str(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
