"""Bulk work: started, worked on a batch at a time, cancelled, taken back.

Rows are walked oldest first by keyset, up to those recorded when it was asked for. Each batch is one
transaction that holds the work's row: the deed, what it made and the cursor are there together or not
at all. Whoever finds the row held leaves it to whom holds it, so a message too many costs nothing, and
a lost one is found by the sweep. The deed's permission is asked again in every batch: who lost it
meanwhile has no more done in their name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    BulkDeed,
    BulkMade,
    BulkState,
    BulkWork,
    Interaction,
    NotAllowed,
    Permission,
    Selection,
    actor_for_key,
    actor_for_person,
)
from reviewapp.models.bulk import MOVING
from reviewapp.models.counting import About, about
from reviewapp.models.filters import Filter, apply, frozen, read_filter
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.find.deeds import DEEDS, Trace

BATCH: Final = 500
MOST_CHOSEN: Final = 10_000


@transaction.atomic
def choose(*, actor: Actor, ids: list[UUID], now: datetime) -> Selection:
    """Keep interactions that were chosen by hand; what is not the project's is left out. Raises Refused."""
    actor.check(Permission.READ)
    rows = Interaction.objects.visible_to(actor).filter(pk__in=ids[:MOST_CHOSEN])
    found = list(rows.values_list("pk", flat=True))
    if not found:
        raise Refused(gettext("Choose at least one interaction."))
    made: Selection = Selection.objects.create(
        project=actor.project, interactions=found, created_by=actor.person, created_at=now
    )
    write_audit(actor=actor, action="selection.make", target=made, now=now, interactions=len(found))
    return made


def expected(*, actor: Actor, wanted: Filter) -> About:
    """About how many the deed would be done to. Raises InvalidFilter."""
    return about(apply(Interaction.objects.visible_to(actor), wanted, project=actor.project))


@transaction.atomic
def start_bulk(
    *, actor: Actor, deed: str, wanted: Filter, parameters: Mapping[str, Any], now: datetime
) -> BulkWork:
    """Ask for a deed on all that match; the caller enqueues the work on commit.

    Raises Refused, InvalidFilter, InvalidAnswer.
    """
    if deed not in BulkDeed.values:
        raise Refused(
            gettext("“%(deed)s” can't be done to many; choose from %(choices)s.")
            % {"deed": deed, "choices": ", ".join(BulkDeed.values)},
            field="deed",
        )
    one = DEEDS[deed]
    actor.check(one.permission)
    # A key that may judge need not be one that may read, and a filter reads.
    actor.check(Permission.READ)
    if actor.person is None and actor.key is None:
        raise Refused(gettext("Only people and keys do this to many at once."))
    kept = one.check(actor=actor, parameters=parameters)
    wanted = frozen(wanted, now=now)
    made: BulkWork = BulkWork.objects.create(
        project=actor.project,
        deed=deed,
        filter=wanted.values(),
        parameters=kept,
        expected=expected(actor=actor, wanted=wanted).n,
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    write_audit(
        actor=actor, action="bulk.start", target=made, now=now, deed=deed, filter=made.filter, parameters=kept
    )
    return made


def step(*, work_id: UUID, now: datetime, batch: int = BATCH) -> bool:
    """Do one batch. False when there is nothing left to do here: ended, or another worker has it."""
    with transaction.atomic():
        found = BulkWork.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            pk=work_id, state__in=MOVING
        )
        one = found.select_related("project", "created_by", "created_by_key__project").first()
        if one is None:
            return False
        actor = _actor_of(one, now)
        if one.state == BulkState.UNDOING:
            return _take_back(one, actor, now, batch)
        try:
            return _do(one, actor, now, batch)
        except (NotAllowed, Refused) as error:
            one.state, one.error, one.finished_at = BulkState.CANCELLED, str(error), now
            one.save()
            write_audit(
                actor=actor, project=one.project, action="bulk.end", target=one, now=now, reason=str(error)
            )
            return False


def _actor_of(one: BulkWork, now: datetime) -> Actor | None:
    """Whoever asked for it, as what they may do by now; None: they are gone."""
    if one.created_by is not None:
        return actor_for_person(person=one.created_by, project=one.project)
    key = one.created_by_key
    return actor_for_key(key=key) if key is not None and key.is_usable(now=now) else None


