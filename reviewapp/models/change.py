"""Backend changes: what was seen of one model at one provider, until a person decides about it.

An event is stored once, by its key, whether it opens a change or not: history that was imported,
and reporting that stops or starts, are worth keeping and are no changes. While a change waits
for a decision every further event of its model joins it, so there is at most one undecided
change for a provider's model; a constraint holds that.

A verification is one replay run of what people had approved or flagged. Its figures are counted
from the run's comparisons, never stored; what it settled stands in `CarriedVerdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from reviewapp.models.composed import Composed
from reviewapp.models.export import Export
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.provider import Provider
from reviewapp.models.replay import ReplayRun
from reviewapp.models.review import Annotation, Flag
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id


class ChangeState(models.TextChoices):
    OPEN = "open", pgettext_lazy("a state", "Open")
    VERIFYING = "verifying", _("Verifying")
    # The verification is over; a person decides now.
    VERIFIED = "verified", _("Verified")
    ACCEPTED = "accepted", _("Accepted")
    REPORTED = "reported", _("Regressions reported")
    DISMISSED = "dismissed", _("Dismissed")


UNDECIDED: tuple[str, ...] = (ChangeState.OPEN, ChangeState.VERIFYING, ChangeState.VERIFIED)
DECIDED: tuple[str, ...] = (ChangeState.ACCEPTED, ChangeState.REPORTED, ChangeState.DISMISSED)

CHANGE_TRANSITIONS: dict[str, frozenset[str]] = {
    ChangeState.OPEN: frozenset({ChangeState.VERIFYING, ChangeState.ACCEPTED, ChangeState.DISMISSED}),
    # Open again when the run was cancelled. Nobody decides while it runs.
    ChangeState.VERIFYING: frozenset({ChangeState.VERIFIED, ChangeState.OPEN}),
    ChangeState.VERIFIED: frozenset(
        {ChangeState.VERIFYING, ChangeState.ACCEPTED, ChangeState.REPORTED, ChangeState.DISMISSED}
    ),
    # Undo leads back to where it was decided.
    ChangeState.ACCEPTED: frozenset({ChangeState.OPEN, ChangeState.VERIFIED}),
    ChangeState.REPORTED: frozenset({ChangeState.VERIFIED}),
    ChangeState.DISMISSED: frozenset({ChangeState.OPEN, ChangeState.VERIFIED}),
}


class SeenKind(models.TextChoices):
    """What can be seen of a backend."""

    NEW_VALUE = "new_value", _("New fingerprint")
    PARTS_CHANGED = "parts_changed", _("Fingerprint names another backend")
    VALUE_RETURNED = "value_returned", _("Retired fingerprint returned")
    SHARES_SHIFTED = "shares_shifted", _("Shares of the pool moved")
    VALUE_GONE = "value_gone", _("Fingerprint gone")
    REPORTING_STOPPED = "reporting_stopped", _("Fingerprint no longer reported")
    REPORTING_STARTED = "reporting_started", _("Fingerprint reported again")
    # Canaries: the answers themselves differ from their baseline.
    BEHAVIOUR_CHANGED = "behaviour_changed", _("Canaries answer differently")
    # The other parts of identity.
    MODEL_CHANGED = "model_changed", _("Another model answers")
    TIER_CHANGED = "tier_changed", _("Another service tier answers")
    HEADER_CHANGED = "header_changed", _("A response header changed")
    SEED_IGNORED = "seed_ignored", _("The seed is not honoured")


class ChangeQuerySet(ScopedQuerySet):
    def undecided(self) -> Self:
        return self.filter(state__in=UNDECIDED)

    def newest_first(self) -> Self:
        return self.order_by("-opened_at", "-id")


class BackendChange(Scoped):
    """One model at one provider behaves or identifies itself otherwise than before."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    state = models.CharField(max_length=10, choices=ChangeState.choices, default=ChangeState.OPEN)
    # What opened it, in words.
    title = models.TextField()
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    opened_at = models.DateTimeField()
    # By when it was seen, not by when it was noticed.
    last_event_at = models.DateTimeField()
    decided_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    decided_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)
    # What accepting moved, so that it can be taken back: [{"id", "state", "until"}] of fingerprints,
    # and {"canaries", …} of baselines (see stages/watch/renewing.py).
    moved = models.JSONField(default=list)
    # What verifying would ask, as last counted ({"approved", "flagged", "asked"}), when, and how long that
    # took: over many judgements it is too slow for each look at the page.
    scope = models.JSONField(null=True)
    scoped_at = models.DateTimeField(null=True)
    scoping_seconds = models.FloatField(default=0, db_default=0)
    # The regressions for anybody to run again, once reported.
    export = models.ForeignKey(Export, on_delete=models.SET_NULL, null=True, related_name="+")

    objects: ClassVar[Any] = ChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=ChangeState.values), name="change_state_known"
            ),
            # Also the index under which an event finds the change it joins.
            models.UniqueConstraint(
                fields=["project", "provider", "model"],
                condition=models.Q(state__in=UNDECIDED),
                name="change_one_undecided",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=DECIDED) | models.Q(decided_at__isnull=False),
                name="change_decision_dated",
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["project", "-opened_at", "-id"], name="change_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.title}"

    @property
    def is_decided(self) -> bool:
        """Whether somebody has accepted, reported or dismissed it."""
        return self.state in DECIDED

    @property
    def decided_by_whom(self) -> str:
        """Who decided, as screens say it."""
        if self.decided_by is not None:
            return self.decided_by.short_name
        return self.decided_by_key.name if self.decided_by_key is not None else ""


