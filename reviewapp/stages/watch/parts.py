"""Counting the other parts of a backend's identity, in the transaction that counts the fingerprints.

The model that the answer names, its service tier, the headers that name a backend, and whether
the seed that came back is the one that was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from reviewapp.formats.openai import read_identity
from reviewapp.models import IdentityPart, IdentityPartName, InteractionBody
from reviewapp.models.fingerprint import pool_model
from reviewapp.models.identity import SEED_DIFFERENT, SEED_HONOURED
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.ids import new_id
from reviewapp.pure.pools import LEARNING_CALLS, shape_of
from reviewapp.pure.pools.overlaps import HISTORY_AFTER
from reviewapp.pure.words import storable
from reviewapp.stages.record.figures import rest_of

# Headers that name what answered, not the request, the way it took, or the moment.
HEADERS: Final = (
    "openai-version",
    "openai-model",
    "azureml-model-session",
    "x-ms-deployment-name",
    "x-litellm-model-id",
    "x-litellm-version",
    "server",
)
# A part with more values than this names no backend; what comes beyond is not kept.
MOST_VALUES: Final = 200
_LONGEST: Final = 200
# Texts larger than this (images, audio) are not parsed for two words.
_LARGEST: Final = 2_000_000

# What of a row and its body tells something, in the order of `Told`; the rest is more, and for nothing.
READ: Final = (
    *("pk", "project_id", "provider_id", "endpoint", "model", "response_model", "fingerprint", "seed"),
    *("status", "started_at", "created_at"),
    *("body__headers", "body__shape", "body__service_tier", "body__answered_seed"),
)
_ENDPOINT: Final = READ.index("endpoint")
_SHAPE: Final = READ.index("body__shape")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, as far as it tells of what gave it."""

    id: UUID
    project_id: UUID
    provider_id: UUID
    endpoint: Endpoint
    model: str
    response_model: str | None
    fingerprint: str | None
    seed: int | None
    status: int | None
    started_at: datetime
    created_at: datetime
    headers: dict[str, Any]
    shape: str
    service_tier: str | None
    answered_seed: int | None


Key: TypeAlias = tuple[UUID, UUID, str, str, str, str]
Whole: TypeAlias = tuple[UUID, UUID, str, str, str]


def told(rows: Iterable[tuple[Any, ...]]) -> list[Told]:
    """The answers of rows with the values of `READ`.

    What was recorded before its shape was derived is read for it now.
    """
    rows = list(rows)
    old = [row[0] for row in rows if row[_SHAPE] is None]
    if not old:
        return [Told(*row) for row in rows]
    bodies = {
        body.pk: body
        for body in InteractionBody.objects.filter(pk__in=old).only("request", "response", "response_is_json")
    }
    return [
        Told(*(row if row[_SHAPE] is not None else (*row[:_SHAPE], *_read_again(row, bodies.get(row[0])))))
        for row in rows
    ]


def count_parts(answers: Sequence[Told]) -> None:
    """Add what these answers tell."""
    told = [(one, key) for one in answers for key in _keys(one)]
    if not told:
        return
    rows = _rows({key for _, key in told})
    calls: Counter[Whole] = Counter()
    values: Counter[Whole] = Counter()
    for key, row in rows.items():
        calls[key[:5]] += row.count
        values[key[:5]] += 1
    fresh: list[IdentityPart] = []
    touched: dict[UUID, IdentityPart] = {}
    for one, key in told:
        row_ = rows.get(key)
        if row_ is None:
            if values[key[:5]] >= MOST_VALUES:
                continue
            row_ = rows[key] = _new_row(one, key, before=calls[key[:5]])
            values[key[:5]] += 1
            fresh.append(row_)
        row_.count += 1
        row_.first_seen = min(row_.first_seen, one.started_at)
        row_.last_seen = max(row_.last_seen, one.started_at)
        touched[row_.pk] = row_
        calls[key[:5]] += 1
    IdentityPart.objects.bulk_create(fresh)
    new = {row.pk for row in fresh}
    IdentityPart.objects.bulk_update(
        [row for row in touched.values() if row.pk not in new], ["count", "first_seen", "last_seen"]
    )


def _keys(one: Told) -> Iterator[Key]:
    pool = one.project_id, one.provider_id, pool_model(one.model, one.response_model)
    for part, name, value in _told(one):
        yield (*pool, part, name, storable(value)[:_LONGEST])


def _told(one: Told) -> Iterator[tuple[str, str, str]]:
    """The parts that an answer tells, as (part, header's name, value)."""
    if one.response_model:
        yield IdentityPartName.RESPONSE_MODEL, "", one.response_model
    for name in HEADERS:
        value = one.headers.get(name)
        if isinstance(value, str) and value:
            yield IdentityPartName.HEADER, name, value
    if one.service_tier:
        yield IdentityPartName.SERVICE_TIER, "", one.service_tier
    if one.answered_seed is not None and one.seed is not None:
        yield IdentityPartName.SEED, "", SEED_HONOURED if one.answered_seed == one.seed else SEED_DIFFERENT


def _read_again(row: tuple[Any, ...], body: InteractionBody | None) -> tuple[str, str | None, int | None]:
    """Shape, service tier and seed, from the texts."""
    endpoint: Endpoint = row[_ENDPOINT]
    request = None if body is None else _parsed(body.request_text)
    shape = shape_of(endpoint, request)[:_LONGEST]
    if body is None or body.response is None or not body.response_is_json:
        return shape, None, None
    text = body.response_text or b""
    if len(text) > _LARGEST or (b'"service_tier"' not in text and b'"seed"' not in text):
        return shape, None, None
    try:
        # Without its log probabilities, which are ten times as long as the rest.
        return shape, *read_identity(rest_of(endpoint, rawjson.from_bytes(text)))
    except rawjson.InvalidJson:
        return shape, None, None


def _parsed(text: bytes) -> Any:
    if len(text) > _LARGEST:
        return None
    try:
        return rawjson.parse(text)
    except rawjson.InvalidJson:
        return None


def _rows(keys: set[Key]) -> dict[Key, IdentityPart]:
    """Every row of the parts that are met."""
    found = IdentityPart.objects.filter(
        project__in={key[0] for key in keys},
        provider__in={key[1] for key in keys},
        model__in={key[2] for key in keys},
    )
    return {(row.project_id, row.provider_id, row.model, row.part, row.name, row.value): row for row in found}


def _new_row(one: Told, key: Key, *, before: int) -> IdentityPart:
    project, provider, model, part, name, value = key
    asked_at: datetime = one.started_at
    return IdentityPart(
        id=new_id(),
        project_id=project,
        provider_id=provider,
        model=model,
        part=part,
        name=name,
        value=value,
        first_seen=asked_at,
        last_seen=asked_at,
        calls_before=before,
        is_news=before >= LEARNING_CALLS and one.created_at - asked_at <= HISTORY_AFTER,
    )
