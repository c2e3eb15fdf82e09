"""Celery tasks: each takes one thing by keyword, calls one stage, returns nothing.

Names carry the queue they run in: record_*, replay_*, watch_*, export_*.
"""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from reviewapp.stages import export


@shared_task
def export_make(*, export_id: str) -> None:
    export.make_export(export_id=UUID(export_id))


@shared_task
def export_sweep() -> None:
    """Finds exports whose message was lost or whose worker died."""
    for export_id in export.sweep_exports(now=timezone.now()):
        export_make.delay(export_id=str(export_id))
