"""Fingerprint pools as the API and the screens show them: one entry a value, its shapes together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Case, F, Sum, When
from django.db.models.functions import TruncDay, TruncHour

from reviewapp.models.fingerprint import Fingerprint, FingerprintHour, lives_of, shared_values
from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.pure.pools import Bucket, Graded, Life, grade_of

# Longer histories are read by the day.
HOURLY: timedelta = timedelta(days=14)
# A pool with more rows than this has a value for nearly every answer; nobody reads them all.
_MOST = 2000


@dataclass(frozen=True, slots=True)
class PoolValue:
    """One value of a provider's model. `id` is the oldest of its rows, which stands for all."""

    id: UUID
    provider: Provider
    model: str
    value: str | None
    state: str
    first_seen: datetime
    last_seen: datetime
    count: int
    overlap_until: datetime | None
    decided_by: str
    decided_at: datetime | None
    note: str
    shapes: tuple[str, ...]
    # Of the pool's answers in the last day; None where there were none.
    share: float | None

    @property
    def was_moved_by_itself(self) -> bool:
        """Whether the app itself moved it: its overlap began or ended, and nobody decided."""
        return self.decided_at is not None and not self.decided_by and self.state != "new"

    @property
    def retired_by_itself(self) -> bool:
        """Whether its overlap passed and it was no longer seen."""
        return self.was_moved_by_itself and self.state == "retired"

    @property
    def share_or_zero(self) -> float:
        """For meters, which draw a number."""
        return self.share or 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """All values that a provider's model answered with, the latest first."""

    provider: Provider
    model: str
    graded: Graded
    values: list[PoolValue]
    rows: list[UUID] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many answers there were."""
        return sum(value.count for value in self.values)

    @property
    def first_seen(self) -> datetime:
        """The pool's first answer."""
        return min(value.first_seen for value in self.values)

    @property
    def last_seen(self) -> datetime:
        """The pool's latest answer."""
        return max(value.last_seen for value in self.values)

    @property
    def undecided(self) -> int:
        """How many values wait for a decision."""
        return sum(value.state == "new" for value in self.values)

    @property
    def anchor(self) -> str:
        """Names the pool in an address."""
        return f"pool-{self.rows[0]}"


def pools_of(*, project: Project, now: datetime) -> list[Pool]:
    """The project's pools: those with undecided values first, then by their latest answer. Two queries."""
    rows = _rows(project)
    lately = _lately(rows, now)
    shared: dict[UUID, frozenset[str]] = {
        provider: shared_values((row.model, row.value) for row in own)
        for provider, own in _grouped(rows, lambda row: row.provider_id).items()
    }
    pools = []
    for (provider, model), own in _grouped(rows, lambda row: (row.provider_id, row.model)).items():
        lives = lives_of(Life(row.value, row.first_seen, row.last_seen, row.count) for row in own)
        pools.append(
            Pool(
                provider=own[0].provider,
                model=model,
                graded=grade_of(lives, shared=shared[provider]),
                values=sorted(
                    _values(own, lately), key=lambda value: (value.last_seen, value.count), reverse=True
                ),
                rows=[row.pk for row in own],
            )
        )
    return sorted(pools, key=lambda pool: (pool.undecided > 0, pool.last_seen), reverse=True)


def pool_of(*, fingerprint: Fingerprint, now: datetime) -> Pool:
    """The pool that a value belongs to."""
    found = pools_of(project=fingerprint.project, now=now)
    return next(
        pool
        for pool in found
        if pool.provider.pk == fingerprint.provider_id and pool.model == fingerprint.model
    )


def values_for(*, project: Project, provider: UUID, model: str, now: datetime) -> list[PoolValue]:
    """The values of one provider's model, the latest first."""
    rows = _of_project(project).filter(provider=provider, model=model)[:_MOST]
    found = list(rows)
    return sorted(
        _values(found, _lately(found, now)), key=lambda value: (value.last_seen, value.count), reverse=True
    )


