"""The work that is going on in a project, for the ring in the header."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewapp.models import Actor, BulkState, BulkWork, Export, ExportState, ReplayRun, RunKind, RunState
from reviewapp.models.bulk import MOVING
from reviewapp.models.replaying import run_rows
from reviewapp.templatetags.said import in_reader, row_text


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
    runs = list(
        ReplayRun.objects.visible_to(actor)
        .filter(state__in=[RunState.QUEUED, RunState.RUNNING])
        .exclude(kind=RunKind.CANARY)
        .select_related("study")
        .order_by("-created_at")[:5]
    )
    work = [
        Work(
            title=in_reader(row_text(row.run, "note")) or _("Replay run"),
            url=_address(row.run),
            done=row.finished,
            total=row.total,
        )
        for row in (run_rows(runs) if runs else [])
    ]
    exports = (
        Export.objects.visible_to(actor)
        .filter(state__in=[ExportState.QUEUED, ExportState.RUNNING])
        .order_by("-created_at")[:5]
    )
    work += [
        Work(
            title=_("Export: %(format)s") % {"format": export.get_format_display()},
            url=reverse("export", args=[export.pk]),
            done=export.rows or 0,
            total=export.expected or 0,
        )
        for export in exports
    ]
    bulk = BulkWork.objects.visible_to(actor).filter(state__in=MOVING).order_by("-id")[:5]
    work += [
        Work(
            title=one.get_deed_display(),
            url=reverse("bulk", args=[one.pk]),
            done=one.taken_back if one.state == BulkState.UNDOING else one.walked,
            total=one.changed if one.state == BulkState.UNDOING else one.expected,
        )
        for one in bulk
    ]
    return work
