"""Millions of interactions in minutes: some thousand are recorded, and PostgreSQL makes the rest of them.

Each copy has an id, a time, a seed, a trace, a session, an end user, a cost and a request hash of its own;
all else of its hot columns is that of the recorded one it was made from. So a row, an index entry and a page
of the list are as heavy as among millions that were recorded one by one.

What would take 100 GB at ten million is made smaller: every hundredth interaction, and the newest two
thousand, have whole bodies and all words of the text they were made from; the others a small body and some
fifteen words. Three of these are a row's own: `part…` (one row in two thousand has the same), `case…` (two
hundred rows from all over the table have) and `ticket…` (fifty neighbours have).

Indexes are dropped first and made again at the end, triggers do not run and nothing waits for the disk: as
when a backup is restored. `progress` is told each step; ten million take some twenty minutes on two cores.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, models
from django.db.models import Min

from benchmarks.recording import fill
from benchmarks.workload import COMMON, RARE, SYSTEM
from reviewapp.models import (
    AddedTag,
    Annotation,
    Attempt,
    Comparison,
    Fingerprint,
    FingerprintHour,
    Flag,
    Interaction,
    InteractionBody,
    InteractionText,
    Post,
    Project,
    ReplayRun,
    Thread,
)
from reviewapp.models.interaction import compress
from reviewapp.stages import record

RECORDED: Final = 2_000
# Rows a statement inserts: as many copies of all that were recorded.
_COPIES: Final = 50
# Of what people and replays add there is one row for so many interactions.
FLAGGED_EVERY, JUDGED_EVERY, REPLAYED_EVERY, DISCUSSED_EVERY = 200, 200, 100, 1_000
TAGGED_EVERY, TAGGED_LATER_EVERY, FAILED_EVERY, PRICED_OF_FOUR = 10, 200, 50, 3
# A day has so many, one a second; a replay run asks a hundred of them again.
_RUN_OVER: Final = 100 * REPLAYED_EVERY
_WHOLE_EVERY: Final = 100
# How many rows have the same word of each kind.
PARTS, HAVE_CASE, HAVE_TICKET = 2_000, 200, 50
_HOT, _BODIES, _TEXTS = (model._meta.db_table for model in (Interaction, InteractionBody, InteractionText))

# The id carries the time, as that of a recorded one does; its last digits are the row's number.
_ID: Final = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7000'
    || '{kind}' || lpad(to_hex({number}), 15, '0'))::uuid"""


@dataclass(frozen=True, slots=True)
class Multiplied:
    """A project with so many interactions; number n was recorded n seconds after `begin`."""

    project: Project
    rows: int
    begin: datetime

    def id(self, n: int) -> UUID:
        """The id of number n, which is none of the recorded ones."""
        at = int((self.begin + timedelta(seconds=n)).timestamp() * 1000)
        return UUID(f"{at:012x}7000a{n:015x}")


def said(text: str) -> None:
    """Progress, beside the table."""
    sys.stderr.write(f"  {time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def multiply(*, rows: int, progress: Callable[[str], None] = said) -> Multiplied:
    """A project with so many interactions (rounded up to whole copies), one a second until last midnight.

    One that a benchmark left in this database (`--data`) is taken again.
    """
    copies = -(-rows // RECORDED)
    name = f"Bench, {copies * RECORDED:,}"
    project = Project.objects.filter(name=name).first()
    if project is not None:
        first = Interaction.objects.filter(project=project).aggregate(first=Min("started_at"))["first"]
        return Multiplied(project, copies * RECORDED, first)
    progress(f"{RECORDED:,} are recorded")
    project, _ = fill(RECORDED)
    while record.index_words():
        pass
    midnight = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made = Multiplied(project, copies * RECORDED, midnight - timedelta(seconds=copies * RECORDED))
    given = {"begin": made.begin, "project": project.pk}
    with _careless(), connection.cursor() as cursor:
        _pool(cursor, given)
        indexes = _drop_indexes(cursor)
        _side_by_side(
            lambda cursor: _copy_hot(cursor, copies, given, progress),
            lambda cursor: _copy_beside(cursor, copies, given, progress),
        )
        progress("all copied; indexes are made")
        started = time.monotonic()
        _side_by_side(*(_making(name, definition, progress) for name, definition in indexes))
        progress(f"{len(indexes)} indexes made in {time.monotonic() - started:.0f} s")
        cursor.execute(f"ANALYZE {_HOT}, {_BODIES}, {_TEXTS}")
        progress("what people and replays add")
        _people(cursor, made.rows, given)
        _replays(cursor, made.rows, given)
        _count_fingerprints(cursor, project)
        cursor.execute("DROP TABLE bench_pool")
        progress("VACUUM and ANALYZE")
        cursor.execute("VACUUM (ANALYZE)")
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        progress(f"{made.rows:,} interactions, {cursor.fetchone()[0]}")
    Project.objects.filter(pk=project.pk).update(name=name)
    return made


@contextmanager
def _careless() -> Iterator[None]:
    """Without waiting for the disk: a crash would cost a benchmark's own rows."""
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "max_wal_size": "'8GB'",
    }
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = {value}")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")
            for name in settings:
                cursor.execute(f"ALTER SYSTEM RESET {name}")
            cursor.execute("SELECT pg_reload_conf()")


