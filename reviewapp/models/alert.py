"""Alerts: what somebody should hear of, where it is sent, and what became of each sending.

An alert is one row for one matter (its key): what happens again joins it and is counted. It is
*raised* when people should look (again); until they have, the bell counts it. What each person has
seen and acknowledged stands in their marks. A delivery is an alert on its way to one channel: the
row is the work, and those that travel in one message share its id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from reviewapp.models.people import Person
from reviewapp.models.project import Project
from reviewapp.models.provider import EncryptedTextField, UnreadableSecret
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id


class AlertSeverity(models.TextChoices):
    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


class AlertKind(models.TextChoices):
    """The kinds that the app itself raises; a channel can be told to carry some of them only."""

    CHANGE = "backend-change", _("Backend changes")
    FINGERPRINT = "fingerprint", _("Fingerprints")
    CANARY = "canary", _("Canaries")
    VERIFICATION = "verification", _("Verification runs")
    REVIEW = "review", _("Reviewing")
    DISCUSSION = "discussion", _("Discussions")
    RECORDING = "recording", pgettext_lazy("what alerts are about", "Recording")
    SEEDS = "seeds", _("Seeds running out")
    DELIVERY = "delivery", _("Deliveries of alerts")


class AlertQuerySet(ScopedQuerySet):
    """Alerts of a project."""

    def newest_first(self) -> Self:
        return self.order_by("-last_at", "-id")

    def seen_by(self, person: Person | UUID) -> Self:
        """With `seen` (since it was last raised) and `acknowledged`, as this person left them."""
        marks = AlertMark.objects.filter(alert=OuterRef("pk"), person=person)
        return self.annotate(
            seen=Exists(marks.filter(seen_at__gte=OuterRef("raised_at"))),
            acknowledged=Exists(marks.filter(acknowledged_at__gte=OuterRef("raised_at"))),
        )

    def unseen_by(self, person: Person | UUID, *, since: datetime) -> Self:
        """Raised since then, and not looked at by this person."""
        return self.filter(raised_at__gte=since).seen_by(person).filter(seen=False)

    def open(self) -> Self:
        """Nobody has acknowledged it since it was last raised."""
        return self.filter(
            ~Exists(
                AlertMark.objects.filter(alert=OuterRef("pk"), acknowledged_at__gte=OuterRef("raised_at"))
            )
        )


class Alert(Scoped):
    """One matter that people should hear of."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    # One of AlertKind, or a newer word; screens show a word they don't know as it is.
    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=10, choices=AlertSeverity.choices)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    # What it is about, inside the app: "/changes/…/".
    path = models.CharField(max_length=500)
    # What happens again under the same key joins the alert.
    key = models.CharField(max_length=200)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # When it was last sent, and became unseen again.
    raised_at = models.DateTimeField()

    objects: ClassVar[Any] = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(severity__in=AlertSeverity.values), name="alert_severity_known"
            ),
            models.CheckConstraint(
                condition=models.Q(path__startswith="/") & ~models.Q(path__startswith="//"),
                name="alert_path_inside",
            ),
        ]
        indexes = [
            # The list and the API, newest first.
            models.Index(fields=["project", "-last_at", "-id"], name="alert_newest"),
            # The bell: what was raised lately.
            models.Index(fields=["project", "-raised_at"], name="alert_raised"),
            # What an event joins.
            models.Index(fields=["project", "key", "-last_at"], name="alert_key"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def acknowledgements(self) -> list[tuple[Person, datetime]]:
        """Who has taken note since it was last raised, the first first. Prefetch `marks__person`."""
        found = [
            (mark.person, mark.acknowledged_at)
            for mark in self.marks.all()
            if mark.acknowledged_at is not None and mark.acknowledged_at >= self.raised_at
        ]
        return sorted(found, key=lambda one: one[1])

    @property
    def kind_word(self) -> str:
        """The kind as screens say it."""
        known = {kind.value: str(kind.label) for kind in AlertKind}
        return known.get(self.kind, self.kind.replace("-", " ").capitalize())


class AlertMark(models.Model):
    """What one person has done about one alert."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="marks", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Also the index for the marks of one alert.
            models.UniqueConstraint(fields=["alert", "person"], name="alert_mark_once"),
        ]

    def __str__(self) -> str:
        return f"mark of {self.person_id} on {self.alert_id}"


class ChannelKind(models.TextChoices):
    APPRISE = "apprise", _("E-mail, chat and others (Apprise)")
    WEBHOOK = "webhook", _("Signed webhook")


class AlertChannelQuerySet(ScopedQuerySet):
    """Channels of a project."""

    def standing(self) -> Self:
        """Not deleted."""
        return self.filter(deleted_at__isnull=True)

    def in_use(self) -> Self:
        """Neither deleted nor switched off."""
        return self.standing().filter(enabled=True)


class AlertChannel(Scoped):
    """Where a project's alerts are sent: an address, and which alerts it gets when."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=ChannelKind.choices)
    # Holds passwords and tokens for most services. Null when a deletion can't be undone any more.
    url = EncryptedTextField(null=True)
    # What a webhook is signed with ("whsec_…"); null for Apprise.
    secret = EncryptedTextField(null=True, blank=True)
    least_severity = models.CharField(
        max_length=10, choices=AlertSeverity.choices, default=AlertSeverity.WARNING
    )
    # Empty: all kinds.
    kinds = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    # Both or neither; from later than until means over midnight.
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    critical_passes = models.BooleanField(default=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = AlertChannelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(deleted_at__isnull=True),
                name="alert_channel_name_once",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ChannelKind.values), name="alert_channel_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(least_severity__in=AlertSeverity.values),
                name="alert_channel_severity_known",
            ),
            models.CheckConstraint(
                condition=models.Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False)
                & ~models.Q(quiet_from=F("quiet_until")),
                name="alert_channel_quiet_both",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def secret_problem(self) -> str:
        """Why its address or signing secret can't be used, with the mend; empty when they can."""
        try:
            _ = self.url, self.secret
        except UnreadableSecret as error:
            return str(error)
        return ""


class DeliveryState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    LEASED = "leased", _("Being sent")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
    DROPPED = "dropped", _("Not sent")


DELIVERY_TRANSITIONS: dict[str, frozenset[str]] = {
    # Dropped: its channel was switched off or deleted before it went out.
    DeliveryState.QUEUED: frozenset({DeliveryState.LEASED, DeliveryState.DROPPED}),
    # A lease that ran out, or a try that may succeed later, goes back to the queue.
    DeliveryState.LEASED: frozenset({DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.QUEUED}),
    DeliveryState.SENT: frozenset(),
    # A person sends it again.
    DeliveryState.FAILED: frozenset({DeliveryState.QUEUED}),
    DeliveryState.DROPPED: frozenset({DeliveryState.QUEUED}),
}


class AlertDelivery(models.Model):
    """One alert on its way to one channel. The row is the work."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(
        AlertChannel, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    # Set at the first try and kept by all others: what travels together, under an id by which the
    # receiver knows a message that comes twice.
    message = models.UUIDField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField()
    first_tried_at = models.DateTimeField(null=True)
    leased_by = models.TextField(null=True)
    lease_until = models.DateTimeField(null=True)
    # Of the last try: what the receiver answered (webhooks only), and what went wrong, in words.
    status_code = models.SmallIntegerField(null=True)
    error = models.TextField(blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=DeliveryState.values), name="alert_delivery_state_known"
            ),
            # A second event of an alert rides with the delivery that still waits for the first.
            models.UniqueConstraint(
                fields=["alert", "channel"],
                condition=models.Q(state="queued", message__isnull=True),
                name="alert_delivery_waits_once",
            ),
        ]
        indexes = [
            # What is due; small, since most deliveries are done.
            models.Index(
                fields=["channel", "not_before"],
                name="alert_delivery_due",
                condition=models.Q(state="queued"),
            ),
            # Leases that ran out.
            models.Index(
                fields=["lease_until"], name="alert_delivery_leased", condition=models.Q(state="leased")
            ),
            # A channel's log, newest first.
            models.Index(fields=["channel", "-created_at", "-id"], name="alert_delivery_log"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} to {self.channel_id}"
