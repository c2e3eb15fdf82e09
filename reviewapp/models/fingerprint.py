"""Fingerprints: the values that each model answers with, and what was decided about them.

A row is one value (or none) of one provider, model and request shape. What is decided is decided
about the value at that provider and model, so the rows of its shapes always share their state.
Counts are written by the watch stage alone; whatever is here can be made again from the interactions,
but for the decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.db import models
from django.db.models import TextField
from django.utils.translation import gettext_lazy as _

from reviewapp.models.composed import Composed, one_of
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id
from reviewapp.pure.pools import REPORTING, Graded, Life, grade_of, shape_words
from reviewapp.pure.verdicts.values import FingerprintState as StateName


class FingerprintState(models.TextChoices):
    NEW = "new", _("New")
    ACCEPTED = "accepted", _("Accepted")
    OVERLAP = "overlap", _("Overlap")
    RETIRED = "retired", _("Retired")


# Back to *new* goes what is undone, and what was retired by itself and came back.
FINGERPRINT_TRANSITIONS: dict[str, frozenset[str]] = {
    FingerprintState.NEW: frozenset(
        {FingerprintState.ACCEPTED, FingerprintState.OVERLAP, FingerprintState.RETIRED}
    ),
    FingerprintState.ACCEPTED: frozenset(
        {FingerprintState.OVERLAP, FingerprintState.RETIRED, FingerprintState.NEW}
    ),
    FingerprintState.OVERLAP: frozenset(
        {FingerprintState.ACCEPTED, FingerprintState.RETIRED, FingerprintState.NEW}
    ),
    FingerprintState.RETIRED: frozenset(
        {FingerprintState.ACCEPTED, FingerprintState.OVERLAP, FingerprintState.NEW}
    ),
}


class FingerprintQuerySet(ScopedQuerySet):
    def reporting(self) -> Self:
        """Of the endpoints whose answers can carry a fingerprint."""
        wanted = models.Q()
        for endpoint in REPORTING:
            wanted |= models.Q(shape=endpoint) | models.Q(shape__startswith=f"{endpoint}+")
        return self.filter(wanted)

    def of_value(self, one: Fingerprint) -> Self:
        """The value of `one` in all shapes."""
        return self.filter(project=one.project_id, provider=one.provider_id, model=one.model, value=one.value)


class Fingerprint(Scoped):
    """One value that a provider's model answered with, for one shape of request."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    # See pure/pools/shapes.py.
    shape = models.TextField()
    # Null: the answers reported none.
    value = models.TextField(null=True)
    state = models.CharField(max_length=10, choices=FingerprintState.choices)
    # By when it was asked, not when it was recorded.
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    count = models.BigIntegerField(default=0)
    # How many answers the pool had counted before this value came: what its share since then is of.
    calls_before = models.BigIntegerField(default=0)
    overlap_until = models.DateTimeField(null=True)
    # When it answered again after its overlap had ended it; see watch/walking.py.
    returned_at = models.DateTimeField(null=True)
    # Null where the app itself did it: learnt, retired, opened an overlap.
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    decided_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)

    objects: ClassVar[Any] = FingerprintQuerySet.as_manager()

    class Meta:
        constraints = [
            # Also the index for one pool; values that are none count as equal.
            models.UniqueConstraint(
                fields=["project", "provider", "model", "value", "shape"],
                name="fingerprint_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=FingerprintState.values), name="fingerprint_state_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="overlap") | models.Q(overlap_until__isnull=False),
                name="fingerprint_overlap_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(first_seen__lte=models.F("last_seen")), name="fingerprint_seen_in_order"
            ),
            models.CheckConstraint(condition=models.Q(count__gte=0), name="fingerprint_count_positive"),
        ]
        indexes = [
            # Overlaps whose window has passed.
            models.Index(
                fields=["overlap_until"], name="fingerprint_overlaps", condition=models.Q(state="overlap")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value or 'none'} of {self.model}"

    @property
    def shape_words(self) -> str:
        """What was asked for, for people."""
        return shape_words(self.shape)

    @property
    def was_decided(self) -> bool:
        """Whether a person or a key decided, and not the app."""
        return self.decided_by_id is not None or self.decided_by_key_id is not None


class FingerprintHour(models.Model):
    """How many answers of one hour carried the value."""

    fingerprint = models.ForeignKey(
        Fingerprint, on_delete=models.CASCADE, related_name="hours", db_index=False
    )
    hour = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            # Also the index for a value's history, and what the counting's upsert meets.
            models.UniqueConstraint(fields=["fingerprint", "hour"], name="fingerprint_hour_once"),
            models.CheckConstraint(condition=models.Q(count__gt=0), name="fingerprint_hour_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.fingerprint_id} at {self.hour}"


class Watermark(models.Model):
    """How far a pulling stage has come. Its row is the lock under which it pulls."""

    name = models.CharField(max_length=40, primary_key=True)
    # The last interaction counted, in the order of recording.
    created_at = models.DateTimeField(null=True)
    interaction = models.UUIDField(null=True)
    # When it last looked for rows that were committed behind the mark.
    swept_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.created_at}"


class CountedLately(models.Model):
    """An interaction counted a short while ago: how late ones are told from those counted already."""

    interaction = models.UUIDField(primary_key=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            # What can be forgotten.
            models.Index(fields=["created_at"], name="counted_lately_age"),
        ]

    def __str__(self) -> str:
        return str(self.interaction)


@dataclass(frozen=True, slots=True)
class PoolState:
    """What is known of the values that a provider's model answers with."""

    graded: Graded
    states: Mapping[str, StateName] = field(default_factory=dict)


def pool_state(*, provider: UUID, model: str) -> PoolState:
    """The grade of a provider's model and the states of its values."""
    rows = list(
        Fingerprint.objects.filter(provider=provider)
        .reporting()
        .values_list("model", "value", "first_seen", "last_seen", "count", "state")
    )
    own = [row for row in rows if row[0] == model]
    return PoolState(
        graded=grade_of(
            lives_of(Life(*row[1:5]) for row in own), shared=shared_values((row[0], row[1]) for row in rows)
        ),
        states={row[1]: row[5] for row in own if row[1]},
    )


class Pools:
    """The pools met while a batch is judged, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, str], PoolState] = {}

    def of(self, *, provider: UUID, model: str) -> PoolState:
        """The pool of this provider's model."""
        key = provider, model
        if key not in self._known:
            self._known[key] = pool_state(provider=provider, model=model)
        return self._known[key]


def lives_of(rows: Iterable[Life]) -> list[Life]:
    """One life a value, where shapes have theirs apart."""
    found: dict[str | None, Life] = {}
    for row in rows:
        known = found.get(row.value)
        found[row.value] = (
            row
            if known is None
            else Life(
                row.value,
                min(known.first, row.first),
                max(known.last, row.last),
                known.count + row.count,
            )
        )
    return list(found.values())


# Snapshots and aliases of one model share its values; more names than these are different models.
_NAMES_OF_ONE_MODEL = 2


def shared_values(pairs: Iterable[tuple[str, str | None]]) -> frozenset[str]:
    """Values that more models of a provider report than names of one model would explain."""
    models_of: dict[str, set[str]] = defaultdict(set)
    for model, value in pairs:
        if value:
            models_of[value].add(model)
    return frozenset(value for value, names in models_of.items() if len(names) > _NAMES_OF_ONE_MODEL)


_STATES: Final = Composed(
    lambda projects, providers, models, values: Fingerprint.objects.filter(
        one_of("project", projects),
        one_of("provider", providers),
        one_of("model", models, TextField()),
        one_of("value", values, TextField()),
    ).values_list("provider", "model", "value", "state")
)


def states_of(interactions: Sequence[Interaction]) -> dict[UUID, str]:
    """The state of each interaction's fingerprint, by the interaction's id, in one query."""
    told = [one for one in interactions if one.fingerprint]
    if not told:
        return {}
    known = {
        (provider, model, value): state
        for provider, model, value, state in _STATES.rows(
            projects=list({one.project_id for one in told}),
            providers=list({one.provider_id for one in told}),
            models=list({pool_model(one.model, one.response_model) for one in told}),
            values=list({pool_value(one.fingerprint) or "" for one in told}),
        )
    }
    found = {
        one.pk: known.get(
            (one.provider_id, pool_model(one.model, one.response_model), pool_value(one.fingerprint))
        )
        for one in told
    }
    return {id_: state for id_, state in found.items() if state}


def present_of(one: Interaction) -> Fingerprint | None:
    """What the model of an interaction answered with last."""
    rows = Fingerprint.objects.filter(
        project=one.project_id, provider=one.provider_id, model=pool_model(one.model, one.response_model)
    )
    found: Fingerprint | None = rows.order_by("-last_seen").first()
    return found


# What stands in the index must fit it; nothing real is as long.
POOL_CHARACTERS = 200


def pool_model(asked: str, answered: str | None) -> str:
    """The model whose pool an answer belongs to: the one asked for, so that an alias that moves shows."""
    return (asked or answered or "")[:POOL_CHARACTERS]


def pool_value(fingerprint: str | None) -> str | None:
    """The value as pools keep it; an empty text reports none."""
    return (fingerprint or "")[:POOL_CHARACTERS] or None
