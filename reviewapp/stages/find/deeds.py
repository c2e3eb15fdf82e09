"""The deeds that can be done to many: what each needs, does to a batch, and takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext, gettext_noop

from reviewapp.models import (
    Actor,
    AddedTag,
    Annotation,
    BulkDeed,
    Flag,
    FlagState,
    Interaction,
    ItemState,
    Permission,
    Person,
    Project,
    Queue,
    QueueItem,
    QueueKind,
    QueueSlot,
    QueueState,
    Rubric,
    Severity,
    SlotState,
)
from reviewapp.models.tag import TAG_LIMIT
from reviewapp.pure.ids import new_id
from reviewapp.pure.rubrics import TEXT_LIMIT, InvalidAnswer, check_scores
from reviewapp.pure.words import storable
from reviewapp.stages import review
from reviewapp.stages.administer import Refused


@dataclass(frozen=True, slots=True)
class Trace:
    """What a deed left behind: the id of what came about, or of what went and how that was."""

    id: UUID
    was: dict[str, Any] | None = None


class Deed(Protocol):
    """One kind of bulk work."""

    permission: Permission

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as they are kept. Raises Refused, InvalidAnswer."""

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        """Do it to a batch; gives what can be taken back. Raises Refused."""

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        """Take these back, as far as nobody worked on them since; gives how many."""


class _Flagging:
    permission = Permission.REVIEW

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        reason = " ".join(storable(str(parameters.get("reason") or "")).split())
        if not reason or len(reason) > 80:
            raise InvalidAnswer("reason", gettext_noop("is missing or longer than 80 characters"))
        severity = parameters.get("severity") or Severity.MEDIUM
        if severity not in Severity.values:
            raise InvalidAnswer(
                "severity", gettext_noop("must be one of %(choices)s"), choices=", ".join(Severity.values)
            )
        note = storable(str(parameters.get("note") or ""))
        if len(note) > review.NOTE_LIMIT:
            raise InvalidAnswer(
                "note",
                gettext_noop("is longer than %(note_limit)s characters"),
                note_limit=f"{review.NOTE_LIMIT:,}",
            )
        return {"reason": reason, "severity": str(severity), "note": note}

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        made = Flag.objects.bulk_create(
            Flag(
                project=actor.project,
                interaction=one,
                created_by=actor.person,
                created_by_key=actor.key,
                created_at=now,
                reason=parameters["reason"],
                severity=parameters["severity"],
                note=parameters["note"],
            )
            for one in interactions
        )
        return [Trace(flag.pk) for flag in made]

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        flags = Flag.objects.filter(project=project, pk__in=_ids(traces), state=FlagState.OPEN)
        return int(flags.update(state=FlagState.REMOVED, changed_by=by, changed_at=now))


class _Tagging:
    permission = Permission.REVIEW

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"tag": tag_name(parameters.get("tag"))}

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        name = parameters["tag"]
        tags = [
            AddedTag(
                id=new_id(),
                project=actor.project,
                interaction=one,
                name=name,
                created_by=actor.person,
                created_by_key=actor.key,
                created_at=now,
            )
            # What was recorded with it has it already.
            for one in interactions
            if name not in one.tags
        ]
        AddedTag.objects.bulk_create(tags, ignore_conflicts=True)
        kept = AddedTag.objects.filter(pk__in=[tag.pk for tag in tags])
        return [Trace(pk) for pk in kept.values_list("pk", flat=True)]

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        return int(AddedTag.objects.filter(project=project, pk__in=_ids(traces)).delete()[0])


class _Untagging:
    permission = Permission.REVIEW

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"tag": tag_name(parameters.get("tag"))}

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        """Take off what people added; what was recorded stays, as all that is recorded."""
        found = AddedTag.objects.filter(
            project=actor.project, name=parameters["tag"], interaction__in=[one.pk for one in interactions]
        )
        # Held, so that what is kept of each is what goes.
        tags = list(found.select_for_update().order_by("id"))
        AddedTag.objects.filter(pk__in=[tag.pk for tag in tags]).delete()
        return [
            Trace(
                tag.pk,
                was={
                    "interaction": str(tag.interaction_id),
                    "name": tag.name,
                    "created_by": tag.created_by_id and str(tag.created_by_id),
                    "created_by_key": tag.created_by_key_id and str(tag.created_by_key_id),
                    "created_at": tag.created_at.isoformat(),
                },
            )
            for tag in tags
        ]

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        """Put them on again as they were, but where somebody did so meanwhile or the interaction is gone."""
        was = {trace.id: trace.was for trace in traces if trace.was is not None}
        asked = [one["interaction"] for one in was.values()]
        there = set(
            map(str, Interaction.objects.filter(project=project, pk__in=asked).values_list("pk", flat=True))
        )
        AddedTag.objects.bulk_create(
            (
                AddedTag(
                    id=id_,
                    project=project,
                    interaction_id=one["interaction"],
                    name=one["name"],
                    created_by_id=one["created_by"],
                    created_by_key_id=one["created_by_key"],
                    created_at=datetime.fromisoformat(one["created_at"]),
                )
                for id_, one in was.items()
                if one["interaction"] in there
            ),
            ignore_conflicts=True,
        )
        return int(AddedTag.objects.filter(project=project, pk__in=list(was)).count())


