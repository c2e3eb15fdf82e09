"""Readings into the tables: in bulk, idempotent by id, all of a batch or none.

The rows go in by COPY, the fastest way there is; what is there already is looked up first, since
COPY knows no ON CONFLICT. Should another worker insert the same ids in between (a message that was
delivered twice), the transaction fails and the batch is simply written again: now they are found.
Their words wait for `wording`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from reviewapp.models import Interaction, InteractionBody, Project
from reviewapp.pure.prices import cost_of
from reviewapp.pure.words import storable
from reviewapp.stages.record import hiding, wording
from reviewapp.stages.record.places import Place, places_of
from reviewapp.stages.record.reading import Reading

_INTERACTION: Final = {
    "id": "uuid",
    "project_id": "uuid",
    "source_id": "uuid",
    "provider_id": "uuid",
    "endpoint": "varchar",
    "model": "text",
    "response_model": "text",
    "seed": "int8",
    "fingerprint": "text",
    "status": "int2",
    "error": "text",
    "started_at": "timestamptz",
    "created_at": "timestamptz",
    "latency_ms": "int4",
    "finish_reason": "text",
    "input_tokens": "int4",
    "output_tokens": "int4",
    "cost": "float8",
    "streamed": "bool",
    "refused": "bool",
    "has_logprobs": "bool",
    "mean_logprob": "float8",
    "min_logprob": "float8",
    "request_hash": "bytea",
    "prompt_preview": "text",
    "answer_preview": "text",
    "trace": "text",
    "session": "text",
    "end_user": "text",
    "tags": "text[]",
    "hidden": "int4",
    "replay_of_id": "uuid",
}
_BODY: Final = {
    "interaction_id": "uuid",
    "request": "bytea",
    "response": "bytea",
    "response_is_json": "bool",
    "chunks": "bytea",
    "metadata": "bytea",
    "headers": "jsonb",
    "hidden": "jsonb",
    "shape": "text",
    "service_tier": "text",
    "answered_seed": "int8",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: what is in the tables now, what was before, and whose id is another's."""

    new: tuple[UUID, ...] = ()
    known: tuple[UUID, ...] = ()
    # The id stands in another project: neither overwritten nor told apart to the sender.
    taken: tuple[Reading, ...] = ()
    # The project is gone.
    homeless: tuple[Reading, ...] = ()


def write(readings: Sequence[Reading], *, now: datetime) -> Written:
    """Insert what is not there yet, in one transaction."""
    with transaction.atomic():
        there = dict(
            Interaction.objects.filter(id__in=[reading.id for reading in readings]).values_list(
                "id", "project_id"
            )
        )
        projects = set(
            Project.objects.filter(id__in={reading.project_id for reading in readings}).values_list(
                "id", flat=True
            )
        )
        fresh: dict[UUID, Reading] = {}
        known: list[UUID] = []
        taken: list[Reading] = []
        homeless: list[Reading] = []
        for reading in readings:
            owner = there.get(reading.id)
            if owner is None and reading.id in fresh:
                owner = fresh[reading.id].project_id
            if reading.project_id not in projects:
                homeless.append(reading)
            elif owner is None:
                fresh[reading.id] = reading
            elif owner == reading.project_id:
                known.append(reading.id)
            else:
                taken.append(reading)
        if fresh:
            _insert(list(fresh.values()), now=now)
    return Written(new=tuple(fresh), known=tuple(known), taken=tuple(taken), homeless=tuple(homeless))


def _insert(readings: list[Reading], *, now: datetime) -> None:
    places = places_of(readings, now=now)
    _copy(
        Interaction,
        _INTERACTION,
        (_interaction_row(reading, place, now) for reading, place in zip(readings, places, strict=True)),
    )
    _copy(InteractionBody, _BODY, map(_body_row, readings))
    wording.keep(readings, now=now)
    hiding.keep_pseudonyms(readings, now=now)
    with connection.cursor() as cursor:
        # Foreign keys are checked at the commit otherwise, which may be the caller's and too late to halve.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def _copy(model: type[Any], columns: dict[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    names = ", ".join(columns)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def _interaction_row(reading: Reading, place: Place, now: datetime) -> tuple[Any, ...]:
    recorded = reading.recorded
    return (
        reading.id,
        reading.project_id,
        place.source,
        place.provider,
        recorded.endpoint,
        reading.model,
        reading.response_model,
        reading.seed,
        reading.fingerprint,
        reading.status,
        reading.error,
        reading.started_at,
        now,
        recorded.latency_ms,
        reading.finish_reason,
        reading.input_tokens,
        reading.output_tokens,
        cost_of(place.prices, reading.model, reading.input_tokens, reading.output_tokens),
        reading.streamed,
        reading.refused,
        reading.has_logprobs,
        reading.mean_logprob,
        reading.min_logprob,
        reading.request_hash,
        reading.prompt_preview,
        reading.answer_preview,
        _clean(recorded.trace),
        _clean(recorded.session),
        _clean(recorded.user),
        [storable(tag) for tag in recorded.tags],
        len(reading.found or ()),
        reading.replay_of,
    )


def _body_row(reading: Reading) -> tuple[Any, ...]:
    recorded = reading.recorded
    return (
        reading.id,
        reading.request,
        reading.response,
        recorded.response_is_json,
        reading.chunks,
        reading.metadata,
        Jsonb({storable(name): storable(value) for name, value in recorded.headers.items()}),
        Jsonb(reading.found.counts()) if reading.found else None,
        reading.shape,
        reading.service_tier,
        reading.answered_seed,
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else storable(text)
