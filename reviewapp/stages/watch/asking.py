"""Asking canaries: begun by the schedule, the sweep or a person, one session at a time.

The session is the work. `begin` writes it, with its replay run and its share of the day's budget, in one
transaction under the lock of its set; a constraint keeps it at one at a time. What becomes of it is told
in `checking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Greatest

from reviewapp.models import (
    Attempt,
    Canary,
    CanaryBaseline,
    CanaryCheck,
    CanarySession,
    CanarySet,
    CanaryState,
    CheckState,
    Endpoint,
    SessionPurpose,
    SessionState,
)
from reviewapp.models.sweeping import each
from reviewapp.pure.drift import watching
from reviewapp.pure.drift.decision import LEAST_REPLIES
from reviewapp.pure.drift.panel import CONFIRMING_ROWS
from reviewapp.pure.said import Day, figure, said, text_of, to_store
from reviewapp.stages import replay
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import evidence

# A schedule that beat did not nudge in time is taken up by the sweep.
GRACE: Final = timedelta(minutes=1)
# A baseline session of which too little came is asked again.
LOST_AGAIN: Final = timedelta(minutes=10)


class NothingToAsk(Refused):
    """A session can't begin; the message says why."""


@transaction.atomic
def begin(*, set_id: UUID, now: datetime, capture: bool = False, forced: bool = False) -> UUID | None:
    """Begin what is due of a set; gives the run to nudge workers for, None when nothing is due.

    `capture` asks for a session of the baseline; `forced` is a person's wish, for which nothing need be
    due. Raises NothingToAsk, with the reason.
    """
    canaries = locked(set_id)
    if canaries is None or canaries.state != CanaryState.WATCHING:
        return None
    if CanarySession.objects.filter(set=canaries, state=SessionState.ASKING).exists():
        if forced:
            raise NothingToAsk(said("ask_under_way"))
        return None
    baseline = CanaryBaseline.objects.get(set=canaries, ended_at__isnull=True)
    fit = evidence.fit_sessions(baseline, now=now)
    learning = len(fit) < watching.SESSIONS_TO_LEARN
    if not forced and not _is_due(canaries, learning=learning, now=now):
        return None
    try:
        if canaries.retires_on is not None and canaries.is_retired(now):
            raise NothingToAsk(said("ask_retired", day=Day(canaries.retires_on)))
        if capture or learning:
            run = ask(
                canaries,
                baseline,
                SessionPurpose.BASELINE,
                repeats=watching.CAPTURED_ROWS,
                check=None,
                now=now,
            )
        else:
            run = _begin_check(canaries, baseline, fit, now)
    except NothingToAsk as error:
        if forced:
            raise
        trouble = text_of(error)
        CanarySet.objects.filter(pk=canaries.pk).update(trouble=trouble, said=to_store(trouble=trouble))
        return None
    CanarySet.objects.filter(pk=canaries.pk).exclude(trouble="").update(trouble="", said=None)
    return run


def due_sets(*, now: datetime) -> list[UUID]:
    """Sets whose baseline wants a session, and those that their schedule has passed over."""
    watched = CanarySet.objects.filter(state=CanaryState.WATCHING)
    return [canaries.pk for canaries in watched if _is_passed_over(canaries, now)]


def _is_passed_over(canaries: CanarySet, now: datetime) -> bool:
    last = CanarySession.objects.filter(set=canaries).order_by("-created_at").first()
    if last is None:
        return True
    if last.state == SessionState.ASKING:
        return False
    waited = now - last.created_at
    if waited >= canaries.every + GRACE:
        return True
    # Checks wait for their schedule's nudge: what `begin` allows for an early one is not for the sweep,
    # which comes every few seconds and would take all of it each time.
    return bool(waited >= _learning_gap(canaries, last) and _is_learning(canaries, now))


def _is_learning(canaries: CanarySet, now: datetime) -> bool:
    baseline = CanaryBaseline.objects.filter(set=canaries, ended_at__isnull=True).first()
    return baseline is not None and len(evidence.fit_sessions(baseline, now=now)) < watching.SESSIONS_TO_LEARN


def begin_due(*, now: datetime) -> list[UUID]:
    """Begin what is due of all sets; gives the runs to nudge workers for."""
    begun = each(due_sets(now=now), lambda set_id: begin(set_id=set_id, now=now), what="A canary set")
    return [run for run in begun if run is not None]


