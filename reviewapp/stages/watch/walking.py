"""From pools to events: what the counting has shown of each model, told once.

A pool is looked at again whenever the counting has added to it (`WatchedPool`). What came new is
judged from the counts, what moved from the history; both see everything each time, and the events'
keys make that harmless: whatever process dies, the next look finds the same events and stores
those that are missing.

What opens a change: a value (or another part of identity) that is new, live and undecided; a
retired value that answers again; a shift towards a value that nobody has accepted. What is only
kept, with a notice: known values in other shares, a value gone, reporting that stops or starts.
What happened long before it was recorded is history: kept, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import F

from reviewapp.models import (
    AlertKind,
    AlertSeverity,
    ChangeEvent,
    Fingerprint,
    FingerprintState,
    IdentityPart,
    IdentityPartName,
    SeenKind,
    WatchedPool,
)
from reviewapp.models.fingerprint import lives_of
from reviewapp.models.identity import SEED_DIFFERENT
from reviewapp.models.pools import history_for
from reviewapp.models.sweeping import each
from reviewapp.pure.pools import Arrival, EventKind, Life, PoolEvent, arrivals, grade_of, pool_events
from reviewapp.pure.pools.events import NEW_CALLS
from reviewapp.pure.pools.overlaps import HISTORY_AFTER
from reviewapp.pure.said import Day, Figure, Joined, Said, said
from reviewapp.pure.verdicts.messages import percent, short
from reviewapp.stages.watch.alerts import raise_alert
from reviewapp.stages.watch.changes import Seen, note_event, open_or_join
from reviewapp.stages.watch.deciding import open_overlap

# A pool with more values than this has one for nearly every answer: there is nothing to tell apart.
MOST_VALUES: Final = 2000
# Pools looked at in one turn.
AT_ONCE: Final = 200
# Late answers move the moment of what the history shows; nearer than this it is the same event.
SAME: Final = timedelta(days=2)
_FROM_HISTORY: Final = frozenset({EventKind.SHIFT, EventKind.GONE, EventKind.STOPPED, EventKind.STARTED})
# Headers that name the model or its deployment; the others name what stands in front of it.
_NAMING: Final = frozenset(
    {"openai-model", "azureml-model-session", "x-ms-deployment-name", "x-litellm-model-id"}
)


def walk(*, now: datetime) -> int:
    """Look at the pools that the counting has added to; gives how many (0: caught up)."""
    waiting = WatchedPool.objects.filter(walked__lt=F("counted")).order_by(
        F("walked_at").asc(nulls_first=True)
    )
    pools = list(waiting.values_list("pk", flat=True)[:AT_ONCE])
    return sum(each(pools, lambda pk: _walk_one(pk, now), what="A pool", stumbled=lambda pk: _last(pk, now)))


def _last(pk: int, now: datetime) -> None:
    """A pool that can't be looked at goes behind the others."""
    WatchedPool.objects.filter(pk=pk).update(walked_at=now)


def _walk_one(pk: int, now: datetime) -> int:
    # Not a lock on the row: the counting writes it after the fingerprints, and would wait in a circle.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"walk {pk}"])
        if not cursor.fetchone()[0]:
            return 0
    # Read before the rows: what is counted meanwhile makes it wait again.
    pool = WatchedPool.objects.filter(pk=pk, walked__lt=F("counted")).first()
    if pool is None:
        return 0
    _Look(pool, now).all()
    WatchedPool.objects.filter(pk=pk).update(walked=pool.counted, walked_at=now)
    return 1


@dataclass(frozen=True, slots=True)
class _Value:
    """One value with its shapes together."""

    arrival: Arrival
    row: Fingerprint

    @property
    def state(self) -> str:
        return self.row.state


