"""What an installation begins with: a project, and an admin who can get in."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext

from reviewapp.models import Membership, Person, Project, Role
from reviewapp.stages.administer.audit import Refused, write_audit
from reviewapp.stages.administer.projects import create_project


@transaction.atomic
def ensure_project(*, slug: str, name: str, now: datetime) -> Project:
    """The project of that slug; made when there is none."""
    return Project.objects.filter(slug=slug).first() or create_project(name=name, slug=slug, now=now)


@transaction.atomic
def ensure_admin(*, project: Project, email: str, now: datetime, password: str | None = None) -> Person:
    """The person of that address; made when there is none, as admin of the project and operator.

    Somebody who exists is left as they are, so that a later start undoes nothing that people changed.
    Without a password they come in by link. Raises Refused for an address that is none.
    """
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise Refused(
            gettext("“%(email)s” is no e-mail address.") % {"email": email}, field="email"
        ) from None
    known = Person.objects.filter(email__iexact=email).first()
    if known is not None:
        return known
    person = Person.objects.create_user(email, password, is_operator=True)
    Membership.objects.create(project=project, person=person, role=Role.ADMIN, created_at=now)
    write_audit(
        actor=None, action="member.add", target=person, now=now, project=project, email=email, role=Role.ADMIN
    )
    return person


def first_operator() -> Person | None:
    """Who runs this installation, the longest-serving first."""
    return Person.objects.filter(is_operator=True, is_active=True).order_by("joined_at").first()
