"""Replays: asking an interaction again with the same request and seed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class RunState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


RUN_TRANSITIONS: dict[str, frozenset[str]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.DONE, RunState.CANCELLED}),
    # Retrying what failed opens a finished run again.
    RunState.DONE: frozenset({RunState.RUNNING}),
    RunState.CANCELLED: frozenset(),
}


class RunKind(models.TextChoices):
    PERSON = "person", _("Started by a person")
    CANARY = "canary", _("Canary")
    CHANGE = "change", _("Backend change")
    STUDY = "study", _("Study")


class ReplayRun(MadeBy, Scoped):
    """A set of replays started together: who, why, which, how many attempts, with which overrides.

    Its progress is counted from its attempts, never stored.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=RunKind.choices, default=RunKind.PERSON)
    note = models.TextField(blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    # How the interactions were chosen: {"interactions": n} or {"filter": {…}}.
    selection = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=1)
    # {"provider": name, "model": …, "seed": …, any request parameter}: marked as such wherever it shows.
    overrides = models.JSONField(default=dict)
    # {"calls", "input_tokens", "output_tokens", "cost"} as estimated before the start.
    estimate = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.QUEUED)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # When a worker was last sent for it: the sweeper sends again only after a while.
    nudged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=RunState.values), name="run_state_known"),
            models.CheckConstraint(
                condition=models.Q(attempts__gte=1, attempts__lte=50), name="run_attempts_range"
            ),
        ]
        indexes = [
            # The list of runs, newest first.
            models.Index(fields=["project", "-created_at", "-id"], name="run_newest"),
            # What the sweeper looks at.
            models.Index(
                fields=["state"], name="run_unfinished", condition=models.Q(state__in=["queued", "running"])
            ),
        ]

    def __str__(self) -> str:
        return f"replay run {self.id}"


class ReplayVariant(Scoped):
    """One of several ways in which a run asks each of its interactions: other words, seeds, models.

    A run without variants asks in one way, by its own overrides alone.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(ReplayRun, on_delete=models.CASCADE, related_name="variants", db_index=False)
    position = models.PositiveSmallIntegerField()
    label = models.CharField(max_length=200)
    # Laid over the run's own overrides; may hold the question itself, which a run's may not.
    overrides = models.JSONField(default=dict)
    # Who is asked, where it is not whom the interaction came from.
    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    # What whoever made the variant wants to know of it again: kind and size of an edit, a temperature.
    about = models.JSONField(default=dict)

    class Meta:
        constraints = [
            # Also the index for the variants of one run, in their order.
            models.UniqueConstraint(fields=["run", "position"], name="variant_position_once"),
        ]

    def __str__(self) -> str:
        return self.label


class AttemptState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    LEASED = "leased", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


ATTEMPT_TRANSITIONS: dict[str, frozenset[str]] = {
    AttemptState.QUEUED: frozenset({AttemptState.LEASED, AttemptState.CANCELLED}),
    # A lease that ran out, or a retry that must wait, goes back to the queue.
    AttemptState.LEASED: frozenset(
        {AttemptState.DONE, AttemptState.FAILED, AttemptState.QUEUED, AttemptState.CANCELLED}
    ),
    AttemptState.DONE: frozenset(),
    AttemptState.FAILED: frozenset({AttemptState.QUEUED}),
    AttemptState.CANCELLED: frozenset(),
}


class Attempt(Scoped):
    """One asking again. The row is the work: workers lease it, and its answer is recorded once."""

    # Also the id of the answer's interaction, so that a crash between call and commit can't record twice.
    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(ReplayRun, on_delete=models.CASCADE, related_name="attempt_set", db_index=False)
    original = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="attempts")
    # Who is asked: the original's provider, or the run's other one.
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    # In which of the run's ways it asks; none where the run has one way.
    variant = models.ForeignKey(
        ReplayVariant, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    number = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=AttemptState.choices, default=AttemptState.QUEUED)
    lease_until = models.DateTimeField(null=True)
    leased_by = models.TextField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    answer = models.OneToOneField(Interaction, on_delete=models.PROTECT, null=True, related_name="attempt")
    # The sentence for people, and what came with it: {"kind", "status", "body"}.
    error = models.TextField(null=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    failure = models.JSONField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # When the compare stage had it; until then it is that stage's work.
    compared_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "original", "number"], name="attempt_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=AttemptState.values), name="attempt_state_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="done") | models.Q(answer__isnull=False),
                name="attempt_done_has_answer",
            ),
        ]
        indexes = [
            # A run's progress, and its attempts in one state, in their order.
            models.Index(fields=["run", "state", "id"], name="attempt_of_run"),
            # What can be leased next, oldest first; small, since most attempts are finished.
            models.Index(
                fields=["run", "provider", "id"], name="attempt_waiting", condition=models.Q(state="queued")
            ),
            # What the compare stage pulls; empty when it has caught up.
            models.Index(
                fields=["run", "id"],
                name="attempt_uncompared",
                condition=models.Q(state="done", compared_at__isnull=True),
            ),
            # Leases that ran out.
            models.Index(fields=["lease_until"], name="attempt_leased", condition=models.Q(state="leased")),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.original_id}"

    def asked_alike(self) -> Any:
        """The attempts of the run that asked the same interaction in the same way, this one among them."""
        return Attempt.objects.filter(run=self.run_id, original=self.original_id, variant=self.variant_id)

    @property
    def repeat(self) -> int:
        """Which of the times it is that its question was asked in its way."""
        return self.number if self.variant is None else (self.number - 1) % self.run.attempts + 1

    @property
    def overrides(self) -> dict[str, Any]:
        """What it asks otherwise than was recorded. Reads `run` and `variant`: select them with it."""
        given: dict[str, Any] = self.run.overrides
        return given if self.variant is None else {**given, **self.variant.overrides}


class ProviderPace(models.Model):
    """When a provider may be asked next, for all workers together; see providers/limits.py.

    Its row is also the lock under which shares of the provider's concurrency are dealt out.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, primary_key=True, related_name="pace")
    next_request_at = models.FloatField(default=0)
    next_tokens_at = models.FloatField(default=0)
    largest = models.PositiveIntegerField(default=0)
    largest_at = models.FloatField(default=0)
    # The provider asked to wait until then (`Retry-After`).
    paused_until = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"pace of {self.provider_id}"


class CallShare(models.Model):
    """How many calls to a provider one worker may have open for one run, until its heartbeat runs out.

    The shares of a provider never add up to more than its limit, so a worker starts the next call
    the moment one ends, without asking.
    """

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(ReplayRun, on_delete=models.CASCADE, related_name="shares", db_index=False)
    worker = models.TextField()
    slots = models.PositiveIntegerField()
    wants = models.PositiveIntegerField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for the shares of one provider.
            models.UniqueConstraint(fields=["provider", "run", "worker"], name="call_share_once"),
        ]
        indexes = [
            # Whether anybody works on a run.
            models.Index(fields=["run", "until"], name="call_share_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.slots} of {self.provider_id} for {self.worker}"
