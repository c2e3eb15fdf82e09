from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviewapp.models import BackendChange, Comparison, Export, SeenKind, Verification
from reviewapp.stages import watch
from reviewapp.stages.watch import Seen
from tests.factories import NOW, make_interaction, make_key, make_member, make_project, make_provider
from tests.stages.test_verifying import approved, finish, flag

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def provider(project):
    return make_provider(project=project, base_url="http://127.0.0.1:9/v1")


def opened(project, provider, model="gpt-4o-mini", key="new_value:fp_new", at=NOW):
    seen = Seen(
        kind=SeenKind.NEW_VALUE,
        key=key,
        at=at,
        sentence="A value never seen before: fp_new.",
        values=("fp_new",),
        evidence={"before": [["fp_old", 1.0]], "parts": [["version", "1", "2"]], "p": 0.001},
    )
    return watch.open_or_join(project_id=project.pk, provider_id=provider.pk, model=model, event=seen, now=at)


@pytest.fixture
def change(project, provider):
    return opened(project, provider)


@pytest.fixture
def verified(project, admin, change):
    """Two answers kept, one changed, one that could not be measured."""
    for number in range(3):
        approved(project, prompt=f"Approved question {number}")
    flag(make_interaction(project=project, prompt="Flagged question"))
    verification = watch.start_verification(actor=admin, change=change, now=LATER)
    finish(verification, ["identical", "identical", "backend_changed", None])
    change.refresh_from_db()
    return change


@pytest.fixture
def as_admin(client, admin):
    client.force_login(admin.person)
    return client


def post(client, change, deed, **data):
    return client.post(f"/changes/{change.pk}/{deed}/", data)


def test_the_list_shows_what_waits(as_admin, change):
    page = as_admin.get("/changes/").content.decode()

    assert "A new fingerprint answers for gpt-4o-mini" in page
    assert "not verified" in page


def test_the_list_narrows_to_what_is_decided(as_admin, change):
    page = as_admin.get("/changes/?show=decided").content.decode()

    assert "A new fingerprint answers" not in page
    assert "None of these" in page


def test_without_changes_the_list_says_what_would_stand_here(as_admin):
    assert "No backend has changed" in as_admin.get("/changes/").content.decode()


def test_the_rail_counts_what_waits(as_admin, change):
    page = as_admin.get("/changes/").content.decode()

    assert 'rail-count" data-count="changes" data-urgent><span data-figure>1' in page


def test_home_tells_of_a_change_that_waits(as_admin, change, project):
    make_interaction(project=project)

    assert "waits for a decision" in as_admin.get("/").content.decode()


def queries_of(client, path):
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    return len(queries)


def test_the_list_costs_the_same_for_one_change_and_for_many(as_admin, project, provider, change):
    as_admin.get("/changes/")
    for_one = queries_of(as_admin, "/changes/")
    for number in range(12):
        opened(project, provider, model=f"model-{number}")

    assert queries_of(as_admin, "/changes/") == for_one


def test_the_story_tells_what_was_seen(as_admin, change):
    page = as_admin.get(f"/changes/{change.pk}/").content.decode()

    assert "A value never seen before: fp_new." in page
    assert "Answers until then" in page
    assert "Chance of this without a change" in page
    assert "nothing to verify" in page


def test_before_verifying_it_says_what_would_be_asked(as_admin, project, change):
    approved(project)
    flag(make_interaction(project=project))

    page = as_admin.get(f"/changes/{change.pk}/").content.decode()

    assert "Judged answers of this model: 1 approved, 1 flagged." in page
    assert "Verify now" in page


def test_before_verifying_the_page_counts_no_judgements(as_admin, project, change):
    BackendChange.objects.update(
        scope={"approved": 91_234, "flagged": 12, "asked": 1000}, scoped_at=NOW, scoping_seconds=2
    )

    with CaptureQueriesContext(connection) as queries:
        page = as_admin.get(f"/changes/{change.pk}/")

    assert "91,234 approved, 12 flagged" in page.content.decode().replace("\u202f", ",")
    assert not [query for query in queries if "reviewapp_annotation" in query["sql"]]


