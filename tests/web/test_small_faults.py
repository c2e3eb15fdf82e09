from __future__ import annotations

import pytest
from django.db import OperationalError
from django.urls import reverse

from reviewapp.models import AlertDelivery, CanarySession
from reviewapp.stages.administer import Refused
from reviewapp.stages.watch import channels, checking, delivering
from tests.factories import (
    NOW,
    make_alert,
    make_canaries,
    make_channel,
    make_key,
    make_session,
)

OTHER = ["b25seS1mb3ItYS10ZXN0LTAwMDAwMDAwMDAwMDAwMDA="]


def test_a_channel_that_is_off_sends_nothing_more(project):
    channel = make_channel(project=project)
    make_alert(project=project)
    type(channel).objects.filter(pk=channel.pk).update(enabled=False)
    AlertDelivery.objects.update(not_before=NOW)

    assert delivering.lease(channel_id=channel.pk, worker="w", now=NOW) is None
    assert AlertDelivery.objects.get().state == "dropped"


@pytest.mark.parametrize("name", ["template", "keyfile", "subfile", "pgpkey"])
def test_an_address_that_opens_a_file_is_refused(admin, name):
    values = channels.ChannelValues(name="a", kind="apprise", url=f"slack://a/b/c?{name}=/etc/passwd")

    with pytest.raises(Refused, match=name):
        channels.save_channel(actor=admin, values=values, now=NOW)


def test_a_database_that_is_away_loses_no_session(project, monkeypatch):
    make_session(canaries=make_canaries(project=project), state="asking")

    def away(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(checking, "_advance", away)
    with pytest.raises(OperationalError):
        checking.advance(now=NOW + 2 * checking.PATIENCE)
    assert CanarySession.objects.get().state == "asking"


def test_a_nul_in_an_address_is_no_fault(client, admin, project):
    client.force_login(admin.person)
    assert client.get(reverse("alerts") + "?kind=%00").status_code == 200
    headers = {"Authorization": f"Bearer {make_key(project=project)}"}
    for where in ("alerts?kind", "backend-changes?provider", "backend-changes?model"):
        assert client.get(f"/api/v1/{where}=%00", headers=headers).status_code == 422, where
