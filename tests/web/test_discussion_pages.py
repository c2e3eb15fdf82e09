from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reviewapp.models import Notification, NotificationChoice, Post, Thread
from reviewapp.stages import discuss, review
from tests.factories import (
    NOW,
    fill_queue,
    make_actor,
    make_attempt,
    make_interaction,
    make_person,
    make_project,
    make_queue,
    make_run,
)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def anna(project):
    return make_actor(project=project, role="reviewer", person=make_person(name="Anna Meyer"))


@pytest.fixture
def bo(project):
    return make_actor(project=project, role="reviewer", person=make_person(name="Bo"))


@pytest.fixture
def one(project):
    return make_interaction(project=project, answer="Within **five** days.")


def signed_in(actor):
    client = Client()
    client.force_login(actor.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def start(actor, one, text="Is it?", **more):
    return discuss.start_thread(actor=actor, interaction=one, text=text, now=NOW, **more)


def page_of(actor, one):
    return signed_in(actor).get(reverse("interaction", args=[one.pk])).content.decode()


def test_words_selected_on_the_page_are_kept_as_they_were_recorded(anna, one):
    answer = signed_in(anna).post(
        reverse("discussion", args=[one.pk]),
        {"text": "Is it?", "place": "answer", "words": "five days", "near": "6"},
        headers=HTMX,
    )

    assert answer.status_code == 200
    assert Thread.objects.get().quote == "five** days"
    kept = json.loads(answer.headers["HX-Trigger"])["discussion-kept"]
    assert kept == {"form": f"thread-new-{one.pk}"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": "  "}, "The text is empty"),
        ({"text": "x", "place": "answer", "words": "six days"}, "don't stand there"),
        ({"text": "x", "place": "moon", "words": "five"}, "names no message"),
        ({"text": "x", "place": "999999", "words": "five"}, "number of a message"),
        ({"text": "x", "place": "²", "words": "five"}, "names no message"),
    ],
)
def test_what_is_refused_says_why_and_leaves_the_page_as_it_is(anna, one, given, says):
    answer = signed_in(anna).post(reverse("discussion", args=[one.pk]), given, headers=HTMX)

    assert answer.status_code == 409
    assert says in answer.content.decode()
    assert not Thread.objects.exists()


def test_without_scripts_what_was_refused_is_shown_again(anna, one):
    answer = signed_in(anna).post(
        reverse("discussion", args=[one.pk]), {"text": "keep me", "place": "answer", "words": "no"}
    )

    assert answer.status_code == 422
    assert "keep me</textarea>" in answer.content.decode()


def test_the_card_is_sent_again_only_when_something_changed(anna, bo, one):
    thread = start(anna, one)
    client = signed_in(bo)
    card = client.get(reverse("discussion", args=[one.pk]), headers=HTMX)
    address = f"{reverse('discussion', args=[one.pk])}?version={card.context['card'].version}"

    assert client.get(address, headers=HTMX).status_code == 204
    discuss.reply(actor=anna, thread=thread, text="It is not.", now=NOW + timedelta(seconds=1))
    assert "It is not." in client.get(address, headers=HTMX).content.decode()


def test_what_people_write_can_not_run_load_or_style(anna, viewer, one):
    hostile = (
        "<script>alert(1)</script> <img src=x onerror=alert(1)> ![x](https://evil.example/x.png) "
        "[go](javascript:alert(1)) [ok](https://example.org) # no heading\n\n# heading\n\n"
        '<span class="dialog">x</span> \u202e backwards'
    )
    start(anna, one, text=hostile)

    page = page_of(viewer, one)

    card = page[page.index('class="card discussion"') :]
    card = card[: card.index("</section>")]
    assert "<script" not in card
    assert "<img" not in card
    assert "javascript:alert" not in card.replace("(javascript:alert(1))", "")
    assert 'href="javascript' not in card
    assert '<span class="dialog"' not in card
    assert "<h1" not in card
    assert "⟨U+202E⟩" in card
    assert 'rel="noopener noreferrer nofollow"' in card


