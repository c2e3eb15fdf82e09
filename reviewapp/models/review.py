"""What people say about interactions: flags, and annotations by a rubric."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from reviewapp.models.composed import Composed
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class Severity(models.TextChoices):
    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    CRITICAL = "critical", _("Critical")


class FlagReason(Scoped):
    """A reason that this project's people can choose for a flag."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="flag_reasons")
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="flag_reason_once")]

    def __str__(self) -> str:
        return self.name


_REASONS: Final = Composed(
    lambda project: (
        FlagReason.objects.filter(project=project, is_active=True).order_by("position").values_list("name")
    )
)


def flag_reasons(project: UUID) -> tuple[str, ...]:
    """What a flag's form offers, in the project's order."""
    return tuple(name for (name,) in _REASONS.rows(project=project))


class FlagState(models.TextChoices):
    OPEN = "open", pgettext_lazy("a state", "Open")
    RESOLVED = "resolved", _("Resolved")
    REMOVED = "removed", _("Removed")


FLAG_TRANSITIONS: dict[str, frozenset[str]] = {
    FlagState.OPEN: frozenset({FlagState.RESOLVED, FlagState.REMOVED}),
    # Undo leads back.
    FlagState.RESOLVED: frozenset({FlagState.OPEN}),
    FlagState.REMOVED: frozenset({FlagState.OPEN}),
}


class Flag(MadeBy, Scoped):
    """A reviewer's mark that an interaction needs attention or must be reproduced."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="flags")
    # When the interaction was asked, so that the list can be walked here; the database keeps it.
    asked_at = models.DateTimeField(null=True, editable=False)
    reason = models.CharField(max_length=80)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.MEDIUM)
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=FlagState.choices, default=FlagState.OPEN)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    changed_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=FlagState.values), name="flag_state_known"),
            models.CheckConstraint(
                condition=models.Q(severity__in=Severity.values), name="flag_severity_known"
            ),
        ]
        indexes = [
            # `flagged=no`, and the count beside Flagged: open flags of a project.
            models.Index(
                fields=["project", "interaction"], name="flag_open", condition=models.Q(state="open")
            ),
            # `flagged=yes`: those in the order of the list.
            models.Index(
                fields=["project", "-asked_at", "-interaction"],
                name="flag_along_the_list",
                condition=models.Q(state="open"),
            ),
            # The newest of them, on Home.
            models.Index(
                fields=["project", "-created_at"], name="flag_open_newest", condition=models.Q(state="open")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.severity} {self.reason}"


class Rubric(Scoped):
    """The questions a project asks of each answer. A version never changes once somebody answered it.

    `questions`: [{"key", "label", "kind": boolean|choice|number|text, "required", "help",
    "choices": [{"value", "label"}], "ordered", "min", "max", "step"}]; `labels`: [{"key", "label"}] for
    spans. `ordered` says that the choices go from one end to the other.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rubrics")
    name = models.CharField(max_length=120)
    version = models.PositiveIntegerField(default=1)
    instructions = models.TextField(blank=True)
    questions = models.JSONField(default=list)
    labels = models.JSONField(default=list)
    is_default = models.BooleanField(default=False)
    is_current = models.BooleanField(default=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name", "version"], name="rubric_version_once"),
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(is_default=True), name="rubric_one_default"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


class Preference(models.TextChoices):
    """What a judgement says of a replay's answer beside its original's."""

    SAME = "same", _("As good as the original")
    REGRESSION = "regression", _("Worse than the original")
    ORIGINAL = "original", _("The original is better")
    REPLAY = "replay", _("The replay is better")
    EQUAL = "equal", _("Equally good")


class Annotation(MadeBy, Scoped):
    """A judgement on an interaction by a rubric: scores, labelled spans, correction, comment.

    `spans`: [{"start", "end", "label", "note"}], in characters (code points) of the answer's text.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="annotations")
    rubric = models.ForeignKey(Rubric, on_delete=models.PROTECT, null=True, related_name="annotations")
    scores = models.JSONField(default=dict)
    spans = models.JSONField(default=list)
    correction = models.TextField(null=True, blank=True)
    comment = models.TextField(blank=True)
    # Only where it was judged beside its original.
    preference = models.CharField(max_length=10, choices=Preference.choices, null=True)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(preference__isnull=True) | models.Q(preference__in=Preference.values),
                name="annotation_preference_known",
            ),
        ]
        indexes = [
            # Who judged what, newest first.
            models.Index(fields=["project", "-created_at", "-id"], name="annotation_newest"),
        ]

    def __str__(self) -> str:
        return f"annotation of {self.interaction_id}"


class AnnotationRevision(models.Model):
    """What an annotation said before it was edited."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="revisions")
    version = models.PositiveIntegerField()
    scores = models.JSONField()
    spans = models.JSONField()
    correction = models.TextField(null=True)
    comment = models.TextField(blank=True)
    preference = models.CharField(max_length=10, null=True)
    edited_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    replaced_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotation", "version"], name="annotation_revision_once")
        ]

    def __str__(self) -> str:
        return f"version {self.version} of {self.annotation_id}"
