from __future__ import annotations

import base64
import struct
from datetime import timedelta

import pytest

from reviewapp.formats.interchange import Recorded
from reviewapp.formats.packed import compress
from reviewapp.models import Alert, AuditEntry, FailedMessage, Interaction
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from reviewapp.stages.record import second_try
from reviewapp.stages.watch import trouble
from tests import factories
from tests.factories import NOW

LATER = NOW + timedelta(hours=2)
REQUEST = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Where is my parcel?"}]}'


@pytest.fixture
def orphan(project):
    """The answer of a replay whose original is not there, set aside."""
    arrival = record.Arrival(
        id=new_id(),
        project_id=project.pk,
        received_at=NOW,
        content=Recorded(endpoint="chat.completions", request_text=REQUEST, status=200, response_text="{}"),
        replay_of=new_id(),
    )
    record.record_now(arrivals=[arrival], now=NOW)
    return arrival


def failed():
    return list(FailedMessage.objects.filter(recorded_at=None).values_list("pk", flat=True))


def test_what_missed_something_is_recorded_once_that_is_there(project, orphan, admin):
    factories.make_interaction(project=project, id=orphan.replay_of)

    done = second_try.try_again(messages=failed(), actor=admin, now=LATER)

    assert done == second_try.SecondTry(recorded=1, still=0)
    assert Interaction.objects.filter(pk=orphan.id).exists()
    assert FailedMessage.objects.get().recorded_at == LATER
    assert AuditEntry.objects.get(action="failed_message.retry").detail == {"recorded": True}


def test_what_still_can_not_be_recorded_stays_with_its_reason(orphan):
    done = second_try.try_again(messages=failed(), now=LATER)

    assert done == second_try.SecondTry(recorded=0, still=1)
    row = FailedMessage.objects.get()
    assert (row.recorded_at, row.retried_at) == (None, LATER)
    assert "The database refuses it" in row.error


def test_what_was_recorded_is_not_tried_again(project, orphan):
    factories.make_interaction(project=project, id=orphan.replay_of)
    ids = failed()
    second_try.try_again(messages=ids, now=LATER)

    assert second_try.try_again(messages=ids, now=LATER) == second_try.SecondTry()


def test_a_whole_message_that_can_be_read_now_is_taken_apart(project, orphan):
    # As a version set it aside that did not know the packing: the good frame is recorded, the bad one kept.
    good = record.encode(
        record.Arrival(id=new_id(), project_id=project.pk, received_at=NOW, content=orphan.content)
    )
    bad = b"no frame"
    FailedMessage.objects.all().delete()
    record.record_message(message=older_message([good, bad])[:-1], now=NOW)
    FailedMessage.objects.update(payload=older_message([good, bad]).encode())

    done = second_try.try_again(messages=failed(), now=LATER)

    assert done.recorded == 1
    assert Interaction.objects.count() == 1
    assert [bytes(row.payload) for row in FailedMessage.objects.filter(recorded_at=None)] == [bad]


def older_message(frames: list[bytes]) -> str:
    joined = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    return base64.b64encode(compress(joined)).decode()


def test_people_see_what_was_asked(orphan):
    assert second_try.content_of(message=FailedMessage.objects.get()) == REQUEST


def test_what_is_no_frame_is_shown_as_the_bytes_it_is(project):
    record.record_frames(frames=[b"\x00<b>no frame"], now=NOW)

    assert second_try.content_of(message=FailedMessage.objects.get()) == r"\x00<b>no frame"


def test_an_alert_tells_of_what_was_set_aside_once(project, orphan):
    assert trouble.notice_failed_messages(now=LATER) == 1
    assert trouble.notice_failed_messages(now=LATER) == 0

    alert = Alert.objects.get()
    assert (alert.project, alert.kind, alert.path) == (project, "recording", "/settings/operations/")
    assert "The database refuses it" in alert.text


def test_what_names_no_project_is_told_to_who_runs_the_installation(project):
    other = factories.make_project()
    operator = factories.make_person(is_operator=True)
    factories.make_member(project=other, role="admin", person=operator)
    record.record_frames(frames=[b"no frame"], now=NOW)

    trouble.notice_failed_messages(now=LATER)

    alert = Alert.objects.get()
    assert alert.project == other
    assert "retry_failed_messages" in alert.text
