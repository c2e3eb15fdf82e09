"""The migrations that stand in one for a new installation, against those they stand for."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader

SQUASHED = "0001_squashed_0027_audit_chain"
LAST = "0027_audit_chain"


def test_a_new_installation_has_the_models_of_one_that_went_step_by_step():
    # Without a connection: nothing is applied, and both ways are in the graph.
    loader = MigrationLoader(None, replace_migrations=False)
    at_once = loader.project_state(("reviewapp", SQUASHED))
    by_steps = loader.project_state(("reviewapp", LAST))

    changes = MigrationAutodetector(by_steps, at_once).changes(graph=loader.graph)

    assert changes == {}


def test_what_the_database_was_told_beside_the_models_is_told_a_new_installation_too(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'audit%'")
        triggers = {name for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'reviewapp_interactionbody'::regclass"
            " AND attstorage = 'e'"
        )
        left_as_they_are = {name for (name,) in cursor.fetchall()}

    assert triggers == {"audit_append_only", "audit_seal_append_only", "audit_note_unsealed"}
    assert left_as_they_are == {"request", "response", "chunks", "metadata"}
