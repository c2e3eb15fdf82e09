"""Recording: frames of the journal into the tables, against raw COPY of the same rows."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from benchmarks.lines import Line
from benchmarks.workload import texts
from reviewapp.formats.interchange import read_interaction
from reviewapp.models import Interaction, InteractionBody, InteractionText, Project
from reviewapp.pure.ids import new_id
from reviewapp.stages import administer, record

BATCH = 100
# Interactions are numbered through the whole run: an id belongs to one project.
_numbers = itertools.count()
# The type's number in PostgreSQL's catalogue.
JSONB = 3802


def fill(rows: int) -> tuple[Project, float]:
    """A project with so many interactions, through the record stage; gives the seconds it took."""
    now = timezone.now()
    project = administer.create_project(name="Bench", slug=f"bench-{new_id().hex[-8:]}", now=now)
    frames = []
    for text in texts(rows, start=next(_numbers) * 1_000_000):
        recorded = read_interaction(text)
        arrival = record.Arrival(
            id=recorded.id or new_id(), project_id=project.pk, received_at=timezone.now(), content=recorded
        )
        frames.append(record.encode(arrival))
    started = time.perf_counter()
    for at in range(0, len(frames), BATCH):
        record.record_frames(frames=frames[at : at + BATCH], now=timezone.now())
    return project, time.perf_counter() - started


def measure(*, rows: int) -> Iterator[Line]:
    project, seconds = fill(rows)
    assert Interaction.objects.filter(project=project).count() == rows
    floor = _copy_seconds()
    yield Line("recorded, one worker", rows / seconds, rows / floor, "rows/s", at_least=0.3)
    yield Line("disk for an interaction", _bytes(rows), None, "bytes")


def _copy_seconds() -> float:
    """COPY of the same rows, in batches as large, into tables like ours (indexes and all)."""
    tables = [model._meta.db_table for model in (Interaction, InteractionBody, InteractionText)]
    seconds = 0.0
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
            cursor.execute(f"SELECT * FROM {table}")
            found = cursor.fetchall()
            kinds = [column.type_code for column in cursor.description]
            started = time.perf_counter()
            for at in range(0, len(found), BATCH):
                with cursor.copy(f"COPY bench_{table} FROM STDIN (FORMAT TEXT)") as copy:
                    for row in found[at : at + BATCH]:
                        copy.write_row([_written(v, k) for v, k in zip(row, kinds, strict=True)])
            seconds += time.perf_counter() - started
            cursor.execute(f"DROP TABLE bench_{table}")
    return seconds


def _written(value: object, kind: int) -> object:
    # Django hands jsonb over as text; COPY wants it marked as what it is.
    return Jsonb(json.loads(value)) if kind == JSONB and isinstance(value, str) else value


def _bytes(rows: int) -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname = ANY(%s)",
            [[model._meta.db_table for model in (Interaction, InteractionBody, InteractionText)]],
        )
        (size,) = cursor.fetchone()
    return float(size) / rows
