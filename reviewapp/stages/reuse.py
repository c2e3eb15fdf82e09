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
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from reviewapp.models import (
    Actor,
    Fingerprint,
    FingerprintState,
    Interaction,
    InteractionBody,
    Permission,
    Provider,
    Reuse,
    ReuseDay,
    ReusePolicy,
    Source,
)
from reviewapp.models.approvals import approved
from reviewapp.models.fingerprint import pool_model, pool_value
from reviewapp.pure.prices import price_of
from reviewapp.pure.redaction import Found
from reviewapp.stages.administer import write_audit
from reviewapp.stages.record.hiding import hider_for

# Equal requests and seeds are few; the latest that may be served is among the first of them.
_LOOKED_AT = 20
_GOOD = frozenset({FingerprintState.ACCEPTED, FingerprintState.OVERLAP})


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


def serve(*, wanted: Wanted, now: datetime) -> Stored | None:
    """The latest answer that may be served, noted as served; None where there is none."""
    found = _latest(wanted, now)
    if found is None:
        return None
    [event] = _events([(wanted, found.interaction)], now)
    event.save(force_insert=True)
    return found


def _latest(wanted: Wanted, now: datetime) -> Stored | None:
    rows = Interaction.objects.originals().filter(
        project=wanted.project,
        request_hash=wanted.digest,
        seed=wanted.seed,
        provider=wanted.provider,
        endpoint=wanted.endpoint,
        status=200,
        error__isnull=True,
        # What was hidden before it was stored is not what the model answered, nor what it was asked.
        hidden=0,
    )
    # Read now and not as the gateway remembers its source: what was purged is not served once more.
    days, since = _bounds(wanted.source)
    if days is not None:
        rows = rows.filter(started_at__gte=now - timedelta(days=days))
    if since is not None:
        rows = rows.filter(started_at__gt=since)
    candidates = list(rows.newest_first()[:_LOOKED_AT])
    if candidates and wanted.policy == ReusePolicy.REVIEWED:
        good = approved(project=wanted.project, interactions=[one.pk for one in candidates])
        candidates = [one for one in candidates if one.pk in good]
    valid = _Validity(wanted)
    for one in candidates:
        if valid.of(one):
            body = InteractionBody.objects.get(pk=one.pk)
            if body.response_text is not None and body.response_is_json:
                return Stored(
                    interaction=one.pk,
                    started_at=one.started_at,
                    fingerprint=pool_value(one.fingerprint),
                    response=body.response_text,
                    chunks=body.chunks_text,
                    input_tokens=one.input_tokens or 0,
                    output_tokens=one.output_tokens or 0,
                )
    return None


def _bounds(source: UUID | None) -> tuple[int | None, datetime | None]:
    """How many days old an answer may be, and after what moment it must have been asked."""
    if source is None:
        return None, None
    found = Source.objects.filter(pk=source).values_list("reuse_days", "reuse_since").first()
    return found or (None, None)


class _Validity:
    """Which fingerprints of a provider are valid; each model's pool is read once."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._pools: dict[str, dict[str | None, str]] = {}

    def of(self, one: Interaction) -> bool:
        value = pool_value(one.fingerprint)
        if value is None:
            # Nothing vouches for the backend; a person who approved the answer does.
            return self._wanted.policy == ReusePolicy.REVIEWED
        model = pool_model(one.model, one.response_model)
        states = self._pools.get(model)
        if states is None:
            states = self._pools[model] = dict(
                Fingerprint.objects.filter(
                    project=self._wanted.project, provider=self._wanted.provider, model=model
                ).values_list("value", "state")
            )
        return states.get(value) in _GOOD if states else True


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


def note_joined(*, reuses: Sequence[tuple[Wanted, UUID]], now: datetime) -> set[UUID]:
    """Note calls that got the answer of another one under way; gives the answers not recorded yet."""
    of = {interaction for _, interaction in reuses}
    known = set(Interaction.objects.filter(pk__in=of).values_list("pk", flat=True)) if of else set()
    Reuse.objects.bulk_create(
        _events([(wanted, interaction) for wanted, interaction in reuses if interaction in known], now)
    )
    return of - known


def _events(reuses: Sequence[tuple[Wanted, UUID]], now: datetime) -> list[Reuse]:
    """Servings as they are noted: who asked is hidden where the source hides it."""
    sources = Source.objects.filter(
        pk__in={wanted.source for wanted, _ in reuses if wanted.source}, redaction__isnull=False
    )
    hiders = {source.pk: hider_for(source=source) for source in sources}

    def plain(wanted: Wanted, text: str | None) -> str | None:
        hider = hiders.get(wanted.source) if wanted.source is not None else None
        return text if hider is None or text is None else hider.text(text, Found())

    return [
        Reuse(
            project_id=wanted.project,
            interaction_id=interaction,
            source_id=wanted.source,
            policy=wanted.policy,
            at=now,
            trace=plain(wanted, wanted.trace),
            session=plain(wanted, wanted.session),
            end_user=plain(wanted, wanted.end_user),
        )
        for wanted, interaction in reuses
    ]


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
