"""What tests begin with: plain functions that make one thing each, with defaults that are valid."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from reviewapp.models import (
    Actor,
    Membership,
    Person,
    Project,
    Provider,
    Role,
    Source,
    actor_for_person,
)
from reviewapp.stages import administer

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_project(*, name: str = "", now: datetime = NOW) -> Project:
    return administer.create_project(name=name or f"Project {next(_numbers)}", now=now)


def make_person(*, email: str = "", password: str | None = None, **fields: Any) -> Person:
    return Person.objects.create_user(email or f"person{next(_numbers)}@example.org", password, **fields)


def make_member(*, project: Project, role: str = Role.REVIEWER, person: Person | None = None) -> Person:
    """A person with that role in the project."""
    person = person or make_person(email=f"{role}{next(_numbers)}@example.org")
    Membership.objects.create(project=project, person=person, role=role, created_at=NOW)
    return person


def make_actor(*, project: Project, role: str = Role.ADMIN, person: Person | None = None) -> Actor:
    member = make_member(project=project, role=role, person=person)
    actor = actor_for_person(person=member, project=project)
    assert actor is not None
    return actor


def make_key(*, project: Project, scopes: tuple[str, ...] = ("ingest", "read")) -> str:
    """The secret of a new key."""
    _, secret = administer.create_api_key(project=project, name="test key", scopes=scopes, now=NOW)
    return secret


def make_provider(*, project: Project, name: str = "openai", base_url: str = "", **fields: Any) -> Provider:
    return Provider.objects.create(project=project, name=name, base_url=base_url, created_at=NOW, **fields)


def make_source(*, project: Project, name: str = "support-bot", **fields: Any) -> Source:
    return Source.objects.create(project=project, name=name, created_at=NOW, **fields)
