"""Reuse: the stored answer of an equal request and seed, for as long as its backend is valid.

Equal means the same request hash (everything but seed and transport), the same seed and the same
provider. Its fingerprint must be accepted or in overlap *now*: what is retired is not served from
that moment on, since nothing but this look decides. A pool that is still learning has no state
yet; there every value is as good as the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from reviewapp.formats.packed import decompress
from reviewapp.models import (
    Actor,
    Fingerprint,
    FingerprintState,
    Interaction,
    InteractionBody,
    Permission,
    Provider,
    ReuseDay,
    ReusePolicy,
    Source,
)
from reviewapp.models.approvals import approved
from reviewapp.models.fingerprint import POOL_CHARACTERS
from reviewapp.models.prepared import rows_of
from reviewapp.pure.ids import new_id
from reviewapp.pure.prices import price_of
from reviewapp.stages.administer import write_audit
from reviewapp.stages.record import Serving

_GOOD: Final = [FingerprintState.ACCEPTED.value, FingerprintState.OVERLAP.value]

# One statement, since the caller waits for each way to the database and back. Equal requests and seeds are
# few; the latest that may be served is among the first of them. What was hidden before it was stored is not
# what the model answered, nor what it was asked. A source's bounds are read now and not as the gateway
# remembers its source: what was purged is not served once more.
_CANDIDATES: Final = f"""
WITH candidate AS MATERIALIZED (
    SELECT one.id, one.started_at, one.input_tokens, one.output_tokens,
        left(coalesce(nullif(one.model, ''), one.response_model, ''), {POOL_CHARACTERS}) AS model,
        left(nullif(one.fingerprint, ''), {POOL_CHARACTERS}) AS value
    FROM {Interaction._meta.db_table} one
    LEFT JOIN {Source._meta.db_table} source ON source.id = %(source)s
    WHERE one.project_id = %(project)s AND one.request_hash = %(digest)s AND one.seed = %(seed)s
        AND one.provider_id = %(provider)s AND one.endpoint = %(endpoint)s
        AND one.status = 200 AND one.error IS NULL AND one.hidden = 0 AND one.replay_of_id IS NULL
        AND (source.reuse_days IS NULL
            OR one.started_at >= %(now)s - make_interval(days => source.reuse_days))
        AND (source.reuse_since IS NULL OR one.started_at > source.reuse_since)
    ORDER BY one.started_at DESC, one.id DESC
    LIMIT 20
)"""  # noqa: S608
# Of its model's pool; one that is still learning has no state yet.
_POOL: Final = (
    f"FROM {Fingerprint._meta.db_table} pool WHERE pool.project_id = %(project)s"
    " AND pool.provider_id = %(provider)s AND pool.model = candidate.model"
)
_VALID: Final = (
    f"(EXISTS (SELECT {_POOL} AND pool.value = candidate.value AND pool.state = ANY(%(good)s))"
    f" OR NOT EXISTS (SELECT {_POOL}))"
)
_REVIEWABLE: Final = f"{_CANDIDATES} SELECT id FROM candidate WHERE value IS NULL OR {_VALID}"  # noqa: S608
_ANSWER: Final = f"""
SELECT candidate.id, candidate.started_at, candidate.value, candidate.input_tokens, candidate.output_tokens,
    body.response, body.chunks
