"""Words come behind the recording: once for each interaction, whatever happens between."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.models import Value

from reviewapp.formats.interchange import read_interaction
from reviewapp.formats.packed import compress
from reviewapp.models import Interaction, InteractionText, WaitingWords, unsearchable
from reviewapp.models.filters import Filter, apply
from reviewapp.pure.ids import new_id
from reviewapp.stages import record, review
from reviewapp.stages.record import wording
from tests.factories import NOW, make_interaction, make_project, make_queue

pytestmark = pytest.mark.django_db


def arrival(project, prompt):
    text = json.dumps({"request": {"model": "m", "messages": [{"role": "user", "content": prompt}]}})
    return record.Arrival(id=new_id(), project_id=project.pk, received_at=NOW, content=read_interaction(text))


def recorded(project, *prompts, now=NOW):
    arrivals = [arrival(project, prompt) for prompt in prompts]
    record.record_now(arrivals=arrivals, now=now)
    return [one.id for one in arrivals]


def found(project, text):
    rows = apply(Interaction.objects.all(), Filter(q=text), project=project)
    return set(rows.values_list("pk", flat=True))


def test_what_is_recorded_waits_until_its_words_are_indexed(project):
    parcel, _ = recorded(project, "Where is my parcel?", "A refund, please.")

    assert unsearchable().interactions == 2
    assert unsearchable().since == NOW
    assert record.index_words() == 2
    assert found(project, "parcel") == {parcel}
    assert unsearchable().interactions == 0
    assert record.index_words() == 0


def test_an_arrival_that_comes_twice_waits_once(project):
    one = arrival(project, "Where is my parcel?")
    record.record_now(arrivals=[one], now=NOW)
    record.record_now(arrivals=[one], now=NOW)

    assert unsearchable().interactions == 1


def test_the_oldest_have_their_turn_first(project):
    early = recorded(project, *["An early parcel."] * 600)
    recorded(project, *["A late refund."] * 600, now=NOW + timedelta(seconds=1))

    record.index_words()

    assert found(project, "parcel") == set(early)
    assert found(project, "refund") == set()
    assert unsearchable().since == NOW + timedelta(seconds=1)


def test_words_that_were_rolled_back_wait_on(project):
    recorded(project, "Where is my parcel?")
    with transaction.atomic():
        record.index_words()
        transaction.set_rollback(True)

    assert unsearchable().interactions == 1
    record.index_words()
    assert len(found(project, "parcel")) == 1


def test_an_interaction_that_has_its_words_keeps_them(project):
    there = make_interaction(project=project, prompt="Where is my parcel?")
    (id_,) = recorded(project, "A refund, please.")
    InteractionText.objects.create(
        interaction_id=id_, project=project, document=SearchVector(Value("parcel"), config="simple")
    )

    record.index_words()

    assert found(project, "parcel") == {there.pk, id_}


def test_of_an_interaction_that_is_gone_nothing_is_kept(project):
    gone, kept = recorded(project, "Where is my parcel?", "Another parcel.")
    Interaction.objects.get(pk=gone).delete()

    record.index_words()

    assert found(project, "parcel") == {kept}
    assert not WaitingWords.objects.exists()


def test_a_project_that_is_gone_holds_up_nobody(project):
    other = make_project()
    recorded(other, "Where is my parcel?")
    Interaction.objects.all().delete()
    (kept,) = recorded(project, "Another parcel.")

    assert record.index_words() == 2
    assert found(project, "parcel") == {kept}


def test_words_that_the_database_refuses_do_not_hold_up_their_neighbours(project):
    kept, refused = recorded(project, "Where is my parcel?", "Short.")
    texts = [(refused.bytes, project.pk.bytes, "no text column holds \x00")]
    WaitingWords.objects.create(
        count=1, texts=compress(msgspec.msgpack.encode(texts)), recorded_at=NOW - timedelta(hours=1)
    )

    assert record.index_words() == 3
    assert {kept} <= found(project, "parcel")
    assert not WaitingWords.objects.exists()


def test_a_rule_that_looks_for_words_waits_for_them(project, admin):
    queue = make_queue(project=project)
    values = review.RuleValues(name="Parcels", filter={"q": "parcel"})
    review.save_rule(actor=admin, queue=queue, values=values, now=NOW)
    review.route(now=NOW + timedelta(seconds=6))
    recorded(project, "Where is my parcel?", now=NOW + timedelta(minutes=1))

    assert review.route(now=NOW + timedelta(hours=1)) == 0
    record.index_words()
    assert review.route(now=NOW + timedelta(hours=1, seconds=10)) == 1


def test_of_what_waits_only_batches_of_what_is_deleted_are_read(project):
    recorded(project, "Where is my parcel?", now=NOW - timedelta(hours=1))
    gone, stays = recorded(project, "A refund, please.", "Thank you.")
    other = WaitingWords.objects.earliest("id")
    # Whoever reads it stumbles.
    WaitingWords.objects.filter(pk=other.pk).update(texts=b"?")

    with transaction.atomic():
        wording.forget(interactions=[gone])
        Interaction.objects.filter(pk=gone).delete()

    WaitingWords.objects.filter(pk=other.pk).delete()
    assert record.index_words() == 1
    assert found(project, "thank") == {stays}
