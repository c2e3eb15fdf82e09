"""Lists and exports are read from a real replica, and nobody sees less for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, router, transaction
from django.db.utils import NotSupportedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from prometheus_client import CollectorRegistry, generate_latest

from reviewapp import health, replica
from reviewapp.models import Export, Flag, Interaction, Project
from reviewapp.models.composed import Composed
from reviewapp.models.filters import Filter
from reviewapp.stages import export, review
from reviewapp.web import scraping
from tests import factories
from tests.factories import NOW
from tests.replicating import Replica, replica_of_the_tests_server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "replica"])

LATER = NOW + timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory, django_db_setup) -> Iterator[Replica]:
    """Named by the settings before a test's own databases are chosen."""
    with replica_of_the_tests_server(tmp_path_factory.mktemp("replica")) as server, named(HOST=server.host):
        yield server


@contextmanager
def named(**values: str) -> Iterator[None]:
    """The settings name a replica like the primary, but for these values."""
    before = connections.settings.get(replica.ALIAS)
    like = {**connection.settings_dict, "TEST": {**connection.settings_dict["TEST"], "MIRROR": "default"}}
    connections.settings[replica.ALIAS] = like | values
    try:
        yield
    finally:
        connections[replica.ALIAS].close()
        del connections[replica.ALIAS]
        connections.settings[replica.ALIAS] = before
        if before is None:
            del connections.settings[replica.ALIAS]


@pytest.fixture
def copy(server, transactional_db, settings, monkeypatch) -> Iterator[Replica]:
    """The replica at the start of a test. Lists wait for it as long as it takes."""
    monkeypatch.setattr(replica, "_memory", replica._Memory())
    settings.REPLICA_WAIT_SECONDS = 60
    with committed_to_the_log():
        yield server
        server.go_on()