def _is_due(canaries: CanarySet, *, learning: bool, now: datetime) -> bool:
    last = CanarySession.objects.filter(set=canaries).order_by("-created_at").first()
    if last is None:
        return True
    gap = _learning_gap(canaries, last) if learning else canaries.every
    # Beat's clock and ours may differ by a little.
    return bool(now - last.created_at >= gap - min(GRACE, gap / 4))


def _learning_gap(canaries: CanarySet, last: CanarySession) -> timedelta:
    gap = timedelta(minutes=canaries.learn_every_minutes)
    return min(gap, LOST_AGAIN) if last.state == SessionState.LOST else gap


def spent_today(*, canaries: CanarySet, now: datetime) -> int:
    """Requests since midnight, UTC: what sessions set aside, retries that were needed besides, preparing."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = CanarySession.objects.filter(set=canaries, created_at__gte=midnight)
    set_aside = today.aggregate(n=Sum("requests"))["n"] or 0
    retried = Attempt.objects.filter(run__in=today.values("run"), tries__gt=1).aggregate(
        n=Sum(Greatest("tries", 1) - 1)
    )["n"]
    return int(set_aside + (retried or 0) + canaries.prepared.get(now.date().isoformat(), 0))


def locked(set_id: UUID) -> CanarySet | None:
    found: CanarySet | None = (
        CanarySet.objects.select_for_update(of=("self",))
        .select_related("project", "provider")
        .defer("provider__api_key")
        .filter(pk=set_id)
        .first()
    )
    return found


def _begin_check(canaries: CanarySet, baseline: CanaryBaseline, fit: list[UUID], now: datetime) -> UUID:
    last = (
        CanaryCheck.objects.filter(set=canaries, baseline=baseline, state=CheckState.DONE)
        .order_by("-created_at")
        .first()
    )
    own_unseen = last.figures.get("own_unseen", 0.0) if last is not None else 0.0
    # A few canaries are asked oftener: fewer replies than a verdict needs would say nothing.
    count = Canary.objects.filter(set=canaries).count()
    wanted = max(canaries.repeats, -(-LEAST_REPLIES // max(count, 1)))
    repeats = watching.routine_rows(wanted=wanted, own_unseen=own_unseen)
    if canaries.changed_at is not None:
        # The session after a change confirms it once more.
        repeats = max(repeats, CONFIRMING_ROWS)
    check = CanaryCheck(
        project=canaries.project,
        set=canaries,
        baseline=baseline,
        created_at=now,
        compared_with=fit,
        evidence_before=canaries.evidence,
    )
    return ask(canaries, baseline, SessionPurpose.LOOK, repeats=repeats, check=check, now=now)


def ask(
    canaries: CanarySet,
    baseline: CanaryBaseline,
    purpose: SessionPurpose,
    *,
    repeats: int,
    check: CanaryCheck | None,
    now: datetime,
) -> UUID:
    """A session and its run, if the day's budget has room for it. The set is locked."""
    asked = list(Canary.objects.filter(set=canaries).values_list("interaction", flat=True))
    if not asked:
        raise NothingToAsk(said("ask_no_canary"))
    if not canaries.provider.can_be_called:
        raise NothingToAsk(said("ask_no_address", name=canaries.provider.name))
    wanted = len(asked) * repeats
    left = canaries.daily_budget - spent_today(canaries=canaries, now=now)
    if wanted > left:
        raise NothingToAsk(
            said(
                "ask_budget",
                budget=figure(canaries.daily_budget),
                left=figure(max(left, 0)),
                wanted=figure(wanted),
            )
        )
    if check is not None and check._state.adding:
        check.save()
    run = replay.start_scheduled_run(
        project=canaries.project,
        interactions=asked,
        attempts=repeats,
        overrides=_overrides(canaries),
        note=said(f"run_{purpose}", model=canaries.model),
        now=now,
    )
    CanarySession.objects.create(
        set=canaries,
        baseline=baseline,
        check_of=check,
        run=run,
        purpose=purpose,
        requests=wanted,
        created_at=now,
    )
    return run.pk


def _overrides(canaries: CanarySet) -> Mapping[str, Any]:
    """Log probabilities, where the provider gives them and a canary did not ask for them by itself."""
    records = Canary.objects.filter(set=canaries, interaction__has_logprobs=False)
    if not canaries.alternatives or canaries.endpoint != Endpoint.CHAT or not records.exists():
        return {}
    return {"logprobs": True, "top_logprobs": canaries.alternatives}
