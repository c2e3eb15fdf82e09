"""What a person or key may see and do, decided in one place.

An `Actor` is who acts, in which project, with which permissions. Every queryset of data is
narrowed by `visible_to(actor)`; every deed begins with `actor.check(permission)`. What is not
allowed here is not allowed anywhere: the default is no.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models

from reviewapp.models.project import ApiKey, Membership, Project, Role, Scope

if TYPE_CHECKING:
    from reviewapp.models.people import Person


class Permission(enum.Enum):
    """One kind of deed."""

    INGEST = "send interactions"
    READ = "read"
    REVIEW = "flag and annotate"
    REPLAY = "start replays"
    EXPORT = "make exports"
    ADMIN = "change the project's settings"


_READ = frozenset({Permission.READ})
_BY_ROLE: dict[str, frozenset[Permission]] = {
    Role.VIEWER: _READ,
    # The one who judges an answer may also ask it again and take the result home.
    Role.REVIEWER: _READ | {Permission.REVIEW, Permission.REPLAY, Permission.EXPORT},
    Role.ADMIN: frozenset(Permission),
}
_BY_SCOPE: dict[str, frozenset[Permission]] = {
    Scope.INGEST: frozenset({Permission.INGEST}),
    Scope.READ: _READ,
    Scope.REVIEW: frozenset({Permission.REVIEW}),
    Scope.REPLAY: frozenset({Permission.REPLAY}),
    Scope.EXPORT: frozenset({Permission.EXPORT}),
    Scope.ADMIN: frozenset(Permission),
}


class NotAllowed(Exception):
    """Somebody tried what they may not do; the message is a sentence for them."""

    def __init__(self, permission: Permission, actor: Actor) -> None:
        self.permission = permission
        if actor.key is not None:
            scope = permission.name.lower()
            sentence = f"This key may not {permission.value}: it lacks the scope “{scope}”."
        else:
            sentence = (
                f"You may not {permission.value} in {actor.project.name}: you are its {actor.role}. "
                "An admin of the project can change that."
            )
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts (a person, a key, or the system itself), in which project, with which permissions."""

    project: Project
    permissions: frozenset[Permission]
    person: Person | None = None
    key: ApiKey | None = None
    role: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def check(self, permission: Permission) -> None:
        """Raise NotAllowed, with the reason, unless this actor may."""
        if permission not in self.permissions:
            raise NotAllowed(permission, self)

    @property
    def name(self) -> str:
        if self.person is not None:
            return self.person.short_name
        return self.key.name if self.key is not None else "reviewapp"


def actor_for_person(*, person: Person, project: Project) -> Actor | None:
    """The person in that project; None when they are no member of it."""
    membership = Membership.objects.filter(person=person, project=project).first()
    return None if membership is None else actor_of(membership=membership, person=person, project=project)


def actor_of(*, membership: Membership, person: Person, project: Project | None = None) -> Actor:
    """The person whose membership this is, in its project (given, where it is at hand)."""
    return Actor(
        project=project or membership.project,
        permissions=_BY_ROLE[membership.role],
        person=person,
        role=membership.role,
    )


def actor_for_key(*, key: ApiKey) -> Actor:
    """The key in its project, with the permissions of its scopes."""
    permissions: frozenset[Permission] = frozenset()
    for scope in key.scopes:
        permissions |= _BY_SCOPE[scope]
    return Actor(project=key.project, permissions=permissions, key=key)


def system_actor(*, project: Project) -> Actor:
    """The app itself: schedules, rules and commands run on the machine."""
    return Actor(project=project, permissions=frozenset(Permission))


class ScopedQuerySet(models.QuerySet[Any]):
    """Rows of a project."""

    def visible_to(self, actor: Actor) -> Self:
        """Only what this actor may see; nothing at all when they may not read."""
        if not actor.may(Permission.READ):
            return self.none()
        return self.filter(project=actor.project)


class Scoped(models.Model):
    """A row that belongs to a project (the concrete model declares the foreign key)."""

    objects: ClassVar[Any] = ScopedQuerySet.as_manager()

    class Meta:
        abstract = True
