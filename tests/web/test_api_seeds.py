from __future__ import annotations

import json

import pytest

from reviewapp.models import SeedRange, Source
from tests import factories


@pytest.fixture
def call(client, project):
    """Calls the API with a key of the project that has the scopes."""

    def call(method, path, body=None, *, scopes=("ingest",), of=None):
        key = factories.make_key(project=of or project, scopes=scopes)
        return client.generic(
            method,
            f"/api/v1{path}",
            data=json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return call


def test_seeds_are_given_from_the_sources_range(call, project):
    source = factories.make_source(project=project, name="bot")
    factories.make_seed_range(source=source, first=100, last=109)

    answers = [call("POST", "/seeds/allocate", {"source": "bot", "count": 5}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answers[0].json()["seeds"] + answers[1].json()["seeds"]) == list(range(100, 110))


def test_an_unknown_source_is_made_and_gets_seeds_of_its_own(call, project):
    seeds = call("POST", "/seeds/allocate", {"source": "new", "count": 3}).json()["seeds"]

    assert len(set(seeds)) == 3
    assert all(1 <= seed < 2**31 for seed in seeds)
    assert SeedRange.objects.get().source == Source.objects.get(project=project, name="new")


def test_used_up_ranges_are_a_conflict(call, project):
    factories.make_seed_range(source=factories.make_source(project=project, name="bot"), first=1, last=2)

    answer = call("POST", "/seeds/allocate", {"source": "bot", "count": 3})

    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert "2 seeds left" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"count": 1}, "source"),
        ({"source": "", "count": 1}, "source"),
        ({"source": "bot\0", "count": 1}, "source"),
        ({"source": "bot", "count": 0}, "count"),
        ({"source": "bot", "count": 10_001}, "count"),
        ({"source": "bot", "count": "3"}, "count"),
        ({"source": "bot", "counts": 3}, "counts"),
        ({"source": "bot", "endpoint": "audio"}, "endpoint"),
    ],
)
def test_a_wrong_request_names_the_field(call, body, field):
    answer = call("POST", "/seeds/allocate", body)

    assert answer.status_code == 422
    assert field in answer.content.decode()


def test_a_key_that_may_only_read_takes_no_seeds(call):
    assert call("POST", "/seeds/allocate", {"source": "bot"}, scopes=("read",)).status_code == 403
    assert not Source.objects.exists()


def test_derived_seeds_follow_the_request(call, project):
    source = factories.make_source(project=project, name="bot")
    factories.make_seed_range(source=source, policy="derived")
    ask = {"source": "bot", "request": {"model": "m", "messages": []}}

    first, again = call("POST", "/seeds/allocate", ask).json(), call("POST", "/seeds/allocate", ask).json()

    assert first["seeds"] == again["seeds"]
    assert call("POST", "/seeds/allocate", {"source": "bot"}).status_code == 422


def test_a_seed_is_told_with_its_source_its_range_and_its_interactions(call, project):
    source = factories.make_source(project=project, name="bot")
    factories.make_seed_range(source=source, first=100, last=199)
    one = factories.make_interaction(project=project, source=source, seed=104)

    found = call("GET", "/seeds/104", scopes=("read",)).json()

    assert (found["source"], found["range"]["first"], found["ordinal"]) == ("bot", 100, 5)
    assert found["interactions"] == [str(one.pk)]


@pytest.mark.parametrize("seed", ["7", "0", "-5", str(2**64 - 1)])
def test_a_seed_in_no_range_is_told_as_such(call, seed):
    found = call("GET", f"/seeds/{seed}", scopes=("read",)).json()

    assert (found["seed"], found["source"], found["range"]) == (int(seed), None, None)


def test_a_number_that_is_no_seed_is_refused(call):
    assert call("GET", f"/seeds/{2**64}", scopes=("read",)).status_code == 422
    assert call("GET", "/seeds/abc", scopes=("read",)).status_code == 404


def test_nothing_is_told_of_another_projects_ranges(call, project):
    factories.make_seed_range(source=factories.make_source(project=project), first=100, last=199)
    other = factories.make_project()

    assert call("GET", "/seeds/104", scopes=("read",), of=other).json()["source"] is None
    assert call("GET", "/seeds", scopes=("read",), of=other).json()["items"] == []
    assert len(call("GET", "/seeds", scopes=("read",)).json()["items"]) == 1