FROM candidate
JOIN {InteractionBody._meta.db_table} body ON body.interaction_id = candidate.id
WHERE body.response IS NOT NULL AND body.response_is_json AND {{chosen}}
ORDER BY candidate.started_at DESC, candidate.id DESC
LIMIT 1"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that would take a stored answer. `digest` is the request hash."""

    project: UUID
    provider: UUID
    endpoint: str
    digest: bytes
    seed: int
    policy: str
    source: UUID | None = None
    # What it asks for by name; prices are by model.
    model: str = ""
    trace: str | None = None
    session: str | None = None
    end_user: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer that is served again, as it was recorded."""

    interaction: UUID
    started_at: datetime
    fingerprint: str | None
    response: bytes
    chunks: bytes | None
    input_tokens: int
    output_tokens: int


def find(*, wanted: Wanted, now: datetime) -> Stored | None:
    """The latest answer that may be served now; None where there is none."""
    values: dict[str, Any] = {
        "project": wanted.project,
        "provider": wanted.provider,
        "endpoint": wanted.endpoint,
        "digest": wanted.digest,
        "seed": wanted.seed,
        "source": wanted.source,
        "now": now,
        "good": _GOOD,
    }
    if wanted.policy == ReusePolicy.REVIEWED:
        ids = [id_ for (id_,) in rows_of(_REVIEWABLE, values)]
        # Nothing vouches for a backend without a fingerprint; a person who approved the answer does.
        values["among"] = list(approved(project=wanted.project, interactions=ids)) if ids else []
        if not values["among"]:
            return None
        chosen = "candidate.id = ANY(%(among)s)"
    else:
        chosen = f"value IS NOT NULL AND {_VALID}"
    rows = rows_of(f"{_CANDIDATES} {_ANSWER.format(chosen=chosen)}", values)
    if not rows:
        return None
    (row,) = rows
    id_, started_at, value, input_tokens, output_tokens, response, chunks = row
    return Stored(
        interaction=id_,
        started_at=started_at,
        fingerprint=value,
        response=decompress(response),
        chunks=None if chunks is None else decompress(chunks),
        input_tokens=input_tokens or 0,
        output_tokens=output_tokens or 0,
    )


def serving_of(*, wanted: Wanted, interaction: UUID, at: datetime) -> Serving:
    """That the answer of the interaction was served to this call."""
    return Serving(
        id=new_id(),
        project=wanted.project,
        interaction=interaction,
        source=wanted.source,
        policy=wanted.policy,
        at=at,
        trace=wanted.trace,
        session=wanted.session,
        end_user=wanted.end_user,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wanted stored answers, and of whom."""

    source: UUID
    provider: UUID
    model: str


@dataclass(slots=True)
class Tally:
    """What reuse did for a source since it was last written."""

    hits: int = 0
    misses: int = 0
    joined: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def note_tallies(*, tallies: Mapping[Asked, Tally], now: datetime) -> None:
    """Add what was counted to the day's figures, with what it would have cost at the present prices."""
    table = ReuseDay._meta.db_table
    columns = ("hits", "misses", "joined", "input_tokens", "output_tokens", "cost", "unpriced")
    day = now.astimezone(timezone.get_default_timezone()).date()
    rows = Provider.objects.filter(pk__in={asked.provider for asked in tallies})
    prices = dict(rows.values_list("pk", "prices"))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (source_id, day, {', '.join(columns)}) "  # noqa: S608
            f"SELECT {', '.join(['%s'] * (2 + len(columns)))} WHERE EXISTS "
            f"(SELECT FROM {Source._meta.db_table} WHERE id = %s) "
            "ON CONFLICT (source_id, day) DO UPDATE SET "
            + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns),
            [
                [
                    asked.source,
                    day,
                    *_figures(tally, prices.get(asked.provider, {}), asked.model),
                    asked.source,
                ]
                for asked, tally in tallies.items()
            ],
        )


def _figures(tally: Tally, prices: Any, model: str) -> list[float]:
    price = price_of(prices, model)
    cost = 0.0 if price is None else price.of(tally.input_tokens, tally.output_tokens)
    unpriced = tally.hits + tally.joined if price is None else 0
    return [tally.hits, tally.misses, tally.joined, tally.input_tokens, tally.output_tokens, cost, unpriced]


@transaction.atomic
def purge(*, actor: Actor, source: Source, now: datetime) -> None:
    """Serve nothing again that was asked before now. What was recorded stays."""
    actor.check(Permission.ADMIN)
    Source.objects.filter(pk=source.pk, project=actor.project).update(reuse_since=now)
    write_audit(actor=actor, action="source.purge_reuse", target=source, now=now, name=source.name)


@dataclass(frozen=True, slots=True)
class Saved:
    """What reuse did for a source over some days."""

    hits: int
    misses: int
    joined: int
    input_tokens: int
    output_tokens: int
    cost: float
    unpriced: int

    @property
    def rate(self) -> float | None:
        """The share of calls that needed no provider; None where none wanted a stored answer."""
        asked = self.hits + self.misses + self.joined
        return (self.hits + self.joined) / asked if asked else None


def saved(*, sources: Sequence[UUID], now: datetime, days: int = 30) -> dict[UUID, Saved]:
    """What reuse did for each of the sources lately."""
    rows = ReuseDay.objects.filter(source__in=sources, day__gt=(now - timedelta(days=days)).date())
    names = [one.name for one in fields(Saved)]
    sums: Any = rows.order_by().values("source").annotate(**{f"all_{name}": Sum(name) for name in names})
    return {row["source"]: Saved(**{name: row[f"all_{name}"] for name in names}) for row in sums}
