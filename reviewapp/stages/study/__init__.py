"""Studies: asking one thing in many ways to find out what decides its answer.

    ways(actor, plan)          the conditions of a plan, checked, for its estimate
    start(actor, plan, …)      a study, and the replay run that asks
    measure(run_id)            holds new answers against what the study compares with

A plan says what is to be found out; all else is a replay run with variants, so a study has the run's
progress, can be cancelled as one, and outlives any worker.
"""

from reviewapp.stages.study.measuring import measure, unmeasured
from reviewapp.stages.study.planning import (
    MOST_SEEDS,
    Arm,
    Deviations,
    Edited,
    Plan,
    Providers,
    Seeds,
    previewed,
    question_of,
    ways,
)
from reviewapp.stages.study.starting import audit_export, cancel, estimate, start

__all__ = [
    "MOST_SEEDS",
    "Arm",
    "Deviations",
    "Edited",
    "Plan",
    "Providers",
    "Seeds",
    "audit_export",
    "cancel",
    "estimate",
    "measure",
    "previewed",
    "question_of",
    "start",
    "unmeasured",
    "ways",
]
