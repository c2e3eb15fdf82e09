"""What Home tells: what changed in a project since somebody last looked.

Counts over interactions stop at a bound ("1,000+"), so that Home costs the same at ten million
as at ten thousand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from reviewapp.models.change import BackendChange
from reviewapp.models.comparison import Comparison
from reviewapp.models.interaction import CANARY_SOURCE, FailedMessage, Interaction
from reviewapp.models.replay import ReplayRun, RunKind, RunState
from reviewapp.models.review import Annotation, Flag, FlagState
from reviewapp.models.scoping import Actor
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


def _at_most(queryset: Any) -> int:
    return len(queryset.values_list("pk")[:BOUND])


def overview(*, actor: Actor, since: datetime, now: datetime) -> Overview:
    """What changed since `since`."""
    interactions = Interaction.objects.visible_to(actor).originals().without_canaries()
    newest = list(interactions.select_related("source").newest_first()[:6])
    errors = interactions.filter(Q(status__gt=200) | Q(status__lt=200) | Q(status__isnull=True))
    # What canaries ask by schedule is no news; what they find is, as a change. A study has its own page.
    runs = ReplayRun.objects.visible_to(actor).exclude(kind__in=[RunKind.CANARY, RunKind.STUDY])
    runs = runs.select_related("created_by")
    changes = BackendChange.objects.visible_to(actor).select_related("provider").newest_first()
    changes = changes.defer("provider__api_key")
    reproduced = reproducibility(actor=actor, since=now - timedelta(days=30))
    return Overview(
        # In order, so that the bound is reached by walking an index, not the table.
        recorded=_at_most(interactions.filter(started_at__gte=since).newest_first()),
        errors=_at_most(errors.filter(started_at__gte=since).newest_first()),
        flagged=_at_most(Flag.objects.visible_to(actor).filter(state=FlagState.OPEN)),
        judged=_at_most(Annotation.objects.visible_to(actor).filter(created_at__gte=since)),
        changes_waiting=list(changes.undecided()[:5]),
        changes_decided=list(changes.filter(decided_at__gte=since)[:5]),
        runs_going=list(
            runs.filter(state__in=[RunState.QUEUED, RunState.RUNNING]).order_by("-created_at")[:5]
        ),
        runs_finished=list(
            runs.filter(state=RunState.DONE, finished_at__gte=since).order_by("-created_at")[:5]
        ),
        reproducibility=reproduced[:MODELS],
        has_more_replays=sum(row.replays for row in reproduced) >= BOUND,
        new_sources=list(
            Source.objects.visible_to(actor)
            .filter(created_at__gte=since)
            .exclude(name=CANARY_SOURCE)
            .order_by("-created_at")[:8]
        ),
        newest=newest,
        flagged_newest=list(
            Flag.objects.visible_to(actor)
            .filter(state=FlagState.OPEN)
            .select_related("interaction", "created_by")
            .order_by("-created_at")[:6]
        ),
        failed_messages=_at_most(FailedMessage.objects.filter(project=actor.project, recorded_at=None)),
        since=since,
        is_empty=not newest,
    )


def reproducibility(*, actor: Actor, since: datetime) -> list[Reproducibility]:
    """Per model, the share of replays that were identical or equivalent, failed ones left out.

    Of the newest replays, at most `BOUND`.
    """
    newest = (
        Comparison.objects.visible_to(actor)
        .of_replays()
        .filter(created_at__gte=since)
        .exclude(verdict="failed")
        # What is asked by schedule, over and over, would drown what people asked.
        .exclude(run__kind=RunKind.CANARY)
        .order_by("-created_at")
    )
    # Counted here: to group them PostgreSQL would look for each of them once more.
    found: dict[str, Counter[str]] = {}
    for model, verdict in newest.values_list("original__model", "verdict")[:BOUND]:
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
