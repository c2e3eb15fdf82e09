"""A query that is composed once gives what the same queryset gives, whatever its values are."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F, TextField
from django.utils import timezone

from reviewapp.models import ApiKey, Membership, Person, Queue, QueueItem
from reviewapp.models.composed import Composed, NotComposable, one_of
from reviewapp.stages.administer import create_api_key
from reviewapp.stages.administer.keys import digest_of
from tests.factories import (
    fill_queue,
    make_actor,
    make_interaction,
    make_person,
    make_project,
    make_queue,
)


def test_it_gives_the_rows_of_the_values_that_it_is_asked_with(project):
    queues = [make_queue(project=project, name=name) for name in ("One", "Two")]
    by_key = Composed(lambda pk: Queue.objects.filter(pk=pk))

    assert [by_key.first(pk=queue.pk).name for queue in queues] == ["One", "Two"]


def test_it_is_composed_once(project):
    composed = []

    def compose(pk):
        composed.append(pk)
        return Queue.objects.filter(pk=pk)

    by_key = Composed(compose)
    for _ in range(3):
        by_key.rows(pk=uuid4())

    assert len(composed) == 1


def test_objects_come_whole_with_what_was_selected_beside_them(project, django_assert_num_queries):
    reviewer = make_actor(project=project, role="reviewer").person
    own = Composed(lambda person: Membership.objects.filter(person=person).select_related("project"))

    with django_assert_num_queries(1):
        found = own.first(person=reviewer.pk)
        name = found.project.name

    expected = Membership.objects.get(person=reviewer)
    assert name == project.name
    assert {field.attname: getattr(found, field.attname) for field in Membership._meta.concrete_fields} == {
        field.attname: getattr(expected, field.attname) for field in Membership._meta.concrete_fields
    }


def test_what_is_not_there_beside_an_object_is_none(project):
    (item,) = fill_queue(make_queue(project=project))
    found = Composed(
        lambda pk: QueueItem.objects.filter(pk=pk).select_related("attempt", "interaction__body")
    )

    assert found.first(pk=item.pk).attempt is None
    assert found.first(pk=item.pk).interaction.body.request_text


def test_json_is_read(project):
    queue = make_queue(project=project, disagreement={"verdict": "never"})

    assert Composed(lambda pk: Queue.objects.filter(pk=pk)).first(pk=queue.pk).disagreement == {
        "verdict": "never"
    }


def test_what_is_annotated_stands_on_the_object(project):
    queue = make_queue(project=project, judgements_needed=2)
    found = Composed(lambda pk: Queue.objects.filter(pk=pk).annotate(twice=F("judgements_needed") * 2))

    assert found.first(pk=queue.pk).twice == 4


def test_values_come_as_rows(project):
    queue = make_queue(project=project, disagreement={"verdict": "never"})
    found = Composed(lambda pk: Queue.objects.filter(pk=pk).values_list("name", "disagreement"))

    assert [tuple(row) for row in found.rows(pk=queue.pk)] == [("Samples", {"verdict": "never"})]


def test_a_value_may_stand_in_several_places_and_beside_constants(project):
    queue = make_queue(project=project)
    fill_queue(queue, make_interaction(project=project))
    found = Composed(
        lambda project, now: QueueItem.objects.filter(
            project=project, queue__project=project, state="pending", created_at__lt=now
        )
    )

    assert len(found.rows(project=project.pk, now=timezone.now() + timedelta(days=9_000))) == 1
    assert found.rows(project=make_project().pk, now=timezone.now() + timedelta(days=9_000)) == []


@pytest.mark.django_db
def test_a_value_that_is_sent_as_something_else_is_refused():
    with pytest.raises(NotComposable):
        Composed(lambda word: Queue.objects.filter(name__icontains=word)).rows(word="x")


@pytest.mark.django_db
def test_a_value_that_makes_other_sql_is_refused():
    with pytest.raises(NotComposable):
        Composed(lambda rubric: Queue.objects.filter(rubric=rubric)).rows(rubric=None)


@pytest.mark.django_db
def test_a_person_who_is_not_there_is_told_as_ever():
    with pytest.raises(Person.DoesNotExist):
        Person.objects.get(pk=uuid4())


@pytest.mark.django_db
def test_who_is_asked_for_among_some_people_is_one_of_them():
    queue = make_queue(project=make_project())
    stranger = make_person()

    with pytest.raises(Person.DoesNotExist):
        queue.reviewers.get(pk=stranger.pk)


def test_some_are_one_parameter_however_many_they_are(project):
    queues = [make_queue(project=project, name=name) for name in ("One", "Two", "Three")]
    some = Composed(lambda ids: Queue.objects.filter(one_of("id", ids)).order_by("created_at", "id"))
    ids = [queue.pk for queue in queues]

    assert some.rows(ids=[]) == []
    assert {queue.name for queue in some.rows(ids=ids[:2])} == {"One", "Two"}
    assert len(some.rows(ids=ids)) == 3


def test_some_texts_are_one_parameter_too(project):
    for name in ("One", "Two"):
        make_queue(project=project, name=name)
    others = Composed(lambda names: Queue.objects.exclude(one_of("name", names, TextField())))

    assert len(others.rows(names=[])) == 2
    assert [queue.name for queue in others.rows(names=["Two", "Three"])] == ["One"]


def test_bytes_are_sent_as_they_are(project):
    key, secret = create_api_key(project=project, name="bot", scopes=["read"], now=timezone.now())
    by_digest = Composed(lambda digest: ApiKey.objects.filter(digest=digest))

    assert by_digest.first(digest=digest_of(secret)) == key
    assert by_digest.first(digest=b"another") is None


def test_nobody_is_given_what_another_asked_for(project):
    people = [make_actor(project=make_project(), role="reviewer").person for _ in range(3)]
    own = Composed(lambda person: Membership.objects.filter(person=person))

    assert [own.first(person=person.pk).person_id for person in people] == [person.pk for person in people]
