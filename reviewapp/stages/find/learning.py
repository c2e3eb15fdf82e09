"""Learning continuations: from recorded answers into their table, each step exactly once.

The mark and the sums move in one transaction under the mark's lock. The mark stays `LAG` behind the
clock; what becomes visible behind it later is not learnt, for a sum over samples loses nothing by it.
Of what is recorded in a rush only so much is read: shares of probability don't hang on how many answers
they are the average of. A project's table is bounded; what is rare and unlikely goes first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection, transaction
from django.db.models import Q

from reviewapp.formats.openai import read_reply
from reviewapp.models import Continuation, Interaction, Watermark
from reviewapp.pure import rawjson
from reviewapp.pure.continuations import Following, following, key_of

LAG: Final = timedelta(seconds=30)
# Rows that the mark passes in one step, and how many of them are read. An answer has a thousand sums, which
# cost as much as recording hundreds; so when more comes than can be read, it is few.
STEP: Final = 20_000
READ: Final = 100
_RUSH: Final = 2_000
_READ_IN_A_RUSH: Final = 5
# Rows of one project; beyond, it is cut to four fifths.
MOST_ROWS: Final = 300_000
# Packed bytes: a larger body is not read.
_LARGEST: Final = 300_000
_MARK: Final = "continuations"
_TABLE: Final = Continuation._meta.db_table

_Key = tuple[str, str]


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
        passed = _step(mark, now, read=read, most_rows=most_rows)
        mark.save()
        return passed


@transaction.atomic
def rebuild_continuations(*, now: datetime) -> int:
    """Forget everything and learn anew from what is there; gives how many rows were passed."""
    Watermark.objects.get_or_create(pk=_MARK)
    mark = Watermark.objects.select_for_update().get(pk=_MARK)
    Continuation.objects.all().delete()
    mark.created_at, mark.interaction = None, None
    total = 0
    while passed := _step(mark, now):
        total += passed
    mark.save()
    return total


def forget(*, interactions: Sequence[UUID]) -> None:
    """Take out what these may have taught; call it before they are deleted, within its transaction.

    Only some of what is recorded is learnt, so this may take out more than they put in: a word or two too
    few to suggest, and none that only they had.
    """
    by_project: dict[UUID, list[Following]] = defaultdict(list)
    answers = Interaction.objects.filter(pk__in=interactions, has_logprobs=True).select_related("body")
    for one in answers.order_by("id"):
        by_project[one.project_id] += _words(one)
    for project, words in by_project.items():
        taken = Counter(
            (context, word)
            for following_ in words
            for context in following_.contexts
            for word in ("", key_of(following_.text), *(key_of(one.text) for one in following_.alternatives))
        )
        rows = sorted(taken.items())
        with connection.cursor() as cursor:
            cursor.execute(
                f"MERGE INTO {_TABLE} AS learnt "
                "USING unnest(%s::text[], %s::text[], %s::bigint[]) AS given (context, next, taken) "
                "ON learnt.project_id = %s AND learnt.context = given.context AND learnt.next = given.next "
                "WHEN MATCHED AND learnt.count <= given.taken THEN DELETE "
                "WHEN MATCHED THEN UPDATE SET count = learnt.count - given.taken",
                [[c for (c, _), _ in rows], [w for (_, w), _ in rows], [n for _, n in rows], project],
            )


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
    if len(passed) > _RUSH:
        read = min(read, _READ_IN_A_RUSH)
    telling = [pk for pk, _at, has_logprobs, replay_of in passed if has_logprobs and replay_of is None]
    # Evenly, so that no source that sends in blocks is left out.
    chosen = telling[:: max(1, -(-len(telling) // read))]
    by_project: dict[UUID, list[Following]] = defaultdict(list)
    answers = Interaction.objects.without_canaries().filter(pk__in=chosen, status__lt=300)
    for one in answers.select_related("body").order_by("id"):
        by_project[one.project_id] += _words(one)
    for project, words in by_project.items():
        _add(project, words)
        _prune(project, most_rows)
    mark.interaction, mark.created_at = passed[-1][0], passed[-1][1]
    return len(passed)


def _words(one: Interaction) -> list[Following]:
    body = one.body
    if body.response is None or not body.response_is_json or len(body.response) > _LARGEST:
        return []
    reply = read_reply(one.endpoint, rawjson.parse(body.response_text), one.status)  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
    return list(following(reply.tokens))


def _add(project: UUID, words: Sequence[Following]) -> None:
    sums: dict[_Key, _Sum] = {}

    def add(context: str, word: str, shown: str, count: int, mass: float) -> None:
        found = sums.setdefault((context, word), _Sum(shown))
        found.count += count
        found.mass += mass

    known = _vocabulary(project, words)
    for word in words:
        for context in word.contexts:
            add(context, "", "", 1, 0.0)
            add(context, key_of(word.text), word.text, 1, word.probability)
            if context:
                for other in word.alternatives:
                    if key_of(other.text) in known:
                        add(context, key_of(other.text), other.text, 0, other.probability)
    # In one order for all, so that nobody waits in a circle.
    rows = sorted(sums.items())
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