def test_verify_starts_a_run_and_shows_it(as_admin, project, change, django_capture_on_commit_callbacks):
    approved(project)

    with django_capture_on_commit_callbacks() as nudges:
        answer = post(as_admin, change, "verify")

    assert answer["Location"] == f"/changes/{change.pk}/"
    assert len(nudges) == 1
    page = as_admin.get(f"/changes/{change.pk}/").content.decode()
    assert 'hx-trigger="every 1s"' in page
    assert "Waiting for a worker" in page


def test_a_story_at_rest_does_not_poll(as_admin, verified):
    assert "every 1s" not in as_admin.get(f"/changes/{verified.pk}/").content.decode()


def test_a_fragment_is_the_story_alone(as_admin, verified):
    part = as_admin.get(f"/changes/{verified.pk}/", headers={"HX-Request": "true"}).content.decode()

    assert part.lstrip().startswith('<div id="live"')


def test_the_result_says_how_many_were_kept_and_which_changed(as_admin, verified):
    page = as_admin.get(f"/changes/{verified.pk}/").content.decode()

    assert "2 of 4 judged answers came out the same and keep their verdicts; 1 changed" in page
    assert "1 could not be measured" in page
    assert page.count("/compare/") == 1
    assert "Ask 1 that failed again" in page


def test_why_an_answer_counts_as_changed_is_not_cut(as_admin, verified):
    page = as_admin.get(f"/changes/{verified.pk}/").content.decode()

    assert '<span class="changed-reason">' in page


def test_decisions_take_a_column_once_there_is_one(as_admin, admin, verified):
    before = as_admin.get(f"/changes/{verified.pk}/").content.decode()
    Comparison.objects.filter(verdict="backend_changed").update(
        decision="regression", decided_by=admin.person, decided_at=LATER
    )

    after = as_admin.get(f"/changes/{verified.pk}/").content.decode()

    assert "<th>Decision</th>" not in before
    assert "<th>Decision</th>" in after


def test_shares_until_then_add_up(as_admin, project, provider):
    seen = Seen(
        kind=SeenKind.NEW_VALUE,
        key="x",
        at=NOW,
        sentence="New.",
        values=("x",),
        evidence={"before": [["a", 1 / 3], ["b", 1 / 3], ["c", 1 / 3]]},
    )
    change = watch.open_or_join(
        project_id=project.pk, provider_id=provider.pk, model="m", event=seen, now=NOW
    )

    page = as_admin.get(f"/changes/{change.pk}/").content.decode()

    shown = re.findall(r'"meter-figure">(\d+)', page)
    assert sum(int(share) for share in shown) == 100


def test_a_kept_answer_shows_the_verdict_that_was_carried_over(as_admin, verified):
    carried = Verification.objects.get().carried.first()

    new = as_admin.get(f"/interactions/{carried.answer_id}/").content.decode()
    old = as_admin.get(f"/interactions/{carried.original_id}/").content.decode()

    assert "word for word, as the one that was judged" in new
    assert f"/interactions/{carried.original_id}/" in new
    assert f"/changes/{verified.pk}/" in new
    assert "holds for a later answer too" in old


def test_accepting_takes_the_note_and_closes_it(as_admin, verified):
    post(as_admin, verified, "accept", note="Checked the three that changed.")

    page = as_admin.get(f"/changes/{verified.pk}/").content.decode()
    assert "Checked the three that changed." in page
    assert "Take the decision back" in page
    assert BackendChange.objects.get().state == "accepted"


def test_a_missing_note_is_asked_for_and_nothing_decided(as_admin, verified):
    answer = post(as_admin, verified, "accept", note="")

    assert answer.status_code == 422
    assert "Say why the change is fine" in answer.content.decode()
    assert BackendChange.objects.get().state == "verified"


def test_reporting_makes_the_export(as_admin, verified):
    post(as_admin, verified, "report", note="It promises refunds now.")

    made = Export.objects.get()
    assert made.filter == {"regressions": str(verified.pk)}
    assert f"/exports/{made.pk}/" in as_admin.get(f"/changes/{verified.pk}/").content.decode()