def _side_by_side(*deeds: Callable[[Any], None]) -> None:
    """On two connections at a time: a statement that writes has one processor alone."""

    def done(deed: Callable[[Any], None]) -> None:
        try:
            with connection.cursor() as cursor:
                # Neither foreign keys nor checks are asked again for copies of rows that passed them.
                cursor.execute("SET session_replication_role = replica")
                cursor.execute("SET maintenance_work_mem = '1500MB'")
                cursor.execute("SET max_parallel_maintenance_workers = 1")
                deed(cursor)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(done, deed) for deed in deeds]:
            future.result()


def _making(name: str, definition: str, progress: Callable[[str], None]) -> Callable[[Any], None]:
    def make(cursor: Any) -> None:
        started = time.monotonic()
        cursor.execute(definition)
        progress(f"{name}: {time.monotonic() - started:.1f} s")

    return make


def _pool(cursor: Any, given: Mapping[str, Any]) -> None:
    """The recorded ones by their number, each with what its copies have instead of a body and all words."""
    cursor.execute(
        "CREATE TABLE bench_pool AS SELECT i.id, row_number() OVER (ORDER BY i.id) - 1 AS n,"
        " (SELECT to_tsvector('simple',"
        "  coalesce(string_agg(lexeme, ' ' ORDER BY hashtext(lexeme || i.id)), ''))"
        "  FROM (SELECT lexeme FROM unnest(t.document) ORDER BY lexeme NOT IN (%s, %s),"
        "        hashtext(i.id || lexeme) LIMIT 12) AS few) AS few,"
        " t.document"
        f" FROM {_HOT} i JOIN {_TEXTS} t ON t.interaction_id = i.id WHERE i.project_id = %s",
        [COMMON, RARE, given["project"]],
    )
    cursor.execute("ANALYZE bench_pool")
    # What was recorded takes its place in time before the first copy.
    cursor.execute(
        f"UPDATE {_HOT} i SET started_at = %s::timestamptz + n * interval '1 s',"
        " created_at = %s::timestamptz + n * interval '1 s' FROM bench_pool WHERE bench_pool.id = i.id",
        [given["begin"], given["begin"]],
    )


def _drop_indexes(cursor: Any) -> list[tuple[str, str]]:
    """Drop what is no constraint; gives names and the statements that make them again, the longest first."""
    cursor.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " WHERE i.indrelid = ANY(%s::regclass[]) AND NOT i.indisunique"
        " ORDER BY pg_get_indexdef(i.indexrelid) NOT LIKE '%%document%%',"
        " pg_get_indexdef(i.indexrelid) NOT LIKE '%%gin%%'",
        [[_HOT, _BODIES, _TEXTS]],
    )
    found: list[tuple[str, str]] = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    return found


_NUMBER: Final = f"(c * {RECORDED} + pool.n)"
_AT: Final = f"(%(begin)s::timestamptz + {_NUMBER} * interval '1 s')"


def id_of(number: str, *, kind: str = "a", at: str = "") -> str:
    """SQL: the id of a copy by its number; `%(begin)s` must be given."""
    at = at or f"(%(begin)s::timestamptz + {number} * interval '1 s')"
    return _ID.format(at=at, number=number, kind=kind)


