"""Sources: the assistants and systems that ask."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class Source(Scoped):
    """The assistant or system that asks, and what the gateway adds to its requests."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=120)
    provider = models.ForeignKey(
        Provider, on_delete=models.SET_NULL, null=True, blank=True, related_name="sources"
    )
    # Added to requests that don't say otherwise; everything else goes on byte for byte.
    add_seed = models.BooleanField(default=False)
    add_logprobs = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="source_name_once")]

    def __str__(self) -> str:
        return self.name
