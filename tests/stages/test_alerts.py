from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from reviewapp.models import Alert, AlertChannel, AlertDelivery, AlertMark, AuditEntry, NotAllowed
from reviewapp.stages import watch
from tests.factories import NOW, make_actor, make_alert, make_channel, make_project

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def waiting():
    return AlertDelivery.objects.filter(state="queued")


def test_what_happens_again_joins_its_alert_and_is_counted(project):
    first = make_alert(project=project, key="change:1", now=NOW)

    again = make_alert(project=project, key="change:1", now=NOW + MINUTE, title="It goes on")

    assert again.pk == first.pk
    assert again.count == 2
    assert (again.first_at, again.last_at) == (NOW, NOW + MINUTE)
    assert again.title == "It goes on"


def test_another_key_is_another_alert(project):
    make_alert(project=project, key="change:1")

    make_alert(project=project, key="change:2")

    assert Alert.objects.count() == 2


def test_the_same_key_of_another_project_is_another_alert(project):
    make_alert(project=project, key="change:1")

    make_alert(project=make_project(), key="change:1")

    assert Alert.objects.count() == 2


def test_a_matter_that_rested_for_a_day_is_a_new_alert(project):
    make_alert(project=project, key="change:1", now=NOW)

    make_alert(project=project, key="change:1", now=NOW + 25 * HOUR)

    assert [alert.count for alert in Alert.objects.all()] == [1, 1]


def test_an_alert_makes_a_delivery_for_each_channel_that_wants_it(project):
    wants_all = make_channel(project=project)
    wants_kind = make_channel(project=project, kinds=["backend-change"])
    make_channel(project=project, kinds=["canary"])
    make_channel(project=project, least_severity="critical")
    make_channel(project=project, enabled=False)
    make_channel(project=project, deleted_at=NOW)
    make_channel(project=make_project())

    make_alert(project=project, severity="warning")

    assert {row.channel_id for row in waiting()} == {wants_all.pk, wants_kind.pk}


def test_it_is_not_sent_again_within_the_hour(project):
    make_channel(project=project)
    make_alert(project=project, key="change:1", now=NOW)
    waiting().update(state="sent")

    make_alert(project=project, key="change:1", now=NOW + 59 * MINUTE)

    assert not waiting().exists()


def test_it_is_sent_again_after_the_hour(project):
    make_channel(project=project)
    make_alert(project=project, key="change:1", now=NOW)
    waiting().update(state="sent")

    alert = make_alert(project=project, key="change:1", now=NOW + 61 * MINUTE)

    assert waiting().count() == 1
    assert alert.raised_at == NOW + 61 * MINUTE


def test_it_is_sent_again_at_once_when_it_gets_worse(project):
    make_channel(project=project)
    make_alert(project=project, key="change:1", severity="warning", now=NOW)
    waiting().update(state="sent")

    alert = make_alert(project=project, key="change:1", severity="critical", now=NOW + MINUTE)

    assert alert.severity == "critical"
    assert waiting().count() == 1


def test_within_the_hour_it_stays_as_bad_as_it_was(project):
    make_alert(project=project, key="change:1", severity="critical", now=NOW)

    alert = make_alert(project=project, key="change:1", severity="info", now=NOW + MINUTE)

    assert alert.severity == "critical"


def test_a_delivery_that_still_waits_carries_the_worse_news_too(project):
    make_channel(project=project)
    make_alert(project=project, key="change:1", severity="warning", now=NOW)

    make_alert(project=project, key="change:1", severity="critical", now=NOW + timedelta(seconds=1))

    assert waiting().count() == 1


def test_an_alert_falls_with_the_transaction_of_its_event(project):
    make_channel(project=project)

    with transaction.atomic():
        make_alert(project=project)
        transaction.set_rollback(True)

    assert not Alert.objects.exists()
    assert not AlertDelivery.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"severity": "terrible"},
        {"kind": "Backend Change"},
        {"path": "https://elsewhere.example/"},
        {"path": "//elsewhere.example/"},
    ],
)
def test_an_alert_that_makes_no_sense_is_refused(project, wrong):
    with pytest.raises(ValueError):
        make_alert(project=project, **wrong)


def test_words_that_a_column_can_not_hold_are_made_fit(project):
    alert = make_alert(project=project, title="fp_\x00\ud800" + "x" * 500)

    assert alert.title.startswith("fp_\ufffd\ufffd")
    assert len(alert.title) == 200