def test_a_decision_can_be_taken_back(as_admin, verified):
    post(as_admin, verified, "dismiss")

    post(as_admin, verified, "undo")

    assert BackendChange.objects.get().state == "verified"


def test_viewers_read_and_are_offered_no_decision(client, project, verified):
    client.force_login(make_member(project=project, role="viewer"))

    page = client.get(f"/changes/{verified.pk}/").content.decode()

    assert "2 of 4 judged answers" in page
    assert "Verify again" not in page
    assert "An admin of the project accepts the change" in page


def test_odd_words_of_a_model_are_shown_and_not_run(as_admin, project, provider):
    change = opened(project, provider, model="<script>alert(1)</script>\u202e")

    page = as_admin.get(f"/changes/{change.pk}/").content.decode()

    assert "<script>alert" not in page


def test_the_fingerprints_page_tells_the_other_parts_of_identity(as_admin, project):
    for echoed in (123, 124):
        make_interaction(
            project=project, seed=123, response={"service_tier": "default", "choices": [{"seed": echoed}]}
        )
    # Each interaction is made a second after the one before, and other tests have made many.
    while watch.pull(now=NOW + timedelta(days=2)):
        pass

    page = as_admin.get("/fingerprints/").content.decode()

    assert "seed not honoured" in page
    assert "in 1 of 2 answers" in page
    assert "default" in page


# ---- over the API ----


@pytest.fixture
def read(client, project):
    headers = {"Authorization": f"Bearer {make_key(project=project, scopes=('read',))}"}
    return lambda path="": client.get(f"/api/v1/backend-changes{path}", headers=headers)


def test_the_api_lists_changes_newest_first(read, project, provider, verified):
    newer = opened(project, provider, model="gpt-4o", at=LATER)

    body = read().json()

    assert [item["id"] for item in body["items"]] == [str(newer.pk), str(verified.pk)]
    item = body["items"][1]
    assert (item["provider"], item["model"], item["state"]) == ("openai", "gpt-4o-mini", "verified")
    assert item["events"][0]["kind"] == "new_value"
    found = item["verification"]
    assert (found["asked"], found["kept"], found["changed"], found["unmeasured"]) == (4, 2, 1, 1)
    assert body["next"] is None


def test_the_api_pages_and_narrows(read, project, provider, change):
    opened(project, provider, model="gpt-4o", at=LATER)

    first = read("?limit=1").json()
    second = read(f"?limit=1&cursor={first['next']}").json()

    assert [item["model"] for item in (*first["items"], *second["items"])] == ["gpt-4o", "gpt-4o-mini"]
    assert second["next"] is None
    assert len(read("?model=gpt-4o").json()["items"]) == 1
    assert read("?state=accepted").json()["items"] == []


def test_one_change_is_read_by_its_id(read, change):
    assert read(f"/{change.pk}").json()["title"] == "A new fingerprint answers for gpt-4o-mini"


def test_another_projects_change_is_not_there(client, change):
    key = make_key(project=make_project(), scopes=("read",))
    headers = {"Authorization": f"Bearer {key}"}

    assert client.get("/api/v1/backend-changes", headers=headers).json()["items"] == []
    assert client.get(f"/api/v1/backend-changes/{change.pk}", headers=headers).status_code == 404


def test_the_api_needs_a_key_that_may_read(client, project, change):
    headers = {"Authorization": f"Bearer {make_key(project=project, scopes=('ingest',))}"}

    assert client.get("/api/v1/backend-changes").status_code == 401
    assert client.get("/api/v1/backend-changes", headers=headers).status_code == 403


@pytest.mark.parametrize("query", ["?limit=0", "?limit=501", "?state=nope", "?cursor=%21"])
def test_what_can_not_be_is_refused_with_its_name(read, change, query):
    answer = read(query)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_the_openapi_text_has_the_calls(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]

    assert any(path.startswith("/api/v1/backend-changes") for path in paths)
