"""Which source and provider an interaction belongs to; names not seen before are created.

Source: the one given, else `default`. Provider: the one given, else the source's, else the
project's default, else `unknown`. A provider made here only records: it has no address. A source
made here hides what the project's source `default` hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Q

from reviewapp.models import Provider, Source
from reviewapp.stages.record.reading import Reading

DEFAULT_SOURCE: Final = "default"
UNKNOWN_PROVIDER: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """The rows that an interaction refers to, and what the provider asks."""

    source: UUID
    provider: UUID
    # What the provider asks, by model; see pure/prices.py.
    prices: Any


class _Wanted(NamedTuple):
    """A source or provider as the receiver named it: by id where it knew one, and by name."""

    project: UUID
    id: UUID | None
    name: str


def places_of(readings: Sequence[Reading], *, now: datetime) -> list[Place]:
    """The place of each reading, in order. Call it within the transaction of the insert."""
    sources = _found_or_made(
        Source,
        [
            _Wanted(reading.project_id, reading.source_id, reading.recorded.source or DEFAULT_SOURCE)
            for reading in readings
        ],
        now=now,
    )
    asks = dict(Source.objects.filter(id__in=set(sources)).values_list("id", "provider_id"))
    defaults = dict(
        Provider.objects.filter(
            project__in={reading.project_id for reading in readings}, is_default=True
        ).values_list("project_id", "id")
    )
    wanted = []
    for reading, source in zip(readings, sources, strict=True):
        id_, name = reading.provider_id, reading.recorded.provider
        if id_ is None and not name:
            id_ = asks.get(source) or defaults.get(reading.project_id)
        wanted.append(_Wanted(reading.project_id, id_, name or UNKNOWN_PROVIDER))
    providers = _found_or_made(Provider, wanted, now=now)
    prices = dict(Provider.objects.filter(id__in=set(providers)).values_list("id", "prices"))
    return [
        Place(source, provider, prices.get(provider))
        for source, provider in zip(sources, providers, strict=True)
    ]


def _found_or_made(model: type[Source | Provider], wanted: list[_Wanted], *, now: datetime) -> list[UUID]:
    """The id of each; who is not found by id goes by name."""
    ids, names = _find(model, wanted)
    missing = sorted(
        {(one.project, one.name) for one in wanted if (one.project, one.id) not in ids} - names.keys()
    )
    if missing:
        # Sorted, so that two workers that make the same ones wait for each other and don't deadlock.
        made: list[Any] = [model(project_id=project, name=name, created_at=now) for project, name in missing]
        if model is Source:
            hidden = dict(
                Source.objects.filter(
                    project__in={project for project, _ in missing}, name=DEFAULT_SOURCE
                ).values_list("project", "redaction")
            )
            for source in made:
                source.redaction = hidden.get(source.project_id)
        model.objects.bulk_create(made, ignore_conflicts=True)
        ids, names = _find(model, wanted)
    return [
        one.id if one.id is not None and (one.project, one.id) in ids else names[one.project, one.name]
        for one in wanted
    ]


def _find(
    model: type[Source | Provider], wanted: list[_Wanted]
) -> tuple[set[tuple[UUID, UUID | None]], dict[tuple[UUID, str], UUID]]:
    rows: list[Any] = list(
        model.objects.filter(
            Q(id__in={one.id for one in wanted if one.id is not None})
            | Q(project__in={one.project for one in wanted}, name__in={one.name for one in wanted})
        ).values_list("project_id", "id", "name")
    )
    return {(project, id_) for project, id_, _ in rows}, {(project, name): id_ for project, id_, name in rows}