def test_a_mention_is_drawn_as_one_and_a_name_of_nobody_is_not(anna, bo, one):
    start(anna, one, text="@bo and @nobody and `@bo`")

    page = page_of(bo, one)

    assert page.count('<span class="mention">@bo</span>') == 1
    assert "@nobody" in page


def test_removed_words_are_shown_to_nobody(anna, bo, one):
    post = start(anna, one, text="regretted words").posts.get()
    client = signed_in(anna)
    client.post(reverse("post-edit", args=[post.pk]), {"text": "regretted too", "version": "1"})

    client.post(reverse("post-set", args=[post.pk, "removed"]))

    for actor in (anna, bo):
        page = page_of(actor, one)
        assert "regretted" not in page
        assert "Removed by who wrote it" in page
    client.post(reverse("post-set", args=[post.pk, "restored"]))
    assert "regretted too" in page_of(bo, one)


def test_nobody_edits_what_another_wrote(anna, bo, one):
    post = start(anna, one).posts.get()

    answer = signed_in(bo).post(
        reverse("post-edit", args=[post.pk]), {"text": "Mine", "version": "1"}, headers=HTMX
    )

    assert answer.status_code == 409
    assert Post.objects.get().text == "Is it?"


def test_a_thread_is_resolved_and_undone(anna, bo, one):
    thread = start(anna, one)
    client = signed_in(bo)

    answer = client.post(reverse("thread-move", args=[thread.pk, "resolved"]), headers=HTMX)

    toast = json.loads(answer.headers["HX-Trigger"])["toast"]
    assert toast["undo"] == reverse("thread-move", args=[thread.pk, "open"])
    client.post(toast["undo"], headers=HTMX)
    thread.refresh_from_db()
    assert thread.state == "open"
    assert client.post(reverse("thread-move", args=[thread.pk, "gone"])).status_code == 404


def test_names_are_those_of_the_project_alone(anna, bo, one):
    make_actor(project=make_project(), person=make_person(name="Bob Elsewhere"))
    client = signed_in(anna)

    def names(typed):
        return [item["handle"] for item in client.get(reverse("people-names"), {"q": typed}).json()["items"]]

    assert names("b") == ["bo"]
    assert names("mey") == ["anna.meyer"]
    assert names("zz") == []


# ---- blind queues, wherever it is asked ----


def test_in_a_blind_queue_the_words_of_a_judge_stand_nowhere_before_ones_own(project, anna, bo, one):
    queue = make_queue(project=project, judgements_needed=2)
    [item] = fill_queue(queue, one)
    slot = review.take(actor=anna, queue=queue, now=NOW)
    judgement = review.Judgement(scores={"verdict": "bad", "correct": False})
    review.judge(actor=anna, slot_id=slot.pk, judgement=judgement, now=NOW)
    thread = start(anna, one, text="@bo, this is GIVEAWAY", anchor=discuss.Anchor(start=7, end=11))
    client = signed_in(bo)
    told = Notification.objects.get(person=bo.person)

    for address in (
        reverse("interaction", args=[one.pk]),
        reverse("discussion", args=[one.pk]),
        reverse("review-queue", args=[queue.pk]),
        reverse("review-item", args=[item.pk]),
        reverse("notifications"),
        reverse("home"),
        reverse("notification", args=[told.pk]),
    ):
        answer = client.get(address, follow=True)
        assert answer.status_code == 200
        assert "GIVEAWAY" not in answer.content.decode(), address
    refused = client.post(reverse("thread-reply", args=[thread.pk]), {"text": "Hm"}, headers=HTMX)
    assert refused.status_code == 409
    told.refresh_from_db()
    assert told.read_at is None

    mine = review.take(actor=bo, queue=queue, now=NOW)
    review.judge(actor=bo, slot_id=mine.pk, judgement=judgement, now=NOW)
    assert "GIVEAWAY" in client.get(reverse("interaction", args=[one.pk])).content.decode()
    again = client.get(reverse("review-slot", args=[mine.pk]), headers=HTMX).content.decode()
    assert reverse("discussion", args=[one.pk]) in again


