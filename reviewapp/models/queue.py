"""Queues: interactions waiting for people, who sees which, and what became of each.

An item has a number of free places, one for each judgement that it still needs from somebody. Who
takes a place holds a slot. Taking one and counting it down happen under the lock of the item's
row; a check constraint holds that there are never fewer than none, so an item can't be judged by
more people than were asked for, whatever the code does.

An item's place in its queue is a number (`position`, lowest first), set when it comes in from the
queue's order: the next one is then found by walking one small index from its start.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import Project
from reviewapp.models.replay import Attempt
from reviewapp.models.review import Annotation, Rubric
from reviewapp.models.scoping import Scoped, ScopedQuerySet
from reviewapp.pure.ids import new_id


class QueueOrder(models.TextChoices):
    NEWEST = "newest", _("Newest first")
    OLDEST = "oldest", _("Oldest first")
    LEAST_CERTAIN = "least_certain", _("Least certain first")
    RANDOM = "random", _("Random")
    WORST_FIRST = "worst_first", _("Worst first")


class QueueKind(models.TextChoices):
    SINGLE = "single", _("One answer at a time")
    PAIRWISE = "pairwise", _("Two answers side by side")


class QueueState(models.TextChoices):
    OPEN = "open", pgettext_lazy("a state", "Open")
    PAUSED = "paused", _("Paused")
    CLOSED = "closed", _("Closed")


QUEUE_TRANSITIONS: dict[str, frozenset[str]] = {
    QueueState.OPEN: frozenset({QueueState.PAUSED, QueueState.CLOSED}),
    QueueState.PAUSED: frozenset({QueueState.OPEN, QueueState.CLOSED}),
    QueueState.CLOSED: frozenset({QueueState.OPEN}),
}
MOST_JUDGEMENTS = 10


class Queue(Scoped):
    """Interactions waiting for people: by which rubric, in which order, for whom, how many must see each."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="queues")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80)
    instructions = models.TextField(blank=True)
    # None: the project's own, in its present version.
    rubric = models.ForeignKey(Rubric, on_delete=models.PROTECT, null=True, related_name="+")
    order = models.CharField(max_length=14, choices=QueueOrder.choices, default=QueueOrder.OLDEST)
    kind = models.CharField(max_length=10, choices=QueueKind.choices, default=QueueKind.SINGLE)
    # Nobody named: whoever may review in the project; for adjudication, its admins.
    reviewers: models.ManyToManyField[Person, Any] = models.ManyToManyField(
        Person, related_name="+", blank=True
    )
    adjudicators: models.ManyToManyField[Person, Any] = models.ManyToManyField(
        Person, related_name="+", blank=True
    )
    judgements_needed = models.PositiveSmallIntegerField(default=1)
    # By question: "any" difference goes to adjudication, "never", or a number: differences beyond it.
    disagreement = models.JSONField(default=dict, blank=True)
    due_on = models.DateField(null=True)
    # Others' judgements stay hidden until one's own is given.
    blind = models.BooleanField(default=True)
    state = models.CharField(max_length=10, choices=QueueState.choices, default=QueueState.OPEN)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="queue_slug_once"),
            models.CheckConstraint(
                condition=Q(judgements_needed__gte=1, judgements_needed__lte=MOST_JUDGEMENTS),
                name="queue_judgements_range",
            ),
            models.CheckConstraint(condition=Q(state__in=QueueState.values), name="queue_state_known"),
            models.CheckConstraint(condition=Q(order__in=QueueOrder.values), name="queue_order_known"),
            models.CheckConstraint(condition=Q(kind__in=QueueKind.values), name="queue_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class ItemState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    IN_PROGRESS = "in_progress", _("In progress")
    ADJUDICATION = "adjudication", _("Waiting for adjudication")
    DONE = "done", _("Done")
    SKIPPED = "skipped", _("Skipped")
    # Sent back into the queue: it is judged anew, what was said before stays readable.
    RETURNED = "returned", _("Returned")


ITEM_TRANSITIONS: dict[str, frozenset[str]] = {
    ItemState.PENDING: frozenset({ItemState.IN_PROGRESS, ItemState.SKIPPED}),
    ItemState.IN_PROGRESS: frozenset(
        {
            ItemState.PENDING,
            ItemState.RETURNED,
            ItemState.ADJUDICATION,
            ItemState.DONE,
            ItemState.SKIPPED,
        }
    ),
    # Who undoes the last judgement opens the item again.
    ItemState.ADJUDICATION: frozenset({ItemState.DONE, ItemState.RETURNED, ItemState.IN_PROGRESS}),
    ItemState.DONE: frozenset({ItemState.RETURNED, ItemState.IN_PROGRESS, ItemState.ADJUDICATION}),
    ItemState.SKIPPED: frozenset({ItemState.RETURNED, ItemState.IN_PROGRESS}),
    ItemState.RETURNED: frozenset({ItemState.IN_PROGRESS, ItemState.SKIPPED}),
}
# Somebody may still be handed these.
OPEN_STATES: tuple[str, ...] = (ItemState.PENDING, ItemState.IN_PROGRESS, ItemState.RETURNED)


class QueueItemQuerySet(ScopedQuerySet):
    """Items of queues."""

    def waiting_for(self, person: Person | UUID) -> Self:
        """Items with a place that this person could take: nobody sees the same item twice."""
        mine = QueueSlot.objects.filter(item=OuterRef("pk"), person=person, round=OuterRef("round"))
        return self.filter(free__gt=0).exclude(Exists(mine.exclude(state=SlotState.LEFT)))

    def next_for(self, person: Person) -> Self:
        """The same, for who wants the first of them alone: walked in order, each asked for by itself.

        As a join the planner would compare each item with all that the person had, wherever its statistics
        are older than their last hundred judgements.
        """
        mine = QueueSlot.objects.filter(item=OuterRef("pk"), person=person, round=OuterRef("round"))
        own = Coalesce(Subquery(mine.values("state")[:1]), Value(SlotState.LEFT))
        return self.filter(free__gt=0).alias(own=own).filter(own=SlotState.LEFT).in_order()

    def in_order(self) -> Self:
        return self.order_by("position", "id")


class QueueItem(Scoped):
    """An interaction in a queue; with an attempt, that replay's answer beside its original."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="items", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="queue_items")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, null=True, related_name="queue_items")
    # Which rule, change or person brought it, in words.
    reason = models.CharField(max_length=300, blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    rule = models.ForeignKey(
        "reviewapp.RoutingRule", on_delete=models.SET_NULL, null=True, related_name="items", db_index=False
    )
    # How bad it is, for queues that show the worst first: higher is worse.
    rank = models.FloatField(default=0.0)
    position = models.FloatField(default=0.0)
    state = models.CharField(max_length=14, choices=ItemState.choices, default=ItemState.PENDING)
    free = models.SmallIntegerField(default=1)
    # How often it was sent back; judgements count for the round in which they were given.
    round = models.PositiveSmallIntegerField(default=1)
    # The judgement that counts, where all agree or an adjudicator decided: at most one, by its shape.
    authoritative = models.OneToOneField(
        Annotation, on_delete=models.SET_NULL, null=True, related_name="authoritative_for"
    )
    # Who set it, where people disagreed; else it came about by itself.
    adjudicated_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = QueueItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "interaction", "attempt"], name="queue_item_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(state__in=ItemState.values), name="queue_item_state_known"),
            # Nobody can take a place that is not there.
            models.CheckConstraint(
                condition=Q(free__gte=0, free__lte=MOST_JUDGEMENTS), name="queue_item_free_range"
            ),
            # What is over has no place left, so that nobody is handed it.
            models.CheckConstraint(
                condition=Q(free=0) | Q(state__in=OPEN_STATES), name="queue_item_over_is_closed"
            ),
        ]
        indexes = [
            # The next item of a queue, and how many there are.
            models.Index(fields=["queue", "position", "id"], name="queue_item_next", condition=Q(free__gt=0)),
            # A queue's progress, and its items in one state, newest first.
            models.Index(fields=["queue", "state", "-id"], name="queue_item_state"),
            # What one rule brought today.
            models.Index(
                fields=["rule", "created_at"], name="queue_item_of_rule", condition=Q(rule__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.interaction_id} in {self.queue_id}"


class SlotState(models.TextChoices):
    LEASED = "leased", _("Working on it")
    JUDGED = "judged", _("Judged")
    SKIPPED = "skipped", _("Skipped")
    # The lease ran out or its holder went away; the place is another's, or theirs again.
    LEFT = "left", _("Left")


SLOT_TRANSITIONS: dict[str, frozenset[str]] = {
    SlotState.LEASED: frozenset({SlotState.JUDGED, SlotState.SKIPPED, SlotState.LEFT}),
    # Undo leads back.
    SlotState.JUDGED: frozenset({SlotState.LEASED}),
    SlotState.SKIPPED: frozenset({SlotState.LEASED}),
    SlotState.LEFT: frozenset({SlotState.LEASED, SlotState.SKIPPED}),
}


class QueueSlot(Scoped):
    """A person's place at an item: leased while they work on it, then their judgement or their skip."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="slots", db_index=False)
    item = models.ForeignKey(QueueItem, on_delete=models.CASCADE, related_name="slots", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    round = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=8, choices=SlotState.choices, default=SlotState.LEASED)
    lease_until = models.DateTimeField(null=True)
    # In pairwise queues: whether the replay stands first, as A. Drawn once, so that a reload keeps it.
    replay_first = models.BooleanField(default=False)
    annotation = models.OneToOneField(
        Annotation, on_delete=models.SET_NULL, null=True, related_name="queue_slot"
    )
    taken_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Nobody judges an item twice. Also the index for the slots of an item.
            models.UniqueConstraint(fields=["item", "person", "round"], name="queue_slot_once"),
            models.CheckConstraint(condition=Q(state__in=SlotState.values), name="queue_slot_state_known"),
            models.CheckConstraint(
                condition=~Q(state="leased") | Q(lease_until__isnull=False), name="queue_slot_lease_ends"
            ),
            models.CheckConstraint(
                condition=~Q(state="judged") | Q(finished_at__isnull=False), name="queue_slot_judged_dated"
            ),
        ]
        indexes = [
            # Leases that ran out.
            models.Index(
                fields=["queue", "lease_until"], name="queue_slot_leased", condition=Q(state="leased")
            ),
            # What a person did last in a queue, for undo, previous, pace.
            models.Index(fields=["person", "queue", "-finished_at"], name="queue_slot_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} at {self.item_id}: {self.state}"


class RoutingRule(Scoped):
    """Sends interactions to a queue as they are recorded (or replays, as their verdict comes in)."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="rules")
    name = models.CharField(max_length=120)
    # The same names as everywhere: models/filters.py. `verdict` makes it a rule about replays.
    filter = models.JSONField(default=dict)
    # The share that is taken of what matches; which ones hangs on the rule and the interaction alone.
    sample = models.FloatField(default=1.0)
    # Natural logarithms, as recorded; null: no matter.
    mean_logprob_below = models.FloatField(null=True)
    min_logprob_below = models.FloatField(null=True)
    refused = models.BooleanField(default=False)
    new_fingerprint = models.BooleanField(default=False)
    daily_cap = models.PositiveIntegerField(null=True)
    # Rules are asked in this order.
    place = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    # What was recorded before is for the back-fill.
    since = models.DateTimeField()
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(sample__gt=0, sample__lte=1), name="routing_rule_sample_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name
