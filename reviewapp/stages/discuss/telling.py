"""Telling people what concerns them: a notification each, once for a matter, and a mail where they want one.

A post tells whoever it names and whoever is in its thread; naming somebody wins over answering them, and
nobody is told of what they did themselves. The project's alert channels that want discussions hear of a
thread without its words, since a channel knows nothing of who has judged what.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from reviewapp.models import (
    Actor,
    AlertChannel,
    AlertKind,
    AlertSeverity,
    Membership,
    Notification,
    NotificationChoice,
    NotificationKind,
    NotificationMail,
    Person,
    Post,
    Project,
    Thread,
)
from reviewapp.models.discussing import readable
from reviewapp.pure.said import said, to_store
from reviewapp.stages import watch

# What is read in the app within this time is not sent.
MAILED_AFTER: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be told: the same key is told to a person once."""

    kind: str
    key: str
    path: str
    subject: str = ""
    post: Post | None = None
    by: Person | None = None


@transaction.atomic
def tell(*, project: Project, people: Iterable[UUID], matter: Matter, now: datetime) -> int:
    """Tell these people who belong to the project, if they were not told; gives how many were."""
    here = Membership.objects.filter(project=project, person__is_active=True, person__in=set(people))
    wanted = sorted(here.values_list("person", flat=True))
    if matter.by is not None:
        wanted = [person for person in wanted if person != matter.by.pk]
    known = Notification.objects.filter(project=project, person__in=wanted, key=matter.key)
    known_people = set(known.values_list("person", flat=True))
    rows = [
        Notification(
            project=project,
            person_id=person,
            kind=matter.kind,
            key=matter.key,
            post=matter.post,
            by=matter.by,
            subject=matter.subject[:300],
            said=to_store(subject=matter.subject),
            path=matter.path,
            created_at=now,
        )
        for person in wanted
        if person not in known_people
    ]
    # Who tells the same at the same time waits at the constraint, and then tells nobody.
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    made = list(Notification.objects.filter(pk__in=[row.pk for row in rows]))
    mailed = set(
        NotificationChoice.objects.filter(
            person__in=[row.person_id for row in made], kind=matter.kind
        ).values_list("person", flat=True)
    )
    NotificationMail.objects.bulk_create(
        [
            NotificationMail(notification=row, not_before=now + MAILED_AFTER)
            for row in made
            if row.person_id in mailed
        ]
    )
    return len(made)


def path_of(thread: Thread) -> str:
    """Where a thread is read."""
    return f"/interactions/{thread.interaction_id}/#thread-{thread.pk}"


def tell_of_post(*, actor: Actor, thread: Thread, post: Post, now: datetime, edited: bool = False) -> None:
    """Tell whom the post names and, of a new one, who is in the thread."""
    named = {UUID(person) for person in post.mentions.values()}
    # One key for both kinds, so that who is named and is in the thread hears of it once.
    key, path = f"post:{post.pk}", path_of(thread)
    mention = Matter(kind=NotificationKind.MENTION, key=key, path=path, post=post, by=actor.person)
    tell(project=actor.project, people=named, matter=mention, now=now)
    if edited:
        return
    inside = set(
        Post.objects.filter(thread=thread, created_by__isnull=False).values_list("created_by", flat=True)
    )
    answer = Matter(kind=NotificationKind.REPLY, key=key, path=path, post=post, by=actor.person)
    tell(project=actor.project, people=inside - named, matter=answer, now=now)
    _tell_channels(actor, thread, now)


def _tell_channels(actor: Actor, thread: Thread, now: datetime) -> None:
    wanted = Q(kinds=[]) | Q(kinds__contains=[AlertKind.DISCUSSION])
    channels = AlertChannel.objects.in_use().filter(
        wanted, project=actor.project, least_severity=AlertSeverity.INFO
    )
    if not channels.exists():
        return
    about = thread.interaction.prompt_preview
    watch.raise_alert(
        project_id=actor.project.pk,
        kind=AlertKind.DISCUSSION,
        severity=AlertSeverity.INFO,
        title=said("alert_discussion", name=actor.name),
        text=said("alert_discussion_about", about=about) if about else "",
        path=path_of(thread),
        key=f"thread:{thread.pk}",
        now=now,
    )


def mark_read(*, actor: Actor, now: datetime, ids: Iterable[UUID] | None = None, read: bool = True) -> int:
    """Mark this person's notifications as read, or as not; without `ids` all of the project's.

    No audit entry: it changes nothing for anybody else.
    """
    mine = Notification.objects.visible_to(actor).filter(person=actor.person, read_at__isnull=read)
    if ids is not None:
        mine = mine.filter(pk__in=list(ids))
    return int(mine.update(read_at=now if read else None))


def mark_thread_read(*, actor: Actor, interaction_id: UUID, now: datetime) -> int:
    """This person has the threads of an interaction before their eyes, as far as they may read them."""
    posts = readable(Post.objects.filter(thread__interaction=interaction_id), actor)
    mine = Notification.objects.visible_to(actor).filter(
        person=actor.person, read_at__isnull=True, post__in=posts
    )
    return int(mine.update(read_at=now))


@transaction.atomic
def choose_mails(*, person: Person, kinds: Iterable[str]) -> None:
    """Which kinds this person wants by e-mail too. What is none is left out."""
    wanted = {kind for kind in kinds if kind in NotificationKind.values}
    NotificationChoice.objects.filter(person=person).exclude(kind__in=wanted).delete()
    NotificationChoice.objects.bulk_create(
        [NotificationChoice(person=person, kind=kind) for kind in sorted(wanted)], ignore_conflicts=True
    )
