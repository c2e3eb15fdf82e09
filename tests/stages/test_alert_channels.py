from __future__ import annotations

from datetime import time, timedelta

import pytest
from aiohttp import web

from reviewapp.models import AlertChannel, AlertDelivery, AuditEntry, NotAllowed
from reviewapp.providers import webhooks
from reviewapp.pure.addresses import AddressRule
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import channels
from reviewapp.stages.watch.channels import ChannelValues
from tests.answering import answering
from tests.factories import NOW, make_actor, make_alert, make_channel, make_project

HOOK = ChannelValues(name="On call", kind="webhook", url="https://example.org/hook")
HOUR = timedelta(hours=1)


def save(actor, values=HOOK, **changes):
    given = {name: getattr(values, name) for name in ChannelValues.__slots__} | changes
    channel = given.pop("channel", None)
    return channels.save_channel(actor=actor, values=ChannelValues(**given), channel=channel, now=NOW)


def test_a_webhook_gets_a_secret_of_its_own(admin):
    channel = save(admin)

    assert channel.secret.startswith("whsec_")
    assert len(webhooks.key_of(channel.secret)) == 32


def test_a_change_keeps_the_address_and_the_secret(admin):
    channel = save(admin)
    secret = channel.secret

    save(admin, name="On duty", url=None, channel=AlertChannel.objects.get())

    kept = AlertChannel.objects.get()
    assert (kept.name, kept.url, kept.secret) == ("On duty", "https://example.org/hook", secret)


def test_the_audit_trail_does_not_tell_the_address(admin):
    save(admin, url="https://example.org/hook/token-123")

    entry = AuditEntry.objects.get(action="alert_channel.create")
    assert "token-123" not in str(entry.detail)
    assert entry.detail["url_changed"] is True


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"kind": "pigeon"}, "kind"),
        ({"least_severity": "terrible"}, "least_severity"),
        ({"url": None}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "https://user:pw@example.org/"}, "url"),
        ({"url": "https://exa mple.org/"}, "url"),
        ({"kind": "apprise", "url": "nonsense"}, "url"),
        ({"kind": "apprise", "url": "syslog://"}, "url"),
        ({"secret": "short"}, "secret"),
        ({"secret": "whsec_YWJj"}, "secret"),
        ({"quiet_from": time(22)}, "quiet_until"),
        ({"quiet_from": time(22), "quiet_until": time(22)}, "quiet_until"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(admin, changes, field):
    with pytest.raises(Refused) as caught:
        save(admin, **changes)

    assert caught.value.field == field
    assert not AlertChannel.objects.exists()


def test_a_second_channel_of_a_name_is_refused(admin):
    save(admin)

    with pytest.raises(Refused):
        save(admin)


def test_an_address_inside_the_operators_network_is_refused_while_it_is_typed(admin, settings):
    settings.ADDRESS_RULE = AddressRule()

    with pytest.raises(Refused, match="REVIEWAPP_ALLOW_PRIVATE_ADDRESSES"):
        save(admin, url="http://169.254.169.254/latest/meta-data/")


def test_a_reviewer_can_not_make_a_channel(reviewer):
    with pytest.raises(NotAllowed):
        save(reviewer)


def test_what_waits_for_a_channel_that_is_switched_off_is_not_sent(project, admin):
    channel = make_channel(project=project)
    make_alert(project=project)

    assert channels.set_enabled(actor=admin, channel=channel, enabled=False, now=NOW)
    assert not channels.set_enabled(actor=admin, channel=channel, enabled=False, now=NOW)

    row = AlertDelivery.objects.get()
    assert (row.state, row.error) == ("dropped", "The channel was switched off.")


def test_a_deletion_can_be_taken_back_within_the_hour(project, admin):
    channel = make_channel(project=project, name="On call")
    channels.delete_channel(actor=admin, channel=channel, now=NOW)

    assert channels.restore_channel(actor=admin, channel=channel, now=NOW + HOUR / 2)

    assert AlertChannel.objects.standing().get() == channel


def test_a_deletion_can_not_be_taken_back_where_the_name_is_anothers_now(project, admin):
    channel = make_channel(project=project, name="On call")
    channels.delete_channel(actor=admin, channel=channel, now=NOW)
    make_channel(project=project, name="On call")

    with pytest.raises(Refused):
        channels.restore_channel(actor=admin, channel=channel, now=NOW)


def test_the_address_and_the_secret_of_a_deleted_channel_are_forgotten_after_the_hour(project, admin):
    channel = make_channel(project=project)
    channels.delete_channel(actor=admin, channel=channel, now=NOW)

    assert channels.forget_deleted(now=NOW + HOUR / 2) == 0
    assert channels.forget_deleted(now=NOW + HOUR) == 1

    kept = AlertChannel.objects.get()
    assert (kept.url, kept.secret) == (None, None)
    assert not channels.restore_channel(actor=admin, channel=channel, now=NOW + HOUR / 2)


def test_a_channel_of_another_project_can_not_be_touched(project):
    channel = make_channel(project=project)
    outsider = make_actor(project=make_project())

    assert not channels.set_enabled(actor=outsider, channel=channel, enabled=False, now=NOW)
    assert not channels.delete_channel(actor=outsider, channel=channel, now=NOW)


def test_a_test_says_that_nothing_has_happened_and_is_audited(project, admin):
    with answering(lambda _: web.Response(status=200)) as receiver:
        channel = make_channel(project=project, url=f"{receiver.base_url}/hook")

        outcome = channels.test_channel(actor=admin, channel=channel, now=NOW)

    assert outcome.ok
    assert receiver.asked[0].json["type"] == "test"
    assert "Nothing has happened" in receiver.asked[0].json["data"]["text"]
    assert AuditEntry.objects.get(action="alert_channel.test").detail["status"] == 200


def test_a_change_of_quiet_hours_looks_anew_at_what_waits(project, admin):
    channel = make_channel(project=project, name="On call")
    make_alert(project=project)
    AlertDelivery.objects.update(not_before=NOW + 5 * HOUR)

    save(admin, url=None, channel=channel)

    assert AlertDelivery.objects.get().not_before == NOW
