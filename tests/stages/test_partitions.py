"""Interactions partitioned by month: the way there, what is kept up each day, and that all else stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from reviewapp.models import AuditEntry, Flag, Interaction, InteractionBody
from reviewapp.models.partitions import TABLES, are_partitioned
from reviewapp.models.partitions import partitions as parts_of
from reviewapp.models.prepared import rows_of
from reviewapp.pure.ids import uuid7
from reviewapp.stages import privacy, reuse
from reviewapp.stages.administer import partitions
from reviewapp.stages.administer.partitions import Busy, CannotPartition, Patience, converting, shaping
from reviewapp.stages.administer.partitions import keeping as keeping_months
from reviewapp.stages.privacy.retaining import RuleValues
from tests import emptying, factories, keeping
from tests.conftest import ROOT
from tests.embedded.processes import eventually
from tests.partitioned import AT_ONCE, database_of_its_own, partitioned, skip_where_too_old

# The conversion is done in March; the first month of its own is April.
MARCH = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
NAMES = ["rest", "2026_04", "2026_05", "2026_06", "later"]


@pytest.fixture
def plain(db: None) -> None:
    """The tables as they are, in a transaction that is taken back. Nothing in it waits for its end."""
    if os.environ.get("REVIEWAPP_TEST_PARTITIONED"):
        pytest.skip("needs plain tables, and REVIEWAPP_TEST_PARTITIONED had them partitioned for this run")
    skip_where_too_old()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def own(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A database of its own, for what must be committed."""
    with django_db_blocker.unblock(), database_of_its_own("partitions") as name:
        skip_where_too_old()
        yield name


def at(moment: datetime) -> UUID:
    return uuid7(at_ms=int(moment.timestamp() * 1000))


def recorded(project: Any, moment: datetime, **fields: Any) -> Interaction:
    """An interaction with body and words, whose id and times are of this moment."""
    return factories.make_interaction(
        project=project, id=at(moment), started_at=moment, created_at=moment, **fields
    )


def flagged(one: Interaction) -> None:
    Flag.objects.create(project=one.project, interaction=one, reason="Wrong", created_at=MARCH)


def where(table: str = "reviewapp_interaction", key: str = "id") -> dict[Any, str]:
    """In which partition each row is."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {key}, tableoid::regclass::text FROM {table}")
        return {id_: name.removeprefix(f"{table}_") for id_, name in cursor.fetchall()}


def shape() -> list[Any]:
    """Constraints and indexes of everything that has to do with interactions, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid), convalidated"
            " FROM pg_constraint WHERE conparentid = 0 AND"
            " (conrelid = ANY(%(all)s::regclass[]) OR confrelid = ANY(%(all)s::regclass[]))"
            " UNION ALL SELECT indrelid::regclass::text, relname, 'i',"
            " replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), indisvalid"
            " FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = ANY(%(all)s::regclass[])"
            " UNION ALL SELECT attrelid::regclass::text, attname, attstorage::text,"
            " pg_get_expr(adbin, adrelid), attnotnull FROM pg_attribute LEFT JOIN pg_attrdef"
            " ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0"
            " AND attrelid = ANY(%(all)s::regclass[]) ORDER BY 1, 2, 3",
            {"all": list(TABLES)},
        )
        return cursor.fetchall()


def names() -> list[str]:
    return [one.name for one in parts_of()]


# ---- what is asked of them ----


def test_a_stored_answer_is_looked_up_by_a_plan_that_is_kept(plain):
    """To plan it anew looks at the indexes of every month: 20 ms with three years of them."""
    partitioned(now=MARCH)
    one = recorded(factories.make_project(), MARCH, seed=7, status=200)
    fields = {"project": one.project_id, "provider": one.provider_id, "endpoint": one.endpoint}
    wanted = reuse.Wanted(**fields, digest=bytes(one.request_hash), seed=7, policy="valid")

    for _ in range(7):
        reuse.find(wanted=wanted, now=MARCH)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%interaction%'"
        )
        # Five times PostgreSQL looks what a plan for the very values would cost.
        assert cursor.fetchall() == [(2, 5)]


