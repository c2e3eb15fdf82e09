"""Studies over the API."""

from __future__ import annotations

import pytest

from reviewapp.models import Study
from tests.factories import make_interaction, make_key, make_project, make_provider, make_study

pytestmark = pytest.mark.django_db

TYPO = {"kind": "typo", "size": 0.02, "text": "When is my refnud due?"}


@pytest.fixture
def call(client, project):
    """`call(method, path, body)` with a key that may start and read."""
    key = make_key(project=project, scopes=("read", "replay"))

    def call(method, path, body=None):
        return getattr(client, method)(
            f"/api/v1/studies{path}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


@pytest.fixture
def original(project):
    provider = make_provider(project=project, name="acme", base_url="http://127.0.0.1:9/v1")
    return make_interaction(project=project, provider=provider)


def test_a_deviation_study_begins_with_the_edits_that_the_app_proposes(call, original):
    answer = call("post", "", {"kind": "deviation", "name": "D", "interaction": str(original.pk)})

    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    assert answer.json()["total"] == 3 * len(answer.json()["conditions"]) > 30
    assert answer.json()["sentences"] == ["No answer has come yet."]


def test_a_study_is_read_with_its_figures(call, project):
    study = make_study(project=project, conditions=[({"kind": "none", "size": 0.0}, [1.0]), (TYPO, [0.5])])

    value = call("get", f"/{study.pk}").json()

    assert value["state"] == "done"
    assert value["figures"]["floor"]["part"] == 1
    assert value["conditions"][1]["similarity"] == 0.5
    assert value["figures"]["tolerance"]["at"] == 0.0


def test_points_come_page_by_page(call, project):
    study = make_study(project=project, conditions=[(TYPO, [0.5, 0.25, 1.0])])

    first = call("get", f"/{study.pk}/points?limit=2").json()
    second = call("get", f"/{study.pk}/points?limit=2&cursor={first['next']}").json()

    assert [row["similarity"] for row in [*first["items"], *second["items"]]] == [0.5, 0.25, 1.0]
    assert second["next"] is None


def test_a_study_is_cancelled(call, original):
    body = {"kind": "seeds", "name": "S", "interaction": str(original.pk), "seeds": [1, 2]}
    started = call("post", "", body).json()

    assert call("post", f"/{started['id']}/cancel").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "deviation"}, "“interaction” is missing"),
        ({"kind": "providers", "filter": {}}, "“providers” is missing"),
        ({"kind": "providers", "providers": [{}]}, "Say which interactions"),
        ({"kind": "seeds", "seeds": [1]}, "“interaction” is missing"),
        ({"kind": "weather"}, "kind"),
    ],
)
def test_what_is_missing_is_named(call, original, body, words):
    answer = call("post", "", {"name": "S", **body})

    assert answer.status_code == 422
    assert words in str(answer.json())
    assert not Study.objects.exists()


def test_another_projects_study_is_not_there(call):
    study = make_study(project=make_project(), conditions=[(TYPO, [0.5])])

    assert call("get", f"/{study.pk}").status_code == 404
    assert call("get", f"/{study.pk}/points").status_code == 404
    assert call("post", f"/{study.pk}/cancel").status_code == 404
