"""Replays: asking interactions again with the same request and seed.

    start_run(actor, selection, …)   queues a run, with its attempts as rows
    work(run_id, worker, seconds)    one worker's turn on it
    sweep(now)                       finds what a dead worker or a lost message left behind

The rows are the work. Workers lease them; an answer is recorded under the attempt's own id, so
that a call may happen twice after a crash, but never its record.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from reviewapp.stages.replay.leasing import finish, runs_in_need, sweep
from reviewapp.stages.replay.starting import (
    MOST_ATTEMPTS,
    Estimate,
    cancel_run,
    check_overrides,
    estimate,
    retry_failed,
    selected,
    start_run,
    start_scheduled_run,
)
from reviewapp.stages.replay.varying import (
    MOST_VARIED_CALLS,
    MOST_WAYS,
    Way,
    estimate_ways,
    start_varied_run,
)

__all__ = [
    "MOST_ATTEMPTS",
    "MOST_VARIED_CALLS",
    "MOST_WAYS",
    "Estimate",
    "Way",
    "cancel_run",
    "check_overrides",
    "estimate",
    "estimate_ways",
    "finish",
    "retry_failed",
    "runs_in_need",
    "selected",
    "start_run",
    "start_scheduled_run",
    "start_varied_run",
    "sweep",
    "work",
]


def work(
    *,
    run_id: UUID,
    worker: str,
    seconds: float,
    most_workers: int | None = None,
    on_stored: Callable[[], None] = lambda: None,
) -> bool:
    """Work on the run for at most so long. False when there was no turn: the run is over, or all are busy.

    With `most_workers` at work already, on whichever runs, there is none. `on_stored` is called,
    in any thread, when answers are in the tables.
    """
    # Here and not above: the openai SDK costs half a second of every start and 35 MB of every process,
    # and only a worker calls providers (it loads this before it forks, see reviewapp/celery.py).
    from reviewapp.stages.replay import working

    return working.work(
        run_id=run_id, worker=worker, seconds=seconds, most_workers=most_workers, on_stored=on_stored
    )