class ChangeEvent(Scoped):
    """One thing that was seen. Without a change it is kept for the record only."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    change = models.ForeignKey(BackendChange, on_delete=models.CASCADE, null=True, related_name="events")
    kind = models.CharField(max_length=20, choices=SeenKind.choices)
    # Names the event among its model's: the same one is never stored twice.
    key = models.TextField()
    # When it was seen in the world, and when the app noticed.
    at = models.DateTimeField()
    noticed_at = models.DateTimeField()
    sentence = models.TextField()
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    # Fingerprints (or other values) that it is about.
    values = ArrayField(models.TextField(), default=list)
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=SeenKind.values), name="seen_kind_known"),
            # Also the index for the events of one model.
            models.UniqueConstraint(fields=["project", "provider", "model", "key"], name="seen_once"),
        ]
        indexes = [
            # A project's events, newest first.
            models.Index(fields=["project", "-at", "-id"], name="seen_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.model}"


class Verification(MadeBy, Scoped):
    """One replay run of what people had judged, to see what of it still holds."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    change = models.ForeignKey(
        BackendChange, on_delete=models.CASCADE, related_name="verifications", db_index=False
    )
    run = models.OneToOneField(ReplayRun, on_delete=models.CASCADE, related_name="verification")
    # How the interactions were chosen; see stages/watch/verifying.py.
    approved = models.PositiveIntegerField()
    flagged = models.PositiveIntegerField()
    asked = models.PositiveIntegerField()
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField()
    # When kept verdicts were carried over and changed answers queued; null while it runs.
    finished_at = models.DateTimeField(null=True)
    was_cancelled = models.BooleanField(default=False)
    # When what had failed was asked again; what was found before that stands, whatever becomes of it.
    retried_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Never two runs of the same thing.
            models.UniqueConstraint(
                fields=["change"],
                condition=models.Q(finished_at__isnull=True),
                name="verification_one_running",
            ),
        ]
        indexes = [
            # A change's verifications, the last first.
            models.Index(fields=["change", "-started_at"], name="verification_of_change"),
            # What the watch stage looks after.
            models.Index(
                fields=["id"], name="verification_running", condition=models.Q(finished_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"verification of {self.change_id}"

    @property
    def in_scope(self) -> int:
        """How many judged interactions there were to verify; some may be both."""
        return self.approved + self.flagged

    @property
    def is_sample(self) -> bool:
        """Whether only some of them were asked again."""
        return self.asked < self.in_scope


class CarriedVerdict(Scoped):
    """A human judgement that holds for a replay's answer too, because the answer did not change."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    verification = models.ForeignKey(
        Verification, on_delete=models.CASCADE, related_name="carried", db_index=False
    )
    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, null=True, related_name="carried")
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, null=True, related_name="carried")
    # What was judged, and the replay's answer that the judgement holds for.
    original = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="carried_from")
    answer = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="carried_to")
    # The verdict that made it so: identical, equivalent, nondeterministic.
    verdict = models.CharField(max_length=20)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(annotation__isnull=False, flag__isnull=True)
                | models.Q(annotation__isnull=True, flag__isnull=False),
                name="carried_one_judgement",
            ),
            # Also the index for what a verification carried.
            models.UniqueConstraint(
                fields=["verification", "answer", "annotation", "flag"],
                name="carried_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"verdict on {self.original_id} carried to {self.answer_id}"


class WatchedPool(models.Model):
    """How far a pool's history has been walked for events.

    `counted` grows with each answer that the counting adds, in its transaction; the pool is walked
    again while `walked` lags behind.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    counted = models.BigIntegerField(default=0)
    walked = models.BigIntegerField(default=0)
    walked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "provider", "model"], name="watched_pool_once"),
        ]
        indexes = [
            # What there is to walk; empty when the stage has caught up.
            models.Index(
                fields=["walked_at"],
                name="watched_pool_waiting",
                condition=models.Q(walked__lt=models.F("counted")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.walked} of {self.counted}"


def undecided_count(*, project: Project) -> int:
    """How many changes wait for a decision: the figure beside Changes."""
    found = _UNDECIDED.first(project=project.pk)
    return 0 if found is None else int(found[1])


# Every page asks for it.
_UNDECIDED: Final = Composed(
    lambda project: (
        BackendChange.objects.filter(project=project)
        .undecided()
        .values_list("project")
        .annotate(n=Count("pk"))
    )
)


def values_of(events: Sequence[ChangeEvent]) -> list[str]:
    """The values that the events are about, each once, in their order."""
    return list(dict.fromkeys(value for event in events for value in event.values))
