from __future__ import annotations

import json
from uuid import UUID

import pytest

from reviewapp.models import AddedTag, AuditEntry, BulkWork, Flag
from reviewapp.stages import find
from tests.factories import NOW, make_interaction, make_key, make_project


@pytest.fixture
def key(project):
    return make_key(project=project, scopes=("read", "review"))


@pytest.fixture
def call(client, key):
    """Calls the API with a key of the project that may read and review, or with another."""

    def call(method, path, body=None, *, key=key):
        return client.generic(
            method,
            f"/api/v1/bulk{path}",
            data=json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


@pytest.fixture
def tagged(project):
    found = [make_interaction(project=project) for _ in range(3)]
    for one in found[:2]:
        AddedTag.objects.create(project=project, interaction=one, name="old", created_at=NOW)
    return found


def work_off(id_: str) -> None:
    while find.step(work_id=UUID(id_), now=NOW):
        pass


def test_a_tag_is_taken_off_watched_and_put_back(call, tagged, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        asked = call("POST", "", {"deed": "untag", "tag": "old", "filter": {"tag": "old"}})
    assert (asked.status_code, asked.json()["state"], asked.json()["expected"]) == (202, "queued", 2)
    id_ = asked.json()["id"]
    work_off(id_)
    done = call("GET", f"/{id_}").json()
    assert (done["state"], done["walked"], done["changed"]) == ("done", 2, 2)
    assert not AddedTag.objects.exists()

    with django_capture_on_commit_callbacks(execute=True):
        assert call("POST", f"/{id_}/undo").status_code == 202
    work_off(id_)

    back = call("GET", f"/{id_}").json()
    assert (back["state"], back["taken_back"], back["created_by"]) == ("undone", 2, "test key")
    assert AddedTag.objects.count() == 2
    assert AuditEntry.objects.get(action="bulk.start").key is not None


def test_a_deed_is_done_to_the_interactions_named(call, tagged):
    ids = [str(one.pk) for one in tagged[1:]]
    asked = call("POST", "", {"deed": "flag", "reason": "Wrong", "interactions": ids})
    work_off(asked.json()["id"])

    assert {str(flag.interaction_id) for flag in Flag.objects.all()} == set(ids)
    assert [one["id"] for one in call("GET", "").json()["items"]] == [asked.json()["id"]]


def test_cancelled_it_does_nothing_more(call, tagged):
    asked = call("POST", "", {"deed": "tag", "tag": "new", "filter": {}}).json()

    assert call("POST", f"/{asked['id']}/cancel").json()["state"] == "cancelled"
    assert not find.step(work_id=UUID(asked["id"]), now=NOW)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"deed": "tag", "tag": "x"}, "Say which interactions"),
        ({"deed": "tag", "tag": "x", "filter": {}, "interactions": []}, "Say which interactions"),
        ({"deed": "tag", "tag": "x", "interactions": []}, "Choose at least one"),
        ({"deed": "untag", "filter": {}}, "Give the tag a name"),
        ({"deed": "burn", "filter": {}}, "can’t be done"),
        ({"deed": "flag", "filter": {}}, "reason"),
        ({"deed": "queue", "filter": {}}, "Choose a queue"),
        ({"deed": "annotate", "filter": {}}, "scores"),
        ({"deed": "tag", "tag": "x", "filter": {"colour": "red"}}, "colour"),
        ({"deed": "tag", "tag": "x", "filter": {}, "colour": "red"}, "colour"),
    ],
)
def test_what_can_not_be_is_refused_with_its_reason(call, tagged, body, told):
    answer = call("POST", "", body)

    assert answer.status_code == 422
    assert told.replace("’", "'") in answer.json()["detail"].replace("’", "'")
    assert not BulkWork.objects.exists()


@pytest.mark.parametrize("scope", ["read", "review"])
def test_a_key_must_be_one_that_may_read_and_review(call, project, tagged, scope):
    lesser = make_key(project=project, scopes=(scope,))

    answer = call("POST", "", {"deed": "tag", "tag": "x", "filter": {}}, key=lesser)

    assert answer.status_code == 403
    assert not BulkWork.objects.exists()


def test_another_key_can_not_stop_it_and_another_projects_does_not_see_it(call, project, tagged):
    id_ = call("POST", "", {"deed": "tag", "tag": "x", "filter": {}}).json()["id"]
    other = make_key(project=project, scopes=("read", "review"))
    stranger = make_key(project=make_project(), scopes=("admin",))

    assert call("POST", f"/{id_}/cancel", key=other).status_code == 422
    assert call("GET", f"/{id_}", key=other).status_code == 200
    assert call("GET", f"/{id_}", key=stranger).status_code == 404
    assert call("POST", f"/{id_}/undo", key=stranger).status_code == 404
    assert call("GET", "", key=stranger).json()["items"] == []
