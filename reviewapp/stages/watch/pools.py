"""Counting fingerprints: from the interactions into the pools, each interaction exactly once.

The mark (when recorded, id) and the counts move in one transaction, under a lock on the mark's row:
a crash moves neither, and two workers never count the same rows.

Rows are not committed in the order of their times of recording: one may become visible behind the
mark. So the mark stays `LAG` behind the clock, which lets nearly all of them arrive; and once a
minute everything recorded up to `LOOK_BACK` behind the mark is compared with the ids counted
lately, and what is missing among them is counted. No transaction of the record stage can be
older than `LOOK_BACK`: the broker takes its message away before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, Sum

from reviewapp.models import (
    CountedLately,
    Endpoint,
    Fingerprint,
    FingerprintHour,
    FingerprintState,
    IdentityPart,
    Interaction,
    WatchedPool,
    Watermark,
)
from reviewapp.models.fingerprint import pool_model, pool_value
from reviewapp.pure.ids import new_id
from reviewapp.pure.pools import first_state
from reviewapp.pure.pools.overlaps import HISTORY_AFTER
from reviewapp.stages.watch.parts import READ, Told, count_parts, told

BATCH: Final = 1000
LAG: Final = timedelta(seconds=2)
LOOK_BACK: Final = timedelta(minutes=15)
SWEEP_EVERY: Final = timedelta(minutes=1)
_MARK: Final = "fingerprints"

Pool: TypeAlias = tuple[UUID, UUID, str]


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One answer, as the pools see it."""

    project: UUID
    provider: UUID
    model: str
    shape: str
    value: str | None
    asked_at: datetime
    recorded_at: datetime

    @property
    def pool(self) -> Pool:
        return self.project, self.provider, self.model

    @property
    def key(self) -> tuple[Pool, str | None, str]:
        return self.pool, self.value, self.shape


def pull(*, now: datetime, batch: int = BATCH) -> int:
    """Count what was recorded since the last time; gives how many interactions (0: caught up)."""
    with transaction.atomic():
        mark = _locked_mark()
        if mark is None:
            return 0
        if mark.created_at and (mark.swept_at is None or now - mark.swept_at >= SWEEP_EVERY):
            late = _late(mark, batch)
            if len(late) < batch:
                mark.swept_at = now
                CountedLately.objects.filter(created_at__lt=mark.created_at - LOOK_BACK).delete()
            if late:
                _count(late)
                mark.save()
                return len(late)
        found = _told(_recorded(mark).filter(created_at__lt=now - LAG), batch)
        if found:
            _count(found)
            mark.created_at, mark.interaction = found[-1].created_at, found[-1].id
        mark.save()
        return len(found)


def uncounted_since() -> datetime | None:
    """When the oldest was recorded that is not counted yet; None where all is."""
    mark = Watermark.objects.filter(pk=_MARK).first() or Watermark(pk=_MARK)
    rows = _recorded(mark).order_by("created_at", "id")
    since: datetime | None = rows.values_list("created_at", flat=True).first()
    return since


@transaction.atomic
def rebuild(*, now: datetime) -> int:
    """Count everything anew from the interactions; gives how many.

    States and decisions stay with their values: they are people's, and can't be counted. What no
    interaction carries any more goes.
    """
    Watermark.objects.get_or_create(pk=_MARK)
    mark = Watermark.objects.select_for_update().get(pk=_MARK)
    FingerprintHour.objects.all().delete()
    Fingerprint.objects.update(count=0)
    CountedLately.objects.all().delete()
    IdentityPart.objects.all().delete()
    mark.created_at, mark.interaction, mark.swept_at = None, None, now
    total = 0
    while found := _told(_recorded(mark).filter(created_at__lt=now - LAG), BATCH):
        _count(found)
        mark.created_at, mark.interaction = found[-1].created_at, found[-1].id
        CountedLately.objects.filter(created_at__lt=mark.created_at - LOOK_BACK).delete()
        total += len(found)
    Fingerprint.objects.filter(count=0).delete()
    mark.save()
    return total


def _locked_mark() -> Watermark | None:
    """The mark, held until the end of the transaction; None while another worker pulls."""
    Watermark.objects.get_or_create(pk=_MARK)
    return Watermark.objects.select_for_update(skip_locked=True).filter(pk=_MARK).first()


def _recorded(mark: Watermark) -> Any:
    """What was recorded behind the mark."""
    rows = Interaction.objects.all()
    if mark.created_at is None:
        return rows
    return rows.filter(Q(created_at__gte=mark.created_at)).exclude(
        Q(created_at=mark.created_at) & Q(pk__lte=mark.interaction)
    )


def _told(rows: Any, batch: int) -> list[Told]:
    """The first of these. No rows of Django's: to make two objects of each takes longer than all the rest."""
    return told(rows.order_by("created_at", "id").values_list(*READ)[:batch])


def _late(mark: Watermark, batch: int) -> list[Told]:
    """What became visible behind the mark after it had passed."""
    assert mark.created_at is not None
    since = mark.created_at - LOOK_BACK
    rows = (
        Interaction.objects.filter(created_at__gte=since, created_at__lte=mark.created_at)
        .exclude(Q(created_at=mark.created_at) & Q(pk__gt=mark.interaction))
        .filter(~Exists(CountedLately.objects.filter(interaction=OuterRef("pk"))))
    )
    return _told(rows, batch)