def test_both_discussions_stand_beside_a_comparison(project, anna, viewer):
    run = make_run(project=project)
    original = make_interaction(project=project)
    attempt = make_attempt(run=run, original=original, verdict="identical")
    start(anna, original, text="Of the original")
    start(anna, attempt.answer, text="Of the replay")

    page = signed_in(viewer).get(reverse("compare", args=[attempt.pk])).content.decode()

    assert "Of the original" in page
    assert "Of the replay" in page


# ---- notifications ----


def test_opening_a_notification_reads_it_and_leads_to_the_thread(anna, bo, one):
    thread = start(anna, one, text="@bo look")
    told = Notification.objects.get()

    answer = signed_in(bo).get(reverse("notification", args=[told.pk]))

    assert answer["Location"] == f"/interactions/{one.pk}/#thread-{thread.pk}"
    told.refresh_from_db()
    assert told.read_at is not None


def test_nobody_opens_or_reads_anothers_notification(anna, bo, admin, one):
    start(anna, one, text="@bo look")
    told = Notification.objects.get()
    client = signed_in(admin)

    assert client.get(reverse("notification", args=[told.pk])).status_code == 404
    assert client.post(reverse("notification-move", args=[told.pk, "read"])).status_code == 404
    client.post(reverse("notifications-read"))
    told.refresh_from_db()
    assert told.read_at is None


def test_the_bell_counts_what_is_not_read_and_home_lists_what_waits(anna, bo, one):
    start(anna, one, text="@bo look")
    client = signed_in(bo)

    home = client.get(reverse("home")).content.decode()
    assert "Threads waiting for you" in home
    assert "1 notification for you" in home
    client.post(reverse("notifications-seen", args=[one.pk]))
    assert "1 notification for you" not in client.get(reverse("home")).content.decode()


def test_the_bell_counts_more_notifications_than_it_shows(anna, bo, one):
    for _ in range(8):
        start(anna, one, text="@bo look")

    assert "8 notifications for you" in signed_in(bo).get(reverse("home")).content.decode()
    assert "notifications for you" not in signed_in(anna).get(reverse("alerts-bell")).content.decode()


def test_marked_read_and_unread_and_all(anna, bo, one):
    for _ in range(2):
        start(anna, one, text="@bo look")
    client = signed_in(bo)
    first = Notification.objects.first()

    client.post(reverse("notification-move", args=[first.pk, "read"]))
    assert len(client.get(reverse("notifications"), {"state": "unread"}).context["rows"]) == 1
    client.post(reverse("notification-move", args=[first.pk, "unread"]))
    client.post(reverse("notifications-read"))
    assert "All read" in client.get(reverse("notifications"), {"state": "unread"}).content.decode()


def test_a_person_chooses_what_comes_by_mail(bo):
    client = signed_in(bo)

    client.post(reverse("notifications-mail"), {"kinds": ["mention", "change", "nonsense"]})
    client.post(reverse("notifications-mail"), {"kinds": ["mention"]})

    assert [row.kind for row in NotificationChoice.objects.all()] == ["mention"]
    assert 'value="mention" checked' in client.get(reverse("notifications-mail")).content.decode()


def queries_of(client, address):
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        page = client.get(address).content.decode()
    return page, len(captured.captured_queries)


def test_rows_with_open_discussions_are_marked_in_the_list_and_in_queues(anna, project):
    plain, quiet, loud = (make_interaction(project=project) for _ in range(3))
    queue = make_queue(project=project, blind=False)
    fill_queue(queue, plain, quiet, loud)
    discuss.move_thread(actor=anna, thread=start(anna, quiet), to="resolved", now=NOW)
    client = signed_in(anna)
    addresses = reverse("interactions"), reverse("review-queue-items", args=[queue.pk])
    start(anna, loud)
    before = [queries_of(client, address)[1] for address in addresses]
    start(anna, loud)
    start(anna, plain)

    pages = [queries_of(client, address) for address in addresses]

    for page, _n in pages:
        assert page.count('class="threads-mark') == 2
        assert '<span class="visually-hidden">2 open discussions</span>' in page
        assert '<span class="visually-hidden">1 open discussion</span>' in page
        assert f"#discussion-{loud.pk}" in page
        assert f"#discussion-{quiet.pk}" not in page
    # However many more than one there are.
    assert [n for _page, n in pages] == before
