"""How many answers each pool gave in a span of time, by value: by the minute lately, else by the hour.

Hours are counted as answers arrive (`FingerprintHour`). Of a short span that is too coarse: a change ten
minutes old would lie in an hour that is not over. So a short span is counted from the interactions
themselves, along the index of a project's interactions by time, and never more than `MOST_ROWS` of them:
where there are more, the hours have to do until one looks at a shorter span.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, F, Func, Sum, Value

from reviewapp.models.fingerprint import FingerprintHour, pool_model, pool_value
from reviewapp.models.interaction import Interaction
from reviewapp.models.pools import Pool
from reviewapp.models.project import Project
from reviewapp.pure.pools import REPORTING, Bucket
from reviewapp.pure.spans import GRID, HOUR, MINUTE, Span, span_of

# Longer spans are counted by the hour.
BY_MINUTE: Final = timedelta(hours=12)
# Reading so many rows costs some tenths of a second.
MOST_ROWS: Final = 200_000

PoolKey = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The answers of pools in the bins of a span, oldest first."""

    span: Span
    buckets: dict[PoolKey, list[Bucket]]
    # More answers than are counted by the minute.
    is_coarse: bool = False

    def of(self, pool: Pool) -> list[Bucket]:
        """The answers of one pool."""
        return self.buckets.get((pool.provider.pk, pool.model), [])


def traffic_of(
    *,
    project: Project,
    pools: Sequence[Pool],
    start: datetime,
    end: datetime,
    now: datetime,
    most: int = MOST_ROWS,
) -> Traffic:
    """What these pools of the project answered from `start` to `end`. Two queries at most."""
    is_short = end - start <= BY_MINUTE
    if is_short:
        span = span_of(start=start, end=end, finest=MINUTE, now=now)
        found = _by_minute(project, pools, span, most)
        if found is not None:
            return Traffic(span, found)
    span = span_of(start=start, end=end, finest=HOUR, now=now)
    return Traffic(span, _by_hour(pools, span), is_coarse=is_short)


def _by_minute(
    project: Project, pools: Sequence[Pool], span: Span, most: int
) -> dict[PoolKey, list[Bucket]] | None:
    """From the interactions; None where there are too many. What replays got counts as in the hours."""
    table = Interaction._meta.db_table
    with connection.cursor() as cursor:
        # The bound is on what is read, so it stands inside, where nothing has been left out yet.
        cursor.execute(
            "SELECT provider_id, model, response_model, fingerprint,"  # noqa: S608
            " date_bin(%s::interval, started_at, %s) AS bin,"
            " count(*) FILTER (WHERE status < 400 AND endpoint = ANY(%s)), count(*)"
            " FROM (SELECT provider_id, model, response_model, fingerprint, started_at, status, endpoint"
            f" FROM {table} WHERE project_id = %s AND started_at >= %s AND started_at < %s"
            " ORDER BY started_at DESC, id DESC LIMIT %s) AS lately GROUP BY 1, 2, 3, 4, 5",
            [
                f"{span.step.total_seconds():.0f} seconds",
                GRID,
                list(REPORTING),
                project.pk,
                span.start,
                span.end,
                most + 1,
            ],
        )
        rows = cursor.fetchall()
    if sum(row[-1] for row in rows) > most:
        return None
    wanted = {(pool.provider.pk, pool.model) for pool in pools}
    return _buckets(
        ((provider, name), at, pool_value(fingerprint), n)
        for provider, model, answered, fingerprint, at, n, _ in rows
        if n and (provider, name := pool_model(model, answered)) in wanted
    )


def _by_hour(pools: Sequence[Pool], span: Span) -> dict[PoolKey, list[Bucket]]:
    at = Func(Value(span.step), F("hour"), Value(GRID), function="date_bin", output_field=DateTimeField())
    rows = (
        FingerprintHour.objects.filter(
            fingerprint__in=[row for pool in pools for row in pool.rows],
            hour__gte=span.start,
            hour__lt=span.end,
        )
        .annotate(at=at)
        .values("fingerprint__provider", "fingerprint__model", "at", "fingerprint__value")
        .annotate(n=Sum("count"))
        .values_list("fingerprint__provider", "fingerprint__model", "at", "fingerprint__value", "n")
    )
    return _buckets(((provider, model), at, value, n) for provider, model, at, value, n in rows)


def _buckets(
    rows: Iterable[tuple[PoolKey, datetime, str | None, int]],
) -> dict[PoolKey, list[Bucket]]:
    counts: dict[PoolKey, dict[datetime, dict[str | None, int]]] = defaultdict(dict)
    for key, at, value, n in rows:
        bin_ = counts[key].setdefault(at, {})
        bin_[value] = bin_.get(value, 0) + n
    return {
        key: [Bucket(at, dict(values)) for at, values in sorted(bins.items())] for key, bins in counts.items()
    }
