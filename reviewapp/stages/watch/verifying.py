"""Verification: what people had approved or flagged, asked again with its own request and seed.

In scope is every answer of the change's provider and model that people approved (see
pure/approval.py) or flagged and that a replay's answer can be held against. Of more than `SAMPLE` a
random sample is asked, each with the same chance, and the figures carry their error bar.

One run at a time: the change goes to *verifying* by compare-and-swap, and a constraint holds
that a change has one unfinished verification. What is seen meanwhile joins the change. The run is
like any other; when it has ended, a sweep draws the consequences (`settle_verifications`), which
can be repeated: what is carried or queued already is left out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    Actor,
    AlertKind,
    AlertSeverity,
    Annotation,
    BackendChange,
    CarriedVerdict,
    ChangeState,
    Comparison,
    Flag,
    FlagState,
    Permission,
    RunKind,
    RunState,
    Verification,
    system_actor,
)
from reviewapp.models.approvals import approved as approved_answers
from reviewapp.models.changing import Asked, asked_in, figures_of
from reviewapp.models.sweeping import each
from reviewapp.pure.ids import new_id
from reviewapp.pure.outcomes import Outcome
from reviewapp.pure.said import figure, said, stored
from reviewapp.stages import replay, review
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.watch.alerts import raise_alert

# With so many a share of 5 % is known to within one and a half points, one of 50 % to within three.
SAMPLE: Final = 1000
CHANGED_ANSWERS: Final = "changed-answers"
CHANGED_ANSWERS_NAME: Final = gettext_noop("Changed answers")
CHANGED_ANSWERS_INSTRUCTIONS: Final = gettext_noop(
    "Each of these was approved or flagged before, and came out differently after the backend changed. "
    "Judge the new answer; the earlier one stands beside it."
)
# Each answer is asked so often: from one replay nobody can tell chance from a change.
ATTEMPTS: Final = 3
# Pages of rows read at once when verdicts are carried over.
_BATCH: Final = 500
# Counting a scope may take so much less than the time until it is counted again.
_SCOPING_SHARE: Final = 60
_RANKS: Final = {Outcome.CHANGED: 3.0, Outcome.UNCLEAR: 2.0}
# A flagged answer before an approved one that changed as much.
_FLAGGED_FIRST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Scope:
    """What there is to verify: approved and flagged answers, and those of them to ask again."""

    approved: int
    flagged: int
    asked: tuple[UUID, ...]


def scope_of(*, change: BackendChange, sample: int = SAMPLE) -> Scope:
    """What a verification of this change would ask. A flagged answer counts as flagged only."""
    flagged = _flagged(change)
    approved = approved_answers(project=change.project_id, among=_in_scope(change)) - flagged
    asked = _sample(flagged | approved, change, sample)
    return Scope(approved=len(approved), flagged=len(flagged), asked=tuple(asked))


@dataclass(frozen=True, slots=True)
class Counted:
    """A change's scope in figures, as last counted."""

    approved: int
    flagged: int
    asked: int


def counted_scope(*, change: BackendChange, now: datetime) -> Counted:
    """What a verification would ask, as the sweep counted it; counted now where it never was."""
    if change.scope is None:
        _count(change, now)
    assert change.scope is not None
    return Counted(**change.scope)


def _count(change: BackendChange, now: datetime) -> None:
    begun = time.monotonic()
    found = scope_of(change=change)
    change.scope = {"approved": found.approved, "flagged": found.flagged, "asked": len(found.asked)}
    change.scoped_at, change.scoping_seconds = now, time.monotonic() - begun
    BackendChange.objects.filter(pk=change.pk).update(
        scope=change.scope, scoped_at=now, scoping_seconds=change.scoping_seconds
    )


