"""Bulk work: one deed done to all that a filter matches; the row is the work.

A batch is walked, the deed done to it and the cursor moved in one transaction under the row's lock:
a worker that is killed leaves whole batches behind and nothing else, and two workers never do the
same one. `made` keeps what came about, or what went, so that it can be taken back.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class BulkDeed(models.TextChoices):
    FLAG = "flag", _("Flag")
    TAG = "tag", _("Tag")
    UNTAG = "untag", _("Take a tag off")
    QUEUE = "queue", _("Put into a queue")
    ANNOTATE = "annotate", _("Judge")


class BulkState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    UNDOING = "undoing", _("Being taken back")
    UNDONE = "undone", _("Taken back")


BULK_TRANSITIONS: dict[str, frozenset[str]] = {
    BulkState.QUEUED: frozenset({BulkState.RUNNING, BulkState.DONE, BulkState.CANCELLED}),
    BulkState.RUNNING: frozenset({BulkState.DONE, BulkState.CANCELLED}),
    # What was done until then can be taken back.
    BulkState.DONE: frozenset({BulkState.UNDOING}),
    BulkState.CANCELLED: frozenset({BulkState.UNDOING}),
    BulkState.UNDOING: frozenset({BulkState.UNDONE}),
    BulkState.UNDONE: frozenset(),
}
# A worker has something to do.
MOVING: tuple[str, ...] = (BulkState.QUEUED, BulkState.RUNNING, BulkState.UNDOING)


class BulkWork(MadeBy, Scoped):
    """One deed for all that matched when it was asked for."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    deed = models.CharField(max_length=10, choices=BulkDeed.choices)
    # As models/filters.py reads it, ages made times.
    filter = models.JSONField(default=dict)
    # What the deed needs: reason and severity, tag, queue, scores.
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=BulkState.choices, default=BulkState.QUEUED)
    # For the progress bar; an estimate where it is large.
    expected = models.BigIntegerField()
    walked = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    taken_back = models.BigIntegerField(default=0)
    # The last interaction that was walked, and while it is taken back the last thing that was.
    cursor_at = models.DateTimeField(null=True)
    cursor = models.UUIDField(null=True)
    undo_cursor = models.UUIDField(null=True)
    # Why it was ended before its end.
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    # Also the bound: what was recorded later is not swept in.
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=BulkState.values), name="bulk_work_state_known"),
            models.CheckConstraint(condition=Q(deed__in=BulkDeed.values), name="bulk_work_deed_known"),
        ]
        indexes = [
            # What is under way: the sweep, and the ring in the header. Mostly empty.
            models.Index(fields=["project", "id"], name="bulk_work_moving", condition=Q(state__in=MOVING)),
        ]

    def __str__(self) -> str:
        return f"{self.deed} {self.id}"


class BulkMade(models.Model):
    """One thing that a bulk deed made: a flag, a tag, an item, a judgement; or a tag that it took off."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    work = models.ForeignKey(BulkWork, on_delete=models.CASCADE, related_name="made", db_index=False)
    made = models.UUIDField()
    # What went, as it was: enough to make it again.
    was = models.JSONField(null=True)

    class Meta:
        constraints = [
            # Also the index along which it is taken back.
            models.UniqueConstraint(fields=["work", "made"], name="bulk_made_once"),
        ]

    def __str__(self) -> str:
        return str(self.made)
