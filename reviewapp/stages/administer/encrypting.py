"""What is kept encrypted, written anew with the first of the encryption keys, so that older ones can go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.db import models

from reviewapp.models import FailedMessage
from reviewapp.models.privacy import SEALED, is_sealed
from reviewapp.models.provider import EncryptedTextField, Sealed, cipher

# What is encrypted of an authenticator, by its name in the accounts library's data.
_OF_FACTORS: Final = ("secret", "seed")
# How every token of Fernet begins in our time.
_TOKEN: Final = "gAAAA"  # noqa: S105  # no password


@dataclass(frozen=True, slots=True)
class WrittenAnew:
    """How many values of one kind were, and how many nobody can read with the keys that there are."""

    what: str
    written: int
    unreadable: int


def encrypt_anew() -> Iterator[WrittenAnew]:
    """Go over all that is encrypted. What somebody changes meanwhile is left: the first key wrote it."""
    for model in apps.get_app_config("reviewapp").get_models():
        for field in model._meta.fields:
            if isinstance(field, EncryptedTextField):
                yield _write(model, field.attname, lambda kept: Sealed(cipher().rotate(kept.token)))
    yield _write(FailedMessage, "payload", _message)
    yield _write(Authenticator, "data", _factor)


def _message(kept: Any) -> bytes:
    payload = bytes(kept)
    return SEALED + cipher().rotate(payload.removeprefix(SEALED)) if is_sealed(payload) else payload


def _factor(kept: dict[str, Any]) -> dict[str, Any]:
    anew = dict(kept)
    for name in _OF_FACTORS:
        text = kept.get(name)
        if isinstance(text, str):
            # What was kept before it was encrypted is, from now on.
            token = text.encode()
            anew[name] = (
                cipher().rotate(token) if text.startswith(_TOKEN) else cipher().encrypt(token)
            ).decode()
    return anew


def _write(model: type[models.Model], name: str, anew: Callable[[Any], Any]) -> WrittenAnew:
    written = unreadable = 0
    rows = model._base_manager.filter(**{f"{name}__isnull": False})
    for key, kept in rows.values_list("pk", name).iterator(chunk_size=500):
        try:
            after = anew(kept)
        except InvalidToken:
            unreadable += 1
            continue
        if after != kept:
            written += rows.filter(pk=key, **{name: kept}).update(**{name: after})
    return WrittenAnew(f"{model._meta.verbose_name_raw}: {name}", written, unreadable)
