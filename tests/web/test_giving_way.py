"""What is done with recordings gives way to recording, for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp import tasks
from reviewapp.models import Fingerprint
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from tests import factories
from tests.serving import settle


def recorded(project, *, seconds_ago):
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    factories.make_interaction(project=project, started_at=moment, created_at=moment)


def wait_to_be_recorded(journal, project):
    call = record.Wire(endpoint="embeddings", request=b"{}", status=200, started_at=timezone.now())
    arrival = record.Arrival(id=new_id(), project_id=project.pk, received_at=timezone.now(), content=call)
    journal.append_sync([record.encode(arrival)])
    assert journal.wait_until_shipped(seconds=120)


@pytest.mark.django_db
def test_counting_waits_for_what_is_to_be_recorded(project, journal, monkeypatch):
    # However long it takes until it is asked.
    monkeypatch.setattr(tasks, "_PATIENCE_SECONDS", 600.0)
    recorded(project, seconds_ago=10)
    wait_to_be_recorded(journal, project)

    tasks.watch_pull()
    meanwhile = Fingerprint.objects.count()
    settle()
    tasks.watch_pull()

    assert (meanwhile, Fingerprint.objects.count()) == (0, 1)


@pytest.mark.django_db
def test_counting_that_is_far_behind_waits_no_longer(project, journal):
    recorded(project, seconds_ago=60)
    wait_to_be_recorded(journal, project)

    tasks.watch_pull()

    assert Fingerprint.objects.count() == 1