def _count(answers: Sequence[Told]) -> None:
    _note_counted(answers)
    telling = [one for one in answers if _tells(one)]
    count_parts(telling)
    sightings = [_sighting(one) for one in telling]
    if not sightings:
        return
    rows = _rows(sightings)
    calls: Counter[Pool] = Counter()
    for row in rows.values():
        calls[row.project_id, row.provider_id, row.model] += row.count
    states = {(_pool_of(row), row.value): row.state for row in rows.values()}
    returned: dict[UUID, datetime] = {}
    fresh: list[Fingerprint] = []
    hours: Counter[tuple[UUID, datetime]] = Counter()
    touched: dict[UUID, Fingerprint] = {}
    for one in sightings:
        found = rows.get(one.key)
        if found is None:
            state = states.setdefault(
                (one.pool, one.value),
                first_state(
                    calls_before=calls[one.pool],
                    asked_at=one.asked_at,
                    recorded_at=one.recorded_at,
                    reported=one.value is not None,
                ),
            )
            found = rows[one.key] = _new_row(one, state, before=calls[one.pool])
            fresh.append(found)
        elif _comes_back(found, one):
            returned.setdefault(found.pk, one.asked_at)
        found.count += 1
        found.first_seen = min(found.first_seen, one.asked_at)
        found.last_seen = max(found.last_seen, one.asked_at)
        touched[found.pk] = found
        calls[one.pool] += 1
        hours[found.pk, one.asked_at.replace(minute=0, second=0, microsecond=0)] += 1
    Fingerprint.objects.bulk_create(fresh)
    new = {row.pk for row in fresh}
    Fingerprint.objects.bulk_update(
        [row for row in touched.values() if row.pk not in new], ["count", "first_seen", "last_seen"]
    )
    for pk, at in returned.items():
        Fingerprint.objects.of_value(touched[pk]).filter(
            state=FingerprintState.RETIRED, decided_by=None, decided_by_key=None
        ).update(state=FingerprintState.NEW, note="", returned_at=at)
    _add_hours(hours)
    _add_to_walk(Counter(one.pool for one in sightings))


def _note_counted(answers: Sequence[Told]) -> None:
    """By COPY: a model's instance for each would cost more than all the counting."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"COPY {CountedLately._meta.db_table} (interaction, created_at) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["uuid", "timestamptz"])
        for one in answers:
            copy.write_row((one.id, one.created_at))


def _tells(one: Told) -> bool:
    """Whether the answer could have carried a fingerprint: errors and embeddings never do."""
    return one.status is not None and one.status < 400 and one.endpoint != Endpoint.EMBEDDINGS.value


def _sighting(one: Told) -> _Sighting:
    return _Sighting(
        project=one.project_id,
        provider=one.provider_id,
        model=pool_model(one.model, one.response_model),
        shape=one.shape,
        value=pool_value(one.fingerprint),
        asked_at=one.started_at,
        recorded_at=one.created_at,
    )


def _rows(sightings: Iterable[_Sighting]) -> dict[tuple[Pool, str | None, str], Fingerprint]:
    """Every row of the pools that are met."""
    pools = {one.pool for one in sightings}
    found = Fingerprint.objects.filter(
        project__in={project for project, _, _ in pools},
        provider__in={provider for _, provider, _ in pools},
        model__in={model for _, _, model in pools},
    )
    return {(_pool_of(row), row.value, row.shape): row for row in found}


def _pool_of(row: Fingerprint) -> Pool:
    return row.project_id, row.provider_id, row.model


def _new_row(one: _Sighting, state: str, *, before: int) -> Fingerprint:
    return Fingerprint(
        id=new_id(),
        project_id=one.project,
        provider_id=one.provider,
        model=one.model,
        shape=one.shape,
        value=one.value,
        state=state,
        first_seen=one.asked_at,
        last_seen=one.asked_at,
        calls_before=before,
    )


def _comes_back(row: Fingerprint, one: _Sighting) -> bool:
    """Whether a value that was retired by itself answers again, live."""
    return (
        row.state == FingerprintState.RETIRED
        and not row.was_decided
        and one.recorded_at - one.asked_at <= HISTORY_AFTER
        and one.asked_at > row.last_seen
    )


def _add_hours(hours: Counter[tuple[UUID, datetime]]) -> None:
    table = FingerprintHour._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (fingerprint_id, hour, count) "  # noqa: S608
            "SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[]) "
            f"ON CONFLICT (fingerprint_id, hour) DO UPDATE SET count = {table}.count + excluded.count",
            [[pk for pk, _ in hours], [hour for _, hour in hours], list(hours.values())],
        )


def _add_to_walk(calls: Counter[Pool]) -> None:
    """These pools have more history now; in a fixed order, so that nobody waits in a circle."""
    table = WatchedPool._meta.db_table
    pools = sorted(calls)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (project_id, provider_id, model, counted, walked) "  # noqa: S608
            "SELECT *, 0 FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bigint[]) "
            "ON CONFLICT (project_id, provider_id, model) "
            f"DO UPDATE SET counted = {table}.counted + excluded.counted",
            [
                [project for project, _, _ in pools],
                [provider for _, provider, _ in pools],
                [model for _, _, model in pools],
                [calls[pool] for pool in pools],
            ],
        )


def calls_since(*, row: Fingerprint) -> int:
    """How often the pool answered in the hours after this value was last seen."""
    total = FingerprintHour.objects.filter(
        fingerprint__project=row.project_id,
        fingerprint__provider=row.provider_id,
        fingerprint__model=row.model,
        hour__gt=row.last_seen,
    ).aggregate(n=Sum("count"))["n"]
    return int(total or 0)
