"""An earlier installation, with data in it, brought up to date."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from reviewapp.formats.packed import decompress
from reviewapp.models import (
    Annotation,
    ApiKey,
    Attempt,
    AuditEntry,
    AuditUnsealed,
    Comparison,
    Continuation,
    Flag,
    Interaction,
    InteractionText,
    Membership,
    Provider,
    Watermark,
)
from reviewapp.models.filters import apply, read_filter
from reviewapp.models.interaction import compress
from reviewapp.models.pages import page_of
from reviewapp.stages import find
from tests.factories import NOW

# What stands for the first 27 steps (test_squashing.py holds that it does): a minute cheaper than these.
EARLIER = ("reviewapp", "0001_squashed_0027_audit_chain")
UPGRADE = "upgrade"


@pytest.fixture
def installation(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """An empty database of its own; the tests' others are made from a migrated one."""
    with django_db_blocker.unblock():
        name = f"{connection.settings_dict['NAME']}_{UPGRADE}"
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            # Without what the template holds.
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        connections.databases[UPGRADE] = {**connections.databases["default"], "NAME": name}
        try:
            yield connections[UPGRADE]
        finally:
            connections[UPGRADE].close()
            del connections[UPGRADE], connections.databases[UPGRADE]
            with connection.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}"')


def test_what_an_earlier_installation_kept_is_there_after_every_step_since(installation: Any):
    earlier = MigrationExecutor(installation)
    state = earlier.migrate([EARLIER])
    ids = keep_something(state.apps)

    newest = MigrationExecutor(installation)
    newest.migrate(newest.loader.graph.leaf_nodes("reviewapp"))

    interaction = Interaction.objects.using(UPGRADE).select_related("body", "source").get(pk=ids["original"])
    assert (interaction.seed, interaction.fingerprint, interaction.source.name) == (42, "fp_1", "bot")
    assert json.loads(decompress(bytes(interaction.body.request)))["messages"][0]["content"] == "Why?"
    assert InteractionText.objects.using(UPGRADE).filter(document="refund").get().pk == interaction.pk
    # What came later is unknown of what was there, and not made up.
    assert (interaction.cost, interaction.source.redaction) == (None, None)
    attempt = Attempt.objects.using(UPGRADE).get(original=interaction)
    assert Comparison.objects.using(UPGRADE).get(attempt=attempt).verdict == "identical"
    assert AuditUnsealed.objects.using(UPGRADE).filter(entry_id=ids["entry"]).exists()
    # What people did and own.
    assert Flag.objects.using(UPGRADE).get().reason == "Wrong"
    with as_default(installation):
        for values in ({"flagged": "yes"}, {"discussed": "open"}, {"tag": "seen"}, {"verdict": "identical"}):
            found = apply(Interaction.objects.all(), read_filter(values), project=interaction.project_id)
            page = page_of(found, limit=1)
            # And behind a cursor, where a time that is not there would leave it out.
            assert [row.pk for row in page.items] == [interaction.pk], values
            assert found.filter(**{f"{found.time}__lte": NOW}).exists(), values
    assert Annotation.objects.using(UPGRADE).get().scores == {"verdict": "good"}
    assert Membership.objects.using(UPGRADE).get().role == "admin"
    assert ApiKey.objects.using(UPGRADE).get().scopes == ["ingest"]
    assert Provider.objects.using(UPGRADE).get().base_url == "https://api.example.org/v1"
    assert AuditEntry.objects.using(UPGRADE).get().detail == {"name": "Demo"}
    # What completions were learnt from is not known of them, so they are learnt anew.
    with as_default(installation):
        assert Continuation.objects.get().shown == "Zanzibar"
        assert find.learn(now=NOW + timedelta(days=1)) > 0
        assert not Continuation.objects.exists()
        assert not Watermark.objects.filter(pk="continuations").exists()


@contextmanager
def as_default(installation: Any) -> Iterator[None]:
    """The app at work in that database."""
    tests = connections["default"]
    connections["default"] = installation
    try:
        yield
    finally:
        connections["default"] = tests


def keep_something(apps: Any) -> dict[str, Any]:
    """A call, its replay, and what people did, by the models of that release."""

    def make(table: str, /, **values: Any) -> Any:
        return apps.get_model("reviewapp", table).objects.using(UPGRADE).create(**values)

    project = make("Project", slug="demo", name="Demo", created_at=NOW)
    person = make("Person", email="ann@example.org", password="!", joined_at=NOW)
    make("Membership", project=project, person=person, role="admin", created_at=NOW)
    make("ApiKey", project=project, name="k", hint="ra_", digest=b"k" * 32, scopes=["ingest"], created_at=NOW)
    provider = make(
        "Provider", project=project, name="acme", base_url="https://api.example.org/v1", created_at=NOW
    )
    source = make("Source", project=project, name="bot", created_at=NOW)
    about = {
        "project": project,
        "provider": provider,
        "source": source,
        "endpoint": "chat.completions",
        "model": "m",
        "status": 200,
        "started_at": NOW,
        "created_at": NOW,
        "request_hash": b"h" * 32,
    }
    original = make("Interaction", **about, seed=42, fingerprint="fp_1")
    answer = make("Interaction", **about, replay_of=original)
    asked = json.dumps({"messages": [{"role": "user", "content": "Why?"}]}).encode()
    make("InteractionBody", interaction=original, request=compress(asked), response=compress(b"{}"))
    make("InteractionText", interaction=original, project=project, document="refund")
    run = make("ReplayRun", project=project, created_at=NOW)
    attempt = make(
        "Attempt",
        id=answer.pk,
        project=project,
        run=run,
        original=original,
        answer=answer,
        provider=provider,
        state="done",
        created_at=NOW,
        finished_at=NOW,
    )
    compared = {"verdict": "identical", "sentence": "Same.", "method": 1, "created_at": NOW}
    make("Comparison", project=project, run=run, attempt=attempt, original=original, **compared)
    make("Flag", project=project, interaction=original, reason="Wrong", created_at=NOW)
    make("Thread", project=project, interaction=original, created_at=NOW, changed_at=NOW)
    make("AddedTag", project=project, interaction=original, name="seen", created_at=NOW)
    rubric = make("Rubric", project=project, name="Quality", created_at=NOW)
    judged = {"scores": {"verdict": "good"}, "created_at": NOW, "updated_at": NOW}
    make("Annotation", project=project, interaction=original, rubric=rubric, **judged)
    make("Continuation", project=project, context="", next="zanzibar", shown="Zanzibar", count=1, mass=0.5)
    make("Watermark", name="continuations", created_at=NOW, interaction=original.pk)
    entry = make(
        "AuditEntry",
        project=project,
        action="project.create",
        object_type="project",
        object_id=str(project.pk),
        detail={"name": "Demo"},
        at=NOW,
    )
    return {"original": original.pk, "entry": entry.pk}
