"""One worker's turn on a run: many slow calls at once on one event loop, the database beside it.

The turn has a lane for each provider that the run asks. Attempts are leased ahead, so that the
next call starts the moment one ends; answers are stored in batches, as many as have come while
the last batch was written. Database work has threads of its own: the loop never waits for it.

A turn ends when nothing waits, when its time is over, when the run was cancelled, or when other
runs wait for a worker and this one has had a while.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from reviewapp.models import CallShare, ReplayRun, RunState
from reviewapp.stages.replay import leasing, sharing
from reviewapp.stages.replay.lane import BEAT_SECONDS, Lane
from reviewapp.stages.replay.turn import Turn

# How long a run keeps a worker that another run waits for.
_LEAST_SECONDS: Final = 10.0
_SWITCH_SECONDS: Final = 0.0005


def _now() -> datetime:
    return datetime.now(tz=UTC)


def work(
    *,
    run_id: UUID,
    worker: str,
    seconds: float,
    most_workers: int | None,
    on_stored: Callable[[], None],
    clock: Callable[[], datetime] = _now,
) -> bool:
    """See `replay.work`."""
    if most_workers is not None and _busy(clock()) >= most_workers:
        return False
    run = leasing.begin(run_id=run_id, now=clock())
    if run is None:
        return False
    overrides = leasing.overrides_of(run=run)
    turn = Turn(run=run, worker=worker, clock=clock, on_stored=on_stored, overrides=overrides)
    before = sys.getswitchinterval()
    # The loop does short things often, the writing thread long ones: by default each of the loop's could
    # wait five milliseconds for the other thread to give way.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        asyncio.run(_work(turn, seconds))
    finally:
        sys.setswitchinterval(before)
    return True


def _busy(now: datetime) -> int:
    return int(CallShare.objects.filter(until__gt=now).values("run", "worker").distinct().count())


async def _work(turn: Turn, seconds: float) -> None:
    """The whole turn; leaves no lease and no share behind."""
    run_id, worker = turn.run.pk, turn.worker
    async with turn:
        try:
            providers = await turn.rows(lambda: leasing.providers_of(run_id=run_id))
            lanes = [Lane(turn, provider) for provider in providers]
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(_beat(turn, lanes))
                ending = asyncio.get_running_loop().call_later(seconds, _stop, turn, lanes)
                await asyncio.gather(*[group.create_task(lane.go()) for lane in lanes])
                ending.cancel()
                beating.cancel()
        finally:
            await turn.rows(lambda: leasing.let_go(run_id=run_id, worker=worker))
            await turn.rows(lambda: sharing.release(run_id=run_id, worker=worker))
        await turn.rows(lambda: leasing.finish(run_id=run_id, now=turn.clock()))


def _stop(turn: Turn, lanes: Sequence[Lane]) -> None:
    turn.stopping = True
    for lane in lanes:
        lane.wake()


async def _beat(turn: Turn, lanes: Sequence[Lane]) -> None:
    """Keep leases and shares, and see whether the turn goes on."""
    began = time.monotonic()
    while True:
        # Those that were held before the look: what is leased meanwhile is not missed in it.
        held = {job for lane in lanes for job in lane.held()}
        going, kept = await turn.rows(lambda: _renew(turn))
        lost = {job for job in held if job.attempt not in kept}
        if not going:
            turn.stopping = turn.cancelled = True
        elif not turn.stopping:
            had = time.monotonic() - began
            turn.stopping = had >= _LEAST_SECONDS and await turn.rows(lambda: _others_wait(turn))
        for lane in lanes:
            await lane.beat(lost)
        await asyncio.sleep(BEAT_SECONDS)


def _renew(turn: Turn) -> tuple[bool, set[UUID]]:
    kept = leasing.renew(run_id=turn.run.pk, worker=turn.worker, now=turn.clock())
    return ReplayRun.objects.filter(pk=turn.run.pk, state=RunState.RUNNING).exists(), kept


def _others_wait(turn: Turn) -> bool:
    return any(run_id != turn.run.pk for run_id in leasing.runs_in_need(now=turn.clock()))