def _do(one: BulkWork, actor: Actor | None, now: datetime, size: int) -> bool:
    deed = DEEDS[one.deed]
    if actor is None:
        raise Refused(
            gettext("Whoever asked for it is no longer in the project, or its key is no longer valid.")
        )
    actor.check(deed.permission)
    rows = apply(Interaction.objects.visible_to(actor), read_filter(one.filter), project=one.project)
    rows = rows.filter(created_at__lte=one.created_at)
    if one.cursor_at is not None:
        rows = rows.filter(
            Q(started_at__gte=one.cursor_at) & ~Q(started_at=one.cursor_at, id__lte=one.cursor)
        )
    batch = list(rows.only("id", "started_at", "tags").order_by("started_at", "id")[:size])
    if batch:
        made = deed.do(actor=actor, interactions=batch, parameters=one.parameters, now=now)
        BulkMade.objects.bulk_create(BulkMade(work=one, made=trace.id, was=trace.was) for trace in made)
        one.changed += len(made)
        one.walked += len(batch)
        one.cursor_at, one.cursor = batch[-1].started_at, batch[-1].pk
    one.state = BulkState.RUNNING
    if len(batch) < size:
        one.state, one.finished_at = BulkState.DONE, now
        write_audit(
            actor=actor, action="bulk.done", target=one, now=now, walked=one.walked, changed=one.changed
        )
    one.save()
    return one.state == BulkState.RUNNING


def _take_back(one: BulkWork, actor: Actor | None, now: datetime, size: int) -> bool:
    """One batch of what it made; what somebody worked on since stays."""
    rows = BulkMade.objects.filter(work=one)
    if one.undo_cursor is not None:
        rows = rows.filter(made__gt=one.undo_cursor)
    traces = [Trace(made, was) for made, was in rows.order_by("made").values_list("made", "was")[:size]]
    if traces:
        one.taken_back += DEEDS[one.deed].undo(project=one.project, traces=traces, by=one.created_by, now=now)
        one.undo_cursor = traces[-1].id
    if len(traces) < size:
        one.state, one.finished_at = BulkState.UNDONE, now
        write_audit(
            actor=actor,
            project=one.project,
            action="bulk.undone",
            target=one,
            now=now,
            taken_back=one.taken_back,
        )
    one.save()
    return one.state == BulkState.UNDOING


@transaction.atomic
def cancel_bulk(*, actor: Actor, work: BulkWork, now: datetime) -> bool:
    """Stop it after the batch that is being done. False when it had ended, which is no error."""
    check_can_stop(actor=actor, work=work)
    moved = BulkWork.objects.filter(pk=work.pk, state__in=[BulkState.QUEUED, BulkState.RUNNING]).update(
        state=BulkState.CANCELLED, finished_at=now
    )
    if moved:
        write_audit(actor=actor, action="bulk.cancel", target=work, now=now)
    return bool(moved)


@transaction.atomic
def undo_bulk(*, actor: Actor, work: BulkWork, now: datetime) -> bool:
    """Have all of it taken back; the caller enqueues the work on commit. False: somebody was first."""
    check_can_stop(actor=actor, work=work)
    moved = BulkWork.objects.filter(pk=work.pk, state__in=[BulkState.DONE, BulkState.CANCELLED]).update(
        state=BulkState.UNDOING, finished_at=None
    )
    if moved:
        write_audit(actor=actor, action="bulk.undo", target=work, now=now)
    return bool(moved)


def check_can_stop(*, actor: Actor, work: BulkWork) -> None:
    """Raises NotAllowed, Refused with the reason."""
    actor.check(DEEDS[work.deed].permission)
    mine = work.created_by == actor.person and work.created_by_key == actor.key
    if not mine and not actor.may(Permission.ADMIN):
        raise Refused(gettext("Only who asked for it, or an admin of the project, can stop or undo it."))


def waiting_bulk() -> list[UUID]:
    """All that a worker could go on with: what a lost message or a dead worker left is among it."""
    return list(BulkWork.objects.filter(state__in=MOVING).order_by("id").values_list("pk", flat=True))
