"""Replays: asking interactions again with the same request and seed.

    start_run(actor, selection, …)   queues a run, with its attempts as rows
    work(run_id, worker, seconds)    one worker's turn on it
    sweep(now)                       finds what a dead worker or a lost message left behind

The rows are the work. Workers lease them; an answer is recorded under the attempt's own id, so
that a call may happen twice after a crash, but never its record.
"""

from reviewapp.stages.replay.leasing import sweep
from reviewapp.stages.replay.starting import (
    MOST_ATTEMPTS,
    Estimate,
    cancel_run,
    check_overrides,
    estimate,
    retry_failed,
    selected,
    start_run,
)
from reviewapp.stages.replay.working import work

__all__ = [
    "MOST_ATTEMPTS",
    "Estimate",
    "cancel_run",
    "check_overrides",
    "estimate",
    "retry_failed",
    "selected",
    "start_run",
    "sweep",
    "work",
]
