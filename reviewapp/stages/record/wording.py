"""Words behind the recording: what full-text search looks through is indexed in a transaction of its own.

`keep` is part of recording: a batch's texts, compressed, in one row. `index_words` turns rows into
words, the oldest first, many at once because the index takes many far more cheaply than each alone.
Several workers may do so side by side: each locks the rows that it is at.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from django.db import DataError, OperationalError, connection, transaction

from reviewapp.formats.packed import compress, decompress
from reviewapp.models import Interaction, InteractionText, WaitingWords
from reviewapp.pure.words import indexable
from reviewapp.stages.record.reading import Reading

log = logging.getLogger(__name__)

# So many interactions at once: some tenths of a second, after which what is to be recorded has its turn.
AT_ONCE: Final = 1_000
_BATCHES: Final = 100


class _Text(msgspec.Struct, array_like=True):
    """What is searched of one interaction."""

    id: bytes
    project: bytes
    words: str


_texts: Final = msgspec.msgpack.Decoder(list[_Text])


def keep(readings: Sequence[Reading], *, now: datetime) -> None:
    """Have the words of these indexed. Call it within the transaction that records them."""
    texts = [
        _Text(reading.id.bytes, reading.project_id.bytes, indexable(reading.searched)) for reading in readings
    ]
    packed = compress(msgspec.msgpack.encode(texts))
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # In binary, apart from the statement: Django's cursor would write it there in hexadecimal.
        cursor.execute(
            f"INSERT INTO {WaitingWords._meta.db_table} (count, texts, recorded_at) VALUES (%b, %b, %b)",  # noqa: S608
            [len(texts), packed, now],
        )


def forget(*, interactions: Collection[UUID]) -> None:
    """Leave these out of what waits. Call it within the transaction that deletes them."""
    if not WaitingWords.objects.exists():
        return
    gone = {id_.bytes for id_ in interactions}
    # A batch waits from the moment that its interactions tell.
    there = Interaction.objects.filter(pk__in=interactions)
    moments = set(there.values_list("created_at", flat=True))
    for row in WaitingWords.objects.select_for_update().filter(recorded_at__in=moments).order_by("id"):
        texts = _texts.decode(decompress(row.texts))
        left = [text for text in texts if text.id not in gone]
        if not left:
            row.delete()
        elif len(left) < len(texts):
            row.count, row.texts = len(left), compress(msgspec.msgpack.encode(left))
            row.save()


def index_words() -> int:
    """Make what has waited longest searchable; how many interactions. 0: nothing waits, or others have it."""
    with transaction.atomic():
        waiting = WaitingWords.objects.select_for_update(skip_locked=True).order_by("id")
        chosen: list[WaitingWords] = []
        count = 0
        for row in waiting[:_BATCHES]:
            if chosen and count + row.count > AT_ONCE:
                break
            chosen.append(row)
            count += row.count
        if chosen:
            _insert_or_halve([text for row in chosen for text in _texts.decode(decompress(row.texts))])
            WaitingWords.objects.filter(pk__in=[row.pk for row in chosen]).delete()
    return count


def _insert_or_halve(texts: list[_Text]) -> None:
    """All of them but what the database refuses, which is found by its words no more than before."""
    try:
        with transaction.atomic():
            _insert(texts)
    except (DataError, OperationalError) as error:
        if not _is_refusal(error):
            raise
        if len(texts) == 1:
            log.error("The words of an interaction can't be indexed: %s", error)
            return
        middle = len(texts) // 2
        _insert_or_halve(texts[:middle])
        _insert_or_halve(texts[middle:])


def _is_refusal(error: Exception) -> bool:
    """Whether it is these words that the database refuses, which psycopg may call operational."""
    return isinstance(error, DataError) or (getattr(error.__cause__, "sqlstate", None) or "").startswith("54")


def _insert(texts: list[_Text]) -> None:
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # Sent apart from the statement and in binary: Django's cursor would write the texts into it,
        # and PostgreSQL read them twice. An interaction may be gone by now, or have come by another way.
        cursor.execute(
            f"INSERT INTO {InteractionText._meta.db_table} (interaction_id, project_id, document) "  # noqa: S608
            "SELECT given.id, given.project, to_tsvector('simple', given.words) "
            "FROM unnest(%b::uuid[], %b::uuid[], %b::text[]) AS given (id, project, words) "
            f"JOIN {Interaction._meta.db_table} AS there ON there.id = given.id "
            "ON CONFLICT (interaction_id) DO NOTHING",
            [
                [UUID(bytes=text.id) for text in texts],
                [UUID(bytes=text.project) for text in texts],
                [text.words for text in texts],
            ],
        )
