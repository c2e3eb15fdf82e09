"""Recording: frames of the journal into the tables, words behind them, against raw COPY of the same rows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from benchmarks.lines import Line
from benchmarks.workload import texts
from reviewapp.formats.interchange import read_interaction
from reviewapp.models import Interaction, InteractionBody, InteractionText, Project
from reviewapp.pure.ids import new_id
from reviewapp.stages import administer, record

BATCH: Final = 100
# What is durable when a batch is recorded, and what is searchable some time later.
RECORDED: Final = tuple(model._meta.db_table for model in (Interaction, InteractionBody))
SEARCHED: Final = (*RECORDED, InteractionText._meta.db_table)
# Interactions are numbered through the whole run: an id belongs to one project.
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until all was recorded, and until all of it could be searched."""

    recorded: float
    searchable: float


def fill(rows: int) -> tuple[Project, Times]:
    """A project with so many interactions, through the record stage, their words indexed."""
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
    recorded_in = time.perf_counter() - started
    while record.index_words():
        pass
    return project, Times(recorded_in, time.perf_counter() - started)


def measure(*, rows: int) -> Iterator[Line]:
    project, times = fill(rows)
    assert Interaction.objects.filter(project=project).count() == rows
    with connection.cursor() as cursor:
        floor = rows / copy_seconds(cursor.cursor, RECORDED)
        yield Line("recorded, one worker", rows / times.recorded, floor, "rows/s", at_least=0.3)
        floor = rows / copy_seconds(cursor.cursor, SEARCHED)
        yield Line("recorded and searchable, one worker", rows / times.searchable, floor, "rows/s")
        yield from disk(cursor.cursor)


def copy_seconds(cursor: Any, tables: Sequence[str]) -> float:
    """Raw COPY of all rows of these tables into tables like them, indexes and all, in the same server.

    `cursor` is psycopg's. The bytes are those that PostgreSQL itself gave, so the client does nothing.
    """
    seconds = 0.0
    for table in tables:
        cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
        with cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy:
            data = [bytes(piece) for piece in copy]
        started = time.perf_counter()
        with cursor.copy(f"COPY bench_{table} FROM STDIN (FORMAT BINARY)") as copy:
            for piece in data:
                copy.write(piece)
        seconds += time.perf_counter() - started
        cursor.execute(f"DROP TABLE bench_{table}")
    return seconds


def disk(cursor: Any) -> Iterator[Line]:
    """Bytes on the disk for an interaction, against its bodies as they are packed."""
    cursor.execute(
        f"SELECT count(*), sum(octet_length(request) + coalesce(octet_length(response), 0)"
        f" + coalesce(octet_length(chunks), 0)) FROM {InteractionBody._meta.db_table}"
    )
    rows, packed = cursor.fetchone()
    for name, tables in (("without its words", RECORDED), ("with its words", SEARCHED)):
        cursor.execute(
            "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name",
            [list(tables)],
        )
        (size,) = cursor.fetchone()
        yield Line(
            f"disk for an interaction, {name}", float(size) / rows, float(packed) / rows, "bytes", at_most=1.5
        )