def value_of(*, fingerprint: Fingerprint, now: datetime) -> PoolValue:
    """The value that a row is of."""
    pool = pool_of(fingerprint=fingerprint, now=now)
    return next(value for value in pool.values if value.value == fingerprint.value)


def history_of(pool: Pool) -> list[Bucket]:
    """The pool's answers by value, by the hour or (long histories) by the day, oldest first."""
    trunc = TruncHour if pool.last_seen - pool.first_seen <= HOURLY else TruncDay
    found = (
        FingerprintHour.objects.filter(fingerprint__in=pool.rows)
        .annotate(at=trunc("hour"))
        .values("at", "fingerprint__value")
        .annotate(n=Sum("count"))
        .order_by("at")
        .values_list("at", "fingerprint__value", "n")
    )
    return _buckets(found)


def history_for(*, project: UUID, provider: UUID, model: str, now: datetime) -> list[Bucket]:
    """The answers of a provider's model: by the hour lately, by the day before that."""
    found = (
        FingerprintHour.objects.filter(
            fingerprint__in=Fingerprint.objects.filter(
                project=project, provider=provider, model=model
            ).reporting()
        )
        .annotate(at=Case(When(hour__gte=now - HOURLY, then=F("hour")), default=TruncDay("hour")))
        .values("at", "fingerprint__value")
        .annotate(n=Sum("count"))
        .order_by("at")
        .values_list("at", "fingerprint__value", "n")
    )
    return _buckets(found)


def _buckets(found: Iterable[tuple[datetime, str | None, int]]) -> list[Bucket]:
    buckets: dict[datetime, dict[str | None, int]] = {}
    for at, value, n in found:
        buckets.setdefault(at, {})[value] = n
    return [Bucket(at, counts) for at, counts in buckets.items()]


def _rows(project: Project) -> list[Fingerprint]:
    return list(_of_project(project))


def _of_project(project: Project) -> Any:
    rows = Fingerprint.objects.filter(project=project).reporting()
    return rows.select_related("provider", "decided_by", "decided_by_key").order_by("id")


def _lately(rows: Iterable[Fingerprint], now: datetime) -> dict[UUID, int]:
    """The answers of the last day by row, for those seen in it."""
    since = now - timedelta(days=1)
    recent = [row.pk for row in rows if row.last_seen >= since]
    return dict(
        FingerprintHour.objects.filter(fingerprint__in=recent, hour__gte=since, hour__lte=now)
        .values("fingerprint")
        .annotate(n=Sum("count"))
        .values_list("fingerprint", "n")
    )


def _values(rows: Sequence[Fingerprint], lately: dict[UUID, int]) -> list[PoolValue]:
    total = sum(lately.get(row.pk, 0) for row in rows)
    found = []
    for own in _grouped(rows, lambda row: row.value).values():
        first = own[0]
        found.append(
            PoolValue(
                id=first.pk,
                provider=first.provider,
                model=first.model,
                value=first.value,
                state=first.state,
                first_seen=min(row.first_seen for row in own),
                last_seen=max(row.last_seen for row in own),
                count=sum(row.count for row in own),
                overlap_until=first.overlap_until,
                decided_by=_decider(first),
                decided_at=first.decided_at,
                note=first.note,
                shapes=tuple(sorted(row.shape for row in own)),
                share=sum(lately.get(row.pk, 0) for row in own) / total if total else None,
            )
        )
    return found


def _decider(row: Fingerprint) -> str:
    if row.decided_by is not None:
        return row.decided_by.short_name
    return f"key {row.decided_by_key.name}" if row.decided_by_key is not None else ""


K = TypeVar("K")


def _grouped(rows: Iterable[Fingerprint], key: Callable[[Fingerprint], K]) -> dict[K, list[Fingerprint]]:
    groups: dict[K, list[Fingerprint]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
