"""Millions of interactions in minutes: some thousand are recorded, and PostgreSQL makes the rest of them.

Each copy has an id, a time, a seed, a trace, a session, an end user and a request hash of its own; texts,
previews, words and figures are those of the recorded one it was made from. So a word is as frequent, an index
row as long and a page of the list as heavy as among millions that were recorded one by one. Number i is the
same on every machine.

Bodies are copied only of every hundredth row (`bodies=False`), where what is measured reads none; the other
rows share one small body. Indexes are made afterwards, as after a restored backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from benchmarks.recording import fill
from benchmarks.workload import BEGIN
from reviewapp.models import (
    Annotation,
    Attempt,
    Comparison,
    Fingerprint,
    FingerprintHour,
    Flag,
    Interaction,
    InteractionBody,
    InteractionText,
    Project,
    ReplayRun,
)
from reviewapp.pure.ids import derived_id
from reviewapp.stages import record

RECORDED: Final = 2_000
# Rows a statement inserts: as many copies of all that were recorded.
_COPIES: Final = 25
# Of what people and replays add there is one row for so many interactions.
FLAGGED_EVERY, JUDGED_EVERY, REPLAYED_EVERY, TAGGED_EVERY, FAILED_EVERY = 200, 200, 100, 10, 50
_TABLES: Final = tuple(model._meta.db_table for model in (Interaction, InteractionBody, InteractionText))

# The id carries the time, as that of a recorded one does; its last digits are the row's number.
_ID: Final = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7000'
    || 'a' || lpad(to_hex({number}), 15, '0'))::uuid"""


def multiply(*, rows: int, bodies: bool) -> Project:
    """A project with so many interactions (rounded up to whole copies), one a second."""
    project, _ = fill(RECORDED)
    while record.index_words():
        pass
    copies = -(-rows // RECORDED)
    with connection.cursor() as cursor:
        # Neither foreign keys nor checks are asked again for copies of rows that passed them.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(
            "CREATE TEMP TABLE pool AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS n"
            f" FROM {_TABLES[0]} WHERE project_id = %s",
            [project.pk],
        )
        # What was recorded takes its place in time before the first copy.
        cursor.execute(
            f"UPDATE {_TABLES[0]} i SET started_at = %s::timestamptz + n * interval '1 s',"
            " created_at = %s::timestamptz + n * interval '1 s' FROM pool WHERE pool.id = i.id",
            [_begin(), _begin()],
        )
        indexes = _drop_indexes(cursor)
        for first in range(1, copies, _COPIES):
            _copy(cursor, first, min(first + _COPIES, copies), bodies=bodies)
        for definition in indexes:
            cursor.execute(definition)
        cursor.execute("SET session_replication_role = DEFAULT")
    _judge(project, copies * RECORDED)
    with connection.cursor() as cursor:
        _count_fingerprints(cursor, project)
        cursor.execute("DROP TABLE pool")
        cursor.execute("VACUUM (ANALYZE)")
    return project


def _begin() -> datetime:
    return datetime.fromtimestamp(BEGIN, tz=UTC)


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop what is no constraint; gives the statements that make it again."""
    cursor.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " WHERE i.indrelid = ANY(%s::regclass[]) AND NOT i.indisunique",
        [list(_TABLES)],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    return [definition for _, definition in found]


def _copy(cursor: Any, first: int, end: int, *, bodies: bool) -> None:
    number = f"(c * {RECORDED} + pool.n)"
    at = f"(%(begin)s::timestamptz + {number} * interval '1 s')"
    own = {
        "id": _ID.format(at=at, number=number),
        "started_at": at,
        "created_at": at,
        "seed": f"({number} * 48271 %% 2147483647)",
        "request_hash": f"sha256(int8send({number}))",
        "trace": f"'trace-' || {number} / 3",
        "session": f"'session-' || {number} / 12",
        "end_user": f"'user-' || {number} * 7919 %% 50000",
        "tags": f"CASE WHEN {number} %% {TAGGED_EVERY} = 0 THEN"
        f" ARRAY['topic-' || {number} / {TAGGED_EVERY} %% 40] ELSE old.tags END",
        "status": f"CASE WHEN {number} %% {FAILED_EVERY} = 0 THEN 500 ELSE old.status END",
    }
    numbers = f"FROM generate_series({first}, {end - 1}) AS c, pool"
    parameters = {"begin": _begin()}
    _insert(
        cursor,
        _TABLES[0],
        own,
        f"{numbers} JOIN {_TABLES[0]} old ON old.id = pool.id",
        "ORDER BY c, pool.n",
        parameters,
    )
    whole = f"{number} %% 100 = 0"
    _insert(
        cursor,
        _TABLES[1],
        {"interaction_id": own["id"]}
        | {
            name: f"CASE WHEN {whole} THEN old.{name} ELSE small.{name} END"
            for name in ("request", "response")
            if not bodies
        },
        f"{numbers} JOIN {_TABLES[1]} old ON old.interaction_id = pool.id,"
        f" (SELECT request, response FROM {_TABLES[1]} ORDER BY octet_length(response) LIMIT 1) AS small",
        "ORDER BY c, pool.n",
        parameters,
    )
    _insert(
        cursor,
        _TABLES[2],
        {"interaction_id": own["id"]},
        f"{numbers} JOIN {_TABLES[2]} old ON old.interaction_id = pool.id",
        "ORDER BY c, pool.n",
        parameters,
    )


def _insert(
    cursor: Any, table: str, own: dict[str, str], source: str, order: str, parameters: Mapping[str, object]
) -> None:
    """Rows of a table's own, whichever columns it has: what is not given is copied."""
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' ORDER BY attnum",
        [table],
    )
    names = [name for (name,) in cursor.fetchall()]
    values = ", ".join(own.get(name, f"old.{name}") for name in names)
    cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} {source} {order}", parameters)


