from __future__ import annotations

import json

import pytest

from reviewapp.models import Annotation, AuditEntry, Export, Flag
from reviewapp.stages import export
from tests.factories import make_interaction, make_key, make_project


@pytest.fixture
def call(client, project):
    """Calls the API with a key of the project that has the scopes."""

    def call(method, path, body=None, *, scopes=("admin",), of=None):
        key = make_key(project=of or project, scopes=scopes)
        return client.generic(
            method,
            f"/api/v1{path}",
            data=json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


def test_a_flag_is_made_and_said_to_be_the_keys(call, project):
    interaction = make_interaction(project=project)

    answer = call(
        "POST",
        f"/interactions/{interaction.pk}/flags",
        {"reason": "Wrong", "severity": "high"},
        scopes=("review",),
    )

    assert answer.status_code == 201
    assert answer.json()["created_by"] == "key test key"
    assert Flag.objects.get().severity == "high"
    assert AuditEntry.objects.get(action="flag.create").key is not None


def test_an_annotation_is_made_with_scores_spans_and_correction(call, project):
    interaction = make_interaction(project=project, answer="Within five days.")

    answer = call(
        "POST",
        f"/interactions/{interaction.pk}/annotations",
        {
            "scores": {"verdict": "minor", "correct": False},
            "spans": [{"start": 7, "end": 11, "label": "wrong", "note": "it is three"}],
            "correction": "Within three days.",
            "comment": "old policy",
        },
    )

    assert answer.status_code == 201
    assert Annotation.objects.get().correction == "Within three days."


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("flags", {"reason": "Wrong", "severity": "awful"}, "severity"),
        ("flags", {"reason": ""}, "reason"),
        ("annotations", {"scores": {"verdict": "great"}}, "scores.verdict"),
        ("annotations", {"spans": [{"start": 0, "end": 10_000, "label": "wrong"}]}, "spans.0"),
        ("annotations", {}, "scores"),
    ],
)
def test_a_judgement_that_cannot_be_names_its_field(call, project, path, body, field):
    interaction = make_interaction(project=project)

    answer = call("POST", f"/interactions/{interaction.pk}/{path}", body)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == field


def test_a_key_without_the_scope_is_told_which_it_lacks(call, project):
    interaction = make_interaction(project=project)

    answer = call("POST", f"/interactions/{interaction.pk}/flags", {"reason": "Wrong"}, scopes=("read",))

    assert answer.status_code == 403
    assert "review" in answer.json()["detail"]
    assert not Flag.objects.exists()


def test_a_key_of_another_project_finds_nothing(call, project):
    interaction = make_interaction(project=project)

    answer = call("POST", f"/interactions/{interaction.pk}/flags", {"reason": "Wrong"}, of=make_project())

    assert answer.status_code == 404


def test_an_export_is_asked_for_watched_and_taken(call, project):
    interaction = make_interaction(project=project)

    asked = call("POST", "/exports", {"format": "jsonl", "filter": {"model": "gpt-4o-mini"}}).json()
    export.make_export(export_id=asked["id"])
    state = call("GET", f"/exports/{asked['id']}").json()
    taken = call("GET", f"/exports/{asked['id']}/file")

    assert asked["state"] == "queued"
    assert (state["state"], state["rows"]) == ("done", 1)
    assert json.loads(b"".join(taken.streaming_content))["id"] == str(interaction.pk)
    assert AuditEntry.objects.filter(action="export.download").exists()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"format": "xml"}, "xml"),
        ({"format": "jsonl", "filter": {"colour": "red"}}, "colour"),
        ({"format": "jsonl", "filter": {"seed": "abc"}}, "seed"),
        ({}, "format"),
    ],
)
def test_an_export_that_cannot_be_is_refused_with_the_reason(call, project, body, named):
    answer = call("POST", "/exports", body)

    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert not Export.objects.exists()


def test_an_export_of_another_project_is_not_there(call, project):
    asked = call("POST", "/exports", {"format": "jsonl"}).json()

    answer = call("GET", f"/exports/{asked['id']}", of=make_project())

    assert answer.status_code == 404
