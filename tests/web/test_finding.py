"""Bulk pages, suggestions and the palette, as a person's browser asks for them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from reviewapp.models import AddedTag, BulkWork, Continuation, Selection
from reviewapp.stages import find, review
from tests import factories
from tests.factories import NOW


@pytest.fixture
def me(reviewer) -> Any:
    return reviewer


@pytest.fixture
def client(me) -> Client:
    client = Client()
    client.force_login(me.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(response: Any) -> str:
    return response.content.decode()


def test_a_selection_is_tagged_watched_and_taken_back(client, project, django_capture_on_commit_callbacks):
    rows = [factories.make_interaction(project=project) for _ in range(3)]
    chosen = client.post(reverse("interactions-choose"), {"ids": [rows[0].pk, rows[2].pk, "x"], "to": "tag"})
    form = client.get(chosen.url)
    assert "2 interactions" in text(form)

    with django_capture_on_commit_callbacks(execute=True):
        started = client.post(chosen.url, {"tag": "golden"})
    work = BulkWork.objects.get()
    assert started.url == reverse("bulk", args=[work.pk])
    page = text(client.get(started.url))
    assert "every 1s" in page
    assert "Tag" in text(client.get(reverse("running")))
    while find.step(work_id=work.pk, now=NOW):
        pass

    page = text(client.get(started.url))
    assert "every 1s" not in page
    assert reverse("bulk-undo", args=[work.pk]) in page
    assert text(client.get(reverse("interactions"), {"tag": "golden"})).count("data-row=") == 2
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("bulk-undo", args=[work.pk]))
    while find.step(work_id=work.pk, now=NOW):
        pass
    assert not AddedTag.objects.exists()


@pytest.mark.parametrize("deed", ["flag", "tag", "untag", "queue", "annotate"])
def test_a_deed_that_lacks_something_says_so_and_starts_nothing(client, project, deed):
    factories.make_interaction(project=project)

    page = client.post(f"{reverse('bulk-new')}?deed={deed}", {})

    assert page.status_code == 422
    assert "Not started" in text(page)
    assert not BulkWork.objects.exists()


def test_a_tag_is_taken_off_all_that_have_it(client, project, me, django_capture_on_commit_callbacks):
    row = factories.make_interaction(project=project)
    review.add_tag(actor=me, interaction=row, name="old news", now=NOW)
    assert f"{reverse('bulk-new')}?deed=untag" in text(client.get(reverse("interactions")))
    address = f"{reverse('bulk-new')}?deed=untag&tag=old+news"
    # What one filtered by is what one most likely means.
    assert 'value="old news"' in text(client.get(address))

    with django_capture_on_commit_callbacks(execute=True):
        started = client.post(address, {"tag": "old news"})
    while find.step(work_id=BulkWork.objects.get().pk, now=NOW):
        pass

    assert not AddedTag.objects.exists()
    assert "Taken off" in text(client.get(started.url))


def test_a_wrong_filter_or_deed_is_refused(client):
    assert client.get(reverse("bulk-new"), {"deed": "flag", "seed": "x"}).status_code == 422
    assert client.get(reverse("bulk-new"), {"deed": "burn"}).status_code == 404


def test_what_was_chosen_by_hand_can_be_exported(client, project):
    row = factories.make_interaction(project=project)
    factories.make_interaction(project=project)

    chosen = client.post(reverse("interactions-choose"), {"ids": [row.pk], "to": "export"})

    assert "about 1 interaction" in text(client.get(chosen.url))
    assert Selection.objects.get().interactions == [row.pk]


def test_a_tag_is_put_on_one_interaction_and_taken_off(client, project):
    row = factories.make_interaction(project=project, tags=["recorded"])

    page = client.post(reverse("interaction-tag", args=[row.pk]), {"tag": "<b>good"}, follow=True)
    assert "&lt;b&gt;good" in text(page)
    client.post(reverse("interaction-untag", args=[row.pk]), {"tag": "<b>good"})
    client.post(reverse("interaction-untag", args=[row.pk]), {"tag": "recorded"})

    row.refresh_from_db()
    assert (row.tags, AddedTag.objects.count()) == (["recorded"], 0)


def suggested(client: Client, typed: str) -> list[str]:
    page = text(client.get(reverse("interactions-suggest"), {"q": typed}))
    return [one.replace("&quot;", '"') for one in re.findall(r'data-suggests="([^"]*)"', page)]


def test_fields_values_and_completions_are_suggested(client, project, me):
    row = factories.make_interaction(project=project, tags=["twice"])
    review.add_tag(actor=me, interaction=row, name="two words", now=NOW)
    Continuation.objects.bulk_create(
        Continuation(project=project, context=context, next=word, shown=word.title(), count=4, mass=mass)
        for context, word, mass in [
            ("capital of", "", 0),
            ("capital of", "france", 3),
            ("capital of", "fiji", 1),
        ]
    )

    assert suggested(client, "refund fla") == ["refund flagged:"]
    assert suggested(client, "tag:tw") == ['tag:"two words" ', "tag:twice "]
    assert suggested(client, "finish_reason:s") == ["finish_reason:stop "]
    assert suggested(client, "is:f") == ["is:flagged "]
    assert suggested(client, "the capital of f")[-2:] == ["the capital of France ", "the capital of Fiji "]
    assert suggested(client, "\x00") == []


def test_suggestions_come_from_ones_own_project_alone(client):
    elsewhere = factories.make_project()
    factories.make_interaction(project=elsewhere, model="secret-model")
    Continuation.objects.bulk_create(
        Continuation(project=elsewhere, context="", next=word, shown=word, count=1, mass=1)
        for word in ("", "secret")
    )

    assert suggested(client, "sec") == []
    assert suggested(client, "model:sec") == []


def test_the_palette_finds_views_queues_and_people_that_one_may_see(client, project):
    view = factories.make_view(project=project, name="Late refunds")
    factories.make_view(project=project, name="Late and private", is_shared=False)
    queue = factories.make_queue(project=project, name="Late samples")
    factories.make_queue(project=factories.make_project(), name="Late elsewhere")
    person = factories.make_member(
        project=project, person=factories.make_person(email="late.lou@example.org")
    )
    factories.make_person(email="late.stranger@example.org")

    page = text(client.get(reverse("palette"), {"q": "late"}))

    assert f"?view={view.pk}" in page
    assert reverse("review-queue", args=[queue.pk]) in page
    assert reverse("review-person", args=[person.pk]) in page
    assert "private" not in page
    assert "elsewhere" not in page
    assert "stranger" not in page
