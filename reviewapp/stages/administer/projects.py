"""Projects, and what each begins with: flag reasons and a rubric."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from reviewapp.models import FlagReason, Membership, Person, Project, Role, Rubric
from reviewapp.stages.administer.audit import write_audit

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
