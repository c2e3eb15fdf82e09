from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviewapp.models import Fingerprint
from reviewapp.stages import watch
from tests.factories import make_interaction, make_key, make_member, make_project


@pytest.fixture
def pool(project):
    """A pool that knew one value and answers with another since an hour ago."""
    start = timezone.now() - timedelta(hours=3)
    for i in range(25):
        make_interaction(project=project, fingerprint="fp_old", started_at=start + timedelta(seconds=i))
    for i in range(5):
        moment = start + timedelta(hours=2, seconds=i)
        make_interaction(project=project, fingerprint="fp_new", started_at=moment)
    while watch.pull(now=timezone.now()):
        pass
    return Fingerprint.objects.get(value="fp_new")


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


def test_the_api_lists_values_with_state_count_and_share(call, pool):
    answer = call("GET", "/fingerprints", scopes=("read",))

    new, old = answer.json()["items"]
    assert (new["value"], new["state"], new["count"]) == ("fp_new", "new", 5)
    assert (old["value"], old["state"], old["count"]) == ("fp_old", "accepted", 25)
    assert new["share"] == pytest.approx(1 / 6)
    assert (new["provider"], new["model"]) == ("openai", "gpt-4o-mini")
    assert new["overlap_until"] is None
    assert answer.json()["next"] is None


def test_the_api_pages_through_the_values(call, pool):
    first = call("GET", "/fingerprints?limit=1").json()
    second = call("GET", f"/fingerprints?limit=1&cursor={first['next']}").json()

    assert [first["items"][0]["value"], second["items"][0]["value"]] == ["fp_new", "fp_old"]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=%21%21", "cursor=Z2c="])
def test_the_api_refuses_pages_there_are_not(call, pool, query):
    assert call("GET", f"/fingerprints?{query}").status_code == 422


def test_the_api_accepts_a_value_and_opens_the_overlap(call, pool):
    answer = call("POST", f"/fingerprints/{pool.pk}/accept")

    assert answer.status_code == 200
    assert answer.json()["state"] == "accepted"
    assert answer.json()["decided_by"] == "key test key"
    assert Fingerprint.objects.get(value="fp_old").state == "overlap"


def test_the_api_keeps_a_value_valid_until_a_moment(call, pool):
    until = (timezone.now() + timedelta(days=3)).replace(microsecond=0)

    answer = call("POST", f"/fingerprints/{pool.pk}/overlap", {"until": until.isoformat()})

    assert answer.json()["state"] == "overlap"
    pool.refresh_from_db()
    assert pool.overlap_until == until


def test_the_api_keeps_a_value_for_the_usual_time_where_none_is_given(call, pool):
    answer = call("POST", f"/fingerprints/{pool.pk}/overlap")

    assert answer.json()["state"] == "overlap"
    assert answer.json()["overlap_until"] is not None


def test_the_api_refuses_an_overlap_that_ended(call, pool):
    answer = call("POST", f"/fingerprints/{pool.pk}/overlap", {"until": "2020-01-01T00:00:00Z"})

    assert answer.status_code == 422
    assert "future" in answer.json()["detail"]


def test_the_api_retires_a_value(call, pool):
    assert call("POST", f"/fingerprints/{pool.pk}/retire").json()["state"] == "retired"


@pytest.mark.parametrize("deed", ["accept", "overlap", "retire"])
def test_only_an_admins_key_decides(call, pool, deed):
    assert call("POST", f"/fingerprints/{pool.pk}/{deed}", scopes=("read", "review")).status_code == 403


@pytest.mark.parametrize("deed", ["accept", "overlap", "retire"])
def test_another_projects_fingerprint_is_not_there(call, pool, deed):
    assert call("POST", f"/fingerprints/{pool.pk}/{deed}", of=make_project()).status_code == 404


@pytest.fixture
def as_admin(client, project):
    client.force_login(make_member(project=project, role="admin"))
    return client


