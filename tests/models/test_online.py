"""Migrations hinder nobody: what they do to tables that grow with what is recorded needs no long lock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently
from django.core.management import call_command
from django.db import OperationalError, connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.state import ProjectState

from reviewapp.models import online
from reviewapp.models.online import AddFieldOnline, AddIndexOnline, RemoveIndexOnline
from reviewapp.pure.ids import uuid7
from tests import factories
from tests.partitioned import database_of_its_own, partitioned

# Every table that has a row for each interaction, attempt or judgement.
LARGE = {
    "interaction",
    "interactionbody",
    "interactiontext",
    "attempt",
    "comparison",
    "reuse",
    "annotation",
    "flag",
    "queueitem",
    "auditentry",
}
# An operator may have partitioned these, so Django's own operation is refused for them.
PARTITIONED = {"interaction", "interactionbody", "interactiontext"}
# What was released before this rule; nothing is added here.
LAST_BEFORE = "0034_rare_values"


def trouble(operation: Any) -> str:
    """Why an operation would keep people waiting; empty: it does not."""
    table = str(getattr(operation, "model_name", "")).lower()
    if table not in LARGE:
        return ""
    if isinstance(operation, migrations.AddIndex) and not isinstance(operation, AddIndexOnline):
        if isinstance(operation, AddIndexConcurrently) and table not in PARTITIONED:
            return ""
        return f"index {operation.index.name} on {table}: use reviewapp.models.online.AddIndexOnline"
    if isinstance(operation, migrations.RemoveIndex) and not isinstance(operation, RemoveIndexOnline):
        return f"index {operation.name} of {table}: use reviewapp.models.online.RemoveIndexOnline"
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if isinstance(field, models.ForeignKey) and field.db_constraint:
            return (
                f"{table}.{operation.name}: a foreign key is validated under lock; db_constraint=False first"
            )
        if getattr(field, "db_index", False) or field.unique:
            return f"{table}.{operation.name}: make its index by AddIndexOnline"
        if not field.null and field.db_default is models.NOT_PROVIDED:
            return f"{table}.{operation.name}: give it db_default, or let it be null"
    if isinstance(operation, migrations.AlterField):
        return (
            f"{table}.{operation.name}: another type or NOT NULL reads or writes the whole table under lock"
        )
    if isinstance(operation, migrations.AddConstraint) and not isinstance(operation, AddConstraintNotValid):
        return f"constraint on {table}: AddConstraintNotValid, then ValidateConstraint in the next migration"
    return ""


def test_no_migration_keeps_people_waiting_for_a_large_table():
    loader = MigrationLoader(None)
    new = {
        name: migration
        for (app, name), migration in loader.disk_migrations.items()
        if app == "reviewapp" and name > LAST_BEFORE
    }

    found = [f"{name}: {said}" for name, one in new.items() for op in one.operations if (said := trouble(op))]

    assert found == []


# What was released before the rule that follows; nothing is added here.
LAST_BEFORE_ONE_AT_A_TIME = "0037_limits"


def test_a_migration_that_changes_several_tables_locks_one_at_a_time():
    loader = MigrationLoader(None)
    found = []
    for (app, name), migration in loader.disk_migrations.items():
        changed = {
            operation.model_name.lower()
            for operation in migration.operations
            if isinstance(operation, FieldOperation) and not isinstance(operation, AddFieldOnline)
        }
        if app == "reviewapp" and name > LAST_BEFORE_ONE_AT_A_TIME and len(changed) > 1:
            found.append(f"{name} locks {', '.join(sorted(changed))}: use AddFieldOnline and atomic = False")

    assert found == []


INDEX = models.Index(fields=["model"], name="made_here")


@pytest.mark.parametrize(
    ("operation", "is_refused"),
    [
        (migrations.AddIndex("interaction", INDEX), True),
        (AddIndexConcurrently("interaction", INDEX), True),
        (AddIndexConcurrently("attempt", INDEX), False),
        (AddIndexOnline("interaction", INDEX), False),
        (migrations.AddIndex("provider", INDEX), False),
        (migrations.AddField("interaction", "a", models.TextField(null=True)), False),
        (migrations.AddField("interaction", "a", models.TextField(default="")), True),
        (migrations.AddField("interaction", "a", models.TextField(default="", db_default="")), False),
        (migrations.AddField("interaction", "a", models.TextField(null=True, db_index=True)), True),
        (migrations.AlterField("interaction", "seed", models.TextField()), True),
        (migrations.RemoveIndex("interaction", "interaction_hash"), True),
        (RemoveIndexOnline("interaction", "interaction_hash"), False),
    ],
)
def test_what_would_lock_a_large_table_for_long_is_refused(operation, is_refused):
    assert bool(trouble(operation)) == is_refused


# ---- an index, made online ----


@pytest.fixture
def own(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock(), database_of_its_own("online") as name:
        yield name


def migrated(operation: Any, *, backwards: bool = False) -> None:
    before = ProjectState.from_apps(apps)
    after = before.clone()
    operation.state_forwards("reviewapp", after)
    with connection.schema_editor(atomic=False) as editor:
        if backwards:
            operation.database_backwards("reviewapp", editor, after, before)
        else:
            operation.database_forwards("reviewapp", editor, before, after)


def indexes_of(column: str) -> dict[str, bool]:
    """For each table and partition of the interactions whether the index made here is there and valid."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indrelid"
            " WHERE pg_get_indexdef(indexrelid) LIKE '%% (' || %s || ')'",
            [column],
        )
        return dict(cursor.fetchall())