def _judge(project: Project, rows: int) -> None:
    """Flags, annotations, and a replay run with its answers and comparisons."""

    def chosen(every: int) -> list[tuple[UUID, datetime]]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, started_at FROM {_TABLES[0]} WHERE project_id = %s"
                f" AND seed %% {every} = 0 ORDER BY id LIMIT %s",
                [project.pk, rows // every],
            )
            return list(cursor.fetchall())

    Flag.objects.bulk_create(
        (
            Flag(
                project=project,
                interaction_id=id_,
                reason="Wrong",
                severity=("low", "medium", "high", "critical")[n % 4],
                state="open" if n % 3 else "resolved",
                created_at=at,
                changed_at=None if n % 3 else at,
            )
            for n, (id_, at) in enumerate(chosen(FLAGGED_EVERY))
        ),
        batch_size=2_000,
    )
    Annotation.objects.bulk_create(
        (
            Annotation(
                project=project, interaction_id=id_, scores={"correct": True}, created_at=at, updated_at=at
            )
            for id_, at in chosen(JUDGED_EVERY + 1)
        ),
        batch_size=2_000,
    )
    _replay(project, chosen(REPLAYED_EVERY + 1))


def _replay(project: Project, found: list[tuple[UUID, datetime]]) -> None:
    end = max(at for _, at in found)
    run = ReplayRun.objects.create(
        project=project, state="done", created_at=end, started_at=end, finished_at=end
    )
    first = Interaction.objects.get(pk=found[0][0])
    answers = {
        id_: derived_id(id_.bytes, at_ms=int((end + timedelta(milliseconds=n)).timestamp() * 1000))
        for n, (id_, _) in enumerate(found)
    }
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE asked (original uuid PRIMARY KEY, answer uuid)")
        with cursor.copy("COPY asked FROM STDIN") as copy:
            for pair in answers.items():
                copy.write_row(pair)
        _insert(
            cursor,
            _TABLES[0],
            {
                "id": "asked.answer",
                "replay_of_id": "old.id",
                "started_at": "%(end)s::timestamptz",
                "created_at": "%(end)s::timestamptz",
            },
            f"FROM asked JOIN {_TABLES[0]} old ON old.id = asked.original",
            "ORDER BY asked.answer",
            {"end": end},
        )
        for table in _TABLES[1:]:
            _insert(
                cursor,
                table,
                {"interaction_id": "asked.answer"},
                f"FROM asked JOIN {table} old ON old.interaction_id = asked.original",
                "ORDER BY asked.answer",
                {},
            )
        cursor.execute("DROP TABLE asked")
    Attempt.objects.bulk_create(
        (
            Attempt(
                id=answer,
                project=project,
                run=run,
                original_id=id_,
                provider_id=first.provider_id,
                state="done",
                answer_id=answer,
                created_at=end,
                finished_at=end,
                compared_at=end,
            )
            for id_, answer in answers.items()
        ),
        batch_size=2_000,
    )
    Comparison.objects.bulk_create(
        (
            Comparison(
                project=project,
                attempt_id=answer,
                run=run,
                original_id=id_,
                verdict=("identical", "identical", "equivalent", "nondeterministic", "backend_changed")[
                    n % 5
                ],
                sentence="The answers were compared.",
                method=1,
                created_at=end,
            )
            for n, (id_, answer) in enumerate(answers.items())
        ),
        batch_size=2_000,
    )


def _count_fingerprints(cursor: Any, project: Project) -> None:
    """What the watch stage would have counted."""
    cursor.execute(
        f"INSERT INTO {Fingerprint._meta.db_table} (id, project_id, provider_id, model, shape, value, state,"
        " first_seen, last_seen, count, calls_before, note)"
        " SELECT gen_random_uuid(), project_id, provider_id, model, 'chat.completions', fingerprint,"
        f" 'accepted', min(started_at), max(started_at), count(*), 0, '' FROM {_TABLES[0]}"
        " WHERE project_id = %s GROUP BY project_id, provider_id, model, fingerprint",
        [project.pk],
    )
    cursor.execute(
        f"INSERT INTO {FingerprintHour._meta.db_table} (fingerprint_id, hour, count)"
        f" SELECT f.id, date_trunc('hour', i.started_at), count(*) FROM {_TABLES[0]} i"
        f" JOIN {Fingerprint._meta.db_table} f ON (f.project_id, f.provider_id, f.model, f.value)"
        " = (i.project_id, i.provider_id, i.model, i.fingerprint)"
        " WHERE i.project_id = %s GROUP BY 1, 2",
        [project.pk],
    )
