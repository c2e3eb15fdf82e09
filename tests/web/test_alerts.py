from __future__ import annotations

import json
from datetime import timedelta

import pytest
from aiohttp import web
from django.test import Client
from django.utils import timezone

from reviewapp.models import Alert, AlertChannel, AlertDelivery, AlertMark
from reviewapp.stages import watch
from tests.answering import answering
from tests.factories import (
    make_actor,
    make_alert,
    make_change,
    make_channel,
    make_key,
    make_member,
    make_project,
)

HTMX = {"HX-Request": "true"}
MINUTE = timedelta(minutes=1)
FORM = {
    "name": "On call",
    "kind": "webhook",
    "url": "https://example.org/hook/token-123",
    "least_severity": "warning",
    "time_zone": "Europe/Berlin",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "critical_passes": "on",
}


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def as_admin(admin):
    client = Client()
    client.force_login(admin.person)
    return client


@pytest.fixture
def as_viewer(viewer):
    client = Client()
    client.force_login(viewer.person)
    return client


def text_of(answer) -> str:
    return answer.content.decode()


# ---- the list ----


def test_the_newest_alert_stands_first_and_leads_to_what_it_is_about(project, as_viewer, now):
    make_alert(project=project, title="Older", now=now - MINUTE)
    make_alert(project=project, title="Newer", path="/changes/1/", now=now)

    page = text_of(as_viewer.get("/alerts/"))

    assert page.index("Newer") < page.index("Older")
    assert 'href="/changes/1/"' in page


def test_what_a_model_wrote_is_shown_and_nothing_else(project, as_viewer, now):
    make_alert(project=project, title="<script>alert(1)</script>", text="<img src=x>", now=now)

    page = text_of(as_viewer.get("/alerts/"))

    assert "<script>alert(1)" not in page
    assert "<img src=x>" not in page


def test_the_list_can_be_narrowed(project, reviewer, as_viewer, now):
    make_alert(project=project, title="First", severity="critical", kind="canary", now=now)
    done = make_alert(project=project, title="Second", now=now)
    watch.acknowledge(actor=reviewer, alert=done, now=now)

    def shown(query):
        page = text_of(as_viewer.get(f"/alerts/?{query}", headers=HTMX))
        return [title for title in ("First", "Second") if title in page]

    assert shown("severity=critical") == ["First"]
    assert shown("kind=canary") == ["First"]
    assert shown("state=open") == ["First"]
    assert shown("severity=info") == []


def test_nothing_of_another_project_is_listed(as_viewer, now):
    make_alert(project=make_project(), title="Elsewhere", now=now)

    assert "Elsewhere" not in text_of(as_viewer.get("/alerts/"))


def test_the_list_asks_the_database_as_often_for_many_as_for_few(
    project, reviewer, as_viewer, now, django_assert_max_num_queries
):
    for _ in range(30):
        watch.acknowledge(actor=reviewer, alert=make_alert(project=project, now=now), now=now)

    with django_assert_max_num_queries(23):
        as_viewer.get("/alerts/")


def test_an_acknowledgement_shows_who_gave_it_and_offers_to_take_it_back(project, reviewer, now):
    client = Client()
    client.force_login(reviewer.person)
    alert = make_alert(project=project, now=now - MINUTE)

    answer = client.post(f"/alerts/{alert.pk}/acknowledge/", headers=HTMX)

    assert reviewer.person.short_name in text_of(answer)
    toast = json.loads(answer["HX-Trigger"])["toast"]
    assert toast["undo"] == f"/alerts/{alert.pk}/take-back/"
    client.post(toast["undo"], headers=HTMX)
    assert Alert.objects.open().get() == alert


def test_a_viewer_is_not_offered_to_acknowledge(project, as_viewer, now):
    make_alert(project=project, now=now)

    assert "/acknowledge/" not in text_of(as_viewer.get("/alerts/"))


# ---- the bell ----


