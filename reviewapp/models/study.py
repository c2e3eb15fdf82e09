"""Studies: what decides an answer, found out by asking the same thing in many ways.

A study is a replay run whose variants are its conditions, so that providers are called, limits kept and
answers recorded in the one way there is. What an answer is compared with, and how it came out, is kept
here: the run's own comparisons speak of the recorded answer, a study may have to speak of the one that
the unchanged question gets today.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.replay import Attempt, ReplayRun, ReplayVariant
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class StudyKind(models.TextChoices):
    DEVIATION = "deviation", _("Prompt deviation")
    SEEDS = "seeds", _("Seed stability")
    PROVIDERS = "providers", _("Provider comparison")


class Study(MadeBy, Scoped):
    """What was asked, why, and what it has shown so far. Its progress is its run's."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=StudyKind.choices)
    name = models.CharField(max_length=200)
    run = models.OneToOneField(ReplayRun, on_delete=models.CASCADE, related_name="study")
    # Of deviation and seeds: the one interaction whose prompt is studied.
    interaction = models.ForeignKey(
        Interaction, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    # The answer that the others are held against, as a digest; empty: each interaction's recorded one.
    reference = models.BinaryField(max_length=32, default=b"")
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=StudyKind.values), name="study_kind_known"),
        ]
        indexes = [
            # The list of studies, newest first.
            models.Index(fields=["project", "-created_at", "-id"], name="study_newest"),
        ]

    def __str__(self) -> str:
        return self.name


class StudyPoint(Scoped):
    """One answer of a study, measured against what it is held against."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, primary_key=True, related_name="point")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="points")
    variant = models.ForeignKey(ReplayVariant, on_delete=models.CASCADE, related_name="+", db_index=False)
    identical = models.BooleanField()
    # Also where it differs only in what does not matter, see pure/differences/equivalence.py.
    equivalent = models.BooleanField()
    # The share of words that stayed: 1 for the same text, 0 where none did.
    similarity = models.FloatField()
    # Equal answers have equal digests.
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(similarity__gte=0, similarity__lte=1), name="study_point_similarity_range"
            ),
            models.CheckConstraint(
                condition=models.Q(identical=False) | models.Q(equivalent=True),
                name="study_point_identical_is_equivalent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.similarity:.2f}: {self.attempt_id}"