def test_the_database_refuses_a_path_that_leads_elsewhere(project):
    alert = make_alert(project=project)

    with pytest.raises(IntegrityError, match="alert_path_inside"), transaction.atomic():
        Alert.objects.filter(pk=alert.pk).update(path="//elsewhere.example/")


def test_the_database_refuses_a_second_waiting_delivery(project):
    channel = make_channel(project=project)
    alert = make_alert(project=project)

    with pytest.raises(IntegrityError, match="alert_delivery_waits_once"), transaction.atomic():
        AlertDelivery.objects.create(alert=alert, channel=channel, not_before=NOW, created_at=NOW)


def test_the_database_refuses_quiet_hours_without_an_end(project):
    with pytest.raises(IntegrityError, match="alert_channel_quiet_both"), transaction.atomic():
        make_channel(project=project, quiet_from=time(22))


def test_the_database_refuses_two_channels_of_one_name(project):
    make_channel(project=project, name="On call")

    with pytest.raises(IntegrityError, match="alert_channel_name_once"), transaction.atomic():
        make_channel(project=project, name="On call")


def test_a_channels_address_and_secret_are_unreadable_in_the_table(project):
    channel = make_channel(project=project, url="https://hooks.example/T0/B0/token", secret="whsec_c2VjcmV0")

    with connection.cursor() as cursor:
        cursor.execute("SELECT url, secret FROM reviewapp_alertchannel WHERE id = %s", [channel.pk])
        kept = b"".join(bytes(value) for value in cursor.fetchone())

    assert b"hooks.example" not in kept
    assert b"whsec" not in kept
    assert AlertChannel.objects.get(pk=channel.pk).url == "https://hooks.example/T0/B0/token"


def test_an_alert_is_unseen_until_a_person_saw_it(project, reviewer, viewer):
    alert = make_alert(project=project, now=NOW)

    watch.note_seen(actor=reviewer, alerts=[alert.pk], now=NOW + MINUTE)

    assert not Alert.objects.unseen_by(reviewer.person, since=NOW).exists()
    assert Alert.objects.unseen_by(viewer.person, since=NOW).exists()


def test_an_alert_that_is_raised_again_is_unseen_again(project, reviewer):
    alert = make_alert(project=project, key="change:1", now=NOW)
    watch.note_seen(actor=reviewer, alerts=[alert.pk], now=NOW + MINUTE)

    make_alert(project=project, key="change:1", now=NOW + 2 * HOUR)

    assert Alert.objects.unseen_by(reviewer.person, since=NOW).get() == alert


def test_an_alert_of_another_project_can_not_be_marked(project):
    alert = make_alert(project=project)
    outsider = make_actor(project=make_project())

    watch.note_seen(actor=outsider, alerts=[alert.pk], now=NOW)

    assert not watch.acknowledge(actor=outsider, alert=alert, now=NOW)
    assert not AlertMark.objects.exists()


def test_acknowledging_is_kept_and_audited_once(project, reviewer):
    alert = make_alert(project=project, now=NOW)

    assert watch.acknowledge(actor=reviewer, alert=alert, now=NOW + MINUTE)
    assert not watch.acknowledge(actor=reviewer, alert=alert, now=NOW + 2 * MINUTE)

    assert not Alert.objects.open().exists()
    assert AuditEntry.objects.filter(action="alert.acknowledge").count() == 1


def test_what_was_acknowledged_is_open_again_when_it_is_raised_again(project, reviewer):
    alert = make_alert(project=project, key="change:1", now=NOW)
    watch.acknowledge(actor=reviewer, alert=alert, now=NOW + MINUTE)

    make_alert(project=project, key="change:1", severity="critical", now=NOW + 2 * MINUTE)

    assert Alert.objects.open().get() == alert


def test_acknowledging_can_be_taken_back(project, reviewer):
    alert = make_alert(project=project, now=NOW)
    watch.acknowledge(actor=reviewer, alert=alert, now=NOW + MINUTE)

    assert watch.take_back(actor=reviewer, alert=alert, now=NOW + 2 * MINUTE)

    assert Alert.objects.open().get() == alert
    assert AuditEntry.objects.filter(action="alert.take_back").exists()


def test_a_viewer_can_not_acknowledge(project, viewer):
    alert = make_alert(project=project)

    with pytest.raises(NotAllowed):
        watch.acknowledge(actor=viewer, alert=alert, now=NOW)