def tag_name(value: Any) -> str:
    """A tag as it is kept. Raises Refused."""
    name = " ".join(storable(str(value or "")).split())
    if not name or len(name) > TAG_LIMIT:
        raise Refused(
            gettext("Give the tag a name of at most %(tag_limit)s characters.") % {"tag_limit": TAG_LIMIT},
            field="tag",
        )
    return name


class _Queueing:
    permission = Permission.REVIEW

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"queue": str(self._queue(actor, parameters.get("queue")).pk)}

    def _queue(self, actor: Actor, id_: Any) -> Queue:
        try:
            queue: Queue | None = Queue.objects.visible_to(actor).filter(pk=UUID(str(id_))).first()
        except ValueError:
            queue = None
        if queue is None or queue.state != QueueState.OPEN:
            raise Refused(gettext("Choose a queue that is open."), field="queue")
        if queue.kind == QueueKind.PAIRWISE:
            raise Refused(gettext("A queue for pairs takes replays beside their originals."), field="queue")
        return queue

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        queue = self._queue(actor, parameters["queue"])
        entries = [review.Entry(one.pk) for one in interactions]
        review.enqueue(queue=queue, entries=entries, reason=f"Chosen by {actor.name}", now=now, actor=actor)
        put = QueueItem.objects.filter(
            queue=queue, interaction__in=[one.pk for one in interactions], created_at=now, rule=None
        )
        return [Trace(pk) for pk in put.values_list("pk", flat=True)]

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        worked_on = QueueSlot.objects.filter(item=OuterRef("pk")).exclude(state=SlotState.LEFT)
        items = QueueItem.objects.filter(
            ~Exists(worked_on), project=project, pk__in=_ids(traces), state=ItemState.PENDING, round=1
        )
        # Held until the end, so that nobody is handed one that is about to go.
        held = list(items.select_for_update().order_by("id").values_list("pk", flat=True))
        untouched = items.filter(pk__in=held)
        n = untouched.count()
        untouched.delete()
        return int(n)


class _Judging:
    permission = Permission.REVIEW

    def check(self, *, actor: Actor, parameters: Mapping[str, Any]) -> dict[str, Any]:
        rubric = review.default_rubric(actor)
        if rubric is None:
            raise Refused(gettext("The project has no rubric to judge by."))
        scores = dict(parameters.get("scores") or {})
        comment = storable(str(parameters.get("comment") or ""))
        if len(comment) > TEXT_LIMIT:
            raise InvalidAnswer(
                "comment",
                gettext_noop("is longer than %(text_limit)s characters"),
                text_limit=f"{TEXT_LIMIT:,}",
            )
        if not scores and not comment:
            raise InvalidAnswer("scores", gettext_noop("is empty, and so is the comment"))
        checked = check_scores(questions=rubric.questions, scores=scores, partial=not scores)
        return {"rubric": str(rubric.pk), "scores": checked, "comment": comment}

    def do(
        self,
        *,
        actor: Actor,
        interactions: Sequence[Interaction],
        parameters: Mapping[str, Any],
        now: datetime,
    ) -> list[Trace]:
        rubric = Rubric.objects.get(pk=parameters["rubric"], project=actor.project)
        # Who judged one already said what they think of it.
        judged = set(
            Annotation.objects.filter(
                interaction__in=[one.pk for one in interactions],
                created_by=actor.person,
                created_by_key=actor.key,
                removed_at=None,
            ).values_list("interaction", flat=True)
        )
        made = Annotation.objects.bulk_create(
            Annotation(
                project=actor.project,
                interaction=one,
                rubric=rubric,
                scores=parameters["scores"],
                comment=parameters["comment"],
                created_by=actor.person,
                created_by_key=actor.key,
                created_at=now,
                updated_at=now,
            )
            for one in interactions
            if one.pk not in judged
        )
        return [Trace(annotation.pk) for annotation in made]

    def undo(self, *, project: Project, traces: Sequence[Trace], by: Person | None, now: datetime) -> int:
        untouched = Annotation.objects.filter(
            project=project, pk__in=_ids(traces), version=1, removed_at=None
        )
        return int(untouched.update(removed_at=now, updated_at=now))


def _ids(traces: Sequence[Trace]) -> list[UUID]:
    return [trace.id for trace in traces]


DEEDS: dict[str, Deed] = {
    BulkDeed.FLAG: _Flagging(),
    BulkDeed.TAG: _Tagging(),
    BulkDeed.UNTAG: _Untagging(),
    BulkDeed.QUEUE: _Queueing(),
    BulkDeed.ANNOTATE: _Judging(),
}
