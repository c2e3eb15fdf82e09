"""Projects, and what each begins with: flag reasons and a rubric."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext

from reviewapp.models import Actor, FlagReason, Membership, Permission, Person, Project, Role, Rubric
from reviewapp.pure.words import storable
from reviewapp.stages.administer.audit import Refused, write_audit

NAME_LIMIT = 120
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
        "ordered": True,
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


def found_project(*, person: Person, name: str, now: datetime) -> Project:
    """A project that somebody begins, as its admin. Raises Refused for a name that can't be."""
    name = _checked(name, beside=Project.objects.filter(memberships__person=person))
    base = slugify(name)[:50]
    # Slugs stand in links of all projects together, so another's may be taken; what it is called is not told.
    for slug in (base, *(f"{base}-{secrets.token_hex(3)}".strip("-") for _ in range(3))):
        if slug and not Project.objects.filter(slug=slug).exists():
            try:
                with transaction.atomic():
                    return create_project(name=name, slug=slug, now=now, admin=person)
            except IntegrityError:  # somebody was first
                continue
    raise Refused(gettext("The project could not be made just now; try again."), field="name")


@transaction.atomic
def rename_project(*, actor: Actor, name: str, now: datetime) -> None:
    """Call the project something else; its slug, and so every link, stays. Raises Refused."""
    actor.check(Permission.ADMIN)
    others = Project.objects.filter(memberships__person=actor.person).exclude(pk=actor.project.pk)
    name = _checked(name, beside=others)
    before = Project.objects.select_for_update().get(pk=actor.project.pk).name
    if name == before:
        return
    Project.objects.filter(pk=actor.project.pk).update(name=name)
    write_audit(
        actor=actor, action="project.rename", target=actor.project, now=now, before=before, after=name
    )


def _checked(name: str, *, beside: QuerySet[Project]) -> str:
    """The name as it is kept. `beside` are the projects that the same person sees in the same menu."""
    name = storable(" ".join(name.split()))
    if not name or len(name) > NAME_LIMIT:
        raise Refused(
            gettext("Give the project a name of at most %(name_limit)s characters.")
            % {"name_limit": NAME_LIMIT},
            field="name",
        )
    if beside.filter(name__iexact=name).exists():
        raise Refused(gettext("You have a project called %(name)s already.") % {"name": name}, field="name")
    return name


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
    actor = None
    if admin is not None:
        actor = Actor(project=project, permissions=frozenset(Permission), person=admin, role=Role.ADMIN)
    write_audit(actor=actor, action="project.create", target=project, now=now, project=project, name=name)
    if admin is not None:
        Membership.objects.create(project=project, person=admin, role=Role.ADMIN, created_at=now)
        write_audit(
            actor=actor,
            action="member.add",
            target=admin,
            now=now,
            project=project,
            email=admin.email,
            role=Role.ADMIN,
        )
    return project
