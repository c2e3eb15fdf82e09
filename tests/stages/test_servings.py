"""Servings of stored answers, through the journal to the interaction that they are events of."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from reviewapp.models import FailedMessage, Interaction, Reuse
from reviewapp.pure.ids import new_id
from reviewapp.stages import record
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def serving(project):
    one = factories.make_interaction(
        project=project, source=factories.make_source(project=project, name="bot")
    )
    return record.Serving(
        id=new_id(),
        project=project.pk,
        interaction=one.pk,
        source=one.source_id,
        policy="valid",
        at=NOW,
        trace="t\u00e9",
        end_user="ann",
    )


def test_a_serving_is_noted_at_its_interaction(serving):
    record.record_frames(frames=[record.encode_serving(serving)], now=NOW)

    noted = Reuse.objects.get()
    assert (noted.pk, noted.interaction_id, noted.source_id) == (
        serving.id,
        serving.interaction,
        serving.source,
    )
    assert (noted.policy, noted.at, noted.trace, noted.session, noted.end_user) == (
        "valid",
        NOW,
        "t\u00e9",
        None,
        "ann",
    )


def test_a_frame_that_comes_twice_notes_a_serving_once(serving):
    frame = record.encode_serving(serving)

    record.record_frames(frames=[frame, frame], now=NOW)
    record.record_frames(frames=[frame], now=NOW)

    assert Reuse.objects.count() == 1


def test_a_serving_is_settled_once_it_is_noted(serving):
    frame = record.encode_serving(serving)
    before = record.are_settled(frames=[frame])

    record.record_frames(frames=[frame], now=NOW)

    assert [before, record.are_settled(frames=[frame])] == [False, True]


def test_of_an_interaction_that_is_gone_nothing_is_noted_and_nobody_waits(serving):
    Interaction.objects.all().delete()
    frame = record.encode_serving(serving)

    record.record_frames(frames=[frame], now=NOW)

    assert not Reuse.objects.exists()
    assert record.are_settled(frames=[frame])


def test_nothing_is_noted_at_another_projects_interaction(serving):
    frame = record.encode_serving(replace(serving, project=factories.make_project().pk))

    record.record_frames(frames=[frame], now=NOW)

    assert not Reuse.objects.exists()
    assert record.are_settled(frames=[frame])


def test_a_serving_of_a_source_that_is_gone_has_none(serving):
    record.record_frames(frames=[record.encode_serving(replace(serving, source=uuid4()))], now=NOW)

    assert Reuse.objects.get().source is None


def test_a_serving_that_cannot_be_read_is_set_aside_and_settled(serving):
    frame = record.encode_serving(serving)[:-1]

    record.record_frames(frames=[frame], now=NOW)

    assert FailedMessage.objects.count() == 1
    assert record.are_settled(frames=[frame])


def test_what_the_database_refuses_leaves_its_neighbours_noted(serving):
    refused = replace(serving, id=new_id(), policy="longer than ten")

    record.record_frames(frames=[record.encode_serving(one) for one in (serving, refused)], now=NOW)

    assert [one.pk for one in Reuse.objects.all()] == [serving.id]
    assert FailedMessage.objects.count() == 1
    assert record.are_settled(frames=[record.encode_serving(one) for one in (serving, refused)])


@pytest.mark.parametrize("gone", [False, True])
def test_who_asked_without_a_source_is_hidden_as_unnamed_calls_are(serving, project, gone):
    policy = {"detectors": ["email"]}
    factories.make_source(project=project, name="default", redaction=policy)
    asked = replace(serving, source=uuid4() if gone else None, end_user="ann@example.org")

    record.record_frames(frames=[record.encode_serving(asked)], now=NOW)

    assert "ann@" not in Reuse.objects.get().end_user
