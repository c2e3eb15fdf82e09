"""Seed ranges: the integers reserved to a source, and how far they have been given."""

from __future__ import annotations

import secrets
from typing import cast
from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from reviewapp.models.project import Project
from reviewapp.models.scoping import Scoped
from reviewapp.models.source import Source
from reviewapp.pure import seeds
from reviewapp.pure.ids import new_id

# From this share on it is time to reserve more.
NEARLY_USED = 0.9


class SeedPolicyKind(models.TextChoices):
    RANDOM = "random", _("Random, none twice")
    SEQUENCE = "sequence", _("Sequence")
    DERIVED = "derived", _("Derived from the request")
    FIXED = "fixed", _("Always the same")


def _exact(name: str) -> Cast:
    # As numbers of any size: the end of an int8range may not be the largest of them.
    return Cast(F(name), models.DecimalField(max_digits=20, decimal_places=0))


def new_order() -> bytes:
    """A random order of its own for each range."""
    return secrets.token_bytes(16)


class SeedRange(Scoped):
    """The seeds from `first` to `last`, both included, and how the next one of them is chosen.

    Ranges of one project never overlap, whatever writes them: the database sees to it.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="seed_ranges")
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    policy = models.CharField(max_length=10, choices=SeedPolicyKind.choices, default=SeedPolicyKind.RANDOM)
    # Of a fixed policy.
    seed = models.BigIntegerField(null=True, blank=True)
    # Of a sequence; none: the first of the range.
    start = models.BigIntegerField(null=True, blank=True)
    step = models.BigIntegerField(default=1)
    # The random policy's order.
    order = models.BinaryField(max_length=16, default=new_order)
    # Closed: what was given stays known, nothing more is given.
    is_open = models.BooleanField(default=True)
    # Reserved by the app for a source that had none: when it is used up, so is the next.
    is_automatic = models.BooleanField(default=False)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="seed_ranges_apart",
                expressions=[
                    ("project", RangeOperators.EQUAL),
                    (
                        Func(_exact("first"), _exact("last"), Value("[]"), function="numrange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(condition=Q(first__lte=F("last")), name="seed_range_in_order"),
            models.CheckConstraint(condition=Q(policy__in=SeedPolicyKind.values), name="seed_policy_known"),
            models.CheckConstraint(condition=~Q(step=0), name="seed_step_moves"),
            models.CheckConstraint(
                condition=~Q(policy="fixed")
                | Q(seed__isnull=False, seed__gte=F("first"), seed__lte=F("last")),
                name="seed_fixed_inside",
            ),
            models.CheckConstraint(
                condition=Q(start__isnull=True) | Q(start__gte=F("first"), start__lte=F("last")),
                name="seed_start_inside",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first}…{self.last}"

    @property
    def rule(self) -> seeds.SeedPolicy:
        """The policy as a value."""
        return seeds.SeedPolicy(
            kind=cast(seeds.PolicyKind, self.policy),
            range=seeds.SeedRange(self.first, self.last),
            seed=self.seed,
            start=self.start,
            step=self.step,
        )

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def counts(self) -> bool:
        """Whether seeds are used up: a fixed or derived one may be given any number of times."""
        return self.policy in {SeedPolicyKind.RANDOM, SeedPolicyKind.SEQUENCE}


class SeedCounter(models.Model):
    """How many seeds of a range were given. Apart from the range, which is read often and changes rarely."""

    range = models.OneToOneField(
        SeedRange, on_delete=models.CASCADE, primary_key=True, related_name="counter"
    )
    given = models.BigIntegerField(default=0)
    last_given_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(given__gte=0), name="seed_given_positive")]

    def __str__(self) -> str:
        return f"{self.given} of {self.range_id}"
