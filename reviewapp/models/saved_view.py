"""Saved views: a name for filters, columns and an order of the interactions list.

A view belongs to the person who made it; shared, everybody in the project sees it. Ages in its
filter stay ages: “since 7d” means the last seven days whenever the view is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from reviewapp.models.composed import Composed
from reviewapp.models.people import Person
from reviewapp.models.project import Project
from reviewapp.models.scoping import Actor, Permission, Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id


class SavedViewQuerySet(ScopedQuerySet):
    """Views, the removed ones among them until one says otherwise."""

    def visible_to(self, actor: Actor) -> Self:
        """What is shared in the actor's project, and the actor's own."""
        return super().visible_to(actor).seen_by(actor.person)

    def seen_by(self, person: Person | UUID | None) -> Self:
        """In whichever project: what is shared, and what this person made."""
        return self.filter(Q(is_shared=True) | Q(created_by=person, created_by__isnull=False))

    def kept(self) -> Self:
        """Without the removed ones."""
        return self.filter(removed_at=None)


class SavedView(Scoped):
    """The list as somebody wants to see it again."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=80)
    # As models/filters.py reads it.
    filter = models.JSONField(default=dict)
    # Names of the list's columns; empty: the usual ones.
    columns = ArrayField(models.CharField(max_length=20), default=list)
    oldest_first = models.BooleanField(default=False)
    is_shared = models.BooleanField(default=False)
    created_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = SavedViewQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two views that a person sees differ by name. Also the indexes for the menu of views.
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(is_shared=True, removed_at=None),
                name="saved_view_shared_name_once",
            ),
            models.UniqueConstraint(
                fields=["project", "created_by", "name"],
                condition=Q(is_shared=False, removed_at=None),
                name="saved_view_own_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DefaultView(models.Model):
    """The view that the list opens with: a person's choice, or (without a person) the project's."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="defaults")

    class Meta:
        constraints = [
            # Also the index that the list asks.
            models.UniqueConstraint(
                fields=["project", "person"], name="default_view_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.view_id} for {self.person_id or 'the project'}"


# The list asks for both each time.
_VIEWS: Final = Composed(
    lambda project, person: (
        SavedView.objects.filter(project=project).seen_by(person).kept().order_by("name", "id")
    )
)
_DEFAULTS: Final = Composed(
    lambda project, person: (
        DefaultView.objects.filter(Q(person=person) | Q(person=None), project=project)
        .filter(view__in=SavedView.objects.filter(project=project).seen_by(person).kept())
        .select_related("view")
    )
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the list opens with: a person's own choice, and the project's."""

    own: SavedView | None = None
    project: SavedView | None = None

    @property
    def view(self) -> SavedView | None:
        """The one that counts."""
        return self.own or self.project


def defaults_of(actor: Actor) -> Defaults:
    """The choices of this person and project, as far as this person sees the views."""
    if actor.person is None or not actor.may(Permission.READ):
        return Defaults()
    found = _DEFAULTS.rows(project=actor.project.pk, person=actor.person.pk)
    return Defaults(
        own=next((one.view for one in found if one.person_id is not None), None),
        project=next((one.view for one in found if one.person_id is None), None),
    )


def views_of(actor: Actor) -> list[SavedView]:
    """What stands in this person's menu of views, by name."""
    if actor.person is None or not actor.may(Permission.READ):
        return []
    return _VIEWS.rows(project=actor.project.pk, person=actor.person.pk)
