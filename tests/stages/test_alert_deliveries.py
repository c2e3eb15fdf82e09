"""Alerts on their way: real receivers on real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, time, timedelta

import pytest
from aiohttp import web

from reviewapp.models import Alert, AlertDelivery, AuditEntry
from reviewapp.pure.addresses import AddressRule
from reviewapp.stages.watch import delivering
from tests.answering import answering
from tests.factories import NOW, make_actor, make_alert, make_channel, make_project
from tests.receiving_mail import receiving_mail

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DUE = NOW + timedelta(seconds=6)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def receiver():
    with answering(lambda _: web.Response(status=204)) as running:
        yield running


@pytest.fixture
def hook(project, receiver):
    return make_channel(project=project, url=f"{receiver.base_url}/hook", secret=SECRET)


def deliver(channel, *, now=DUE) -> int:
    return delivering.deliver(channel_id=channel.pk, worker="w1", clock=lambda: now)


def test_a_webhook_tells_the_alert_in_json(project, hook, receiver):
    alert = make_alert(project=project, title="It changed", path="/changes/1/", key="change:1")

    deliver(hook)

    [asked] = receiver.asked
    told = asked.json
    assert asked.path == "/v1/hook"
    assert told["type"] == "alerts.raised"
    assert told["data"]["project"] == {"slug": project.slug, "name": project.name}
    [one] = told["data"]["alerts"]
    assert (one["id"], one["title"], one["severity"]) == (str(alert.pk), "It changed", "warning")
    assert one["url"].endswith(f"/changes/1/?project={project.slug}")
    assert AlertDelivery.objects.get().state == "sent"
    assert AlertDelivery.objects.get().status_code == 204


def test_a_webhook_is_signed_as_the_convention_says(project, hook, receiver):
    make_alert(project=project)

    deliver(hook)

    # Computed here from the convention's text, not by our own code.
    [asked] = receiver.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + asked.body
    key = base64.b64decode(SECRET.split("_", 1)[1])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(DUE.timestamp()))
    assert headers["content-type"] == "application/json"


def test_several_alerts_of_a_channel_go_in_one_message(project, hook, receiver):
    make_alert(project=project, title="First", severity="info")
    make_alert(project=project, title="Second", severity="critical")

    deliver(hook)

    [asked] = receiver.asked
    assert [one["title"] for one in asked.json["data"]["alerts"]] == ["Second", "First"]
    assert set(AlertDelivery.objects.values_list("state", flat=True)) == {"sent"}


def test_an_alert_waits_a_moment_for_others(project, hook, receiver):
    make_alert(project=project)

    deliver(hook, now=NOW + timedelta(seconds=1))

    assert receiver.asked == []


def test_what_was_not_accepted_is_tried_again_later_as_the_same_message(project, hook, receiver):
    receiver.behave = lambda _: web.Response(status=503, text="later")
    make_alert(project=project)
    deliver(hook)
    row = AlertDelivery.objects.get()
    assert (row.state, row.status_code, row.error) == ("queued", 503, "It answered with status 503: later")
    receiver.behave = lambda _: web.Response(status=200)
    make_alert(project=project, title="Something new", now=DUE)

    deliver(hook, now=DUE + MINUTE)

    first, again, new = receiver.asked
    assert again.headers["webhook-id"] == first.headers["webhook-id"] != new.headers["webhook-id"]
    assert [one["title"] for one in new.json["data"]["alerts"]] == ["Something new"]


def test_each_wait_is_longer_up_to_an_hour_and_none_like_another():
    waits = [delivering.wait_after(tries=tries) for tries in range(1, 40)]

    assert timedelta(seconds=5) <= waits[0] <= timedelta(seconds=10)
    assert timedelta(seconds=40) <= waits[3] <= timedelta(seconds=80)
    assert max(waits) <= HOUR
    assert min(waits[15:]) >= HOUR / 2
    assert len(set(waits)) == len(waits)


def test_a_receiver_that_asks_to_wait_is_left_in_peace(project, hook, receiver):
    receiver.behave = lambda _: web.Response(status=429, headers={"Retry-After": "1800"})
    make_alert(project=project)

    deliver(hook)

    assert AlertDelivery.objects.get().not_before == DUE + 30 * MINUTE


def test_after_a_day_of_tries_it_gives_up_and_says_so(project, hook, receiver):
    receiver.behave = lambda _: web.Response(status=500)
    other = make_channel(project=project, name="Other")
    make_alert(project=project, title="Lost")
    deliver(hook)

    deliver(hook, now=DUE + DAY)

    row = AlertDelivery.objects.get(channel=hook)
    assert (row.state, row.tries) == ("failed", 2)
    said = Alert.objects.get(kind="delivery")
    assert said.title == f"Alerts do not reach {hook.name}"
    assert "status 500" in said.text
    # By the other channel, never by the one that does not work.
    assert [one.channel for one in AlertDelivery.objects.filter(alert=said)] == [other]


def test_a_receiver_that_is_gone_for_good_is_not_tried_again(project, hook, receiver):
    receiver.behave = lambda _: web.Response(status=410)
    make_alert(project=project)

    deliver(hook)

    assert AlertDelivery.objects.get(channel=hook).state == "failed"


def test_a_redirect_is_not_followed(project, hook, receiver):
    receiver.behave = lambda _: web.Response(status=307, headers={"Location": "/elsewhere"})
    make_alert(project=project)

    deliver(hook)

    assert [asked.path for asked in receiver.asked] == ["/v1/hook"]
    assert "not followed" in AlertDelivery.objects.get().error


def test_an_address_that_the_operator_does_not_allow_is_not_connected_to(project, hook, receiver, settings):
    settings.ADDRESS_RULE = AddressRule()
    make_alert(project=project)

    deliver(hook)

    assert receiver.asked == []
    row = AlertDelivery.objects.get(channel=hook)
    assert row.state == "failed"
    assert "127.0.0.1 is this machine's own address" in row.error


def test_a_receiver_that_is_not_there_is_tried_again(project):
    channel = make_channel(project=project, url="http://127.0.0.1:9/hook")
    make_alert(project=project)

    deliver(channel)

    row = AlertDelivery.objects.get()
    assert (row.state, row.error) == ("queued", "It can't be reached: Connection refused.")


def test_what_a_worker_that_died_had_taken_is_sent_again_under_the_same_id(project, hook, receiver):
    make_alert(project=project)
    taken = delivering.lease(channel_id=hook.pk, worker="dead", now=DUE)
    assert taken is not None

    assert delivering.sweep(now=DUE + MINUTE) == []
    assert delivering.sweep(now=DUE + 3 * MINUTE) == [hook.pk]
    deliver(hook, now=DUE + 3 * MINUTE)

    assert receiver.asked[0].headers["webhook-id"] == f"msg_{taken.message.id.hex}"
    assert AlertDelivery.objects.get().state == "sent"


def test_a_worker_that_lost_its_lease_changes_nothing(project, hook):
    make_alert(project=project)
    late = delivering.lease(channel_id=hook.pk, worker="late", now=DUE)
    delivering.sweep(now=DUE + 3 * MINUTE)
    delivering.lease(channel_id=hook.pk, worker="w2", now=DUE + 3 * MINUTE)

    delivering.store(leased=late, outcome=delivering.Sending(ok=True), now=DUE + 3 * MINUTE)

    row = AlertDelivery.objects.get()
    assert (row.state, row.leased_by) == ("leased", "w2")


def test_what_kills_every_worker_is_given_up_after_a_day(project, hook):
    make_alert(project=project)
    delivering.lease(channel_id=hook.pk, worker="w1", now=DUE)
    delivering.sweep(now=DUE + HOUR)
    delivering.lease(channel_id=hook.pk, worker="w1", now=DUE + DAY)

    delivering.sweep(now=DUE + DAY + HOUR)

    assert AlertDelivery.objects.get().state == "failed"


def test_quiet_hours_postpone_to_their_end(project, hook, receiver):
    hook.quiet_from, hook.quiet_until, hook.time_zone = time(12), time(14), "UTC"
    hook.save()
    make_alert(project=project, severity="warning")

    deliver(hook)

    assert receiver.asked == []
    assert AlertDelivery.objects.get().not_before == datetime(2026, 11, 22, 14, tzinfo=UTC)
    assert deliver(hook, now=NOW + 2 * HOUR) == 1


@pytest.mark.parametrize(("passes", "sent"), [(True, ["Critical"]), (False, [])])
def test_what_is_critical_passes_quiet_hours_if_the_channel_says_so(project, hook, receiver, passes, sent):
    hook.quiet_from, hook.quiet_until, hook.critical_passes = time(12), time(14), passes
    hook.save()
    make_alert(project=project, severity="warning", title="Warning")
    make_alert(project=project, severity="critical", title="Critical")

    deliver(hook)

    assert [one["title"] for asked in receiver.asked for one in asked.json["data"]["alerts"]] == sent


def test_an_admin_sends_again_what_failed(project, admin, hook, receiver):
    receiver.behave = lambda _: web.Response(status=410)
    make_alert(project=project)
    deliver(hook)
    receiver.behave = lambda _: web.Response(status=200)
    row = AlertDelivery.objects.get(channel=hook)

    assert delivering.retry(actor=admin, delivery=row, now=DUE)
    assert not delivering.retry(actor=admin, delivery=row, now=DUE)
    deliver(hook)

    assert AlertDelivery.objects.get(channel=hook).state == "sent"
    assert AuditEntry.objects.filter(action="alert_delivery.retry").count() == 1


def test_an_admin_of_another_project_sends_nothing_again(project, hook):
    make_alert(project=project)
    AlertDelivery.objects.update(state="failed")

    moved = delivering.retry(
        actor=make_actor(project=make_project()), delivery=AlertDelivery.objects.get(), now=DUE
    )

    assert not moved


def test_an_e_mail_reaches_its_reader(project):
    with receiving_mail() as box:
        channel = make_channel(
            project=project,
            kind="apprise",
            url=f"mailto://127.0.0.1:{box.port}?from=app@example.org&to=team@example.org&mode=insecure",
        )
        make_alert(
            project=project, severity="critical", title="It changed — <b>now</b>", text="fp_ä1 is new."
        )

        deliver(channel)

    [mail] = box.messages
    body = mail.get_body(("plain",)) or mail.get_body()
    assert mail["To"] == "team@example.org"
    assert mail["Subject"] == f"[Critical] It changed — <b>now</b> ({project.name})"
    assert "fp_ä1 is new." in body.get_content()
    assert f"/changes/?project={project.slug}" in body.get_content()
    assert AlertDelivery.objects.get().state == "sent"


def test_apprise_connects_to_nothing_that_the_operator_does_not_allow(project, settings):
    settings.ADDRESS_RULE = AddressRule()
    with receiving_mail() as box, answering() as web_service:
        mail = make_channel(
            project=project,
            kind="apprise",
            url=f"mailto://127.0.0.1:{box.port}?from=app@example.org&to=team@example.org&mode=insecure",
        )
        port = web_service.base_url.split(":")[2].split("/")[0]
        chat = make_channel(project=project, kind="apprise", url=f"json://localhost:{port}/x")
        make_alert(project=project)

        deliver(mail)
        deliver(chat)

    assert box.raw == []
    assert web_service.asked == []
    rows = AlertDelivery.objects.filter(channel__in=[mail, chat], alert__kind="backend-change")
    assert {row.state for row in rows} == {"failed"}
    assert all("this machine's own address" in row.error for row in rows)


def test_apprise_follows_no_redirect_into_the_network(project, settings):
    settings.ADDRESS_RULE = AddressRule.of("127.0.0.1")
    with answering() as service:
        port = service.base_url.split(":")[2].split("/")[0]
        service.behave = lambda _: web.Response(
            status=307, headers={"Location": f"http://127.0.0.2:{port}/secret"}
        )
        channel = make_channel(project=project, kind="apprise", url=f"json://127.0.0.1:{port}/x?redirect=yes")
        make_alert(project=project)

        deliver(channel)

    assert [asked.path for asked in service.asked] == ["/x"]
    assert "127.0.0.2 is this machine's own address" in AlertDelivery.objects.get(channel=channel).error