def test_no_statement_with_values_in_it_is_remembered(db):
    rows_of("SELECT 'asked often'", {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", ["what somebody wrote"])

    remembered = connection.connection._prepared
    assert "what somebody wrote" not in repr([*remembered._counts, *remembered._names])


# ---- the way there ----


def test_the_tables_keep_rows_constraints_indexes_and_defaults(plain):
    project = factories.make_project()
    kept = [recorded(project, MARCH - timedelta(days=n)).pk for n in range(3)]
    before = shape()

    partitioned(now=MARCH)

    assert names() == NAMES
    assert where() == dict.fromkeys(kept, "rest")
    assert [row for row in before if row not in shape()] == []
    assert {row[1] for row in shape()} == {row[1] for row in before}


def test_no_row_is_read_while_the_tables_are_locked(plain):
    project = factories.make_project()
    flagged(recorded(project, MARCH, replay_of=recorded(project, MARCH)))
    start, end = converting._check(MARCH, print, AT_ONCE)
    connection.ensure_connection()
    said: list[str] = []
    connection.connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
    with connection.cursor() as cursor:
        cursor.execute("SET client_min_messages = debug1")

    shaping.in_a_moment(
        lambda cursor: converting._switch(cursor, converting._parts(start, end, MARCH, 3)),
        patience=AT_ONCE,
        tell=print,
    )

    assert sum("is implied by existing constraints" in line for line in said) >= len(TABLES)
    assert [line for line in said if line.startswith(("verifying", "validating", "rewriting"))] == []
    assert [line for line in said if line.startswith("building index") and '_rest"' in line] == []


def test_what_is_recorded_then_goes_to_its_month_and_is_read_as_ever(plain):
    project = factories.make_project()
    before = recorded(project, MARCH)
    partitioned(now=MARCH)

    one = recorded(project, MARCH + timedelta(days=40), replay_of=before)
    late = recorded(project, MARCH - timedelta(days=400))
    ahead = recorded(project, MARCH + timedelta(days=400))

    assert where() == {before.pk: "rest", one.pk: "2026_04", late.pk: "rest", ahead.pk: "later"}
    assert Interaction.objects.get(pk=one.pk).replay_of_id == before.pk


def test_ids_that_carry_no_time_stay_possible(plain):
    project = factories.make_project()
    without = factories.make_interaction(project=project, id=UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479"))

    partitioned(now=MARCH)
    another = factories.make_interaction(project=project, id=uuid4())

    assert where() == {without.pk: "rest", another.pk: where()[another.pk]}


def test_ids_of_the_coming_months_are_refused_with_the_first_of_them(plain):
    project = factories.make_project()
    one = recorded(project, MARCH + timedelta(days=100))

    with pytest.raises(CannotPartition, match=str(one.pk)):
        partitioned(now=MARCH)

    assert not are_partitioned()


def test_what_the_app_did_not_make_is_not_lost_silently(plain):
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW seen AS SELECT id FROM reviewapp_interaction")

    with pytest.raises(CannotPartition, match=r"views that the app did not make.*seen"):
        partitioned(now=MARCH)


def test_a_second_run_finds_nothing_to_do(plain):
    partitioned(now=MARCH)
    there = shape()

    foreseen = partitions.foresee(now=MARCH, months=3)
    partitioned(now=MARCH)

    assert (foreseen.steps, shape(), names()) == ([], there, NAMES)


def test_who_holds_the_tables_is_told_and_nothing_is_half_done(own):
    before = shape()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE reviewapp_interaction IN ROW EXCLUSIVE MODE")

            with pytest.raises(Busy, match="LOCK TABLE reviewapp_interaction"):
                partitions.partition(
                    now=MARCH, months=3, tell=print, patience=Patience(wait_ms=50, tries=2, pause=0)
                )
    finally:
        other.close()

    assert (shape(), are_partitioned()) == (before, False)


KILLED = """
import os, signal, sys
from datetime import datetime
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from reviewapp.stages import privacy, reuse
from reviewapp.stages.administer import partitions
def watch(execute, sql, params, many, context):
    done = execute(sql, params, many, context)
    if sys.argv[2] in str(sql):
        os.kill(os.getpid(), signal.SIGKILL)
    return done
with connection.execute_wrapper(watch):
    partitions.partition(now=datetime.fromisoformat(sys.argv[3]), months=3, tell=print)
"""


def killed(own: str, *, amid: str) -> None:
    """Partition in a process of its own, which kills itself behind the first such statement."""
    command = [sys.executable, "-c", KILLED, own, amid, MARCH.isoformat()]
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "reviewapp.settings"}
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    # The server notices in its own time that nobody is there any more; till then the session holds its locks.
    assert eventually(is_alone, seconds=60)


def is_alone() -> bool:
    """Whether nobody else is connected with the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend')"
        )
        return bool(cursor.fetchone()[0])


def test_it_goes_on_where_it_was_killed(own):
    project = factories.make_project()
    kept = [recorded(project, MARCH).pk]
    before = shape()
    worried = []

    for amid in (
        f'VALIDATE CONSTRAINT "{shaping.CHECK}"',
        'RENAME TO "reviewapp_interactionbody_rest"',
        'ATTACH PARTITION "reviewapp_interactiontext_rest"',
        'ALTER TABLE "reviewapp_flag" VALIDATE',
    ):
        killed(own, amid=amid)
        # Whatever was reached, the app goes on.
        kept.append(recorded(project, MARCH + timedelta(hours=1)).pk)
        worried.append(partitions.worry(now=MARCH) is not None)
    was_partitioned = are_partitioned()
    partitioned(now=MARCH)

    assert (worried, was_partitioned) == ([True] * 4, True)
    assert partitions.worry(now=MARCH) is None
    assert where() == dict.fromkeys(kept, "rest")
    assert [row for row in before if row not in shape()] == []


def test_what_was_begun_and_left_is_given_up_before_it_could_hinder_recording(plain):
    before = shape()
    converting._check(MARCH, print, AT_ONCE)

    partitions.keep(now=MARCH + timedelta(days=2), patience=AT_ONCE)
    begun = shape()
    partitions.keep(now=datetime(2026, 3, 30, tzinfo=UTC), patience=AT_ONCE)

    assert begun != before
    assert shape() == before


def test_what_was_begun_long_ago_is_gone_on_with_from_a_month_that_is_far_enough(plain):
    converting._check(MARCH, print, AT_ONCE)

    partitioned(now=datetime(2026, 3, 31, 23, tzinfo=UTC))

    assert names() == ["rest", "2026_05", "2026_06", "later"]


def test_a_reading_that_lasts_until_the_first_month_changes_nothing(plain, monkeypatch):
    before = shape()
    end = converting._bounds(MARCH)[1]
    monkeypatch.setattr(converting, "_bounds", lambda _: (MARCH, end))

    with pytest.raises(CannotPartition, match="Run it again"):
        partitioned(now=MARCH)

    assert shape() == before


def test_recording_goes_on_meanwhile_and_nothing_of_it_is_lost(own):
    project = factories.make_project()
    first = recorded(project, MARCH)
    done, trouble, ids = threading.Event(), [], [first.pk]

    def record_on() -> None:
        try:
            while not done.is_set():
                body = recorded(project, MARCH, replay_of=first)
                ids.append(body.pk)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=record_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        partitions.partition(now=MARCH, months=3, tell=print)
    finally:
        done.set()
        for thread in threads:
            thread.join()

    assert trouble == []
    assert sorted(where()) == sorted(where("reviewapp_interactionbody", "interaction_id")) == sorted(ids)


# ---- retention ----


def kept_rows(rows: keeping.Rows) -> dict[str, list[bytes]]:
    """Each table's rows in an order of their own, but the entries of what was done, whose ids differ."""
    return {
        table: sorted(written.splitlines())
        for table, written in rows.items()
        if table not in ("reviewapp_auditentry", "reviewapp_auditunsealed")
    }


def told_of_deleted() -> Counter[str]:
    counts: Counter[str] = Counter()
    for entry in AuditEntry.objects.filter(action="retention.run"):
        counts.update(entry.detail["deleted"])
    return counts


def test_retention_keeps_row_for_row_what_it_keeps_in_plain_tables_and_the_emptied_month_goes(plain):
    project = factories.make_project()
    admin = factories.make_actor(project=project)
    moments = [MARCH + timedelta(days=days) for days in (0, 25, 30, 35, 55, 60, 65, 90, 100)]
    made = [recorded(project, moment) for moment in moments]
    answer = recorded(project, moments[-1], replay_of=made[2])
    for one in (made[1], made[4], answer):
        flagged(one)
    privacy.place_hold(actor=admin, reason="A case.", interaction=made[5].pk, now=moments[-1])
    rule = privacy.add_rule(actor=admin, values=RuleValues(days=10), now=moments[-1])
    now = moments[-2]
    rows = keeping._rows()
    mark = transaction.savepoint()

    while privacy.retain(rule_id=rule.pk, now=now, batch=2):
        pass
    in_plain = kept_rows(keeping._rows()), told_of_deleted()
    transaction.savepoint_rollback(mark)
    Interaction.objects.all().delete()
    partitioned(now=MARCH)
    emptying.empty()
    keeping.put_back(rows)
    spread = set(where().values())
    while privacy.retain(rule_id=rule.pk, now=now, batch=2):
        pass

    assert (kept_rows(keeping._rows()), told_of_deleted()) == in_plain
    assert spread == {"rest", "2026_04", "2026_05", "2026_06"}
    assert set(where()) == {made[5].pk, made[7].pk, made[8].pk}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    partitions.keep(now=datetime(2026, 7, 2, tzinfo=UTC), patience=AT_ONCE)
    assert names()[:3] == ["rest", "early", "2026_05"]


# ---- foreign keys ----


def test_what_refers_to_nothing_is_refused_and_what_is_referred_to_is_not_deleted(plain):
    project = factories.make_project()
    partitioned(now=MARCH)
    one = recorded(project, MARCH + timedelta(days=40))
    flagged(one)

    with pytest.raises(IntegrityError), transaction.atomic():
        InteractionBody.objects.create(interaction_id=uuid4(), request=b"")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM reviewapp_interaction WHERE id = %s", [one.pk])


# ---- each day ----


def test_months_are_made_ahead_of_time(plain):
    partitioned(now=MARCH)

    partitions.keep(now=datetime(2026, 5, 2, tzinfo=UTC), patience=AT_ONCE)

    assert names() == ["rest", "2026_04", "2026_05", "2026_06", "2026_07", "2026_08", "later"]
    assert partitions.worry(now=MARCH) is None


def test_months_that_were_not_made_in_time_get_what_came_meanwhile(plain):
    project = factories.make_project()
    partitioned(now=MARCH)
    july = recorded(project, datetime(2026, 7, 3, tzinfo=UTC))
    september = recorded(project, datetime(2026, 9, 3, tzinfo=UTC), replay_of=july)
    flagged(september)
    worried = partitions.worry(now=datetime(2026, 7, 4, tzinfo=UTC))

    partitions.keep(now=datetime(2026, 7, 4, tzinfo=UTC), months=1, patience=AT_ONCE)

    assert worried == "There is no partition for July 2026 yet: what comes then is kept with what is later."
    assert where() == {july.pk: "2026_07", september.pk: "later"}
    assert partitions.worry(now=datetime(2026, 7, 4, tzinfo=UTC)) is None


def test_months_of_which_nothing_is_left_are_dropped_and_can_still_be_imported_into(plain):
    project = factories.make_project()
    partitioned(now=MARCH)
    kept = recorded(project, datetime(2026, 6, 3, tzinfo=UTC))
    recorded(project, datetime(2026, 4, 3, tzinfo=UTC)).delete()

    partitions.keep(now=datetime(2026, 8, 2, tzinfo=UTC), patience=AT_ONCE)
    late = recorded(project, datetime(2026, 4, 20, tzinfo=UTC))

    assert names()[:3] == ["rest", "early", "2026_06"]
    assert where() == {kept.pk: "2026_06", late.pk: "early"}


def test_of_many_emptied_months_few_are_dropped_while_everybody_waits(plain, monkeypatch):
    partitioned(now=MARCH, months=9)
    dropped = []
    drop = keeping_months.drop
    monkeypatch.setattr(
        keeping_months, "drop", lambda cursor, names: (dropped.append(list(names)), drop(cursor, names))
    )

    partitions.keep(now=datetime(2026, 12, 2, tzinfo=UTC), patience=AT_ONCE)

    assert dropped == [
        ["2026_04", "2026_05", "2026_06"],
        ["early", "2026_07", "2026_08"],
        ["early", "2026_09"],
    ]
    assert names()[:3] == ["rest", "early", "2026_10"]


def test_what_takes_long_while_all_is_locked_is_left_for_tomorrow(plain, monkeypatch):
    project = factories.make_project()
    partitioned(now=MARCH)
    recorded(project, datetime(2026, 4, 3, tzinfo=UTC)).delete()
    recorded(project, datetime(2026, 6, 3, tzinfo=UTC))
    monkeypatch.setattr(partitions.keeping, "drop", lambda cursor, _: cursor.execute("SELECT pg_sleep(600)"))
    august = datetime(2026, 8, 2, tzinfo=UTC)

    with CaptureQueriesContext(connection) as asked, pytest.raises(Busy, match="nothing is half done"):
        partitions.keep(now=august, patience=replace(AT_ONCE, locked_ms=50))
    before = names()
    monkeypatch.undo()
    partitions.keep(now=august, patience=AT_ONCE)

    assert before[:3] == ["rest", "2026_04", "2026_05"]
    assert any(query["sql"].startswith("ANALYZE ONLY") for query in asked.captured_queries)
    assert names()[:3] == ["rest", "early", "2026_06"]


def test_a_month_that_still_holds_something_is_not_dropped(plain):
    project = factories.make_project()
    partitioned(now=MARCH)
    kept = recorded(project, datetime(2026, 4, 3, tzinfo=UTC))

    partitions.keep(now=datetime(2026, 8, 2, tzinfo=UTC), patience=AT_ONCE)

    assert where() == {kept.pk: "2026_04"}
    assert names()[:3] == ["rest", "2026_04", "2026_05"]


def test_a_page_that_read_its_project_gets_its_interactions_while_months_are_made(own):
    factories.make_project()
    partitioned(now=MARCH)
    # It gives way to the page, and has its turn afterwards.
    patient = partitions.Patience(tries=1_000, pause=0.05)
    trouble: list[Exception] = []
    is_locked, is_read = threading.Event(), threading.Event()

    def pause_behind_the_lock(execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:
        done = execute(statement, params, many, context)
        if str(statement).startswith("LOCK TABLE"):
            is_locked.set()
            assert eventually(lambda: is_read.is_set() or waits(page), seconds=60)
        return done

    def keep() -> None:
        try:
            with connection.execute_wrapper(pause_behind_the_lock):
                partitions.keep(now=datetime(2026, 5, 2, tzinfo=UTC), patience=patient)
        except Exception as error:
            trouble.append(error)
        finally:
            connection.close()

    def waits(pid: int | None) -> bool:
        """Whether this session, or any (None), waits for a table of this database."""
        watcher = connection.copy()
        try:
            with watcher.cursor() as cursor:
                cursor.execute(
                    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database d ON d.oid = database"
                    " WHERE datname = current_database() AND locktype = 'relation' AND NOT granted"
                    " AND (%s::int IS NULL OR pid = %s))",
                    [pid, pid],
                )
                return bool(cursor.fetchone()[0])
        finally:
            watcher.close()

    other = connection.copy()
    try:
        with other.cursor() as cursor:
            page = other.connection.info.backend_pid
            cursor.execute("BEGIN; SELECT FROM reviewapp_project")
            thread = threading.Thread(target=keep)
            thread.start()
            try:
                assert eventually(lambda: is_locked.is_set() or waits(None), seconds=60)
                cursor.execute("SELECT FROM reviewapp_interaction")
            finally:
                is_read.set()
                cursor.execute("ROLLBACK")
                thread.join()
    finally:
        other.close()

    assert trouble == []
    assert names() == ["rest", "2026_04", "2026_05", "2026_06", "2026_07", "2026_08", "later"]


def test_plain_tables_are_left_alone(plain):
    before = shape()

    partitions.keep(now=MARCH, patience=AT_ONCE)

    assert (shape(), partitions.worry(now=MARCH), parts_of()) == (before, None, [])