def _in_turns(copies: int, what: str, progress: Callable[[str], None]) -> Iterator[str]:
    started = time.monotonic()
    for first in range(1, copies, _COPIES):
        end = min(first + _COPIES, copies)
        yield f"FROM generate_series({first}, {end - 1}) AS c, bench_pool pool"
        if end == copies or (first // _COPIES) % 10 == 9:
            done, took = end * RECORDED, time.monotonic() - started
            progress(f"{what}: {done:,} of {copies * RECORDED:,} in {took:.0f} s ({done / took:,.0f}/s)")


def _copy_hot(cursor: Any, copies: int, given: Mapping[str, Any], progress: Callable[[str], None]) -> None:
    n = _NUMBER
    own = {
        "id": id_of(n),
        "started_at": _AT,
        "created_at": _AT,
        "seed": f"({n} * 48271 %% 2147483647)",
        "request_hash": f"sha256(int8send({n}))",
        "trace": f"'trace-' || {n} / 3",
        "session": f"'session-' || {n} / 12",
        "end_user": f"'user-' || {n} * 7919 %% 50000",
        "tags": f"CASE WHEN {n} %% {TAGGED_EVERY} = 0 THEN"
        f" ARRAY['topic-' || {n} / {TAGGED_EVERY} %% 40] ELSE old.tags END",
        "status": f"CASE WHEN {n} %% {FAILED_EVERY} = 0 THEN 500 ELSE old.status END",
        # Three of four are priced; one in a thousand cost more than half a dollar.
        "cost": f"CASE WHEN {n} %% 1000 = 1 THEN 0.5 + ({n} %% 7919) / 8000.0"
        f" WHEN {n} %% 4 < {PRICED_OF_FOUR} THEN ({n} * 7919 %% 100000) / 1e7 END",
    }
    for source in _in_turns(copies, "interactions", progress):
        _insert(
            cursor, _HOT, own, f"{source} JOIN {_HOT} old ON old.id = pool.id", "ORDER BY c, pool.n", given
        )


def _copy_beside(cursor: Any, copies: int, given: Mapping[str, Any], progress: Callable[[str], None]) -> None:
    request = {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"A {COMMON}?"}],
    }
    response = {"choices": [{"index": 0, "message": {"role": "assistant", "content": f"A {COMMON}."}}]}
    small = {
        "small_request": compress(json.dumps(request).encode()),
        "small_response": compress(json.dumps(response).encode()),
    }
    whole = f"({_NUMBER} %% {_WHOLE_EVERY} = 0 OR c = {copies - 1})"
    cases = max(copies * RECORDED // HAVE_CASE, 1)
    words = (
        f"pool.few || array_to_tsvector(ARRAY['part' || {_NUMBER} %% {PARTS}, 'case' || {_NUMBER} %% {cases},"
        f" 'ticket' || {_NUMBER} / {HAVE_TICKET}])"
    )
    for source in _in_turns(copies, "words and bodies", progress):
        _insert(
            cursor,
            _BODIES,
            {"interaction_id": id_of(_NUMBER)}
            | {
                name: f"CASE WHEN {whole} THEN old.{name} ELSE %(small_{name})s END"
                for name in ("request", "response")
            },
            f"{source} JOIN {_BODIES} old ON old.interaction_id = pool.id",
            "ORDER BY c, pool.n",
            {**given, **small},
        )
        _insert(
            cursor,
            _TEXTS,
            {
                "interaction_id": id_of(_NUMBER),
                "document": f"CASE WHEN {whole} THEN pool.document ELSE {words} END",
            },
            f"{source} JOIN {_TEXTS} old ON old.interaction_id = pool.id",
            "ORDER BY c, pool.n",
            given,
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


def _make(
    cursor: Any,
    model: type[models.Model],
    own: dict[str, str],
    source: str,
    parameters: Mapping[str, object],
) -> None:
    """Rows of a model: what is not given has the field's default."""
    values, given = [], dict(parameters)
    fields = model._meta.concrete_fields
    for field in fields:
        if field.column in own:
            values.append(own[field.column])
        else:
            values.append(f"%(_{field.column})s")
            given[f"_{field.column}"] = field.get_db_prep_save(field.get_default(), connection)
    names = ", ".join(f'"{field.column}"' for field in fields)
    cursor.execute(f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(values)} {source}", given)


def _every(rows: int, step: int, offset: int) -> str:
    """One copy in so many, by its number `n`."""
    first = -(-RECORDED // step) * step + offset
    return f"FROM generate_series({first}, {rows - 1}, {step}) AS n"


# What the database's triggers would have noted.
_ASKED: Final = "(%(begin)s::timestamptz + n * interval '1 s')"


def _people(cursor: Any, rows: int, given: Mapping[str, Any]) -> None:
    """Flags, annotations, tags and discussions."""
    then = "(%(begin)s::timestamptz + n * interval '1 s' + interval '1 h')"
    own = {"id": "gen_random_uuid()", "project_id": "%(project)s", "created_at": then}
    on = own | {"interaction_id": id_of("n"), "asked_at": _ASKED}
    flag = {
        "reason": "'Wrong'",
        "severity": f"(ARRAY['low', 'medium', 'high', 'critical'])[n / {FLAGGED_EVERY} %% 4 + 1]",
        "state": f"CASE WHEN n / {FLAGGED_EVERY} %% 3 > 0 THEN 'open' ELSE 'resolved' END",
        "changed_at": f"CASE WHEN n / {FLAGGED_EVERY} %% 3 = 0 THEN {then} END",
    }
    _make(cursor, Flag, on | flag, _every(rows, FLAGGED_EVERY, 3), given)
    judged = {"scores": """'{"correct": true}'""", "updated_at": then}
    _make(cursor, Annotation, on | judged, _every(rows, JUDGED_EVERY, 5), given)
    tag = {"name": f"'seen-' || n / {TAGGED_LATER_EVERY} %% 20"}
    _make(cursor, AddedTag, on | tag, _every(rows, TAGGED_LATER_EVERY, 7), given)
    thread = {
        "changed_at": then,
        "state": f"CASE WHEN n / {DISCUSSED_EVERY} %% 4 = 0 THEN 'open' ELSE 'resolved' END",
        "resolved_at": f"CASE WHEN n / {DISCUSSED_EVERY} %% 4 > 0 THEN {then} END",
    }
    _make(cursor, Thread, on | thread, _every(rows, DISCUSSED_EVERY, 9), given)
    post = own | {"thread_id": "t.id", "text": "'Is this right?'", "created_at": "t.created_at"}
    _make(cursor, Post, post, f"FROM {Thread._meta.db_table} t WHERE t.project_id = %(project)s", given)


def _replays(cursor: Any, rows: int, given: Mapping[str, Any]) -> None:
    """Runs of a hundred attempts each, with answers and comparisons, an hour after what they ask again."""
    first = -(-RECORDED // _RUN_OVER) * _RUN_OVER
    of = f"(n / {_RUN_OVER} * {_RUN_OVER})"
    then = f"(%(begin)s::timestamptz + ({of} + {_RUN_OVER} + 3600) * interval '1 s')"
    run = id_of(of, kind="8", at=then)
    own = {"project_id": "%(project)s", "created_at": then}
    _make(
        cursor,
        ReplayRun,
        own | {"id": run, "state": "'done'", "started_at": then, "finished_at": then},
        f"FROM generate_series({first}, {rows - 1}, {_RUN_OVER}) AS n",
        given,
    )
    source = f"FROM generate_series({first}, {rows - 1}, {REPLAYED_EVERY}) AS n"
    answer = id_of("n", kind="b", at=then)
    _insert(
        cursor,
        _HOT,
        {"id": answer, "replay_of_id": "old.id", "started_at": then, "created_at": then},
        f"{source} JOIN {_HOT} old ON old.id = {id_of('n')}",
        "ORDER BY n",
        given,
    )
    for table in (_BODIES, _TEXTS):
        _insert(
            cursor,
            table,
            {"interaction_id": answer},
            f"{source} JOIN {table} old ON old.interaction_id = {id_of('n')}",
            "ORDER BY n",
            given,
        )
    asked = own | {"run_id": run, "original_id": id_of("n")}
    _make(
        cursor,
        Attempt,
        asked
        | {
            "id": answer,
            "provider_id": "old.provider_id",
            "state": "'done'",
            "answer_id": answer,
            "finished_at": then,
            "compared_at": then,
        },
        f"{source} JOIN {_HOT} old ON old.id = {id_of('n')}",
        given,
    )
    verdicts = ["identical"] * 12 + ["equivalent"] * 4 + ["nondeterministic"] * 3 + ["backend_changed"]
    _make(
        cursor,
        Comparison,
        asked
        | {
            "id": "gen_random_uuid()",
            "asked_at": _ASKED,
            "attempt_id": answer,
            "verdict": f"(ARRAY{verdicts})[n / {REPLAYED_EVERY} %% {len(verdicts)} + 1]",
            "sentence": "'The answers were compared.'",
            "method": "1",
        },
        source,
        given,
    )


def _count_fingerprints(cursor: Any, project: Project) -> None:
    """What the watch stage would have counted."""
    cursor.execute(
        f"INSERT INTO {Fingerprint._meta.db_table} (id, project_id, provider_id, model, shape, value, state,"
        " first_seen, last_seen, count, calls_before, note)"
        " SELECT gen_random_uuid(), project_id, provider_id, model, 'chat.completions', fingerprint,"
        f" 'accepted', min(started_at), max(started_at), count(*), 0, '' FROM {_HOT}"
        " WHERE project_id = %s GROUP BY project_id, provider_id, model, fingerprint",
        [project.pk],
    )
    cursor.execute(
        f"INSERT INTO {FingerprintHour._meta.db_table} (fingerprint_id, hour, count)"
        f" SELECT f.id, date_trunc('hour', i.started_at), count(*) FROM {_HOT} i"
        f" JOIN {Fingerprint._meta.db_table} f ON (f.project_id, f.provider_id, f.model, f.value)"
        " = (i.project_id, i.provider_id, i.model, i.fingerprint)"
        " WHERE i.project_id = %s GROUP BY 1, 2",
        [project.pk],
    )