class _Look:
    """One look at one pool."""

    def __init__(self, pool: WatchedPool, now: datetime) -> None:
        self.pool = pool
        self.now = now
        rows = list(
            Fingerprint.objects.filter(
                project=pool.project_id, provider=pool.provider_id, model=pool.model
            ).reporting()[: MOST_VALUES + 1]
        )
        self.too_many = len(rows) > MOST_VALUES
        self.calls = sum(row.count for row in rows)
        self.values = _values(rows)
        self.grade = grade_of(
            lives_of(Life(row.value, row.first_seen, row.last_seen, row.count) for row in rows)
        ).grade

    def all(self) -> None:
        if not self.too_many:
            self._new_values()
            self._returned()
            self._history()
        self._parts()

    def _new_values(self) -> None:
        for event in arrivals([value.arrival for value in self.values.values()], calls=self.calls):
            value = event.values[0]
            self._opens(
                Seen(
                    kind=SeenKind(event.kind.value),
                    key=f"{SeenKind.NEW_VALUE}:{value}",
                    at=event.at,
                    sentence=event.sentence,
                    values=event.values,
                    evidence={
                        "share": event.share,
                        "grade": self.grade,
                        "parts": [list(part) for part in event.parts],
                        "before": self._shares_before(event.at),
                    },
                )
            )

    def _shares_before(self, at: datetime) -> list[list[object]]:
        """The commonest values before then, with their shares."""
        earlier = [value.arrival for value in self.values.values() if value.arrival.first < at]
        total = sum(one.count for one in earlier)
        common = sorted(earlier, key=lambda one: one.count, reverse=True)[:6]
        return [[one.value, one.count / total] for one in common if total]

    def _returned(self) -> None:
        for name, value in self.values.items():
            row = value.row
            if row.state != FingerprintState.NEW or row.returned_at is None or row.decided_at is None:
                continue
            self._opens(
                Seen(
                    kind=SeenKind.VALUE_RETURNED,
                    key=f"{SeenKind.VALUE_RETURNED}:{name}:{row.returned_at.isoformat()}",
                    at=row.returned_at,
                    sentence=said(
                        "pool_returned",
                        name=short(name, length=40),
                        day=Day(row.decided_at.date(), with_year=False),
                    ),
                    values=(name,),
                    evidence={"first_seen": row.first_seen.isoformat(), "grade": self.grade},
                )
            )

    def _opens(self, event: Seen) -> None:
        if self._is_known(event.key):
            return
        self._open(event)
        # In a rotating pool a new value comes beside the others, not in their place.
        if self.grade != "rotating":
            for name in event.values:
                open_overlap(fingerprint=self.values[name].row, now=self.now)

    def _open(self, event: Seen) -> None:
        open_or_join(
            project_id=self.pool.project_id,
            provider_id=self.pool.provider_id,
            model=self.pool.model,
            event=event,
            now=self.now,
        )

    def _is_known(self, key: str) -> bool:
        """Whether an event has been told, so that nothing need be locked for it."""
        return bool(self._events().filter(key=key).exclude(change=None).exists())

    def _events(self) -> Any:
        return ChangeEvent.objects.filter(
            project=self.pool.project_id, provider=self.pool.provider_id, model=self.pool.model
        )

    def _history(self) -> None:
        """Shifts, values gone, and reporting that stopped or started."""
        found = pool_events(
            history_for(
                project=self.pool.project_id,
                provider=self.pool.provider_id,
                model=self.pool.model,
                now=self.now,
            )
        )
        told = list(
            self._events()
            .filter(kind__in=[str(kind.value) for kind in _FROM_HISTORY])
            .values_list("kind", "at")
        )
        for event in found:
            if event.kind not in _FROM_HISTORY:
                continue
            if any(kind == event.kind.value and abs(at - event.at) <= _same(event) for kind, at in told):
                continue
            self._tell(event)

    def _tell(self, event: PoolEvent) -> None:
        seen = Seen(
            kind=SeenKind(event.kind.value),
            key=f"{event.kind.value}:{event.at.isoformat()}",
            at=event.at,
            sentence=event.sentence,
            values=event.values,
            evidence={"share": event.share, "grade": self.grade},
        )
        is_live = self.now - event.at <= max(HISTORY_AFTER, _same(event))
        new = [name for name in event.values if name in self.values and self.values[name].state == "new"]
        if is_live and event.kind is EventKind.SHIFT and new:
            self._open(seen)
        elif self._note(seen, joins=is_live) and is_live and not self._is_expected(event):
            self._notice(seen)

    def _is_expected(self, event: PoolEvent) -> bool:
        """Whether a value went that was meant to go."""
        states = {self.values[name].state for name in event.values if name in self.values}
        return event.kind is EventKind.GONE and not states & {FingerprintState.ACCEPTED}

    def _note(self, event: Seen, *, joins: bool) -> bool:
        return note_event(
            project_id=self.pool.project_id,
            provider_id=self.pool.provider_id,
            model=self.pool.model,
            event=event,
            now=self.now,
            joins=joins,
        )

    def _notice(self, event: Seen) -> None:
        raise_alert(
            project_id=self.pool.project_id,
            kind=AlertKind.FINGERPRINT,
            severity=AlertSeverity.INFO,
            title=said(f"notice_{event.kind}", model=self.pool.model),
            text=event.sentence,
            path="/fingerprints/",
            key=f"pool:{self.pool.pk}:{event.kind}",
            now=self.now,
        )

    def _parts(self) -> None:
        """The other parts of identity."""
        rows = IdentityPart.objects.filter(
            project=self.pool.project_id, provider=self.pool.provider_id, model=self.pool.model
        )
        by_part: dict[tuple[str, str], list[IdentityPart]] = {}
        for row in rows:
            by_part.setdefault((row.part, row.name), []).append(row)
        for (part, name), own in by_part.items():
            for event in _lasting(own):
                self._part(part, name, event, own)

    def _part(self, part: str, name: str, event: PoolEvent, rows: Sequence[IdentityPart]) -> None:
        value = event.values[0]
        others = sorted((row for row in rows if row.value != value), key=lambda row: row.count, reverse=True)
        seen = Seen(
            kind=_PART_KINDS[part],
            key=f"part:{part}:{name}:{value}",
            at=event.at,
            sentence=_part_sentence(part, name, event, [row.value for row in others]),
            values=(value,),
            evidence={
                "part": part,
                "name": name,
                "share": event.share,
                "known": [row.value for row in others][:6],
            },
        )
        if self._is_known(seen.key):
            return
        if part in (IdentityPartName.RESPONSE_MODEL, IdentityPartName.SERVICE_TIER) or name in _NAMING:
            self._open(seen)
        elif (part != IdentityPartName.SEED or value == SEED_DIFFERENT) and self._note(seen, joins=True):
            self._notice(seen)