def test_the_page_shows_each_value_with_its_state_and_the_grade(as_admin, pool):
    page = as_admin.get("/fingerprints/").content.decode()

    assert "fp_old" in page
    assert "fp_new" in page
    assert "Informative: 2 values, one after another." in page
    assert "A value never seen before: fp_new, in 100 % of the answers since." in page
    assert "timeline-lane" in page
    assert f"/fingerprints/{pool.pk}/accept/" in page


def test_an_empty_page_says_what_will_stand_there(as_admin):
    assert "No fingerprints yet" in as_admin.get("/fingerprints/").content.decode()


def test_who_may_not_decide_sees_no_buttons(client, project, pool):
    client.force_login(make_member(project=project, role="reviewer"))

    page = client.get("/fingerprints/").content.decode()

    assert "fp_new" in page
    assert "/accept/" not in page


def test_the_page_costs_the_same_queries_however_many_values(as_admin, pool, project):
    as_admin.get("/fingerprints/")
    with CaptureQueriesContext(connection) as few:
        as_admin.get("/fingerprints/")
    for number in range(12):
        make_interaction(project=project, fingerprint=f"fp_{number}", started_at=timezone.now())
    while watch.pull(now=timezone.now() + timedelta(minutes=5)):
        pass

    with CaptureQueriesContext(connection) as many:
        as_admin.get("/fingerprints/")

    assert Fingerprint.objects.count() == 14
    assert len(many) == len(few)


def test_accepting_answers_with_the_pool_and_an_undo(as_admin, pool):
    answer = as_admin.post(f"/fingerprints/{pool.pk}/accept/", headers={"HX-Request": "true"})

    toast = json.loads(answer["HX-Trigger"])["toast"]
    assert b"overlap" in answer.content
    assert Fingerprint.objects.get(value="fp_old").state == "overlap"
    assert toast["undo"] == f"/fingerprints/{pool.pk}/undo/?to=new"

    as_admin.post(toast["undo"], headers={"HX-Request": "true"})

    assert set(Fingerprint.objects.values_list("value", "state")) == {
        ("fp_old", "accepted"),
        ("fp_new", "new"),
    }


def test_without_scripts_a_decision_leads_back_to_the_page(as_admin, pool):
    answer = as_admin.post(f"/fingerprints/{pool.pk}/retire/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/fingerprints/#pool-")


def test_a_wrong_day_is_refused_in_words(as_admin, pool):
    for wrong in ("soon", "2020-01-01", "2026-02-31"):
        answer = as_admin.post(
            f"/fingerprints/{pool.pk}/overlap/", {"until": wrong}, headers={"HX-Request": "true"}
        )

        assert answer.status_code == 422
    pool.refresh_from_db()
    assert pool.state == "new"


@pytest.mark.parametrize("query", ["range=day", "range=all", "range=odd", "page=99", "page=x", "model=none"])
def test_the_page_takes_any_address(as_admin, pool, query):
    assert as_admin.get(f"/fingerprints/?{query}").status_code == 200


def test_the_page_asks_again_and_is_drawn_only_when_something_happened(still, as_admin, project, pool):
    path = "/fingerprints/?range=all"
    mark = re.search(r'"If-None-Match": "(\w+)"', as_admin.get(path).content.decode())[1]
    asking = {"HX-Request": "true", "If-None-Match": mark}

    before = as_admin.get(path, headers=asking)
    just_now = timezone.now() - timedelta(seconds=5)
    make_interaction(project=project, fingerprint="fp_newest", started_at=just_now)
    while watch.pull(now=timezone.now()):
        pass
    after = as_admin.get(path, headers=asking)

    assert before.status_code == 304
    assert b"fp_newest" in after.content
    assert mark not in after.content.decode()


def test_a_span_between_two_moments_does_not_ask_again(as_admin, pool):
    page = as_admin.get("/fingerprints/?from=2026-11-22T20:00&to=2026-11-22T21:00").content.decode()

    assert "If-None-Match" not in page
