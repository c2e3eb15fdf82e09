"""Comparisons: original against attempt, with the verdict and what people decided about it."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import Project
from reviewapp.models.replay import Attempt, ReplayRun, RunKind
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id


class VerdictName(models.TextChoices):
    IDENTICAL = "identical", _("Identical")
    EQUIVALENT = "equivalent", _("Equivalent")
    NONDETERMINISTIC = "nondeterministic", _("Nondeterministic")
    BACKEND_CHANGED = "backend_changed", _("Backend changed")
    INCONCLUSIVE = "inconclusive", _("Inconclusive")
    FAILED = "failed", _("Failed")


class Decision(models.TextChoices):
    SAME = "same", _("Same")
    REGRESSION = "regression", _("Regression")
    NEEDS_PERSON = "needs_person", _("Needs a person")


class ComparisonQuerySet(ScopedQuerySet):
    def of_replays(self) -> Self:
        """Those that say whether an interaction's answer comes back: a study asks otherwise on purpose."""
        return self.exclude(run__kind=RunKind.STUDY)


class Comparison(Scoped):
    """What asking again showed. Recomputed when the method improves; a person's decision stays."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="comparison")
    # The attempt's own, so that a run's verdicts are counted and listed from one index.
    run = models.ForeignKey(ReplayRun, on_delete=models.CASCADE, related_name="+", db_index=False)
    original = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="comparisons")
    # When the original was asked, so that the list can be walked here; the database keeps it.
    asked_at = models.DateTimeField(null=True, editable=False)
    verdict = models.CharField(max_length=20, choices=VerdictName.choices)
    confidence = models.FloatField(null=True)
    sentence = models.TextField()
    # The statistics behind the fold, and the sentence's key and parameters for translation.
    figures = models.JSONField(default=dict)
    # The answers of one interaction that are equal share a group: digest of the answer's text.
    answer_digest = models.BinaryField(max_length=32, null=True)
    method = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    decision = models.CharField(max_length=14, choices=Decision.choices, null=True)
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_note = models.TextField(blank=True)

    objects: ClassVar[Any] = ComparisonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verdict__in=VerdictName.values), name="comparison_verdict_known"
            ),
            models.CheckConstraint(
                condition=models.Q(decision__isnull=True) | models.Q(decided_at__isnull=False),
                name="comparison_decision_dated",
            ),
        ]
        indexes = [
            # The verdict of the last replay beside a row of the list.
            models.Index(fields=["original", "-created_at"], name="comparison_of_original"),
            # A run's counts by verdict, and its attempts with one verdict, those of one original together.
            models.Index(fields=["run", "verdict", "original", "attempt"], name="comparison_of_run"),
            # `verdict=`: the interactions whose last replay had it, in the order of the list.
            models.Index(
                fields=["project", "verdict", "-asked_at", "-original"], name="comparison_along_the_list"
            ),
            # What Home tells of reproducibility: the newest of a project.
            models.Index(fields=["project", "-created_at"], name="comparison_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.attempt_id}"
