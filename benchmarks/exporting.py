"""Exporting: rows a second into a file, against reading and unpacking the same bodies."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.recording import fill
from reviewapp.models import Export, Interaction, system_actor
from reviewapp.models.filters import Filter
from reviewapp.stages import export


def measure(*, rows: int) -> Iterator[Line]:
    project, _ = fill(rows)
    started = time.perf_counter()
    for row in Interaction.objects.filter(project=project).select_related("body").iterator(chunk_size=500):
        assert row.body.request_text
        assert row.body.response_text
    floor = rows / (time.perf_counter() - started)
    for name in ("jsonl", "csv", "parquet", "bundle"):
        asked = export.start_export(
            actor=system_actor(project=project), format=name, wanted=Filter(), now=timezone.now()
        )
        started = time.perf_counter()
        export.make_export(export_id=asked.pk)
        seconds = time.perf_counter() - started
        made = Export.objects.get(pk=asked.pk)
        assert made.rows == rows, made.error
        bound = 20_000 if name in ("jsonl", "parquet") else None
        yield Line(f"export, {name}", rows / seconds, None, "rows/s", at_least=bound)
        yield Line(f"  {name}, beside reading the same bodies", rows / seconds, floor, "rows/s")
