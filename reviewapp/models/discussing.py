"""What a person may read of discussions, and which of them wait for somebody.

In a blind queue nobody learns what others judged before they have judged themselves. So of an
interaction that still waits in one, a person who has not judged it does not see what was written by
those who had the item before them, from the moment they had it; nor, when it was sent back to be
judged anew, anything that others wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q, Subquery

from reviewapp.models.composed import Composed, one_of
from reviewapp.models.discussion import Notification as Told
from reviewapp.models.discussion import Post, Thread, ThreadState
from reviewapp.models.people import Person
from reviewapp.models.queue import OPEN_STATES, QueueItem, QueueSlot, SlotState
from reviewapp.models.scoping import Actor, Permission

# More threads of one interaction are not drawn at once; the oldest resolved ones wait behind a link.
MOST_THREADS: Final = 100
# Home and a person's page show so many that wait.
MOST_WAITING: Final = 20
# They are looked for among so many posts that the person was told of: more nobody answers still.
MOST_TOLD: Final = 1000
# What the filter `discussed` takes.
DISCUSSED: Final = ("yes", "no", "open", "resolved")


def hidden_from(person: Person | UUID) -> Q:
    """Posts that this person may not read yet."""
    own = QueueSlot.objects.filter(
        item=OuterRef("pk"), person=person, round=OuterRef("round"), state=SlotState.JUDGED
    )
    saw = QueueSlot.objects.filter(
        item=OuterRef("pk"),
        person=OuterRef(OuterRef("created_by")),
        taken_at__lte=OuterRef(OuterRef("created_at")),
    ).exclude(state=SlotState.LEFT)
    where = OuterRef("thread__interaction")
    items = (
        QueueItem.objects.filter(Q(interaction=where) | Q(attempt=where), state__in=OPEN_STATES)
        .filter(queue__blind=True)
        .filter(Q(round__gt=1) | Exists(saw))
        .exclude(Exists(own))
    )
    return Q(Exists(items)) & ~Q(created_by=person)


def readable(posts: Any, actor: Actor) -> Any:
    """The posts of a queryset that this actor may read; a key stands in no queue and reads all."""
    found = posts.filter(project=actor.project)
    return found if actor.person is None else found.exclude(hidden_from(actor.person))


@dataclass(frozen=True, slots=True)
class Discussion:
    """An interaction's threads as one person may see them. `hidden`: how many posts they don't see yet."""

    threads: list[Thread] = field(default_factory=list)
    hidden: int = 0
    more: int = 0
    version: str = ""

    @property
    def open(self) -> list[Thread]:
        return [thread for thread in self.threads if thread.state == ThreadState.OPEN]

    @property
    def resolved(self) -> list[Thread]:
        return [thread for thread in self.threads if thread.state == ThreadState.RESOLVED]


def version_of(*, actor: Actor, interactions: list[UUID]) -> str:
    """Changes whenever what this actor would see of their discussions does."""
    threads = Thread.objects.filter(project=actor.project, interaction__in=interactions)
    last: dict[str, Any] = threads.aggregate(at=Max("changed_at"), n=Count("pk"))
    if not last["n"]:
        return "0"
    seen = readable(Post.objects.filter(thread__in=threads), actor).count()
    return f"{last['at'].timestamp():.6f}-{last['n']}-{seen}"


def discussion_of(*, actor: Actor, interactions: list[UUID]) -> Discussion:
    """The threads on these interactions, the open ones first, each with its `shown` posts in order."""
    version = version_of(actor=actor, interactions=interactions)
    if version == "0":
        return Discussion(version=version)
    every = Post.objects.filter(thread=OuterRef("pk"))
    posts = readable(Post.objects.all(), actor)
    rows = (
        Thread.objects.filter(project=actor.project, interaction__in=interactions)
        .annotate(
            posts_in_all=Subquery(every.order_by().values("thread").annotate(n=Count("pk")).values("n"))
        )
        .select_related("created_by", "created_by_key", "resolved_by")
        .prefetch_related(
            Prefetch(
                "posts",
                queryset=posts.select_related("created_by", "created_by_key")
                .prefetch_related("revisions")
                .order_by("created_at", "id"),
                to_attr="shown",
            )
        )
        .order_by("state", "-created_at", "-id")
    )
    found = list(rows[: MOST_THREADS + 1])
    threads = found[:MOST_THREADS]
    hidden = sum(thread.posts_in_all - len(thread.shown) for thread in threads)
    for thread in threads:
        thread.unshown = thread.posts_in_all - len(thread.shown)
    kept = [thread for thread in threads if thread.shown]
    # In the order in which they were begun, as a conversation is read.
    kept.sort(key=lambda thread: (thread.state == ThreadState.RESOLVED, thread.created_at, thread.pk))
    return Discussion(threads=kept, hidden=hidden, more=len(found) - len(threads), version=version)


def waiting_threads(*, actor: Actor) -> list[Thread]:
    """Open threads in which somebody wrote to this person what they have not answered, the newest first.

    Looked for among the newest `MOST_TOLD` that the person was told of, not among all open threads.
    """
    person = actor.person
    if person is None or not actor.may(Permission.READ):
        return []
    found: list[Thread] = []
    for post in _UNANSWERED.rows(project=actor.project.pk, person=person.pk):
        # Told beside what the table has.
        thread: Any = post.thread
        thread.told_at, thread.told_by, thread.writer = post.created_at, post.created_by_id, post.created_by
        found.append(thread)
    return found


def _unanswered(project: UUID, person: UUID) -> Any:
    """The last post of each thread that the person was told of, where they wrote nothing after it."""
    told = Told.objects.filter(person=person, project=project).order_by("-created_at", "-id")
    posts = Post.objects.filter(pk__in=told.filter(post__isnull=False).values("post")[:MOST_TOLD])
    posts = posts.filter(removed_at__isnull=True, thread__project=project, thread__state=ThreadState.OPEN)
    last = posts.order_by("thread", "-created_at", "-id").distinct("thread")
    later = Post.objects.filter(
        thread=OuterRef("thread"), created_by=person, created_at__gte=OuterRef("created_at")
    )
    return (
        Post.objects.filter(pk__in=last.values("pk"))
        .exclude(Exists(later))
        .select_related("thread__interaction", "created_by")
        .order_by("-created_at", "-thread")[:MOST_WAITING]
    )


_UNANSWERED: Final = Composed(_unanswered)


def discussed(value: str) -> Any:
    """The condition on interactions: `yes`, `no`, `open` or `resolved` (all that there is, and something)."""
    threads = Thread.objects.filter(project=OuterRef("project"), interaction=OuterRef("pk"))
    is_open = Exists(threads.filter(state=ThreadState.OPEN))
    if value == "open":
        return is_open
    if value == "resolved":
        return Exists(threads) & ~is_open
    return Exists(threads) if value == "yes" else ~Exists(threads)


def open_counts(*, actor: Actor, interactions: Iterable[UUID]) -> dict[UUID, int]:
    """How many open threads each of these has, as far as this actor may read them; of none, nothing."""
    asked: dict[str, Any] = {"project": actor.project.pk, "interactions": list(interactions)}
    # Most pages have none. To plan which of them may be read takes PostgreSQL longer than all the rest.
    if not _ANY_OPEN.rows(**asked):
        return {}
    if actor.person is None:
        return dict(_OPEN_COUNTS.rows(**asked))
    return dict(_OPEN_COUNTS_FOR.rows(**asked, person=actor.person.pk))


def _open(project: UUID, interactions: list[UUID]) -> Any:
    return Thread.objects.filter(one_of("interaction", interactions), project=project, state=ThreadState.OPEN)


def _counted(threads: Any, posts: Any) -> Any:
    return threads.filter(Exists(posts)).order_by().values_list("interaction").annotate(n=Count("pk"))


def _posts(project: UUID) -> Any:
    return Post.objects.filter(thread=OuterRef("pk"), project=project)


_ANY_OPEN: Final = Composed(lambda project, interactions: _open(project, interactions).values_list("pk")[:1])
_OPEN_COUNTS: Final = Composed(
    lambda project, interactions: _counted(_open(project, interactions), _posts(project))
)
_OPEN_COUNTS_FOR: Final = Composed(
    lambda project, interactions, person: _counted(
        _open(project, interactions), _posts(project).exclude(hidden_from(person))
    )
)


def unread(*, actor: Actor) -> Any:
    """What this person has not read yet."""
    return Told.objects.visible_to(actor).filter(person=actor.person, read_at__isnull=True)


def unread_by(*, project: UUID, person: UUID) -> Any:
    """The same of whoever may read in that project."""
    return Told.objects.filter(project=project, person=person, read_at__isnull=True)


def unread_here(*, actor: Actor, interaction_id: UUID) -> bool:
    """Whether this person is told of what they may read here, and has not read it."""
    posts = readable(Post.objects.filter(thread__interaction=interaction_id), actor)
    return bool(unread(actor=actor).filter(post__in=posts).exists())