_PART_KINDS: Final[Mapping[str, SeenKind]] = {
    IdentityPartName.RESPONSE_MODEL: SeenKind.MODEL_CHANGED,
    IdentityPartName.SERVICE_TIER: SeenKind.TIER_CHANGED,
    IdentityPartName.HEADER: SeenKind.HEADER_CHANGED,
    IdentityPartName.SEED: SeenKind.SEED_IGNORED,
}


def _part_sentence(part: str, name: str, event: PoolEvent, others: Sequence[str]) -> Said:
    value, share = short(event.values[0], length=60), Figure(percent(event.share or 0.0))
    known = Joined(tuple(short(other, length=60) for other in others[:3]))
    match part:
        case IdentityPartName.SEED:
            return said("identity_seed", share=share)
        case IdentityPartName.RESPONSE_MODEL:
            return said("identity_model", value=value, share=share, known=known)
        case IdentityPartName.SERVICE_TIER:
            return said("identity_tier", value=value, share=share, known=known)
    return said("identity_header", name=name, value=value, share=share, known=known)


def _lasting(rows: Sequence[IdentityPart]) -> Iterator[PoolEvent]:
    """The new values of one part that have come to stay."""
    known = [
        Arrival(
            value=row.value,
            first=row.first_seen,
            last=row.last_seen,
            count=row.count,
            before=row.calls_before,
            is_news=row.is_news and row.count >= NEW_CALLS,
        )
        for row in rows
    ]
    return iter(arrivals(known, calls=sum(row.count for row in rows)))


def _values(rows: Sequence[Fingerprint]) -> dict[str, _Value]:
    """By value; the first of its rows stands for all."""
    found: dict[str, _Value] = {}
    for row in sorted(rows, key=lambda row: row.pk):
        if not row.value:
            continue
        arrival = Arrival(
            value=row.value,
            first=row.first_seen,
            last=row.last_seen,
            count=row.count,
            before=row.calls_before,
            is_news=row.state == FingerprintState.NEW and row.returned_at is None,
        )
        known = found.get(row.value)
        if known is None:
            found[row.value] = _Value(arrival, row)
            continue
        one = known.arrival
        found[row.value] = replace(
            known,
            arrival=replace(
                one,
                first=min(one.first, arrival.first),
                last=max(one.last, arrival.last),
                count=one.count + arrival.count,
                before=min(one.before, arrival.before),
            ),
        )
    return found


def _same(event: PoolEvent) -> timedelta:
    """How near another of its kind is the same event: reporting can stop twice a day, shares move slowly."""
    return SAME if event.kind in (EventKind.SHIFT, EventKind.GONE) else timedelta(hours=2)