def test_the_bell_counts_what_this_person_has_not_seen(project, as_viewer, now):
    make_alert(project=project, now=now)
    make_alert(project=project, now=now)

    assert "2 new alerts" in text_of(as_viewer.get("/alerts/bell/"))
    assert "2 new alerts" in text_of(as_viewer.get("/"))


def test_the_bell_counts_more_than_it_shows(project, as_viewer, viewer, now):
    alerts = [make_alert(project=project, now=now) for _ in range(9)]
    make_alert(project=make_project(), now=now)

    assert "9 new alerts" in text_of(as_viewer.get("/alerts/bell/"))
    for alert in alerts[:4]:
        AlertMark.objects.create(alert=alert, person=viewer.person, seen_at=now + MINUTE)
    assert "5 new alerts" in text_of(as_viewer.get("/alerts/bell/"))


def test_what_one_person_has_seen_stays_new_for_another(project, as_viewer, as_admin, viewer, now):
    alert = make_alert(project=project, now=now)
    AlertMark.objects.create(alert=alert, person=viewer.person, seen_at=now + MINUTE)

    for _ in range(2):
        assert "No new alerts" in text_of(as_viewer.get("/alerts/bell/"))
        assert "1 new alert" in text_of(as_admin.get("/alerts/bell/"))


def test_the_bell_brings_what_waits_for_people(project, as_viewer):
    make_change(project=project)

    told = json.loads(as_viewer.get("/alerts/bell/")["HX-Trigger"])["waiting"]

    assert told["shown"] == {"changes": "1", "review": ""}


def test_to_open_the_bell_is_to_see(project, as_viewer, viewer, now):
    alert = make_alert(project=project, now=now)

    answer = as_viewer.post("/alerts/seen/", {"alerts": f"{alert.pk},nonsense"})

    assert "No new alerts" in text_of(answer)
    assert alert.title in text_of(answer)
    assert AlertMark.objects.get().person == viewer.person


def test_a_new_member_is_not_told_of_what_was_before_they_came(project, now):
    make_alert(project=project, now=now - MINUTE)
    person = make_member(project=project)
    client = Client()
    client.force_login(person)

    assert "No new alerts" in text_of(client.get("/alerts/bell/"))


def test_to_look_at_a_page_changes_nothing(project, as_viewer, now):
    make_alert(project=project, now=now)

    as_viewer.get("/alerts/")

    assert not AlertMark.objects.exists()


# ---- channels ----


def test_a_channel_is_added_and_its_secret_shown_once(project, as_admin):
    answer = as_admin.post("/settings/alerts/new/", FORM)

    channel = AlertChannel.objects.get()
    assert answer.status_code == 200
    assert channel.secret in text_of(answer)
    assert answer["Cache-Control"] == "no-store"
    again = text_of(as_admin.get(f"/settings/alerts/{channel.pk}/"))
    assert channel.secret not in again
    assert "token-123" not in again
    assert "https://example.org/…" in again


def test_a_change_without_an_address_keeps_it(as_admin):
    as_admin.post("/settings/alerts/new/", FORM)
    channel = AlertChannel.objects.get()

    answer = as_admin.post(f"/settings/alerts/{channel.pk}/", FORM | {"url": "", "name": "On duty"})

    assert answer.status_code == 302
    kept = AlertChannel.objects.get()
    assert (kept.name, kept.url) == ("On duty", FORM["url"])


def test_what_is_wrong_is_said_at_its_field(as_admin):
    answer = as_admin.post("/settings/alerts/new/", FORM | {"url": "ftp://example.org/"})

    assert answer.status_code == 422
    assert "Write the address with https://" in text_of(answer)


