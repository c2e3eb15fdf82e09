"""Projects, people, keys, providers, sources: what an admin sets up, and the audit trail.

Every deed writes its audit entry in the same transaction, so neither exists without the other.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils.text import slugify

from reviewapp.models import (
    Actor,
    ApiKey,
    AuditEntry,
    FlagReason,
    Membership,
    Person,
    Project,
    Provider,
    Role,
    Rubric,
    Scope,
    SignInLink,
    Source,
)

KEY_PREFIX = "ra_"
DEFAULT_FLAG_REASONS = ("Wrong", "Harmful", "Off topic", "Refused", "Bad format", "Needs reproducing")
DEFAULT_QUESTIONS: list[dict[str, Any]] = [
    {
        "key": "verdict",
        "label": "Is the answer good enough to send?",
        "kind": "choice",
        "required": True,
        "choices": [
            {"value": "good", "label": "Good"},
            {"value": "minor", "label": "Minor problems"},
            {"value": "bad", "label": "Bad"},
        ],
    },
    {"key": "correct", "label": "Is it factually correct?", "kind": "boolean", "required": True},
    {
        "key": "helpful",
        "label": "How helpful is it?",
        "kind": "number",
        "required": False,
        "min": 1,
        "max": 5,
        "step": 1,
    },
    {"key": "remarks", "label": "What should be different?", "kind": "text", "required": False},
]
DEFAULT_LABELS: list[dict[str, str]] = [
    {"key": "wrong", "label": "Wrong"},
    {"key": "unsupported", "label": "Unsupported"},
    {"key": "unclear", "label": "Unclear"},
    {"key": "good", "label": "Well put"},
]


class Refused(Exception):
    """The deed can't be done; the message is a sentence for the person, `field` names the input."""

    def __init__(self, sentence: str, *, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)


def write_audit(
    *,
    actor: Actor | None,
    action: str,
    target: models.Model,
    now: datetime,
    project: Project | None = None,
    **detail: Any,
) -> None:
    """Leave an audit entry; call it inside the transaction of the deed."""
    AuditEntry.objects.create(
        project=project or (actor.project if actor else None),
        person=actor.person if actor else None,
        key=actor.key if actor else None,
        action=action,
        object_type=target._meta.model_name or "",
        object_id=str(target.pk),
        detail=detail,
        at=now,
    )


@transaction.atomic
def create_project(*, name: str, now: datetime, slug: str = "", admin: Person | None = None) -> Project:
    """A project with the default rubric and flag reasons; `admin` becomes its first admin."""
    project = Project.objects.create(
        name=name, slug=slug or slugify(name) or secrets.token_hex(4), created_at=now
    )
    for position, reason in enumerate(DEFAULT_FLAG_REASONS):
        FlagReason.objects.create(project=project, name=reason, position=position)
    Rubric.objects.create(
        project=project,
        name="Answer quality",
        instructions="Judge the answer as the person who asked would.",
        questions=DEFAULT_QUESTIONS,
        labels=DEFAULT_LABELS,
        is_default=True,
        created_at=now,
    )
    write_audit(actor=None, action="project.create", target=project, now=now, project=project, name=name)
    if admin is not None:
        Membership.objects.create(project=project, person=admin, role=Role.ADMIN, created_at=now)
        write_audit(actor=None, action="member.add", target=admin, now=now, project=project, role=Role.ADMIN)
    return project


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
            f"Unknown scope {', '.join(unknown) or '(none given)'}: choose from {', '.join(Scope.values)}.",
            field="scopes",
        )
    if not name.strip():
        raise Refused("Give the key a name, so that people know what uses it.", field="name")
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


def find_key(*, secret: str, now: datetime) -> ApiKey | None:
    """The usable key that this secret opens."""
    if not secret.startswith(KEY_PREFIX):
        return None
    key = (
        ApiKey.objects.filter(digest=digest_of(secret), revoked_at__isnull=True)
        .select_related("project", "source")
        .first()
    )
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return key


@transaction.atomic
def create_sign_in_link(*, person: Person, now: datetime, valid_for: timedelta = timedelta(hours=12)) -> str:
    """A token that signs the person in once."""
    token = secrets.token_urlsafe(32)
    link = SignInLink.objects.create(
        person=person, digest=digest_of(token), created_at=now, expires_at=now + valid_for
    )
    write_audit(actor=None, action="sign_in_link.create", target=link, now=now, person=person.email)
    return token


def sign_in_link_is_good(*, token: str, now: datetime) -> bool:
    """Whether the link would still sign somebody in."""
    return SignInLink.objects.filter(
        digest=digest_of(token), used_at__isnull=True, expires_at__gt=now, person__is_active=True
    ).exists()


@transaction.atomic
def use_sign_in_link(*, token: str, now: datetime) -> Person | None:
    """The link's person, the first time only."""
    digest = digest_of(token)
    if not sign_in_link_is_good(token=token, now=now):
        return None
    if SignInLink.objects.filter(digest=digest, used_at__isnull=True).update(used_at=now) == 0:
        return None
    link = SignInLink.objects.select_related("person").get(digest=digest)
    write_audit(actor=None, action="sign_in_link.use", target=link, now=now, person=link.person.email)
    return link.person


@transaction.atomic
def ensure_provider(*, project: Project, name: str, now: datetime) -> Provider:
    """The provider of that name; made (without an address) when there is none."""
    provider, _ = Provider.objects.get_or_create(project=project, name=name, defaults={"created_at": now})
    return provider


@transaction.atomic
def ensure_source(*, project: Project, name: str, now: datetime) -> Source:
    """The source of that name; made when there is none."""
    source, _ = Source.objects.get_or_create(project=project, name=name, defaults={"created_at": now})
    return source
