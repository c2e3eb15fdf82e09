"""Canaries: interactions asked again on a schedule to watch a backend.

A `CanarySet` holds the canaries of one provider and model, with their schedule and their budget. A
`CanarySession` is one round of asking them, as a replay run: its answers are interactions like all
others. Sessions make up a `CanaryBaseline`, or belong to a `CanaryCheck`, which holds what came out.

The rows of evidence in a session are read from the stored answers and can be read again at any time;
so can the figures of a check, for it names the sessions it was compared with.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from reviewapp.models.change import BackendChange
from reviewapp.models.interaction import Endpoint, Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.provider import Provider
from reviewapp.models.replay import ReplayRun
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class CanaryState(models.TextChoices):
    PREPARING = "preparing", _("Preparing")
    WATCHING = "watching", _("Watching")
    PAUSED = "paused", _("Paused")
    FAILED = "failed", _("Could not start")


CANARY_TRANSITIONS: dict[str, frozenset[str]] = {
    CanaryState.PREPARING: frozenset({CanaryState.WATCHING, CanaryState.FAILED, CanaryState.PAUSED}),
    CanaryState.WATCHING: frozenset({CanaryState.PAUSED, CanaryState.PREPARING}),
    CanaryState.PAUSED: frozenset({CanaryState.WATCHING, CanaryState.PREPARING}),
    CanaryState.FAILED: frozenset({CanaryState.PREPARING}),
}


class CanarySet(MadeBy, Scoped):
    """The canaries of one provider and model."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    endpoint = models.CharField(max_length=20, choices=Endpoint.choices, default=Endpoint.CHAT)
    state = models.CharField(max_length=10, choices=CanaryState.choices, default=CanaryState.PREPARING)
    # Whether preparing also chooses the starter set's questions.
    starter = models.BooleanField(default=False)
    # How often a check asks each canary.
    repeats = models.PositiveSmallIntegerField(default=1)
    # Checks; and the sessions of a baseline that is being learnt.
    every_minutes = models.PositiveIntegerField(default=60)
    learn_every_minutes = models.PositiveIntegerField(default=480)
    # Requests from midnight to midnight, UTC.
    daily_budget = models.PositiveIntegerField(default=2000)
    retires_on = models.DateField(null=True)
    # The row of the schedule that beat reads.
    schedule = models.OneToOneField(PeriodicTask, on_delete=models.SET_NULL, null=True, related_name="+")
    # What the provider gives: alternatives a token (0: no log probabilities), and whether the seed counts.
    alternatives = models.PositiveSmallIntegerField(null=True)
    seed_honoured = models.BooleanField(null=True)
    not_taken = ArrayField(models.TextField(), default=list)
    # Requests that preparing asked, by the day: {"2026-11-22": 61}.
    prepared = models.JSONField(default=dict)
    # Gathered over checks, see pure/drift/sequential.py.
    evidence = models.FloatField(default=0)
    # Since when a confirmed change stands.
    changed_at = models.DateTimeField(null=True)
    # The alarm of that change was raised, as this check's.
    alarmed_at = models.DateTimeField(null=True)
    # Why nothing is asked now, for people; empty when all is well.
    trouble = models.TextField(blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    # Until then one worker prepares it.
    lease_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for one model's canaries.
            models.UniqueConstraint(fields=["project", "provider", "model"], name="canary_set_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=CanaryState.values), name="canary_set_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(repeats__gte=1, repeats__lte=10), name="canary_set_repeats_range"
            ),
            models.CheckConstraint(
                condition=models.Q(every_minutes__gte=1, learn_every_minutes__gte=1),
                name="canary_set_every_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"canaries of {self.model}"

    @property
    def every(self) -> timedelta:
        """The time between two checks."""
        return timedelta(minutes=self.every_minutes)

    def is_retired(self, now: datetime) -> bool:
        """Whether the day on which the model goes has passed."""
        return self.retires_on is not None and now.date() > self.retires_on


class Canary(models.Model):
    """An interaction asked again on a schedule. `kind` is how its answers are compared."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    set = models.ForeignKey(CanarySet, on_delete=models.CASCADE, related_name="canaries", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="canaries")
    # See pure/drift/panel.py; "record" for what a source asked.
    kind = models.CharField(max_length=10)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for a set's canaries.
            models.UniqueConstraint(fields=["set", "interaction"], name="canary_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} canary {self.interaction_id}"


class CanaryBaseline(models.Model):
    """What a backend is compared with, from one confirmed change to the next.

    An ended one stays, so that a backend that comes back is recognised.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    set = models.ForeignKey(CanarySet, on_delete=models.CASCADE, related_name="baselines", db_index=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # Why it began, for people.
    reason = models.TextField(blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["set"], condition=models.Q(ended_at__isnull=True), name="canary_baseline_one_standing"
            ),
        ]
        indexes = [
            # A set's baselines, the latest first.
            models.Index(fields=["set", "-started_at"], name="canary_baseline_latest"),
        ]

    def __str__(self) -> str:
        return f"baseline of {self.set_id} since {self.started_at}"


class CheckState(models.TextChoices):
    OPEN = "open", _("Under way")
    DONE = "done", _("Done")


class CanaryCheck(Scoped):
    """One check: what was asked, against which sessions, and what came out."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    set = models.ForeignKey(CanarySet, on_delete=models.CASCADE, related_name="checks", db_index=False)
    baseline = models.ForeignKey(CanaryBaseline, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=CheckState.choices, default=CheckState.OPEN)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    # A verdict of pure/verdicts; null while it is under way.
    verdict = models.CharField(max_length=20, null=True)
    sentence = models.TextField(blank=True)
    notes = ArrayField(models.TextField(), default=list)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    # The measure that decided, or the most telling one.
    statistic = models.CharField(max_length=20, blank=True)
    column = models.CharField(max_length=30, blank=True)
    effect = models.FloatField(null=True)
    floor = models.FloatField(null=True)
    p = models.FloatField(null=True)
    detectable = models.FloatField(null=True)
    requests = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # All measures of all looks, see pure/drift/report.py.
    figures = models.JSONField(default=dict)
    # The evidence gathered before and after it, and whether it raised the alarm.
    evidence_before = models.FloatField(default=0)
    evidence = models.FloatField(default=0)
    alarmed = models.BooleanField(default=False)
    # The backend change that its alarm opened or joined.
    change = models.ForeignKey(BackendChange, on_delete=models.SET_NULL, null=True, related_name="+")
    # The sessions of the baseline that it was compared with.
    compared_with = ArrayField(models.UUIDField(), default=list)
    method = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["set"], condition=models.Q(state="open"), name="canary_check_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=CheckState.values), name="canary_check_state_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(verdict__isnull=False),
                name="canary_check_done_has_verdict",
            ),
        ]
        indexes = [
            # A set's checks, the latest first: its strip, its last verdict, what stood at a time.
            models.Index(fields=["set", "-created_at"], name="canary_check_latest"),
        ]

    def __str__(self) -> str:
        return f"check of {self.set_id} at {self.created_at}"


class SessionPurpose(models.TextChoices):
    BASELINE = "baseline", _("Baseline")
    LOOK = "look", _("First look")
    CONFIRMATION = "confirm", _("Fresh requests")


class SessionState(models.TextChoices):
    ASKING = "asking", _("Asking")
    READ = "read", _("Read")
    LOST = "lost", _("Nothing usable came")


class CanarySession(models.Model):
    """One round of asking: all canaries of the set, so many times each, within a few minutes."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    set = models.ForeignKey(CanarySet, on_delete=models.CASCADE, related_name="sessions", db_index=False)
    baseline = models.ForeignKey(CanaryBaseline, on_delete=models.CASCADE, related_name="sessions")
    check_of = models.ForeignKey(CanaryCheck, on_delete=models.CASCADE, null=True, related_name="sessions")
    run = models.OneToOneField(ReplayRun, on_delete=models.CASCADE, related_name="canary_session")
    purpose = models.CharField(max_length=10, choices=SessionPurpose.choices)
    state = models.CharField(max_length=10, choices=SessionState.choices, default=SessionState.ASKING)
    # Requests set aside from the day's budget when it began.
    requests = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    answered = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    # Whether it may stand in the baseline: it was captured for it, or found nothing out of the ordinary.
    fit = models.BooleanField(default=False)
    # The rows of evidence (zstd, see stages/watch/evidence.py), and the way they were read.
    rows = models.BinaryField(null=True)
    rows_version = models.PositiveSmallIntegerField(null=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = [
            # One thing at a time.
            models.UniqueConstraint(
                fields=["set"], condition=models.Q(state="asking"), name="canary_session_one_asking"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=SessionState.values), name="canary_session_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(purpose__in=SessionPurpose.values), name="canary_session_purpose_known"
            ),
        ]
        indexes = [
            # What a set asked today, and when it asked last.
            models.Index(fields=["set", "-created_at"], name="canary_session_latest"),
            # What may stand in a baseline.
            models.Index(
                fields=["baseline", "created_at"],
                name="canary_session_fit",
                condition=models.Q(fit=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.set_id} at {self.created_at}"