def _count_again(now: datetime) -> None:
    """Count what open changes would ask anew, the dearer the seldomer."""
    due = [
        change
        for change in BackendChange.objects.filter(state=ChangeState.OPEN)
        if change.scoped_at is None
        or not (change.scoped_at <= now < change.scoped_at + _SCOPING_SHARE * _seconds(change))
    ]
    each(due, lambda change: _count(change, now), what="The scope of a change")


def _seconds(change: BackendChange) -> timedelta:
    return timedelta(seconds=change.scoping_seconds)


def _in_scope(change: BackendChange) -> Any:
    """The condition on a judgement's interaction: recorded of this model, with an answer."""
    return Q(
        interaction__provider=change.provider_id,
        interaction__replay_of__isnull=True,
        interaction__status__gte=200,
        interaction__status__lt=300,
    ) & (
        Q(interaction__model=change.model)
        | Q(interaction__model="", interaction__response_model=change.model)
    )


def _flagged(change: BackendChange) -> set[UUID]:
    rows = Flag.objects.filter(project=change.project_id, state=FlagState.OPEN).filter(_in_scope(change))
    return set(rows.values_list("interaction", flat=True))


def _sample(ids: Iterable[UUID], change: BackendChange, most: int) -> list[UUID]:
    """At most so many of them, drawn by the change and the id alone: a second look draws the same."""

    def lot(id_: UUID) -> bytes:
        return hashlib.sha256(change.pk.bytes + id_.bytes).digest()

    return sorted(ids, key=lot)[:most]


def check_can_verify(*, actor: Actor, change: BackendChange) -> None:
    """Raise with the reason why this actor can't start a verification now."""
    actor.check(Permission.ADMIN)
    if change.state == ChangeState.VERIFYING:
        raise Refused(gettext("A verification is running already; what is seen meanwhile joins it."))
    if change.is_decided:
        raise Refused(gettext("This change was decided. Take the decision back to verify again."))


@transaction.atomic
def start_verification(
    *, actor: Actor, change: BackendChange, now: datetime, sample: int = SAMPLE
) -> Verification:
    """Ask again what people judged. The caller nudges the run's workers on commit. Raises Refused."""
    check_can_verify(actor=actor, change=change)
    moved = BackendChange.objects.filter(
        pk=change.pk, project=actor.project, state__in=[ChangeState.OPEN, ChangeState.VERIFIED]
    ).update(state=ChangeState.VERIFYING)
    if not moved:
        raise Refused(gettext("Somebody started a verification or decided in the same moment."))
    scope = scope_of(change=change, sample=sample)
    if not scope.asked:
        raise Refused(
            gettext(
                "Nobody has approved or flagged an answer of %(model)s yet, so there is nothing to verify."
            )
            % {"model": change.model}
        )
    note = said("run_verification", title=stored(change.title, (change.said or {}).get("title")))
    run = replay.start_run(
        actor=actor,
        selection={"interactions": list(scope.asked)},
        attempts=ATTEMPTS,
        kind=RunKind.CHANGE,
        note=note if len(note) <= 2000 else note[:2000],
        now=now,
    )
    made: Verification = Verification.objects.create(
        project=actor.project,
        change=change,
        run=run,
        approved=scope.approved,
        flagged=scope.flagged,
        asked=len(scope.asked),
        created_by=actor.person,
        created_by_key=actor.key,
        started_at=now,
    )
    change.state = ChangeState.VERIFYING
    write_audit(
        actor=actor,
        action="change.verify",
        target=change,
        now=now,
        run=str(run.pk),
        approved=scope.approved,
        flagged=scope.flagged,
        asked=len(scope.asked),
    )
    return made


@transaction.atomic
def cancel_verification(*, actor: Actor, change: BackendChange, now: datetime) -> Verification | None:
    """Stop the run; the change waits again. None when none is running.

    Where what had failed was asked again, only that is stopped: what was found before stands.
    """
    actor.check(Permission.ADMIN)
    running: Verification | None = (
        Verification.objects.filter(change=change, project=actor.project, finished_at__isnull=True)
        .select_related("run")
        .first()
    )
    if running is None:
        return None
    replay.cancel_run(actor=actor, run=running.run, now=now)
    if not _end_cancelled(running, now):
        return None
    running.refresh_from_db()
    return running


