"""Privacy: what a project hides, what its pseudonyms stand for."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import models

from reviewapp.models.project import Project
from reviewapp.models.provider import EncryptedTextField, cipher
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id

# No frame of the journal and no message of the broker begins so.
_SEALED: Final = b"sealed:"


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
    return _SEALED + cipher().encrypt(payload)


def is_sealed(payload: bytes) -> bool:
    return payload.startswith(_SEALED)


def opened(payload: bytes) -> bytes:
    """The payload as it came, sealed or not. Raises Unopenable."""
    if not is_sealed(payload):
        return payload
    try:
        return cipher().decrypt(payload.removeprefix(_SEALED))
    except InvalidToken:
        raise Unopenable(
            "It was encrypted with a key that is not among the present encryption keys."
        ) from None
