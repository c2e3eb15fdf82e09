"""Sources: the assistants and systems that ask."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class ReusePolicy(models.TextChoices):
    OFF = "off", _("Never: every call goes to the provider")
    VALID = "valid", _("When the answer’s fingerprint is still valid")
    REVIEWED = "reviewed", _("When it is valid and people approved the answer")


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
    # What calls do that bring no X-Review-Reuse of their own.
    reuse = models.CharField(max_length=10, choices=ReusePolicy.choices, default=ReusePolicy.OFF)
    # Older answers are not served again; null: as long as they are valid.
    reuse_days = models.PositiveIntegerField(null=True, blank=True)
    # Answers to what was asked before are not served again: purged.
    reuse_since = models.DateTimeField(null=True)
    # What is hidden of its calls before they are stored, see pure/redaction; null: nothing.
    redaction = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="source_name_once"),
            models.CheckConstraint(
                condition=models.Q(reuse__in=ReusePolicy.values), name="source_reuse_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
