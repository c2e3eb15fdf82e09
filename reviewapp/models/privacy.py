"""Privacy: what pseudonyms stand for, what is deleted when, what must not be, and what was erased."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.comparison import VerdictName
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import Project
from reviewapp.models.provider import EncryptedTextField, cipher
from reviewapp.models.scoping import Scoped
from reviewapp.models.source import Source
from reviewapp.pure.ids import new_id

# No frame of the journal and no message of the broker begins so.
SEALED: Final = b"sealed:"


class ProjectPrivacy(models.Model):
    """A project's choices. Without a row: placeholders, no pseudonyms."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="privacy"
    )
    # Of pseudonyms; null: values are hidden for good.
    pseudonym_key = EncryptedTextField(null=True)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"privacy of {self.project_id}"


class Pseudonym(Scoped):
    """What a pseudonym stands for, encrypted; there only while the project wants to be able to look it up."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    detector = models.CharField(max_length=30)
    token = models.CharField(max_length=20)
    value = EncryptedTextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index that a pseudonym is looked up by.
            models.UniqueConstraint(fields=["project", "token"], name="pseudonym_once"),
        ]

    def __str__(self) -> str:
        return f"[{self.detector}:{self.token}]"


class Unopenable(Exception):
    """What was kept encrypted can't be read with the present encryption keys."""


def seal(payload: bytes) -> bytes:
    """The payload as it is kept where nothing may be kept in the clear."""
    return SEALED + cipher().encrypt(payload)


def is_sealed(payload: bytes) -> bool:
    return payload.startswith(SEALED)


def opened(payload: bytes) -> bytes:
    """The payload as it came, sealed or not. Raises Unopenable."""
    if not is_sealed(payload):
        return payload
    try:
        return cipher().decrypt(payload.removeprefix(SEALED))
    except InvalidToken:
        raise Unopenable(
            "It was encrypted with a key that is not among the present encryption keys."
        ) from None


class Hold(Scoped):
    # Whose data; gone once they are erased. The digest is of salt and name: who knows it recognises it.

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, null=True, related_name="holds")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, null=True, related_name="holds")
    reason = models.CharField(max_length=300)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(interaction__isnull=True) ^ models.Q(source__isnull=True),
                name="hold_of_one_thing",
            ),
        ]
        indexes = [models.Index(fields=["project", "-created_at"], name="hold_newest")]

    def __str__(self) -> str:
        return f"hold on {self.interaction_id or self.source_id}"


class RetentionRule(Scoped):
    """What is deleted when it is older than so many days."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField()
    # What it is narrowed to; empty: everything.
    source = models.ForeignKey(Source, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    verdict = models.CharField(max_length=20, blank=True, choices=VerdictName.choices)
    flagged = models.CharField(max_length=3, blank=True, choices=[("yes", "flagged"), ("no", "not flagged")])
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__gte=1, days__lte=36_500), name="retention_days_range"
            ),
        ]

    def __str__(self) -> str:
        return f"older than {self.days} days"

    @property
    def takes_everything(self) -> bool:
        """Whether it is narrowed by nothing but the age."""
        return self.source_id is None and not self.verdict and not self.flagged


class ErasureState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")


ERASURE_TRANSITIONS: dict[str, frozenset[str]] = {
    ErasureState.QUEUED: frozenset({ErasureState.RUNNING}),
    # A worker that died leaves it running; the sweeper queues it again.
    ErasureState.RUNNING: frozenset({ErasureState.DONE, ErasureState.QUEUED}),
    ErasureState.DONE: frozenset(),
}


class Erasure(Scoped):
    """Everything of one end user, erased; afterwards the certificate, which names nobody."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=ErasureState.choices, default=ErasureState.QUEUED)
    # Whose data; gone once they are erased. The digest is of salt and name: who knows it can recognise it.
    end_user = EncryptedTextField(null=True)
    salt = models.CharField(max_length=32)
    digest = models.CharField(max_length=64)
    counts = models.JSONField(default=dict)
    exports = models.JSONField(default=list)
    kept = models.PositiveIntegerField(default=0)
    certificate = models.JSONField(default=dict)
    heartbeat_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=ErasureState.values), name="erasure_state_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(end_user__isnull=True),
                name="erasure_names_nobody",
            ),
        ]
        indexes = [models.Index(fields=["project", "-created_at"], name="erasure_newest")]

    def __str__(self) -> str:
        return f"erasure {self.id}"
