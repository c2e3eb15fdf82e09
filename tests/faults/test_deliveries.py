"""What a broker may do with messages, and a machine with its clock: each interaction is recorded once."""

from __future__ import annotations

import json
import time

import pytest
from django.utils import timezone

from reviewapp import tasks
from reviewapp.formats.interchange import read_interaction
from reviewapp.journal import Journal, lag
from reviewapp.models import FailedMessage, Interaction
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from tests.factories import make_project
from tests.serving import settle

pytestmark = pytest.mark.django_db(transaction=True)


def frame(project, *, said: str = "Is it kept?") -> bytes:
    text = json.dumps({"request": {"model": "m", "messages": [{"role": "user", "content": said}]}})
    content = read_interaction(text)
    return record.encode(
        record.Arrival(id=new_id(), project_id=project.pk, received_at=timezone.now(), content=content)
    )


def test_a_message_that_is_delivered_twice_is_recorded_once():
    project = make_project()
    message = record.pack([frame(project) for _ in range(20)])

    tasks.record_batch(frames=message)
    tasks.record_batch(frames=message)
    tasks.record_batch(frames=[*message[5:], frame(project)])

    assert Interaction.objects.count() == 21
    assert not FailedMessage.objects.exists()


def test_a_message_that_says_where_the_frames_stand_is_recorded(journal, settings):
    settings.JOURNAL_SHARED = True
    project = make_project()

    tasks.journal().append_sync([frame(project) for _ in range(20)])
    settle()

    assert Interaction.objects.count() == 20


@pytest.mark.parametrize("place", [["nobody", 1, 8, 99], ["nobody", 1], "nowhere", None])
def test_a_message_that_leads_nowhere_is_left_to_the_journal(place):
    tasks.record_batch(place=place)

    assert not FailedMessage.objects.exists()


def test_a_worker_that_has_another_disk_gets_the_frames_whole_in_the_end(
    journal, settings, monkeypatch, tmp_path
):
    settings.JOURNAL_SHARED = True
    project = make_project()
    monkeypatch.setattr(tasks, "_frames_at", lambda place: None)
    writer = Journal(tmp_path / "writer", delivery=tasks._Delivery(), resend_seconds=0.1)

    writer.append_sync([frame(project)])
    assert writer.wait_until_shipped(seconds=60)
    settle()
    before = Interaction.objects.count()
    end = time.monotonic() + 60
    while not Interaction.objects.exists():
        assert time.monotonic() < end
        settle()
        time.sleep(0.05)
    writer.close()

    assert before == 0


def test_a_poison_message_is_set_aside_and_those_behind_it_are_recorded(journal):
    project = make_project()
    poison = frame(project)[:60]

    tasks.journal().append_sync([frame(project), poison, frame(project)])
    settle()
    tasks.record_batch(frames="no message of ours")

    assert Interaction.objects.count() == 2
    failed = list(FailedMessage.objects.order_by("created_at"))
    assert [bytes(one.payload) for one in failed] == [poison, b"no message of ours"]
    assert all(one.error for one in failed)


def test_a_clock_that_jumps_back_loses_nothing(journal, monkeypatch, settings):
    project = make_project()
    now = time.time_ns()
    frames = [frame(project, said=str(number)) for number in range(30)]

    for number, one in enumerate(frames):
        # An hour ahead, an hour behind, and so on.
        jumped = now + (-1) ** number * 3_600_000_000_000
        monkeypatch.setattr(time, "time_ns", lambda jumped=jumped: jumped)
        tasks.journal().append_sync([one])
    monkeypatch.undo()
    waited = lag(tasks.journal().path).oldest_seconds
    settle()

    assert waited >= 0
    stored = set(Interaction.objects.values_list("id", flat=True))
    assert stored == {record.decode(one).id for one in frames}