@transaction.atomic
def retry_unmeasured(*, actor: Actor, change: BackendChange, now: datetime) -> Verification | None:
    """Ask once more what got no answer; None where nothing failed. The caller nudges the workers."""
    check_can_verify(actor=actor, change=change)
    last = _last(change)
    if last is None or last.was_cancelled:
        return None
    moved = BackendChange.objects.filter(
        pk=change.pk, project=actor.project, state=ChangeState.VERIFIED
    ).update(state=ChangeState.VERIFYING)
    if not moved or not replay.retry_failed(actor=actor, run=last.run, now=now):
        transaction.set_rollback(True)
        return None
    Verification.objects.filter(pk=last.pk).update(finished_at=None, retried_at=now)
    write_audit(actor=actor, action="change.retry", target=change, now=now, run=str(last.run_id))
    return last


def _last(change: BackendChange) -> Verification | None:
    rows = Verification.objects.filter(change=change).select_related("run")
    found: Verification | None = rows.order_by("-started_at").first()
    return found


def verify_by_policy(*, now: datetime) -> list[UUID]:
    """Start what providers verify by themselves; gives the runs, for the caller to nudge."""
    _count_again(now)
    waiting = BackendChange.objects.filter(
        state=ChangeState.OPEN,
        provider__verifies_by_itself=True,
        provider__base_url__gt="",
        scope__asked__gt=0,
        verifications__isnull=True,
    ).select_related("project", "provider")
    runs = each(waiting.defer("provider__api_key"), lambda change: _by_policy(change, now), what="A change")
    return [run for run in runs if run is not None]


def _by_policy(change: BackendChange, now: datetime) -> UUID | None:
    try:
        made = start_verification(actor=system_actor(project=change.project), change=change, now=now)
    except Refused:
        return None  # nothing judged yet, or somebody was first
    return made.run_id


def settle_verifications(*, now: datetime) -> int:
    """Draw the consequences of runs that have ended; gives how many.

    Also of one that was finished before and whose failures somebody asked again since.
    """
    ended = Verification.objects.filter(
        Q(finished_at__isnull=True, run__state__in=[RunState.DONE, RunState.CANCELLED])
        | Q(finished_at__lt=F("run__finished_at"), run__state=RunState.DONE)
    )
    rows = ended.select_related("run", "change", "change__project", "project")
    return sum(each(rows, lambda verification: _settle(verification, now), what="A verification"))


def _settle(verification: Verification, now: datetime) -> bool:
    if verification.run.state == RunState.CANCELLED:
        return _end_cancelled(verification, now)
    return _finish(verification, now)


@transaction.atomic
def _end_cancelled(verification: Verification, now: datetime) -> bool:
    """The change waits again; with what was found, where the run was only asking again what had failed."""
    if verification.retried_at is not None:
        return _finish(verification, now)
    moved = Verification.objects.filter(pk=verification.pk, finished_at__isnull=True).update(
        finished_at=now, was_cancelled=True
    )
    if moved:
        before = Verification.objects.filter(change=verification.change_id, was_cancelled=False)
        BackendChange.objects.filter(pk=verification.change_id, state=ChangeState.VERIFYING).update(
            state=ChangeState.VERIFIED
            if before.filter(finished_at__isnull=False).exists()
            else ChangeState.OPEN
        )
    return bool(moved)


