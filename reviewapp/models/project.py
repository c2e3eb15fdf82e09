"""Projects, who belongs to them, their keys, and the record of what was done.

A project is the wall: every row of data has a project, and nothing crosses from one to another.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.people import Person
from reviewapp.pure.ids import new_id


class Role(models.TextChoices):
    """What a member is in a project; each can do all that the ones before it can."""

    VIEWER = "viewer", _("Viewer")
    REVIEWER = "reviewer", _("Reviewer")
    ADMIN = "admin", _("Admin")


class Scope(models.TextChoices):
    """What an API key may do; scopes don't imply one another, except admin, which is all of them."""

    INGEST = "ingest", _("Send interactions")
    READ = "read", _("Read")
    REVIEW = "review", _("Flag and annotate")
    REPLAY = "replay", _("Start replays")
    EXPORT = "export", _("Make exports")
    ADMIN = "admin", _("Everything")


class Project(models.Model):
    """What people, keys and data belong to."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in a project."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField()
    # What this person had seen when they last left Home: "what changed since" counts from here.
    home_seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "person"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} is {self.role} of {self.project_id}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        """Not revoked. Expiry is checked against the clock by who asks."""
        return self.filter(revoked_at__isnull=True)


class ApiKey(models.Model):
    """A key of an application. The key itself is shown once; its SHA-256 is kept.

    A plain digest is enough: a key has 256 random bits, so there is nothing to guess.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    hint = models.CharField(max_length=16, help_text="The first characters, to recognise it by.")
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    source = models.ForeignKey(
        "reviewapp.Source", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[ApiKey]] = ApiKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=Scope.values) & ~models.Q(scopes=[]),
                name="api_key_scopes_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def scope_words(self) -> list[tuple[str, str]]:
        """Each scope with what it lets the key do."""
        return [(scope, str(Scope(scope).label)) for scope in self.scopes]

    def is_usable(self, *, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class MadeBy:
    """Rows that a person or a key made; without either the app itself did."""

    created_by: Person | None
    created_by_key: ApiKey | None

    @property
    def made_by(self) -> str:
        """Who, as screens say it."""
        if self.created_by is not None:
            return self.created_by.short_name
        return self.created_by_key.name if self.created_by_key is not None else "reviewapp"


class AuditEntry(models.Model):
    """One thing that a person, a key or the system did; written in the same transaction as the deed."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # An entry outlives what it speaks of, so these are values, not references that could be cascaded.
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # The audit log's page: a project's entries, newest first.
            models.Index(fields=["project", "-at", "-id"], name="audit_project_at"),
            # What happened to one thing.
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"

    @property
    def facts(self) -> list[tuple[str, object]]:
        """The details for templates, where `detail.items` may be a detail of that name."""
        return list(self.detail.items())
