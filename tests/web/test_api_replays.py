"""Replay runs over the API: the names of the interface, paging, refusals, and who may what."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from reviewapp.models import Attempt, AuditEntry, Comparison, InteractionBody, ReplayRun
from reviewapp.models.interaction import compress
from reviewapp.stages import compare, replay
from tests.answering import answering, completion
from tests.factories import (
    NOW,
    make_attempt,
    make_interaction,
    make_key,
    make_project,
    make_provider,
    make_run,
)


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


@pytest.fixture
def originals(project):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    return [make_interaction(project=project, provider=provider) for _ in range(2)]


def test_a_run_of_ids_is_queued_with_its_attempts(call, originals):
    answer = call(
        "POST",
        "/replay-runs",
        {"interactions": [str(one.pk) for one in originals], "attempts": 3, "note": "Why not?"},
        scopes=("replay",),
    )

    run = answer.json()
    assert answer.status_code == 202
    assert (run["state"], run["total"], run["done"], run["failed"]) == ("queued", 6, 0, 0)
    assert run["verdicts"] == {}
    assert (run["note"], run["attempts"], run["created_by"]) == ("Why not?", 3, "test key")
    assert AuditEntry.objects.get(action="replay.start").key is not None


def test_a_run_of_a_filter_takes_what_matches(call, project, originals):
    make_interaction(project=project, model="gpt-4o")

    answer = call("POST", "/replay-runs", {"filter": {"model": "gpt-4o-mini"}})

    assert answer.json()["total"] == 2
    assert answer.json()["selection"] == {"filter": {"model": "gpt-4o-mini"}}


def test_overrides_are_shown_with_the_run(call, project, originals):
    other = make_provider(project=project, name="other", base_url="http://127.0.0.1:9/v1")
    overrides = {"provider": "other", "model": "gpt-4o", "seed": 2**40, "temperature": 0.5}

    answer = call("POST", "/replay-runs", {"filter": {}, "overrides": overrides})

    assert answer.json()["overrides"] == overrides
    assert set(Attempt.objects.values_list("provider", flat=True)) == {other.pk}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"modell": "x"}}, "modell"),
        ({"filter": {"seed": "many"}}, "seed"),
        ({"filter": {}, "attempts": 0}, "attempts"),
        ({"filter": {}, "attempts": 51}, "attempts"),
        ({"filter": {}, "overrides": {"messages": []}}, "overrides.messages"),
        ({"filter": {}, "overrides": {"seed": 2**64}}, "overrides.seed"),
        ({"filter": {}, "overrides": {"provider": "nobody"}}, "overrides.provider"),
        ({"interactions": []}, "interactions"),
        ({"interactions": ["x"]}, "interactions"),
        ({"filter": {"model": "no-such"}}, "filter"),
    ],
)
def test_a_run_that_cannot_be_names_its_field(call, originals, body, field):
    answer = call("POST", "/replay-runs", body)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == field
    assert not ReplayRun.objects.exists()


@pytest.mark.parametrize("attempts", ["3", 3.5, True, None])
def test_attempts_must_be_a_whole_number(call, originals, attempts):
    answer = call("POST", "/replay-runs", {"filter": {}, "attempts": attempts})

    assert answer.status_code == 422
    assert "attempts" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"filter": {}, "interactions": []}, {"filter": {}, "atempts": 1}])
def test_a_body_that_says_too_little_or_too_much_is_refused(call, originals, body):
    assert call("POST", "/replay-runs", body).status_code == 422


def test_an_interaction_of_another_project_cannot_be_replayed(call, originals):
    stranger = make_interaction(project=make_project())

    answer = call("POST", "/replay-runs", {"interactions": [str(stranger.pk)]})

    assert answer.status_code == 422
    assert "There is no interaction" in answer.json()["detail"]


def test_a_run_tells_its_counts_by_verdict(call, project):
    run = make_run(project=project, verdicts=["identical", "identical", "backend_changed"], failed=1)

    answer = call("GET", f"/replay-runs/{run.pk}", scopes=("read",))

    found = answer.json()
    assert found["verdicts"] == {"identical": 2, "backend_changed": 1, "failed": 1}
    assert (found["id"], found["state"]) == (str(run.pk), "done")
    assert (found["total"], found["done"], found["failed"]) == (4, 3, 1)


def test_a_run_is_done_only_when_its_last_answer_has_a_verdict(call, project):
    run = make_run(project=project, verdicts=["identical", "identical"])
    Comparison.objects.all()[0].delete()

    assert call("GET", f"/replay-runs/{run.pk}").json()["state"] == "running"


def test_attempts_carry_response_fingerprint_comparison_and_verdict(call, project):
    original = make_interaction(project=project)
    run = make_run(project=project)
    make_attempt(run=run, original=original, verdict="identical")

    (attempt,) = call("GET", f"/replay-runs/{run.pk}/attempts").json()["items"]

    assert attempt["interaction"] == str(original.pk)
    assert attempt["verdict"] == "identical"
    assert attempt["fingerprint"] == "fp_44709d6fcb"
    assert attempt["response"]["choices"][0]["message"]["content"] == "Within five days."
    assert attempt["comparison"]["sentence"] == "The answers are identical, word for word."


def test_a_failed_attempt_says_what_failed(call, project):
    run = make_run(project=project, failed=1)

    (attempt,) = call("GET", f"/replay-runs/{run.pk}/attempts").json()["items"]

    assert (attempt["state"], attempt["verdict"], attempt["response"]) == ("failed", "failed", None)
    assert attempt["comparison"] is None
    assert "did not answer" in attempt["error"]


@pytest.mark.parametrize(
    ("body", "is_json", "found"),
    [
        (
            b'{"n": 12345678901234567890.5, "x": 1, "x": 2}',
            True,
            b'{"n": 12345678901234567890.5, "x": 1, "x": 2}',
        ),
        (b"<html>\xed\xa0\x80", False, b'"<html>\\ud800"'),
    ],
)
def test_a_response_goes_out_as_it_came(call, project, body, is_json, found):
    run = make_run(project=project, verdicts=["identical"])
    answer = Attempt.objects.get().answer
    InteractionBody.objects.filter(pk=answer.pk).update(response=compress(body), response_is_json=is_json)

    answered = call("GET", f"/replay-runs/{run.pk}/attempts")

    assert b'"response": ' + found in answered.content


def test_attempts_come_in_pages_that_hold_each_once(call, project):
    run = make_run(project=project, verdicts=["identical"] * 3, failed=2)
    for attempt in Attempt.objects.all():
        make_attempt(run=run, original=attempt.original, number=2, state="queued")

    seen, cursor = [], ""
    while cursor is not None:
        page = call("GET", f"/replay-runs/{run.pk}/attempts?limit=4&cursor={cursor}").json()
        seen += [(item["interaction"], item["number"]) for item in page["items"]]
        cursor = page["next"]

    assert len(seen) == len(set(seen)) == 10
    assert seen == sorted(seen)


@pytest.mark.parametrize("query", ["cursor=x", "cursor=aTAxOTM", "limit=0", "limit=501", "limit=x"])
def test_a_page_that_cannot_be_is_refused(call, project, query):
    run = make_run(project=project, verdicts=["identical"])

    answer = call("GET", f"/replay-runs/{run.pk}/attempts?{query}")

    assert answer.status_code == 422
    assert answer.json()["field"] in query


def test_a_page_of_attempts_costs_the_same_handful_of_queries(call, project, django_assert_max_num_queries):
    run = make_run(project=project, verdicts=["identical"] * 12)

    with django_assert_max_num_queries(10):
        call("GET", f"/replay-runs/{run.pk}/attempts")


def test_runs_are_listed_newest_first(call, project):
    runs = [make_run(project=project, verdicts=["identical"]) for _ in range(3)]

    page = call("GET", "/replay-runs?limit=2").json()
    rest = call("GET", f"/replay-runs?limit=2&cursor={page['next']}").json()

    found = [item["id"] for item in page["items"] + rest["items"]]
    assert found == [str(run.pk) for run in sorted(runs, key=lambda run: run.pk, reverse=True)]
    assert rest["next"] is None


def test_a_cancelled_run_says_so(call, originals):
    run = call("POST", "/replay-runs", {"filter": {}}).json()

    answer = call("POST", f"/replay-runs/{run['id']}/cancel", scopes=("replay",))

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["cancelled"]) == ("cancelled", 2)


def test_cancelling_what_has_ended_changes_nothing(call, project):
    run = make_run(project=project, verdicts=["identical"])

    answer = call("POST", f"/replay-runs/{run.pk}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (202, "done")


def test_what_failed_is_queued_again(call, project):
    run = make_run(project=project, verdicts=["identical"], failed=2)

    answer = call("POST", f"/replay-runs/{run.pk}/retry")

    assert (answer.status_code, answer.json()["state"], answer.json()["failed"]) == (202, "running", 0)


@pytest.mark.parametrize(
    ("method", "path", "scopes", "status"),
    [
        ("POST", "", ("read",), 403),
        ("GET", "", ("replay",), 200),
        ("GET", "/{run}", ("replay",), 200),
        ("GET", "/{run}", ("ingest",), 403),
        # What was answered is data: who may only start runs does not see it.
        ("GET", "/{run}/attempts", ("replay",), 403),
        ("POST", "/{run}/cancel", ("read",), 403),
        ("POST", "/{run}/retry", ("review",), 403),
    ],
)
def test_a_key_may_what_its_scopes_say(call, project, method, path, scopes, status):
    run = make_run(project=project, verdicts=["identical"])

    answer = call(
        method, f"/replay-runs{path.format(run=run.pk)}", {} if method == "POST" else None, scopes=scopes
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/attempts"), ("POST", "/cancel"), ("POST", "/retry")]
)
def test_a_run_of_another_project_is_not_there(call, project, method, path):
    run = make_run(project=make_project(), verdicts=["identical"])

    assert call(method, f"/replay-runs/{run.pk}{path}").status_code == 404
    assert call(method, f"/replay-runs/{uuid4()}{path}").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_run_goes_from_queued_to_done(call, project):
    with answering() as provider:
        provider.behave = lambda _: completion("Paris.", fingerprint="fp_one")
        asked = make_provider(project=project, name="acme", base_url=provider.base_url)
        original = make_interaction(project=project, provider=asked, answer="Paris.", fingerprint="fp_one")
        run = call("POST", "/replay-runs", {"interactions": [str(original.pk)], "attempts": 2}).json()

        replay.work(run_id=run["id"], worker="w1", seconds=600)
        while compare.compare_new(now=NOW):
            pass

    found = call("GET", f"/replay-runs/{run['id']}").json()
    assert (found["state"], found["verdicts"]) == ("done", {"identical": 2})
