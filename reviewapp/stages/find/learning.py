"""Learning continuations: from recorded answers into their table, each step exactly once.

The mark and the sums move in one transaction under the mark's lock. The mark stays `LAG` behind the
clock; what becomes visible behind it later is not learnt, for a sum over samples loses nothing by it.
Of what is recorded in a rush only so much is read: shares of probability don't hang on how many answers
they are the average of. A project's table is bounded; what is rare and unlikely goes first. With the sums
it is noted which answers they are of, so that what is deleted is forgotten by reading these alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection, transaction
from django.db.models import Q

from reviewapp.formats.openai import read_reply
from reviewapp.models import Continuation, Interaction, LearntAnswer, Watermark
from reviewapp.pure import rawjson
from reviewapp.pure.continuations import Following, following, key_of

LAG: Final = timedelta(seconds=30)
# Rows that the mark passes in one step, and how many of them are read. An answer has a thousand sums, which
# cost as much as recording hundreds; so when more comes than can be read, it is few.
STEP: Final = 20_000
READ: Final = 100
_RUSH: Final = 2_000
_READ_IN_A_RUSH: Final = 5
_LONG_AGO: Final = timedelta(hours=1)
# Rows of one project; beyond, it is cut to four fifths.
MOST_ROWS: Final = 300_000
# Packed bytes: a larger body is not read.
_LARGEST: Final = 300_000
# Of another name than it had when answers were not noted: where that is, sums are of unknown origin. Whoever
# changes which words an answer has takes a new name again, or forgetting would take out others.
_MARK: Final = "continuations by answer"
_MARK_BEFORE: Final = "continuations"
# A word that nobody said, with so little left of probability, is gone: sums of floats are not exact.
_NOTHING: Final = 1e-6
_TABLE: Final = Continuation._meta.db_table

_Key = tuple[str, str]


@dataclass(slots=True)
class _Answer:
    """An answer's words; `learnt`: which of their alternatives are summed, as LearntAnswer has them."""

    pk: UUID
    words: list[Following]
    learnt: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Sum:
    shown: str
    count: int = 0
    mass: float = 0.0


def learn(*, now: datetime, read: int = READ, most_rows: int = MOST_ROWS) -> int:
    """Learn from what was recorded since; gives how many rows the mark passed (0: caught up)."""
    with transaction.atomic():
        Watermark.objects.get_or_create(pk=_MARK)
        mark = Watermark.objects.select_for_update(skip_locked=True).filter(pk=_MARK).first()
        if mark is None:
            return 0
        _drop_what_was_learnt_before(skip_locked=True)
        mark.refresh_from_db()
        passed = _step(mark, now, read=read, most_rows=most_rows)
        mark.save()
        return passed


@transaction.atomic
def rebuild_continuations(*, now: datetime) -> int:
    """Forget everything and learn anew from what is there; gives how many rows were passed."""
    Watermark.objects.get_or_create(pk=_MARK)
    mark = Watermark.objects.select_for_update().get(pk=_MARK)
    _drop_all()
    mark.created_at, mark.interaction = None, None
    total = 0
    while passed := _step(mark, now):
        total += passed
    mark.save()
    return total


def forget(*, interactions: Sequence[UUID]) -> None:
    """Take out what these taught; call it before they are deleted, within its transaction.

    Only answers that were learnt from are read, and of them exactly what they put in is taken out. What is
    left of a word that others have too is as if these had never been, but for the first who wrote it:
    capital letters are theirs. What was cut for its rarity since may be taken out a second time, of others:
    a word too few to suggest.
    """
    _drop_what_was_learnt_before()
    # Under their locks, so that none of them is being learnt meanwhile: `_step` leaves out what is locked.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            f"SELECT id FROM {Interaction._meta.db_table} WHERE id = ANY(%b) "  # noqa: S608
            "AND has_logprobs AND replay_of_id IS NULL ORDER BY id FOR UPDATE",
            [list(interactions)],
        )
        ids = [id_ for (id_,) in cursor]
    learnt = dict(LearntAnswer.objects.filter(pk__in=ids).values_list("pk", "alternatives")) if ids else {}
    if not learnt:
        return
    by_project: dict[UUID, list[_Answer]] = defaultdict(list)
    for one in Interaction.objects.filter(pk__in=learnt).select_related("body").order_by("pk"):
        by_project[one.project_id].append(_Answer(one.pk, _words(one), learnt[one.pk]))
    for project, answers in sorted(by_project.items()):
        _lock(project)
        _subtract(project, answers)
    LearntAnswer.objects.filter(pk__in=learnt).delete()


