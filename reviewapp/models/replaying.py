"""What the replay screens show: progress and verdicts of runs, counted from their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Value, When

from reviewapp.models.comparison import Comparison, VerdictName
from reviewapp.models.replay import Attempt, AttemptState, ReplayRun

# The worst first: what a person should look at before the rest.
WORST_FIRST = (
    VerdictName.BACKEND_CHANGED,
    VerdictName.INCONCLUSIVE,
    VerdictName.NONDETERMINISTIC,
    VerdictName.EQUIVALENT,
    VerdictName.IDENTICAL,
    VerdictName.FAILED,
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with its counts. `total` is all attempts; `finished` those done, failed or cancelled."""

    run: ReplayRun
    states: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def done(self) -> int:
        return self.states.get(AttemptState.DONE, 0)

    @property
    def failed(self) -> int:
        return self.states.get(AttemptState.FAILED, 0)

    @property
    def finished(self) -> int:
        return self.done + self.failed + self.states.get(AttemptState.CANCELLED, 0)

    @property
    def waiting(self) -> int:
        return self.total - self.finished

    @property
    def not_judged(self) -> int:
        return self.total - sum(self.verdicts.values())

    def rate(self, now: datetime) -> float | None:
        """Attempts a second since the start; None before the first."""
        if self.run.started_at is None or not self.finished:
            return None
        seconds = ((self.run.finished_at or now) - self.run.started_at).total_seconds()
        return self.finished / seconds if seconds > 0 else None

    def seconds_left(self, now: datetime) -> float | None:
        rate = self.rate(now)
        return self.waiting / rate if rate else None


def run_rows(runs: Sequence[ReplayRun]) -> list[RunRow]:
    """The runs with their counts, in order, in two queries."""
    ids = [run.pk for run in runs]
    states: dict[UUID, dict[str, int]] = {}
    for run, state, n in (
        Attempt.objects.filter(run__in=ids).values_list("run", "state").annotate(n=Count("pk"))
    ):
        states.setdefault(run, {})[state] = n
    verdicts: dict[UUID, dict[str, int]] = {}
    for run, verdict, n in (
        Comparison.objects.filter(attempt__run__in=ids)
        .values_list("attempt__run", "verdict")
        .annotate(n=Count("pk"))
    ):
        verdicts.setdefault(run, {})[verdict] = n
    for run_id, counts in states.items():
        failed = counts.get(AttemptState.FAILED, 0)
        known = verdicts.setdefault(run_id, {})
        if failed and VerdictName.FAILED not in known:
            # An attempt without an answer has nothing to compare; it counts as failed all the same.
            known[VerdictName.FAILED] = failed
    return [RunRow(run=run, states=states.get(run.pk, {}), verdicts=verdicts.get(run.pk, {})) for run in runs]


def attempts_worst_first(run: ReplayRun, *, verdict: str = "") -> Any:
    """The run's attempts, those to look at first."""
    rows = Attempt.objects.filter(run=run).select_related("original", "answer", "comparison")
    if verdict == VerdictName.FAILED:
        rows = rows.filter(state=AttemptState.FAILED)
    elif verdict:
        rows = rows.filter(comparison__verdict=verdict)
    order = Case(
        *(When(comparison__verdict=name, then=Value(rank)) for rank, name in enumerate(WORST_FIRST)),
        When(state=AttemptState.FAILED, then=Value(len(WORST_FIRST))),
        default=Value(len(WORST_FIRST) + 1),
        output_field=IntegerField(),
    )
    return rows.annotate(rank=order).order_by("rank", "original__started_at", "number")
