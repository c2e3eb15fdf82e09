"""An interaction as the interfaces show it: as it came, with what was derived, judged and replayed.

The API's single interaction and every export are made here, a batch at a time, so that a
thousand rows cost a handful of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models import Exists, OuterRef
from django.db.models.expressions import RawSQL

from reviewapp.formats.exports import ExportRow, Stored
from reviewapp.models import (
    AddedTag,
    Annotation,
    Attempt,
    Flag,
    FlagState,
    Interaction,
    InteractionBody,
)

_RELATED = ("source", "provider", "body")


def rows_of(interactions: Sequence[Interaction]) -> list[ExportRow]:
    """The rows of these interactions, in their order, with flags, annotations and replays."""
    return list(export_rows([_stored(interaction) for interaction in interactions]))


def export_rows(found: Sequence[Stored]) -> Iterator[ExportRow]:
    """The same of what was read as it is stored; one at a time, since a row unpacks its bodies.

    What people and replays said is asked for before the first row is given.
    """
    ids = [one.id for one in found if one.is_marked]
    flags, annotations, replays = (_flags(ids), _annotations(ids), _replays(ids)) if ids else ({}, {}, {})
    tags = _added_tags(ids) if ids else {}
    return (
        ExportRow(
            _with_tags(one, tags.get(one.id, ())),
            added_tags=tags.get(one.id, ()),
            flags=flags.get(one.id, ()),
            annotations=annotations.get(one.id, ()),
            replays=replays.get(one.id, ()),
        )
        for one in found
    )


def _with_tags(one: Stored, added: Sequence[dict[str, Any]]) -> Stored:
    """The row with the tags that people added among those that were recorded."""
    if not added:
        return one
    return one._replace(tags=list(dict.fromkeys([*one.tags, *(tag["tag"] for tag in added)])))


# The columns of `Stored`, in its order, as the statement below names them.
_COLUMNS: Final = (
    *("id", "source__name", "provider__name", "endpoint", "model", "response_model", "seed", "fingerprint"),
    *("status", "error", "started_at", "created_at", "latency_ms", "finish_reason", "input_tokens"),
    *("output_tokens", "has_logprobs", "mean_logprob", "min_logprob", "request_hash", "trace", "session"),
    *("end_user", "tags", "replay_of_id", "body__request", "body__response", "body__response_is_json"),
    *("body__chunks", "body__metadata", "body__headers", "is_marked"),
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


def stored_statement(queryset: Any, *, rows: int, most: int) -> Any:
    """The statement that reads the first of these interactions by time and id, as they are stored.

    At most so many rows, and so many bytes of packed bodies.
    """
    marked = (
        Exists(Flag.objects.filter(interaction=OuterRef("pk")))
        | Exists(Annotation.objects.filter(interaction=OuterRef("pk")))
        | Exists(Attempt.objects.filter(original=OuterRef("pk")))
        | Exists(AddedTag.objects.filter(interaction=OuterRef("pk")))
    )
    named = queryset.annotate(
        is_marked=marked,
        size=RawSQL(_SIZE, []),  # noqa: S611  # a constant of this module
    )
    asked = named.order_by("started_at", "id").values_list(*_COLUMNS, "size")[:rows]
    inner, parameters = asked.query.sql_with_params()
    connection.ensure_connection()
    # Django writes its statements for parameters that stand in them.
    written = psycopg.ClientCursor(connection.connection).mogrify(inner, parameters)
    return _PAGE.format(columns=", ".join(_COLUMNS), rows=written, most=most)


def fetch_stored(statement: Any, *, over: Any) -> list[Stored]:
    """What such a statement finds, over a connection of psycopg's own.

    In binary and past Django's models, which cost more than all the rest: bodies would come in
    hexadecimal digits, twice as long. Waits without Python's lock, so it may do so in another thread.
    """
    with psycopg.Cursor(over) as cursor:
        cursor.execute(statement, binary=True)
        return [Stored._make(row) for row in cursor.fetchall()]


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


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _who(row: Any) -> str | None:
    if row.created_by is not None:
        return str(row.created_by.email)
    return f"key {row.created_by_key.name}" if row.created_by_key is not None else None


def flag_value(flag: Flag) -> dict[str, Any]:
    """A flag as the interfaces show it."""
    return {
        "id": str(flag.pk),
        "reason": flag.reason,
        "severity": flag.severity,
        "note": flag.note,
        "state": flag.state,
        "created_by": _who(flag),
        "created_at": _time(flag.created_at),
    }


def annotation_value(annotation: Annotation) -> dict[str, Any]:
    """An annotation as the interfaces show it."""
    rubric = annotation.rubric
    return {
        "id": str(annotation.pk),
        "rubric": {"name": rubric.name, "version": rubric.version} if rubric else None,
        "scores": annotation.scores,
        "spans": annotation.spans,
        "correction": annotation.correction,
        "comment": annotation.comment,
        "version": annotation.version,
        "created_by": _who(annotation),
        "created_at": _time(annotation.created_at),
        "updated_at": _time(annotation.updated_at),
    }


def _among(ids: Sequence[UUID]) -> RawSQL:
    """The ids as one parameter: to write a thousand into a statement costs more than to look them up."""
    return RawSQL("SELECT unnest(%s::uuid[])", [list(ids)])


def _flags(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Flag.objects.filter(interaction__in=_among(ids)).exclude(state=FlagState.REMOVED)
    for flag in rows.select_related("created_by", "created_by_key").order_by("created_at", "id"):
        found[flag.interaction_id].append(flag_value(flag))
    return found


def _added_tags(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = AddedTag.objects.filter(interaction__in=_among(ids))
    for tag in rows.select_related("created_by", "created_by_key").order_by("created_at", "id"):
        found[tag.interaction_id].append(
            {"tag": tag.name, "created_by": _who(tag), "created_at": _time(tag.created_at)}
        )
    return found


def _annotations(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Annotation.objects.filter(interaction__in=_among(ids), removed_at__isnull=True)
    for annotation in rows.select_related("created_by", "created_by_key", "rubric").order_by(
        "created_at", "id"
    ):
        found[annotation.interaction_id].append(annotation_value(annotation))
    return found


def _replays(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Attempt.objects.filter(original__in=_among(ids)).select_related(
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
                "finished_at": _time(attempt.finished_at),
            }
        )
    return found
