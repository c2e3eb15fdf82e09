"""Exporting: rows a second into a file, against reading and unpacking the same bodies.

Each file is made in a process of its own, as by a worker: so the memory told is an export's alone. From
20,000 rows on interactions are multiplied, of which every hundredth has a whole body: what is to be seen
then is that memory and the wait for the first bytes do not grow.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.reading import stored
from reviewapp.models import Export, Interaction, system_actor
from reviewapp.models.filters import Filter
from reviewapp.stages import export

FORMATS: Final = ("jsonl", "csv", "parquet", "bundle")
# How often it is looked whether the first bytes are there.
_LOOK_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class Made:
    """What an export took: seconds in all and until its file had bytes; the process's most memory in MB."""

    seconds: float
    first: float
    memory: float


def measure(*, rows: int) -> Iterator[Line]:
    project = stored(rows).project
    started = time.perf_counter()
    found = 0
    for row in Interaction.objects.filter(project=project).select_related("body").iterator(chunk_size=500):
        assert row.body.request_text
        assert row.body.response_text
        found += 1
    floor = found / (time.perf_counter() - started)
    for name in FORMATS:
        asked = export.start_export(
            actor=system_actor(project=project), format=name, wanted=Filter(), now=timezone.now()
        )
        made = _make(asked)
        asked.refresh_from_db()
        assert asked.rows, asked.error
        bound = 20_000 if name in ("jsonl", "parquet") else None
        rate = asked.rows / made.seconds
        yield Line(f"export, {name}", rate, None, "rows/s", at_least=bound)
        yield Line(f"  {name}, beside reading the same bodies", rate, floor, "rows/s")
        yield Line(f"  {name}, until the first bytes", made.first, None, "s", at_most=1)
        yield Line(f"  {name}, memory of the process", made.memory, None, "MB", at_most=300)


def _make(asked: Export) -> Made:
    """Have it made by another process, and watch its file."""
    file = export.folder_of(asked) / "part"
    command = [sys.executable, "-m", "benchmarks.exporting_process", str(asked.pk)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        started = time.perf_counter()
        worker.stdin.write("go\n")
        worker.stdin.close()
        while not _has_bytes(file) and worker.poll() is None:
            # The whole file is renamed at its end; a short one is not seen before.
            asked.refresh_from_db(fields=["state"])
            if asked.state != "queued" and asked.state != "running":
                break
            time.sleep(_LOOK_SECONDS)
        first = time.perf_counter() - started
        seconds, memory = worker.stdout.readline().split()
    return Made(float(seconds), first, float(memory))


def _has_bytes(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False