@contextmanager
def committed_to_the_log() -> Iterator[None]:
    """Commits wait for the log, as they do on a server that people run; the tests' own does not."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    for deed in ("SET synchronous_commit = on", "RESET synchronous_commit"):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} {deed}")
        # For new connections.
        connection.close()
        if deed.startswith("SET"):
            yield


@pytest.fixture
def client(client: Client, admin) -> Client:
    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def asked_of(captured: CaptureQueriesContext, table: str = "reviewapp_interaction") -> list[str]:
    return [one["sql"] for one in captured.captured_queries if f'FROM "{table}"' in one["sql"]]


def make(actor: Any) -> Export:
    asked = export.start_export(actor=actor, format="jsonl", wanted=Filter(), now=LATER)
    export.make_export(export_id=asked.pk)
    return Export.objects.get(pk=asked.pk)


def ids_in(made: Export) -> list[str]:
    return [json.loads(line)["id"] for line in export.file_of(made).read_text().splitlines()]


# --- Who answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?q=refund", "?flagged=yes", "?model=gpt-4o-mini"])
def test_the_list_and_what_it_shows_beside_are_read_from_the_replica(client, project, copy, query):
    factories.make_interaction(project=project, prompt="When is my refund due?")

    with CaptureQueriesContext(connections["replica"]) as there, CaptureQueriesContext(connection) as here:
        answer = client.get(reverse("interactions") + query)

    assert answer.status_code == 200
    for table in ("reviewapp_interaction", "reviewapp_flag", "reviewapp_alert", "reviewapp_source"):
        assert asked_of(there, table)
        assert not asked_of(here, table)


def test_a_query_that_is_kept_is_asked_of_whoever_answers(client, copy):
    name, project = Composed(lambda pk: Project.objects.filter(pk=pk)), factories.make_project()

    for _ in range(2):
        assert name.first(pk=project.pk)._state.db == "default"
        with replica.reading(wait_seconds=60):
            assert name.first(pk=project.pk)._state.db == "replica"


def test_the_apis_list_is_read_from_the_replica(client, project, copy):
    row = factories.make_interaction(project=project)
    key = factories.make_key(project=project)

    with CaptureQueriesContext(connections["replica"]) as there, CaptureQueriesContext(connection) as here:
        answer = client.get("/api/v1/interactions", headers={"Authorization": f"Bearer {key}"})

    assert [one["id"] for one in answer.json()["items"]] == [str(row.pk)]
    assert asked_of(there)
    assert not asked_of(here)


def test_suggestions_are_read_from_the_replica(client, project, copy):
    factories.make_interaction(project=project)

    with CaptureQueriesContext(connections["replica"]) as there, CaptureQueriesContext(connection) as here:
        answer = client.get(reverse("interactions-suggest"), {"q": "model:"})

    assert b"gpt-4o-mini" in answer.content
    assert there.captured_queries
    assert not asked_of(here, "reviewapp_fingerprint")


def test_an_export_is_read_from_the_replica_and_written_to_the_primary(admin, project, copy):
    rows = [factories.make_interaction(project=project) for _ in range(3)]
    review.flag(actor=admin, interaction=rows[0], reason="Wrong", now=NOW)

    with CaptureQueriesContext(connections["replica"]) as there, CaptureQueriesContext(connection) as here:
        made = make(admin)

    assert made.state == "done"
    assert sorted(ids_in(made)) == sorted(str(row.pk) for row in rows)
    assert asked_of(there, "reviewapp_flag")
    assert not asked_of(here, "reviewapp_flag")
    # Rows are read past Django: what the replica's own session was asked last is the batch after the last.
    asked = copy.last_statement_of(connections["replica"].connection.info.backend_pid)
    assert asked.lstrip().startswith("SELECT id, source__name")


def test_one_interaction_is_read_from_the_primary(client, project, copy):
    row = factories.make_interaction(project=project)

    with CaptureQueriesContext(connections["replica"]) as there:
        client.get(reverse("interaction", args=[row.pk]))

    assert not there.captured_queries


def test_writes_and_what_a_transaction_reads_stay_with_the_primary(project, admin, copy):
    with replica.reading(wait_seconds=60):
        assert connections[router.db_for_read(Interaction)].alias == "replica"
        row = factories.make_interaction(project=project)
        with transaction.atomic():
            review.flag(actor=admin, interaction=row, reason="Wrong", now=NOW)
            assert Flag.objects.count() == 1
    assert Flag.objects.using("default").count() == 1


def test_migrations_never_touch_the_replica(copy):
    assert not router.allow_migrate_model("replica", Interaction)
    assert router.allow_migrate_model("default", Interaction)


# --- A replica that is behind ---------------------------------------------------------------------


def test_who_just_flagged_sees_the_flag_though_the_replica_is_behind(client, project, copy, settings, caplog):
    row = factories.make_interaction(project=project)
    client.get(reverse("interactions"))
    settings.REPLICA_WAIT_SECONDS = 0
    copy.hold()

    client.post(reverse("interactions-flag"), {"ids": [str(row.pk)], "reason": "Wrong"})
    with CaptureQueriesContext(connections["replica"]) as there:
        shown = client.get(reverse("interactions"), {"flagged": "yes"})
        again = client.get(reverse("interactions"), {"flagged": "yes"})

    assert str(row.pk) in shown.content.decode()
    assert str(row.pk) in again.content.decode()
    assert not asked_of(there)
    assert caplog.text.count("The replica answers no lists and exports for now") == 1


def test_a_list_waits_until_the_replica_has_what_was_written_before(client, project, copy):
    client.get(reverse("interactions"))
    copy.hold()
    row = factories.make_interaction(project=project)
    later = threading.Thread(target=copy.go_on)

    with CaptureQueriesContext(connections["replica"]) as there:
        later.start()
        shown = client.get(reverse("interactions"))
    later.join()

    assert str(row.pk) in shown.content.decode()
    assert asked_of(there)


def test_a_replica_that_has_caught_up_answers_again(client, project, copy, settings, monkeypatch, caplog):
    monkeypatch.setattr(replica, "ASIDE_SECONDS", 0)
    copy.hold()
    factories.make_interaction(project=project)
    settings.REPLICA_WAIT_SECONDS = 0
    client.get(reverse("interactions"))
    copy.go_on()
    settings.REPLICA_WAIT_SECONDS = 60

    with CaptureQueriesContext(connections["replica"]) as there:
        client.get(reverse("interactions"))

    assert asked_of(there)
    assert "The replica answers lists and exports again" in caplog.text


# --- A replica that is away -----------------------------------------------------------------------


@pytest.fixture
def stopped(copy) -> Iterator[Replica]:
    connections["replica"].ensure_connection()
    copy.stop()
    yield copy
    connections["replica"].close()
    copy.start()


def test_lists_go_on_without_the_replica(client, project, stopped, caplog):
    row = factories.make_interaction(project=project)

    shown = client.get(reverse("interactions"))

    assert str(row.pk) in shown.content.decode()
    assert "The replica answers no lists and exports for now" in caplog.text


def test_a_list_that_the_replica_leaves_in_the_middle_is_given_by_the_primary(project, copy):
    row = factories.make_interaction(project=project)
    places: list[str] = []

    def ask() -> list[Interaction]:
        places.append(replica.alias())
        if len(places) == 1:
            copy.stop()
        return list(Interaction.objects.all())

    try:
        assert replica.read(ask) == [row]
        assert places == ["replica", "default"]
    finally:
        copy.start()


def test_an_export_that_loses_the_replica_has_every_row_once(admin, project, copy, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 4)
    rows = {str(factories.make_interaction(project=project).pk) for _ in range(30)}
    asked = export.start_export(actor=admin, format="jsonl", wanted=Filter(), now=LATER)
    Export.objects.filter(pk=asked.pk).update(state="running")
    batches = export._read(asked)
    try:
        found = [json.loads(row.line)["id"] for row in next(batches)]
        assert replica.alias() == "replica"
        copy.stop()

        found += [json.loads(row.line)["id"] for batch in batches for row in batch]
    finally:
        copy.start()

    assert len(found) == len(rows)
    assert set(found) == rows


def test_a_primary_that_fails_is_not_taken_for_the_replica(copy):
    def fail() -> None:
        raise replica.OperationalError("the primary is gone")

    with replica.reading(wait_seconds=0) as place:
        place.is_replica = False

        assert not place.leave(NotSupportedError())


# --- No replica at all ----------------------------------------------------------------------------


def reason_of(**values: str) -> str:
    # This thread's connection is to the server that was named before.
    connections[replica.ALIAS].close()
    del connections[replica.ALIAS]
    with named(**values), pytest.raises(replica.Unusable) as unusable:
        replica.catch_up(wait_seconds=60)
    return str(unusable.value)


def test_a_server_that_follows_no_primary_is_never_read(db):
    assert "it follows no primary" in reason_of()


def test_a_copy_of_another_database_is_never_read(server, transactional_db):
    assert "it copies another database" in reason_of(HOST=server.host, NAME="postgres")


# --- Seen from outside ----------------------------------------------------------------------------


def findings() -> dict[str, health.Finding]:
    return {one.part: one for one in asyncio.run(health.findings(optional=True))}


def test_doctor_and_operations_say_whether_it_is_used(copy, settings, monkeypatch):
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 120)
    factories.make_project()
    well = findings()["replica"]
    settings.REPLICA_WAIT_SECONDS = 0
    copy.hold()
    factories.make_project()

    behind = findings()["replica"]

    assert well.ok
    assert "kB behind" in well.detail
    assert not behind.ok
    assert "read from the primary" in behind.sentence
    assert "of the primary's log behind" in behind.detail


def test_readiness_does_not_depend_on_it(copy):
    assert "replica" not in {one.part for one in asyncio.run(health.findings())}


def test_its_lag_is_a_figure(copy):
    copy.hold()
    factories.make_project()
    registry = CollectorRegistry()
    registry.register(scraping.State([health.Finding(part="replica", ok=True, sentence="")]))

    told = dict(
        line.split()
        for line in generate_latest(registry).decode().splitlines()
        if line[0] != "#" and "{" not in line
    )

    assert float(told["reviewapp_replica_lag_bytes"]) > 0