def test_a_test_says_in_words_what_became_of_it(project, as_admin):
    with answering(lambda _: web.Response(status=403, text="unknown caller")) as receiver:
        channel = make_channel(project=project, url=receiver.base_url)

        refused = text_of(as_admin.post(f"/settings/alerts/{channel.pk}/test/", headers=HTMX))
        receiver.behave = lambda _: web.Response(status=200)
        taken = text_of(as_admin.post(f"/settings/alerts/{channel.pk}/test/", headers=HTMX))

    assert "It answered with status 403: unknown caller" in refused
    assert "The other side took it" in taken


def test_a_deletion_is_offered_to_be_taken_back(project, as_admin):
    channel = make_channel(project=project, name="On call")

    page = text_of(as_admin.post(f"/settings/alerts/{channel.pk}/delete/", follow=True))
    as_admin.post(f"/settings/alerts/{channel.pk}/restore/")

    assert f"/settings/alerts/{channel.pk}/restore/" in page
    assert AlertChannel.objects.standing().get() == channel


def test_the_log_tells_what_failed_and_sends_it_again(project, as_admin, now):
    channel = make_channel(project=project)
    make_alert(project=project, now=now)
    AlertDelivery.objects.update(state="failed", status_code=500, error="It answered with status 500.")
    page = text_of(as_admin.get(f"/settings/alerts/{channel.pk}/"))
    delivery = AlertDelivery.objects.get()

    as_admin.post(f"/settings/alerts/deliveries/{delivery.pk}/retry/")

    assert "It answered with status 500." in page
    assert AlertDelivery.objects.get().state == "queued"


def test_a_channel_is_switched_off_and_on(project, as_admin):
    channel = make_channel(project=project)

    as_admin.post(f"/settings/alerts/{channel.pk}/turn-off/")
    assert not AlertChannel.objects.get().enabled
    as_admin.post(f"/settings/alerts/{channel.pk}/turn-on/")

    assert AlertChannel.objects.get().enabled


def test_an_admin_who_only_reads_elsewhere_opens_no_channel_there(project):
    other = make_project()
    channel = make_channel(project=other)
    admin = make_actor(project=project)
    make_member(project=other, role="viewer", person=admin.person)
    client = Client()
    client.force_login(admin.person)
    client.get(f"/?project={project.slug}")

    assert client.get(f"/settings/alerts/{channel.pk}/").status_code == 404
    assert client.get(f"/settings/alerts/{channel.pk}/?project={other.slug}").status_code == 403


# ---- the API ----


def call(project, query="", scopes=("read",)):
    key = make_key(project=project, scopes=scopes)
    return Client().get(f"/api/v1/alerts{query}", headers={"Authorization": f"Bearer {key}"})


def test_the_api_lists_the_newest_alert_first(project, reviewer, now):
    older = make_alert(project=project, now=now - MINUTE)
    newer = make_alert(project=project, now=now)
    watch.acknowledge(actor=reviewer, alert=older, now=now)

    told = call(project).json()

    assert [item["id"] for item in told["items"]] == [str(newer.pk), str(older.pk)]
    assert told["next"] is None
    assert told["items"][0]["acknowledged"] == []
    assert told["items"][1]["acknowledged"][0]["by"] == reviewer.person.email
    assert told["items"][0]["path"] == newer.path


def test_the_apis_list_goes_on_where_it_ended(project, now):
    for minute in range(3):
        make_alert(project=project, now=now - minute * MINUTE)

    first = call(project, "?limit=2").json()
    second = call(project, f"?limit=2&cursor={first['next']}").json()

    ids = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(ids)) == 3
    assert second["next"] is None


@pytest.mark.parametrize("query", ["?severity=terrible", "?state=shut", "?limit=0", "?cursor=nonsense"])
def test_the_api_refuses_what_makes_no_sense(project, query):
    assert call(project, query).status_code == 422


def test_a_key_that_may_not_read_learns_nothing(project, now):
    make_alert(project=project, now=now)

    assert call(project, scopes=("ingest",)).status_code == 403


def test_a_key_of_another_project_sees_none(project, now):
    make_alert(project=project, now=now)

    assert call(make_project()).json()["items"] == []
