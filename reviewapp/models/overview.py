"""What Home tells: what changed in a project since somebody last looked.

Counts over interactions stop at a bound ("1,000+"), so that Home costs the same at ten million
as at ten thousand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from reviewapp.models.change import BackendChange
from reviewapp.models.comparison import Comparison
from reviewapp.models.composed import Composed, counted
from reviewapp.models.interaction import CANARY_SOURCE, FailedMessage, Interaction
from reviewapp.models.project import Project
from reviewapp.models.replay import ReplayRun, RunKind, RunState
from reviewapp.models.review import Annotation, Flag, FlagState
from reviewapp.models.scoping import Actor, Permission
from reviewapp.models.source import Source

BOUND = 1000
# Reproducibility is shown of so many models.
MODELS = 8


@dataclass(frozen=True, slots=True)
class Reproducibility:
    """Of one model's replays, how many gave the same answer."""

    model: str
    replays: int
    identical: int
    changed: int

    @property
    def share(self) -> float:
        return self.identical / self.replays if self.replays else 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures and lists of Home. Counts beyond `BOUND` are given as `BOUND`."""

    recorded: int
    errors: int
    flagged: int
    judged: int
    changes_waiting: list[BackendChange]
    changes_decided: list[BackendChange]
    runs_going: list[ReplayRun]
    runs_finished: list[ReplayRun]
    reproducibility: list[Reproducibility]
    new_sources: list[Source]
    newest: list[Interaction]
    flagged_newest: list[Flag]
    failed_messages: int
    since: datetime
    is_empty: bool
    # Whether there were more replays than reproducibility is told of.
    has_more_replays: bool


def _news(project: UUID) -> Any:
    """What sources asked for themselves."""
    return Interaction.objects.filter(project=project).originals().without_canaries()


def _errors(project: UUID, since: datetime) -> Any:
    is_error = Q(status__gt=200) | Q(status__lt=200) | Q(status__isnull=True)
    return _news(project).filter(is_error).filter(started_at__gte=since).newest_first()


def _open_flags(project: UUID) -> Any:
    return Flag.objects.filter(project=project, state=FlagState.OPEN)


def _runs(project: UUID) -> Any:
    # What canaries ask by schedule is no news; what they find is, as a change. A study has its own page.
    runs = ReplayRun.objects.filter(project=project).exclude(kind__in=[RunKind.CANARY, RunKind.STUDY])
    return runs.select_related("created_by").order_by("-created_at")


def _changes(project: UUID) -> Any:
    changes = BackendChange.objects.filter(project=project).select_related("provider").newest_first()
    return changes.defer("provider__api_key")


def _figures(project: UUID, since: datetime) -> Any:
    """Recorded, errors, flagged, judged, failed: in one statement, each counted to the bound."""
    return Project.objects.filter(pk=project).values_list(
        # In order, so that the bound is reached by walking an index, not the table.
        counted(_news(project).filter(started_at__gte=since).newest_first()[:BOUND]),
        counted(_errors(project, since)[:BOUND]),
        counted(_open_flags(project)[:BOUND]),
        counted(Annotation.objects.filter(project=project, created_at__gte=since)[:BOUND]),
        counted(FailedMessage.objects.filter(project=project, recorded_at=None)[:BOUND]),
    )


# Home is where everybody begins.
_FIGURES: Final = Composed(_figures)
_NEWEST: Final = Composed(lambda project: _news(project).select_related("source").newest_first()[:6])
_FLAGGED: Final = Composed(
    lambda project: (
        _open_flags(project).select_related("interaction", "created_by").order_by("-created_at")[:6]
    )
)
_CHANGES_WAITING: Final = Composed(lambda project: _changes(project).undecided()[:5])
_CHANGES_DECIDED: Final = Composed(lambda project, since: _changes(project).filter(decided_at__gte=since)[:5])
_RUNS_GOING: Final = Composed(
    lambda project: _runs(project).filter(state__in=[RunState.QUEUED, RunState.RUNNING])[:5]
)
_RUNS_FINISHED: Final = Composed(
    lambda project, since: _runs(project).filter(state=RunState.DONE, finished_at__gte=since)[:5]
)
_NEW_SOURCES: Final = Composed(
    lambda project, since: (
        Source.objects.filter(project=project, created_at__gte=since)
        .exclude(name=CANARY_SOURCE)
        .order_by("-created_at")[:8]
    )
)


def overview(*, actor: Actor, since: datetime, now: datetime) -> Overview:
    """What changed since `since`. Raises NotAllowed where the actor may not read."""
    actor.check(Permission.READ)
    project = actor.project.pk
    recorded, errors, flagged, judged, failed = _FIGURES.first(project=project, since=since)
    reproduced = reproducibility(actor=actor, since=now - timedelta(days=30))
    newest = _NEWEST.rows(project=project)
    return Overview(
        recorded=recorded,
        errors=errors,
        flagged=flagged,
        judged=judged,
        changes_waiting=_CHANGES_WAITING.rows(project=project),
        changes_decided=_CHANGES_DECIDED.rows(project=project, since=since),
        runs_going=_RUNS_GOING.rows(project=project),
        runs_finished=_RUNS_FINISHED.rows(project=project, since=since),
        reproducibility=reproduced[:MODELS],
        has_more_replays=sum(row.replays for row in reproduced) >= BOUND,
        new_sources=_NEW_SOURCES.rows(project=project, since=since),
        newest=newest,
        flagged_newest=_FLAGGED.rows(project=project),
        failed_messages=failed,
        since=since,
        is_empty=not newest,
    )


def _replayed(project: UUID, since: datetime) -> Any:
    """Model and verdict of the newest replays.

    Counted afterwards: to group them PostgreSQL would look for each once more.
    """
    rows = Comparison.objects.filter(project=project, created_at__gte=since).of_replays()
    # What is asked by schedule, over and over, would drown what people asked.
    rows = rows.exclude(verdict="failed").exclude(run__kind=RunKind.CANARY).order_by("-created_at")
    return rows.values_list("original__model", "verdict")[:BOUND]


_REPLAYED: Final = Composed(_replayed)


def reproducibility(*, actor: Actor, since: datetime) -> list[Reproducibility]:
    """Per model, the share of replays that were identical or equivalent, failed ones left out.

    Of the newest replays, at most `BOUND`.
    """
    if not actor.may(Permission.READ):
        return []
    found: dict[str, Counter[str]] = {}
    for model, verdict in _REPLAYED.rows(project=actor.project.pk, since=since):
        found.setdefault(model, Counter())[verdict] += 1
    rows = [
        Reproducibility(
            model=model,
            replays=verdicts.total(),
            identical=verdicts["identical"] + verdicts["equivalent"],
            changed=verdicts["backend_changed"],
        )
        for model, verdicts in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.replays, row.model))