def _drop_what_was_learnt_before(*, skip_locked: bool = False) -> None:
    """Begin anew where an earlier release learnt, which did not note from which answers.

    So nothing stays that could not be taken out, and what is there is learnt once more, some at a time. A
    worker of that release that is still at it has its mark again; then all begins anew again.
    """
    before = Watermark.objects.filter(pk=_MARK_BEFORE)
    if before.exists() and before.select_for_update(skip_locked=skip_locked).first() is not None:
        _drop_all()


def _drop_all() -> None:
    Continuation.objects.all().delete()
    LearntAnswer.objects.all().delete()
    Watermark.objects.filter(pk=_MARK_BEFORE).delete()
    Watermark.objects.filter(pk=_MARK).update(created_at=None, interaction=None)


def _step(mark: Watermark, now: datetime, *, read: int = READ, most_rows: int = MOST_ROWS) -> int:
    rows = Interaction.objects.filter(created_at__lt=now - LAG)
    if mark.created_at is not None:
        rows = rows.filter(
            Q(created_at__gte=mark.created_at) & ~Q(created_at=mark.created_at, pk__lte=mark.interaction)
        )
    passed = list(
        rows.order_by("created_at", "id").values_list("pk", "created_at", "has_logprobs", "replay_of")[:STEP]
    )
    if not passed:
        return 0
    # What is caught up on lies long back; it keeps nobody from recording now.
    if len(passed) > _RUSH and passed[-1][1] > now - _LONG_AGO:
        read = min(read, _READ_IN_A_RUSH)
    telling = [pk for pk, _at, has_logprobs, replay_of in passed if has_logprobs and replay_of is None]
    # Evenly, so that no source that sends in blocks is left out.
    chosen = telling[:: max(1, -(-len(telling) // read))]
    by_project: dict[UUID, list[_Answer]] = defaultdict(list)
    answers = Interaction.objects.without_canaries().filter(pk__in=chosen, status__lt=300)
    # Locked until they are noted, so that whoever deletes one of them finds the note; what is being deleted
    # teaches nothing.
    locked = answers.select_for_update(of=("self",), no_key=True, skip_locked=True)
    for one in locked.select_related("body").order_by("id"):
        if words := _words(one):
            by_project[one.project_id].append(_Answer(one.pk, words))
    for project, taught in sorted(by_project.items()):
        _lock(project)
        _add(project, taught)
        _prune(project, most_rows)
    mark.interaction, mark.created_at = passed[-1][0], passed[-1][1]
    return len(passed)


def _lock(project: UUID) -> None:
    """Nobody else changes the project's rows until the transaction is over."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"continuations {project}"])


def _words(one: Interaction) -> list[Following]:
    body = one.body
    if body.response is None or not body.response_is_json or len(body.response) > _LARGEST:
        return []
    reply = read_reply(one.endpoint, rawjson.parse(body.response_text), one.status)  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
    return list(following(reply.tokens))


def _add(project: UUID, answers: Sequence[_Answer]) -> None:
    known = _vocabulary(project, [word for one in answers for word in one.words])
    for one in answers:
        others = [other for word in one.words for other in word.alternatives]
        one.learnt = [place for place, other in enumerate(others) if key_of(other.text) in known]
    rows = _sums(answers)
    # Sent apart from the statement and in binary, as words are: thousands of texts need no quotes then.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            f"INSERT INTO {_TABLE} (project_id, context, next, shown, count, mass) "  # noqa: S608
            "SELECT %b, * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bigint[], %b::float8[]) "
            "ON CONFLICT (project_id, context, next) DO UPDATE SET "
            f"count = {_TABLE}.count + excluded.count, mass = {_TABLE}.mass + excluded.mass",
            [
                project,
                [context for (context, _), _ in rows],
                [word for (_, word), _ in rows],
                [found.shown for _, found in rows],
                [found.count for _, found in rows],
                [found.mass for _, found in rows],
            ],
        )
    LearntAnswer.objects.bulk_create(
        [LearntAnswer(pk=one.pk, alternatives=one.learnt) for one in answers],
        # A worker of an earlier release may have deleted one that is back by an import.
        update_conflicts=True,
        unique_fields=["interaction"],
        update_fields=["alternatives"],
    )


def _subtract(project: UUID, answers: Sequence[_Answer]) -> None:
    rows = _sums(answers)
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            f"MERGE INTO {_TABLE} AS learnt "
            "USING unnest(%b::text[], %b::text[], %b::bigint[], %b::float8[]) "
            "AS given (context, next, count, mass) "
            "ON learnt.project_id = %b AND learnt.context = given.context AND learnt.next = given.next "
            "WHEN MATCHED AND learnt.count <= given.count AND learnt.mass < given.mass + %b THEN DELETE "
            "WHEN MATCHED THEN UPDATE SET count = greatest(0, learnt.count - given.count), "
            "mass = greatest(0, learnt.mass - given.mass)",
            [
                [context for (context, _), _ in rows],
                [word for (_, word), _ in rows],
                [found.count for _, found in rows],
                [found.mass for _, found in rows],
                project,
                _NOTHING,
            ],
        )


def _sums(answers: Sequence[_Answer]) -> list[tuple[_Key, _Sum]]:
    """What these put in, in one order for all."""
    sums: dict[_Key, _Sum] = {}

    def add(context: str, word: str, shown: str, count: int, mass: float) -> None:
        found = sums.setdefault((context, word), _Sum(shown))
        found.count += count
        found.mass += mass

    for one in answers:
        learnt = set(one.learnt)
        begin = 0
        for word in one.words:
            others = [other for n, other in enumerate(word.alternatives, begin) if n in learnt]
            begin += len(word.alternatives)
            for context in word.contexts:
                add(context, "", "", 1, 0.0)
                add(context, key_of(word.text), word.text, 1, word.probability)
                if context:
                    for other in others:
                        add(context, key_of(other.text), other.text, 0, other.probability)
    return sorted(sums.items())


def _vocabulary(project: UUID, words: Sequence[Following]) -> set[str]:
    """Which alternatives are whole words: those that some answer of the project has as a word."""
    said = {key_of(word.text) for word in words}
    others = {key_of(one.text) for word in words for one in word.alternatives} - said
    there = Continuation.objects.filter(project=project, context="", next__in=others)
    return said | set(there.values_list("next", flat=True))


def _prune(project: UUID, most_rows: int) -> None:
    rows = Continuation.objects.filter(project=project)
    if len(rows.order_by().values_list("project")[: most_rows + 1]) <= most_rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {_TABLE} WHERE id IN (SELECT id FROM {_TABLE} "  # noqa: S608
            "WHERE project_id = %s AND next <> '' ORDER BY mass LIMIT %s)",
            [project, most_rows // 5],
        )
        cursor.execute(
            f"DELETE FROM {_TABLE} AS met WHERE project_id = %s AND next = '' AND NOT EXISTS ("  # noqa: S608
            f"SELECT 1 FROM {_TABLE} AS word WHERE word.project_id = met.project_id "
            "AND word.context = met.context AND word.next <> '')",
            [project],
        )