@transaction.atomic
def _finish(verification: Verification, now: datetime) -> bool:
    """Carry kept verdicts over, queue what changed, and say so."""
    held = Verification.objects.select_for_update(of=("self",)).get(pk=verification.pk)
    if held.finished_at != verification.finished_at:
        return False  # another worker was first
    change = verification.change
    carried = _carry(verification, now)
    queued = _queue(verification, now)
    Verification.objects.filter(pk=verification.pk).update(finished_at=now)
    BackendChange.objects.filter(pk=change.pk, state=ChangeState.VERIFYING).update(state=ChangeState.VERIFIED)
    figures = figures_of(verification=verification)
    write_audit(
        actor=system_actor(project=change.project),
        action="change.verified",
        target=change,
        now=now,
        kept=figures.kept,
        changed=figures.changed,
        unmeasured=figures.unmeasured,
        carried=carried,
        queued=queued,
    )
    raise_alert(
        project_id=change.project_id,
        kind=AlertKind.VERIFICATION,
        severity=AlertSeverity.WARNING if figures.changed else AlertSeverity.INFO,
        title=said(
            "verified_title",
            model=change.model,
            changed=figure(figures.changed),
            asked=figure(figures.asked),
            n=figures.asked,
        ),
        text=figures.sentence,
        path=f"/changes/{change.pk}/",
        key=f"verification:{verification.pk}",
        now=now,
    )
    return True


def _found(verification: Verification, *wanted: Outcome) -> list[Asked]:
    asked = asked_in(runs=[verification.run_id]).get(verification.run_id, [])
    return [one for one in asked if one.outcome in wanted]


def _carry(verification: Verification, now: datetime) -> int:
    """The judgements on answers that were kept hold for the replays' answers too."""
    kept = _found(verification, Outcome.KEPT)
    rows: list[CarriedVerdict] = []
    for first in range(0, len(kept), _BATCH):
        by_original = {one.original: one for one in kept[first : first + _BATCH]}
        annotations = Annotation.objects.filter(interaction__in=by_original, removed_at__isnull=True)
        flags = Flag.objects.filter(interaction__in=by_original, state=FlagState.OPEN)
        judgements: Sequence[Annotation | Flag] = [
            *annotations.only("id", "interaction"),
            *flags.only("id", "interaction"),
        ]
        for judged in judgements:
            same = by_original[judged.interaction_id].same
            rows.extend(_carried(verification, judged, one, now) for one in same)
    # As in the table: what stands there already is left out.
    before = CarriedVerdict.objects.filter(verification=verification).count()
    CarriedVerdict.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_BATCH)
    return CarriedVerdict.objects.filter(verification=verification).count() - before


def _carried(
    verification: Verification, judged: Annotation | Flag, kept: Comparison, now: datetime
) -> CarriedVerdict:
    return CarriedVerdict(
        id=new_id(),
        project_id=verification.project_id,
        verification=verification,
        annotation=judged if isinstance(judged, Annotation) else None,
        flag=judged if isinstance(judged, Flag) else None,
        original_id=kept.original_id,
        # An attempt's answer has the attempt's id.
        answer_id=kept.attempt_id,
        verdict=kept.verdict,
        created_at=now,
    )


def _queue(verification: Verification, now: datetime) -> int:
    """What changed goes to people, the worst first."""
    found = _found(verification, Outcome.CHANGED, Outcome.UNCLEAR)
    if not found:
        return 0
    change = verification.change
    flagged = set(
        Flag.objects.filter(
            interaction__in=[one.original for one in found], state=FlagState.OPEN
        ).values_list("interaction", flat=True)
    )
    queue = review.standing_queue(
        project=change.project,
        slug=CHANGED_ANSWERS,
        name=CHANGED_ANSWERS_NAME,
        instructions=CHANGED_ANSWERS_INSTRUCTIONS,
        now=now,
    )
    return review.enqueue(
        queue=queue,
        entries=[
            review.Entry(
                interaction_id=one.original,
                attempt_id=one.worst.attempt_id,
                rank=_RANKS[one.outcome]
                + (one.worst.confidence or 0.0) / 10
                + (_FLAGGED_FIRST if one.original in flagged else 0.0),
            )
            for one in found
        ],
        reason=said("queued_for_change", title=stored(change.title, (change.said or {}).get("title"))),
        now=now,
    )
