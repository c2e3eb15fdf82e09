"""The work that is going on in a project, for the ring in the header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewapp.models import (
    Actor,
    BulkState,
    BulkWork,
    Export,
    ExportState,
    Permission,
    ReplayRun,
    RunKind,
    RunState,
)
from reviewapp.models.bulk import MOVING
from reviewapp.models.composed import Composed
from reviewapp.models.replaying import run_rows
from reviewapp.templatetags.said import typed_or_told

# Every page asks for these.
_RUNS: Final = Composed(
    lambda project: (
        ReplayRun.objects.filter(project=project, state__in=[RunState.QUEUED, RunState.RUNNING])
        .exclude(kind=RunKind.CANARY)
        .select_related("study")
        .order_by("-created_at")[:5]
    )
)
_EXPORTS: Final = Composed(
    lambda project: Export.objects.filter(
        project=project, state__in=[ExportState.QUEUED, ExportState.RUNNING]
    ).order_by("-created_at")[:5]
)
_BULK: Final = Composed(
    lambda project: BulkWork.objects.filter(project=project, state__in=MOVING).order_by("-id")[:5]
)


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work: how much of it is done, and where it is watched."""

    title: str
    url: str
    done: int
    total: int
    rate: float | None = None
    left: float | None = None


def _address(run: ReplayRun) -> str:
    """Where a run is watched: a study's on the study's page."""
    study = getattr(run, "study", None)
    return reverse("replay-run", args=[run.pk]) if study is None else reverse("study", args=[study.pk])


def running_work(*, actor: Actor) -> list[Work]:
    """Replay runs and exports under way, newest first."""
    if not actor.may(Permission.READ):
        return []
    project = actor.project.pk
    runs = _RUNS.rows(project=project)
    work = [
        Work(
            title=typed_or_told(row.run, "note") or _("Replay run"),
            url=_address(row.run),
            done=row.finished,
            total=row.total,
        )
        for row in (run_rows(runs) if runs else [])
    ]
    work += [
        Work(
            title=_("Export: %(format)s") % {"format": export.get_format_display()},
            url=reverse("export", args=[export.pk]),
            done=export.rows or 0,
            total=export.expected or 0,
        )
        for export in _EXPORTS.rows(project=project)
    ]
    work += [
        Work(
            title=one.get_deed_display(),
            url=reverse("bulk", args=[one.pk]),
            done=one.taken_back if one.state == BulkState.UNDOING else one.walked,
            total=one.changed if one.state == BulkState.UNDOING else one.expected,
        )
        for one in _BULK.rows(project=project)
    ]
    return work
