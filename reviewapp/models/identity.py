"""The other parts of a backend's identity, for providers whose fingerprint says little or nothing.

The model that the answer names, the service tier, the response headers that name a backend, and
whether the seed that came back is the one that was sent: one row a value, with how often it was
seen. Counted by the watch stage in the same transaction as the fingerprints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class IdentityPartName(models.TextChoices):
    RESPONSE_MODEL = "response_model", _("Model named in the answer")
    SERVICE_TIER = "service_tier", _("Service tier")
    HEADER = "header", _("Response header")
    SEED = "seed", _("Seed that came back")


# The values of the part `seed`.
SEED_HONOURED = "as sent"
SEED_DIFFERENT = "another one"


class IdentityPart(Scoped):
    """One value of one part of the identity of a provider's model."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    part = models.CharField(max_length=20, choices=IdentityPartName.choices)
    # Which header; empty for the other parts.
    name = models.TextField(default="")
    value = models.TextField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    count = models.BigIntegerField(default=0)
    # How many answers had told this part before this value came.
    calls_before = models.BigIntegerField(default=0)
    # Whether it came after the part was learnt, in an answer of its time: what may be an event.
    is_news = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # Also the index for one model's parts.
            models.UniqueConstraint(
                fields=["project", "provider", "model", "part", "name", "value"], name="identity_part_once"
            ),
            models.CheckConstraint(
                condition=models.Q(part__in=IdentityPartName.values), name="identity_part_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.part} {self.name} {self.value} of {self.model}"


@dataclass(frozen=True, slots=True)
class PartSeen:
    """One part of a model's identity with the values that were seen, the latest first."""

    part: str
    title: str
    values: list[IdentityPart]

    @property
    def count(self) -> int:
        """How many answers told it."""
        return sum(value.count for value in self.values)


@dataclass(frozen=True, slots=True)
class SeedEcho:
    """Whether the seed was honoured, where the provider says which one it used."""

    echoed: int
    as_sent: int
    last_different: datetime | None

    @property
    def was_honoured(self) -> bool:
        """Whether every echoed seed was the one sent."""
        return self.as_sent == self.echoed


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model's answers say about who answers, beside the fingerprint."""

    parts: list[PartSeen]
    seed: SeedEcho | None

    @property
    def is_empty(self) -> bool:
        """Whether the answers tell nothing."""
        return not self.parts and self.seed is None


NOTHING = Identity(parts=[], seed=None)


def identities_of(*, project: Project) -> dict[tuple[UUID, str], Identity]:
    """What is known, by provider and model, in one query."""
    rows = IdentityPart.objects.filter(project=project).order_by("part", "name", "-last_seen")
    by_pool: dict[tuple[UUID, str], list[IdentityPart]] = defaultdict(list)
    for row in rows:
        by_pool[row.provider_id, row.model].append(row)
    return {pool: _identity(own) for pool, own in by_pool.items()}


def _identity(rows: Sequence[IdentityPart]) -> Identity:
    by_part: dict[tuple[str, str], list[IdentityPart]] = defaultdict(list)
    for row in rows:
        by_part[row.part, row.name].append(row)
    seeds = by_part.pop((IdentityPartName.SEED, ""), [])
    return Identity(
        parts=[
            PartSeen(part=part, title=name or str(IdentityPartName(part).label), values=own)
            for (part, name), own in sorted(by_part.items())
        ],
        seed=_echo(seeds) if seeds else None,
    )


def _echo(rows: Sequence[IdentityPart]) -> SeedEcho:
    different = [row for row in rows if row.value != SEED_HONOURED]
    echoed = sum(row.count for row in rows)
    return SeedEcho(
        echoed=echoed,
        as_sent=echoed - sum(row.count for row in different),
        last_different=max((row.last_seen for row in different), default=None),
    )
