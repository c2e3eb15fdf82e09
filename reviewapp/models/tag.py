"""Tags that people add, and selections: interactions chosen by hand.

Interactions are write-once, so what people add stands beside them. It filters, shows and is exported
together with the tags that were recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from reviewapp.models.composed import Composed, one_of
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id

TAG_LIMIT = 100


class AddedTag(MadeBy, Scoped):
    """A tag that somebody put on an interaction."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="added_tags")
    # When the interaction was asked, so that the list can be walked here; the database keeps it.
    asked_at = models.DateTimeField(null=True, editable=False)
    name = models.CharField(max_length=TAG_LIMIT)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for the names there are, and for whether an interaction has one.
            models.UniqueConstraint(fields=["project", "name", "interaction"], name="added_tag_once"),
        ]
        indexes = [
            # `tag=`, in the order of the list.
            models.Index(
                fields=["project", "name", "-asked_at", "-interaction"], name="added_tag_along_the_list"
            ),
        ]

    def __str__(self) -> str:
        return self.name


_ADDED: Final = Composed(
    lambda ids: (
        AddedTag.objects.filter(one_of("interaction", ids))
        .select_related("created_by", "created_by_key")
        .order_by("created_at", "id")
    )
)


def added_tags(ids: Sequence[UUID]) -> dict[UUID, list[AddedTag]]:
    """What people added to these interactions, the first added first."""
    found: dict[UUID, list[AddedTag]] = defaultdict(list)
    for tag in _ADDED.rows(ids=list(ids)):
        found[tag.interaction_id].append(tag)
    return found


class Selection(Scoped):
    """Interactions chosen by hand, kept so that what is done to them has one name."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    interactions = ArrayField(models.UUIDField())
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.interactions)} chosen"
