"""Holding a study's answers against what it compares with.

That is the recorded answer of each interaction. Only where the unchanged prompt of a deviation study
does not bring the recorded answer back even once, because the backend is another by now or the study
asks with another seed, it is the answer that the unchanged prompt gets most often: how far a prompt
may drift can be asked of that one as well. Should that change while answers come in, all of them are
measured again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from reviewapp.models import Attempt, AttemptState, Interaction, RunState, Study, StudyKind, StudyPoint
from reviewapp.models.bodies import exchange_of
from reviewapp.pure.differences.equivalence import answer_digest, in_order, likeness
from reviewapp.pure.exchange import Reply
from reviewapp.pure.studies import similarity

# Bodies that are in memory at a time.
_BATCH: Final = 100
# The words of longer answers are held against each other up to here: the cost grows with the square.
_LONGEST: Final = 40_000
_LOOK_BACK: Final = timedelta(days=1)


@transaction.atomic
def measure(*, run_id: UUID) -> int:
    """Measure what was answered and not measured yet; gives how many there were. Waits for who else does."""
    study = Study.objects.select_for_update().filter(run=run_id).first()
    if study is None:
        return 0
    done = Attempt.objects.filter(run=run_id, state=AttemptState.DONE, variant__isnull=False)
    measured = StudyPoint.objects.filter(study=study)
    new = list(done.exclude(pk__in=measured.values("pk")).order_by("id").values_list("pk", flat=True))
    if not new:
        return 0
    reference = _reference(study, new)
    if reference != bytes(study.reference):
        Study.objects.filter(pk=study.pk).update(reference=reference)
        study.reference = reference
        measured.delete()
        new = list(done.order_by("id").values_list("pk", flat=True))
    against = _References(study)
    for first in range(0, len(new), _BATCH):
        points = [_point(study, attempt, against) for attempt in _read(new[first : first + _BATCH])]
        StudyPoint.objects.bulk_create(points)
    return len(new)


def unmeasured(*, now: datetime) -> list[UUID]:
    """The runs of studies with answers that nobody measured, of those that may still have some."""
    waiting = Attempt.objects.filter(run=OuterRef("run"), state=AttemptState.DONE, point__isnull=True)
    lately = Q(run__finished_at__isnull=True) | Q(run__finished_at__gt=now - _LOOK_BACK)
    unfinished = Study.objects.filter(lately | Q(run__state=RunState.RUNNING))
    return list(unfinished.filter(Exists(waiting)).values_list("run", flat=True))


@dataclass(frozen=True, slots=True)
class _Read:
    """An attempt and what it was answered."""

    attempt: Attempt
    reply: Reply


def _read(ids: Sequence[UUID]) -> Iterator[_Read]:
    rows = Attempt.objects.filter(pk__in=ids).select_related(
        "variant", "answer", "answer__source", "answer__provider", "answer__body"
    )
    for attempt in rows.defer("answer__provider__api_key").order_by("id"):
        yield _Read(attempt, exchange_of(attempt.answer).reply)


def _reference(study: Study, new: Sequence[UUID]) -> bytes:
    """The digest of what the answers are held against; empty for the recorded ones."""
    if study.kind != StudyKind.DEVIATION or study.interaction_id is None:
        return b""
    of_floor = Attempt.objects.filter(run=study.run_id, variant__position=0)
    known = StudyPoint.objects.filter(study=study, variant__position=0)
    digests = [bytes(digest) for digest in known.order_by("pk").values_list("digest", flat=True)]
    fresh = of_floor.filter(pk__in=new).values_list("pk", flat=True)
    digests += [answer_digest(one.reply) for one in _read(list(fresh))]
    if not digests or answer_digest(_recorded(study.interaction_id)) in digests:
        return b""
    return Counter(digests).most_common(1)[0][0]


def _recorded(interaction: UUID) -> Reply:
    rows = Interaction.objects.select_related("source", "provider", "body").defer("provider__api_key")
    return exchange_of(rows.get(pk=interaction)).reply


class _References:
    """What each interaction's answers are held against, read once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._known: dict[UUID, Reply] = {}

    def of(self, original: UUID) -> Reply:
        """The reply that answers to this interaction are held against."""
        if original not in self._known:
            self._known[original] = self._find(original)
        return self._known[original]

    def _find(self, original: UUID) -> Reply:
        wanted = bytes(self._study.reference)
        if not wanted:
            return _recorded(original)
        floor = Attempt.objects.filter(
            run=self._study.run_id, variant__position=0, state=AttemptState.DONE
        ).values_list("pk", flat=True)
        # There is one: the reference was chosen among them.
        return next(one.reply for one in _read(list(floor)) if answer_digest(one.reply) == wanted)


def _point(study: Study, read: _Read, against: _References) -> StudyPoint:
    reference = against.of(read.attempt.original_id)
    alike = likeness(reference, read.reply)
    digest = answer_digest(read.reply)
    return StudyPoint(
        attempt=read.attempt,
        project_id=study.project_id,
        study=study,
        variant=read.attempt.variant,
        identical=alike.sameness == "identical",
        equivalent=alike.same,
        similarity=1.0 if alike.same else similarity(_words(reference), _words(read.reply)),
        digest=digest,
    )


def _words(reply: Reply) -> str:
    """All that an answer says, as one text."""
    pieces = []
    for choice in in_order(reply):
        pieces += [choice.text or "", choice.refusal or ""]
        pieces += [f"{call.name} {call.arguments}" for call in choice.tool_calls]
    return "\n".join(piece for piece in pieces if piece)[:_LONGEST]
