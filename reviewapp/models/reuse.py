"""Reuse: stored answers that were served again, and how often that spared a call."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from reviewapp.models.interaction import Interaction
from reviewapp.models.project import Project
from reviewapp.models.scoping import Scoped
from reviewapp.models.source import Source
from reviewapp.pure.ids import new_id


class Reuse(Scoped):
    """One serving of a stored answer: an event of the original, not an answer of its own."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(
        Interaction, on_delete=models.CASCADE, related_name="reuses", db_index=False
    )
    # Who asked this time; null for a caller without a source.
    source = models.ForeignKey(Source, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    # "valid" or "reviewed".
    policy = models.CharField(max_length=10)
    at = models.DateTimeField()
    trace = models.TextField(null=True)
    session = models.TextField(null=True)
    end_user = models.TextField(null=True)

    class Meta:
        indexes = [
            # An interaction's page, latest first.
            models.Index(fields=["interaction", "-at"], name="reuse_of_interaction"),
            # A source's latest.
            models.Index(fields=["source", "-at"], name="reuse_of_source"),
        ]

    def __str__(self) -> str:
        return f"{self.interaction_id} at {self.at}"


class ReuseDay(models.Model):
    """What reuse did for a source on one day (UTC). Counted by the gateway, written every few seconds."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    # Calls that wanted a stored answer and got one, and those for which there was none.
    hits = models.BigIntegerField(default=0)
    misses = models.BigIntegerField(default=0)
    # Calls that got the answer of another one that was on its way.
    joined = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    # US dollars by the provider's prices of that day, and how many answers had none to count by.
    cost = models.FloatField(default=0, db_default=0)
    unpriced = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            # Also the index for a source's last days.
            models.UniqueConstraint(fields=["source", "day"], name="reuse_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.hits} of {self.hits + self.misses} on {self.day}"
