"""Providers: the OpenAI-compatible endpoints that answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from reviewapp.models.project import Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id
from reviewapp.pure.said import said, say

# What screens call a secret, by its field.
_CALLED: Final = {"api_key": "secret_key", "url": "secret_address", "secret": "secret_signing"}


class UnreadableSecret(Exception):
    """A stored secret can't be decrypted: none of the encryption keys is the one it was written with."""

    def __init__(self, owner: models.Model, field: str) -> None:
        what = say(_CALLED[field]) if field in _CALLED else field
        super().__init__(said("secret_unreadable", field=what, owner=str(owner)))


def cipher() -> MultiFernet:
    """Encrypts with the first of the keys, decrypts with any."""
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the table holds it."""

    token: bytes = field(repr=False)


class _OpenedOnUse(DeferredAttribute):
    """Decrypts when the secret itself is asked for: rows load and are saved also when nobody can read it."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, Sealed):
            return value
        try:
            return cipher().decrypt(value.token).decode()
        except InvalidToken:
            raise UnreadableSecret(instance, self.field.attname) from None

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.BinaryField):  # type: ignore[type-arg]  # can't be subscripted at run time
    """Text that is encrypted in the table (Fernet: AES-128-CBC with HMAC-SHA-256).

    The first of `REVIEWAPP_ENCRYPTION_KEYS` encrypts, all of them decrypt, so keys can be rotated.
    Reading the attribute decrypts, and raises UnreadableSecret; loading the row does not.
    """

    descriptor_class = _OpenedOnUse

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        # What was not opened goes back as it came.
        value = model_instance.__dict__.get(self.attname)
        return value if isinstance(value, Sealed) else super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Sealed):
            return value.token
        return cipher().encrypt(str(value).encode())

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        return value if value is None else connection.Database.Binary(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(bytes(value))

    def to_python(self, value: Any) -> Any:
        return value


class Provider(Scoped):
    """An OpenAI-compatible endpoint: name, base URL, credentials, limits.

    One without a base URL was created by recording only: it can't be called until an admin gives it one.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="providers")
    name = models.CharField(max_length=120)
    base_url = models.URLField(max_length=500, blank=True)
    api_key = EncryptedTextField(null=True, blank=True)
    # Limits: null means none beyond the app's own concurrency.
    max_concurrency = models.PositiveIntegerField(default=20)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    timeout_seconds = models.PositiveIntegerField(default=120)
    # US dollars for a million tokens, by model: {"gpt-4o-mini": {"input": 0.15, "output": 0.60}}.
    prices = models.JSONField(default=dict, blank=True)
    is_default = models.BooleanField(default=False)
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    # What the Test button last found: {"at": …, "findings": [{"name", "good", "text"}]}.
    tested = models.JSONField(default=dict, blank=True)
    # Whether a backend change starts its verification by itself, or waits for an admin.
    verifies_by_itself = models.BooleanField(default=False)
    # How often whether seeds are heeded is probed again; null: only by the Test button.
    probe_every_hours = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="provider_name_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(is_default=True), name="provider_one_default"
            ),
            models.CheckConstraint(
                condition=models.Q(max_concurrency__gte=1, max_concurrency__lte=1000),
                name="provider_concurrency_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_be_called(self) -> bool:
        """Whether an admin has given it an address."""
        return bool(self.base_url)

    @property
    def has_key(self) -> bool:
        """Whether a key is stored; it may be one that can't be read."""
        try:
            return bool(self.api_key)
        except UnreadableSecret:
            return True

    @property
    def key_problem(self) -> str:
        """Why the stored key can't be used, with the mend; empty when it can, or there is none."""
        try:
            _ = self.api_key
        except UnreadableSecret as error:
            return str(error)
        return ""

    @property
    def seed_honoured(self) -> bool | None:
        """What the last test found about the seed; None where it could not tell, or there was none."""
        findings = self.tested.get("findings", [])
        return next((finding["good"] for finding in findings if finding["name"] == "seed"), None)