def test_an_index_is_made_and_taken_away_on_plain_and_on_partitioned_tables(own):
    index = models.Index(fields=["response_model"], name="made_here")
    operation = AddIndexOnline("interaction", index)
    migrated(operation)
    plain = indexes_of("response_model")
    migrated(operation, backwards=True)
    march = datetime(2026, 3, 10, tzinfo=UTC)
    april = datetime(2026, 4, 10, tzinfo=UTC)
    partitioned(now=march)
    project = factories.make_project()
    factories.make_interaction(project=project, id=uuid7(at_ms=int(april.timestamp() * 1000)))
    with connection.cursor() as cursor:
        # As a run that was cut off leaves it: of the whole, of one partition, and half of another.
        cursor.execute("CREATE INDEX made_here ON ONLY reviewapp_interaction (response_model)")
        cursor.execute("SELECT 'made_here_' || 'reviewapp_interaction_2026_04'::regclass::oid")
        (half,) = cursor.fetchone()
        cursor.execute(f"CREATE INDEX {half} ON reviewapp_interaction_2026_04 (response_model)")
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [half])

    migrated(operation)
    made = indexes_of("response_model")
    migrated(operation, backwards=True)

    names = ["", "_2026_04", "_2026_05", "_2026_06", "_later", "_rest"]
    assert plain == {"reviewapp_interaction": True}
    assert made == {f"reviewapp_interaction{name}": True for name in names}
    assert indexes_of("response_model") == {}


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_index_on_a_plain_table_is_gone_on_with_after_a_run_that_was_cut_off(own, is_whole):
    operation = AddIndexOnline("interaction", models.Index(fields=["response_model"], name="made_here"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX made_here ON reviewapp_interaction (response_model)")
        cursor.execute(
            "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = 'made_here'::regclass", [is_whole]
        )

    migrated(operation)

    assert indexes_of("response_model") == {"reviewapp_interaction": True}
    migrated(operation, backwards=True)


# ---- columns of several tables, one at a time ----


def tables_with(column: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_attribute JOIN pg_class ON oid = attrelid"
            " WHERE attname = %s AND NOT attisdropped AND relkind IN ('r', 'p')",
            [column],
        )
        return {name for (name,) in cursor.fetchall()}


def test_who_wrote_one_table_writes_the_others_while_columns_are_added(own, monkeypatch):
    there = tables_with("said")
    call_command("migrate", "reviewapp", "0037", verbosity=0)
    before = tables_with("said")
    with connection.cursor() as cursor:
        # As a run that was cut off leaves it; and none waits for ever if it does wait.
        cursor.execute("ALTER TABLE reviewapp_alert ADD COLUMN said jsonb; SET lock_timeout = '20s'")
    other = connection.copy()
    pauses = []

    def meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            with other.cursor() as cursor:
                cursor.execute(
                    "UPDATE reviewapp_alert SET id = id; UPDATE reviewapp_attempt SET id = id; COMMIT"
                )

    monkeypatch.setattr(online.time, "sleep", meanwhile)
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SET LOCAL lock_timeout = '5s'; UPDATE reviewapp_canarycheck SET id = id")
        call_command("migrate", "reviewapp", verbosity=0)
    finally:
        other.close()

    assert len(pauses) == 3
    assert before == set()
    assert tables_with("said") == there
    assert len(there) == 12


def test_a_table_that_stays_locked_gets_no_column_and_is_told_of(own, monkeypatch):
    monkeypatch.setattr(online, "_TRIES", 2)
    monkeypatch.setattr(online, "_PAUSE_SECONDS", 0)
    operation = AddFieldOnline("alert", "made_here", models.TextField(null=True))
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; UPDATE reviewapp_alert SET id = id")
        with pytest.raises(OperationalError, match="lock timeout"):
            migrated(operation)
    finally:
        other.close()
    locked = tables_with("made_here")

    migrated(operation)
    migrated(operation)
    made = tables_with("made_here")
    migrated(operation, backwards=True)
    migrated(operation, backwards=True)

    assert (locked, made, tables_with("made_here")) == (set(), {"reviewapp_alert"}, set())
