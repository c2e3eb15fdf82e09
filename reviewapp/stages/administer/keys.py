"""API keys: made, found, revoked. The secret is shown once; its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from reviewapp.models import Actor, ApiKey, Permission, Project, Scope, Source
from reviewapp.models.composed import Composed
from reviewapp.stages.administer.audit import Refused, write_audit

KEY_PREFIX = "ra_"


def digest_of(secret: str) -> bytes:
    """What is kept of a key or link."""
    return hashlib.sha256(secret.encode()).digest()


@transaction.atomic
def create_api_key(
    *,
    project: Project,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    actor: Actor | None = None,
    source: Source | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is shown this once. Raises Refused for unknown scopes."""
    wanted = list(dict.fromkeys(scopes))
    unknown = [scope for scope in wanted if scope not in Scope.values]
    if unknown or not wanted:
        raise Refused(
            gettext("Unknown scope %(value)s: choose from %(choices)s.")
            % {"value": ", ".join(unknown) or "(none given)", "choices": ", ".join(Scope.values)},
            field="scopes",
        )
    if not name.strip():
        raise Refused(gettext("Give the key a name, so that people know what uses it."), field="name")
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        project=project,
        name=name.strip(),
        hint=secret[:9],
        digest=digest_of(secret),
        scopes=wanted,
        source=source,
        created_by=actor.person if actor else None,
        created_at=now,
        expires_at=expires_at,
    )
    write_audit(
        actor=actor, action="api_key.create", target=key, now=now, project=project, name=name, scopes=wanted
    )
    return key, secret


# Every request of a program begins with it.
_BY_DIGEST: Final = Composed(
    lambda digest: ApiKey.objects.filter(digest=digest).select_related("project", "source")
)


def find_key(*, secret: str, now: datetime) -> ApiKey | None:
    """The usable key that this secret opens."""
    if not secret.startswith(KEY_PREFIX):
        return None
    key = _BY_DIGEST.first(digest=digest_of(secret))
    return key if key is not None and key.is_usable(now=now) else None


def note_key_use(*, keys: Collection[UUID], now: datetime) -> None:
    """Keep when these keys were last used, to the minute. No audit entry: it is no change."""
    ApiKey.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - timedelta(minutes=1)), id__in=keys
    ).update(last_used_at=now)


@transaction.atomic
def revoke_key(*, actor: Actor, key_id: UUID, now: datetime) -> bool:
    """Make the key useless. False when it was revoked already or is not this project's."""
    actor.check(Permission.ADMIN)
    moved = ApiKey.objects.filter(pk=key_id, project=actor.project, revoked_at__isnull=True).update(
        revoked_at=now
    )
    if moved:
        write_audit(actor=actor, action="api_key.revoke", target=ApiKey.objects.get(pk=key_id), now=now)
    return bool(moved)
