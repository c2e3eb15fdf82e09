"""An interaction as the interfaces show it: as it came, with what was derived, judged and replayed.

The API's single interaction and every export are made here, a batch at a time, so that a
thousand rows cost a handful of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db.models import Q
from django.db.models.expressions import RawSQL

from reviewapp import replica
from reviewapp.formats.exports import ExportRow, Stored
from reviewapp.models import (
    AddedTag,
    Annotation,
    Attempt,
    Flag,
    FlagState,
    Interaction,
    InteractionBody,
    Person,
    QueueItem,
)
from reviewapp.stages.export.judged import Judged, among, judged, person_value, time_value, who

_RELATED = ("source", "provider", "body")


def rows_of(interactions: Sequence[Interaction], *, reader: Person | None = None) -> list[ExportRow]:
    """The rows of these interactions, in their order, with flags, judgements and replays.

    What a blind queue still hides from `reader` is left out.
    """
    return list(export_rows([_stored(interaction) for interaction in interactions], reader=reader))


def export_rows(found: Sequence[Stored], *, reader: Person | None = None) -> Iterator[ExportRow]:
    """The same of what was read as it is stored; one at a time, since a row unpacks its bodies.

    What people and replays said is asked for before the first row is given.
    """
    ids = [one.id for one in found if one.is_marked]
    replays = _replays(ids) if ids else {}
    answers = _judged_answers(replays)
    marked = [*ids, *(one.id for one in answers)]
    said, flags = (judged(marked, reader=reader), _flags(marked)) if marked else (Judged(), {})
    tags = _added_tags(marked) if marked else {}

    def row(one: Stored, **beside: Any) -> ExportRow:
        return ExportRow(
            _with_tags(one, tags.get(one.id, ())),
            added_tags=tags.get(one.id, ()),
            flags=flags.get(one.id, ()),
            annotations=said.annotations.get(one.id, ()),
            rubrics=said.rubrics.get(one.id, ()),
            queues=said.queues.get(one.id, ()),
            **beside,
        )

    answered = {str(one.id): row(one) for one in answers}

    def whole(one: Stored) -> ExportRow:
        if not one.is_marked:
            return ExportRow(one)
        values = replays.get(one.id, ())
        names = [value["interaction"] for value in values if value["interaction"] in answered]
        return row(one, replays=values, judged_answers={name: answered[name] for name in names})

    return (whole(one) for one in found)


def _judged_answers(replays: Mapping[UUID, Sequence[dict[str, Any]]]) -> list[Stored]:
    """Those answers of replays that somebody judged: they go along whole with their originals."""
    ids = [UUID(one["interaction"]) for values in replays.values() for one in values if one["interaction"]]
    if not ids:
        return []
    said = Annotation.objects.filter(interaction__in=among(ids), removed_at__isnull=True).values_list(
        "interaction", flat=True
    )
    wanted = list(said.distinct())
    rows = with_bodies(Interaction.objects.filter(pk__in=wanted)) if wanted else []
    return [_stored(row) for row in rows]


def _with_tags(one: Stored, added: Sequence[dict[str, Any]]) -> Stored:
    """The row with the tags that people added among those that were recorded."""
    if not added:
        return one
    return one._replace(tags=list(dict.fromkeys([*(one.tags or ()), *(tag["tag"] for tag in added)])))


# The columns of `Stored`, in its order, as the statement below names them; the last is found by a second one.
_COLUMNS: Final = (
    *("id", "source__name", "provider__name", "endpoint", "model", "response_model", "seed", "fingerprint"),
    *("status", "error", "started_at", "created_at", "latency_ms", "finish_reason", "input_tokens"),
    *(
        "output_tokens",
        "cost",
        "has_logprobs",
        "mean_logprob",
        "min_logprob",
        "request_hash",
        "trace",
        "session",
    ),
    *("end_user", "tags", "replay_of_id", "body__request", "body__response", "body__response_is_json"),
    *("body__chunks", "body__metadata", "body__headers"),
)
# Making a list or an object of each row's, when hardly any row has one, costs a quarter of reading it.
_SELECTED: Final = ", ".join(
    {"tags": "nullif(tags, '{}')", "body__headers": "nullif(body__headers, '{}'::jsonb)"}.get(name, name)
    for name in _COLUMNS
)
_SIZE: Final = " + ".join(
    f"coalesce(octet_length({InteractionBody._meta.db_table}.{name}), 0)"
    for name in ("request", "response", "chunks", "metadata")
)
# Rows until their bodies have that many bytes, and always one: a page of a thousand usual chats is as much to
# keep in memory as one of a few with pictures. The size of a body is known without reading it.
_PAGE: Final = """
SELECT {columns} FROM (
    SELECT *, sum(size) OVER (ORDER BY started_at, id) - size AS before FROM ({rows}) AS found
) AS page WHERE before < {most}
ORDER BY started_at, id
"""
# Before all rows. The places of these two very objects among a statement's values are where the last row
# of the page before is put in.
_FIRST_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
_FIRST_ID: Final = UUID(int=0)
# Asked of a whole page at once: of each row by itself it costs PostgreSQL a third of the row.
_MARKED: Final = " UNION ".join(
    f"SELECT {column} FROM {model._meta.db_table} WHERE {column} = ANY(%(ids)s)"  # noqa: S608
    for model, column in (
        (Flag, "interaction_id"),
        (Annotation, "interaction_id"),
        (Attempt, "original_id"),
        (AddedTag, "interaction_id"),
        (QueueItem, "interaction_id"),
        (QueueItem, "attempt_id"),
    )
)


class StoredPages:
    """The statement that reads these interactions by time and id, as they are stored, a page at a time.

    A page has at most so many rows, and so many bytes of packed bodies. Composed once, because composing
    it costs as much as a sixth of what a page's rows do.
    """

    def __init__(self, queryset: Any, *, rows: int, most: int) -> None:
        time = queryset.time
        after = Q(**{f"{time}__gte": _FIRST_TIME}) & ~Q(**{time: _FIRST_TIME, "id__lte": _FIRST_ID})
        named = queryset.filter(after).annotate(
            size=RawSQL(_SIZE, []),  # noqa: S611  # a constant of this module
        )
        asked = named.order_by(time, "id").values_list(*_COLUMNS, "size")[:rows]
        self._rows, self._values = asked.query.sql_with_params()
        assert sum(value is _FIRST_TIME for value in self._values) == 2
        assert sum(value is _FIRST_ID for value in self._values) == 1
        self._most = most

    def statement(self, *, after: Stored | None = None) -> str:
        """What reads the page behind that row, or the first one."""
        time, id_ = (_FIRST_TIME, _FIRST_ID) if after is None else (after.started_at, after.id)
        values = [
            time if value is _FIRST_TIME else id_ if value is _FIRST_ID else value for value in self._values
        ]
        connection = replica.connection()
        connection.ensure_connection()
        # Django writes its statements for parameters that stand in them.
        written = psycopg.ClientCursor(connection.connection).mogrify(self._rows, values)
        return _PAGE.format(columns=_SELECTED, rows=written, most=self._most)


def fetch_stored(statement: Any, *, over: Any) -> list[Stored]:
    """What such a statement finds, over a connection of psycopg's own.

    In binary and past Django's models, which cost more than all the rest: bodies would come in
    hexadecimal digits, twice as long. Waits without Python's lock, so it may do so in another thread.
    """
    with psycopg.Cursor(over) as cursor:
        cursor.execute(statement, binary=True)
        rows = cursor.fetchall()
        if not rows:
            return []
        cursor.execute(_MARKED, {"ids": [row[0] for row in rows]}, binary=True)
        marked = {found for (found,) in cursor.fetchall()}
    return [Stored._make((*row, row[0] in marked)) for row in rows]


def read_stored(queryset: Any) -> list[Stored]:
    """The interactions of a queryset as they are stored, in its order, for a page of them.

    Through Django, but without its objects: four of each row would cost more than reading it. Of which
    anybody said something is asked once, and then of these alone, kind by kind.
    """
    rows = list(queryset.values_list(*_COLUMNS))
    if not rows:
        return []
    with replica.connection().cursor() as cursor:
        cursor.execute(_MARKED, {"ids": [row[0] for row in rows]})
        marked = {found for (found,) in cursor.fetchall()}
    return [Stored._make((*row, row[0] in marked)) for row in rows]


def with_bodies(queryset: Any) -> Any:
    """The queryset with all that `rows_of` reads joined in."""
    return queryset.select_related(*_RELATED)


def _stored(interaction: Interaction) -> Stored:
    body = interaction.body
    return Stored(
        id=interaction.pk,
        source=interaction.source.name,
        provider=interaction.provider.name,
        endpoint=interaction.endpoint,  # type: ignore[arg-type]  # a check constraint holds it to the endpoints
        model=interaction.model,
        response_model=interaction.response_model,
        seed=interaction.seed,
        fingerprint=interaction.fingerprint,
        status=interaction.status,
        error=interaction.error,
        started_at=interaction.started_at,
        created_at=interaction.created_at,
        latency_ms=interaction.latency_ms,
        finish_reason=interaction.finish_reason,
        input_tokens=interaction.input_tokens,
        output_tokens=interaction.output_tokens,
        cost=interaction.cost,
        has_logprobs=interaction.has_logprobs,
        mean_logprob=interaction.mean_logprob,
        min_logprob=interaction.min_logprob,
        request_hash=bytes(interaction.request_hash),
        trace=interaction.trace,
        session=interaction.session,
        user=interaction.end_user,
        tags=interaction.tags,
        replay_of=interaction.replay_of_id,
        request=bytes(body.request),
        response=None if body.response is None else bytes(body.response),
        response_is_json=body.response_is_json,
        chunks=None if body.chunks is None else bytes(body.chunks),
        metadata=None if body.metadata is None else bytes(body.metadata),
        headers=body.headers,
    )


def flag_value(flag: Flag) -> dict[str, Any]:
    """A flag as the interfaces show it."""
    return {
        "id": str(flag.pk),
        "reason": flag.reason,
        "severity": flag.severity,
        "note": flag.note,
        "state": flag.state,
        "created_by": who(flag),
        "person": person_value(flag.created_by),
        "created_at": time_value(flag.created_at),
    }


def _flags(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Flag.objects.filter(interaction__in=among(ids)).exclude(state=FlagState.REMOVED)
    for flag in rows.select_related("created_by", "created_by_key").order_by("created_at", "id"):
        found[flag.interaction_id].append(flag_value(flag))
    return found


def _added_tags(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = AddedTag.objects.filter(interaction__in=among(ids))
    for tag in rows.select_related("created_by", "created_by_key").order_by("created_at", "id"):
        found[tag.interaction_id].append(
            {"tag": tag.name, "created_by": who(tag), "created_at": time_value(tag.created_at)}
        )
    return found


def _replays(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Attempt.objects.filter(original__in=among(ids)).select_related(
        "answer", "comparison", "run", "variant"
    )
    for attempt in rows.order_by("created_at", "id"):
        comparison = getattr(attempt, "comparison", None)
        answer = attempt.answer
        found[attempt.original_id].append(
            {
                "run": str(attempt.run_id),
                "attempt": str(attempt.pk),
                "number": attempt.number,
                "state": attempt.state,
                "interaction": str(attempt.answer_id) if attempt.answer_id else None,
                "model": answer.response_model if answer else None,
                "system_fingerprint": answer.fingerprint if answer else None,
                "output_preview": answer.answer_preview if answer else None,
                "overrides": attempt.overrides,
                "verdict": comparison.verdict if comparison else None,
                "sentence": comparison.sentence if comparison else None,
                "error": attempt.error,
                "finished_at": time_value(attempt.finished_at),
            }
        )
    return found
