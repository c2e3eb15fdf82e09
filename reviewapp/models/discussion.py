"""Discussion: threads on interactions or on words of them, and what people are told of.

A thread hangs on an interaction; it may be about words of the answer or of a message (characters,
code points, as the marks of annotations). What somebody wrote is changed and removed by them alone,
and what it said before is kept. A notification is one person's: one row for one matter (its key), so
that whoever notices it twice tells it once; a mail is a notification on its way to their address.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from reviewapp.models.alert import DeliveryState
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class ThreadPlace(models.TextChoices):
    """What a thread is about."""

    WHOLE = "whole", _("The whole of it")
    ANSWER = "answer", _("Words of the answer")
    MESSAGE = "message", _("Words of a message")


class ThreadState(models.TextChoices):
    OPEN = "open", _("Open")
    RESOLVED = "resolved", _("Resolved")


THREAD_TRANSITIONS: dict[str, frozenset[str]] = {
    ThreadState.OPEN: frozenset({ThreadState.RESOLVED}),
    ThreadState.RESOLVED: frozenset({ThreadState.OPEN}),
}


class Thread(MadeBy, Scoped):
    """What people say to one another about an interaction."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    interaction = models.ForeignKey(Interaction, on_delete=models.CASCADE, related_name="threads")
    # When the interaction was asked, so that the list can be walked here; the database keeps it.
    asked_at = models.DateTimeField(null=True, editable=False)
    place = models.CharField(max_length=8, choices=ThreadPlace.choices, default=ThreadPlace.WHOLE)
    # Which message of the request, counted from 0; and the words, as they are recorded.
    message = models.PositiveIntegerField(null=True)
    start = models.PositiveIntegerField(null=True)
    end = models.PositiveIntegerField(null=True)
    quote = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=ThreadState.choices, default=ThreadState.OPEN)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    resolved_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)
    # Of the last deed in it, whichever: by this a page knows that it must be drawn anew.
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ThreadState.values), name="thread_state_known"),
            models.CheckConstraint(
                condition=Q(place="whole", message__isnull=True, start__isnull=True, end__isnull=True)
                | Q(place="answer", message__isnull=True, start__isnull=False, end__gt=models.F("start"))
                | Q(place="message", message__isnull=False, start__isnull=False, end__gt=models.F("start")),
                name="thread_place_whole_or_words",
            ),
        ]
        indexes = [
            # `discussed:resolved`, and whether anything is.
            models.Index(fields=["project", "interaction"], name="thread_open", condition=Q(state="open")),
            # `discussed:yes`, and `discussed:open`, in the order of the list.
            models.Index(fields=["project", "-asked_at", "-interaction"], name="thread_along_the_list"),
            models.Index(
                fields=["project", "-asked_at", "-interaction"],
                name="thread_open_along_the_list",
                condition=Q(state="open"),
            ),
            # The API's list, newest first.
            models.Index(fields=["project", "-created_at", "-id"], name="thread_newest"),
        ]

    def __str__(self) -> str:
        return f"thread on {self.interaction_id}"


class Post(MadeBy, Scoped):
    """One thing that somebody wrote in a thread."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="posts")
    text = models.TextField()
    # The handles that it names, and whose they were as it was written: {"anna.meyer": "0193…"}.
    mentions = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="post_says_something"),
        ]

    def __str__(self) -> str:
        return f"post in {self.thread_id}"


class PostRevision(models.Model):
    """What a post said before it was changed."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="revisions", db_index=False)
    version = models.PositiveIntegerField()
    text = models.TextField()
    replaced_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index for the revisions of a post.
            models.UniqueConstraint(fields=["post", "version"], name="post_revision_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.version} of {self.post_id}"


class NotificationKind(models.TextChoices):
    """What can concern a person; for each they choose whether they get e-mail too."""

    MENTION = "mention", _("Somebody mentions you")
    REPLY = "reply", _("Somebody writes in a discussion you are in")
    ASSIGNED = "assigned", _("You are asked to review or to decide")
    ADJUDICATED = "adjudicated", _("It is decided which judgement counts, and you had judged")
    RETURNED = "returned", _("An item that you had judged is sent back")
    CHANGE = "change", _("A backend change waits for a decision")


class Notification(Scoped):
    """Something that concerns one person."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=NotificationKind.choices)
    # The matter: the same one is told to a person once.
    key = models.CharField(max_length=200)
    # Of mentions and replies; whether the person may read it yet is seen when it is shown.
    post = models.ForeignKey(Post, on_delete=models.CASCADE, null=True, related_name="notifications")
    # Who did it; none where the app itself noticed.
    by = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    # What the words of its kind need: the name of a queue, the title of a change.
    subject = models.CharField(max_length=300, blank=True)
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    path = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "project", "key"], name="notification_once"),
            models.CheckConstraint(
                condition=Q(kind__in=NotificationKind.values), name="notification_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(path__startswith="/") & ~Q(path__startswith="//"), name="notification_path_inside"
            ),
        ]
        indexes = [
            # A person's list, newest first.
            models.Index(fields=["person", "project", "-created_at", "-id"], name="notification_newest"),
            # The bell: what is not read yet.
            models.Index(
                fields=["person", "project"], name="notification_unread", condition=Q(read_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.person_id}"


class NotificationChoice(models.Model):
    """A kind that a person wants by e-mail too."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(
        Person, on_delete=models.CASCADE, related_name="notification_choices", db_index=False
    )
    kind = models.CharField(max_length=12, choices=NotificationKind.choices)

    class Meta:
        constraints = [
            # Also the index for a person's choices.
            models.UniqueConstraint(fields=["person", "kind"], name="notification_choice_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.person_id}"


class NotificationMail(models.Model):
    """A notification on its way to its person's address. The row is the work."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    notification = models.OneToOneField(Notification, on_delete=models.CASCADE, related_name="mail")
    # The states of an alert's delivery, and their transitions.
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField()
    first_tried_at = models.DateTimeField(null=True)
    leased_by = models.TextField(null=True)
    lease_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="notification_mail_state_known"
            ),
        ]
        indexes = [
            # What is due; small, since most are done.
            models.Index(fields=["not_before"], name="notification_mail_due", condition=Q(state="queued")),
            # Leases that ran out.
            models.Index(
                fields=["lease_until"], name="notification_mail_leased", condition=Q(state="leased")
            ),
        ]

    def __str__(self) -> str:
        return f"mail of {self.notification_id}"
