from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connection

from reviewapp.models import Membership, Notification, NotificationMail, Post
from reviewapp.stages import discuss, review
from reviewapp.stages.discuss import mailing
from tests.factories import (
    NOW,
    fill_queue,
    make_actor,
    make_change,
    make_interaction,
    make_person,
    make_project,
    make_queue,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def anna(project):
    return make_actor(project=project, role="reviewer", person=make_person(name="Anna"))


@pytest.fixture
def bo(project):
    return make_actor(project=project, role="reviewer", person=make_person(name="Bo"))


@pytest.fixture
def looked(project):
    """The app has looked before, a while ago."""
    discuss.notice(now=NOW - timedelta(hours=1))


def judge(actor, queue, verdict="good", now=NOW):
    slot = review.take(actor=actor, queue=queue, now=now)
    judgement = review.Judgement(scores={"verdict": verdict, "correct": True})
    return review.judge(actor=actor, slot_id=slot.pk, judgement=judgement, now=now).annotation


def sentences(actor):
    rows = Notification.objects.filter(person=actor.person).select_related("by").order_by("created_at", "id")
    return [discuss.sentence_of(row) for row in rows]


def save_queue(admin, **values):
    found = review.QueueValues(**{"name": "Samples", **values})
    return review.save_queue(actor=admin, values=found, now=NOW)


# ---- what is noticed ----


def test_who_is_named_for_a_queue_is_asked_once(admin, anna, bo, looked):
    queue = save_queue(admin, reviewers=[anna.person.pk, admin.person.pk], adjudicators=[bo.person.pk])
    discuss.notice(now=NOW)
    review.save_queue(
        actor=admin,
        queue=queue,
        values=review.QueueValues(name="Samples", reviewers=[anna.person.pk], adjudicators=[bo.person.pk]),
        now=NOW + MINUTE,
    )
    discuss.notice(now=NOW + 2 * MINUTE)

    who = admin.person.short_name
    assert sentences(anna) == [f"{who} asks you to review in “Samples”"]
    assert sentences(bo) == [f"{who} asks you to decide where people disagree in “Samples”"]
    assert sentences(admin) == []


def test_judges_hear_what_was_decided_and_whether_theirs_counts(project, admin, anna, bo, looked):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue)
    chosen = judge(anna, queue, "good")
    judge(bo, queue, "bad")
    discuss.notice(now=NOW)
    assert sentences(admin) == ["People disagree in “Samples”, and you decide"]

    review.adjudicate(actor=admin, item_id=queue.items.get().pk, chosen=chosen.pk, now=NOW + MINUTE)
    discuss.notice(now=NOW + MINUTE)

    who = admin.person.short_name
    assert sentences(anna) == [f"{who} decided in “Samples”: your judgement counts"]
    assert sentences(bo) == [f"{who} decided in “Samples”: another judgement than yours counts"]


def test_disagreements_of_a_queue_are_told_once_a_day(project, admin, anna, bo, looked):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])
    for _ in range(3):
        judge(anna, queue, "good")
        judge(bo, queue, "bad")

    discuss.notice(now=NOW)

    assert len(sentences(admin)) == 1


def test_who_had_judged_what_is_sent_back_hears_of_it(project, admin, anna, looked):
    queue = make_queue(project=project)
    fill_queue(queue)
    judge(anna, queue)

    review.requeue(actor=admin, item_id=queue.items.get().pk, now=NOW)
    discuss.notice(now=NOW)

    who = admin.person.short_name
    assert sentences(anna) == [f"{who} sent an item of “Samples” back that you had judged"]


def test_admins_hear_of_a_change_until_it_is_decided(project, admin, anna, looked):
    change = make_change(project=project)
    discuss.notice(now=NOW)
    discuss.notice(now=NOW)
    assert len(sentences(admin)) == 1
    assert sentences(anna) == []

    change.state, change.decided_at = "dismissed", NOW
    change.save()
    discuss.notice(now=NOW + MINUTE)

    assert Notification.objects.get().read_at == NOW + MINUTE


def test_what_was_done_before_there_were_notifications_is_no_news(admin, anna):
    save_queue(admin, reviewers=[anna.person.pk])

    discuss.notice(now=NOW + MINUTE)
    discuss.notice(now=NOW + timedelta(hours=1))

    assert sentences(anna) == []


def test_an_entry_that_is_committed_late_is_noticed(admin, anna, looked):
    discuss.notice(now=NOW + MINUTE)
    save_queue(admin, reviewers=[anna.person.pk])

    discuss.notice(now=NOW + 2 * MINUTE)

    assert len(sentences(anna)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_tell_the_same_at_once_tell_it_once():
    project = make_project()
    anna = make_actor(project=project)
    discuss.choose_mails(person=anna.person, kinds=["change"])
    matter = discuss.Matter(kind="change", key="change:1", path="/changes/")
    begin = Barrier(2)

    def tell():
        begin.wait()
        discuss.tell(project=project, people=[anna.person.pk], matter=matter, now=NOW)
        connection.close()

    hands = [Thread(target=tell) for _ in range(2)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()

    assert Notification.objects.count() == NotificationMail.objects.count() == 1


# ---- reading ----


def test_reading_is_ones_own(project, anna, bo):
    for actor in (anna, bo):
        matter = discuss.Matter(kind="change", key="change:1", path="/changes/")
        discuss.tell(project=project, people=[actor.person.pk], matter=matter, now=NOW)
    ids = list(Notification.objects.values_list("pk", flat=True))

    assert discuss.mark_read(actor=anna, ids=ids, now=NOW) == 1
    assert Notification.objects.get(person=bo.person).read_at is None
    assert discuss.mark_read(actor=anna, ids=ids, now=NOW, read=False) == 1
    assert not Notification.objects.filter(read_at__isnull=False).exists()


def test_seeing_an_interactions_threads_reads_what_tells_of_them(project, anna, bo):
    here, there = make_interaction(project=project), make_interaction(project=project)
    for one in (here, there):
        discuss.start_thread(actor=anna, interaction=one, text="@bo look", now=NOW)

    assert discuss.mark_thread_read(actor=bo, interaction_id=here.pk, now=NOW) == 1
    assert Notification.objects.get(read_at=None).post.thread.interaction == there


# ---- mail ----


@pytest.fixture
def mentioned(project, anna, bo):
    """Bo wants mail of mentions, and Anna mentions him."""
    discuss.choose_mails(person=bo.person, kinds=["mention", "nonsense"])
    one = make_interaction(project=project)
    thread = discuss.start_thread(actor=anna, interaction=one, text="@bo, is <b>five</b> right?", now=NOW)
    return thread.posts.get()


def later(minutes=3):
    return lambda: NOW + minutes * MINUTE


def test_a_mail_goes_to_who_wants_it_with_the_words_and_a_link(mentioned, bo, settings):
    assert discuss.send_due(worker="w", clock=later()) == 1

    [sent] = mail.outbox
    assert sent.to == [bo.person.email]
    assert sent.subject == "[Demo] Anna mentions you in a discussion"
    assert "@bo, is <b>five</b> right?" in sent.body
    thread = mentioned.thread
    address = f"/interactions/{thread.interaction_id}/?project={bo.project.slug}#thread-{thread.pk}"
    assert settings.APP_ADDRESS + address in sent.body
    assert NotificationMail.objects.get().state == "sent"
    assert discuss.send_due(worker="w", clock=later()) == 0


def test_nobody_gets_mail_who_did_not_ask_for_it(project, anna, bo):
    one = make_interaction(project=project)

    discuss.start_thread(actor=anna, interaction=one, text="@bo look", now=NOW)

    assert not NotificationMail.objects.exists()


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda post, bo: discuss.mark_read(actor=bo, now=NOW),
        lambda post, bo: Post.objects.update(removed_at=NOW),
        lambda post, bo: Membership.objects.filter(person=bo.person).delete(),
    ],
    ids=["read", "removed", "no member any more"],
)
def test_what_need_not_be_sent_any_more_is_not(mentioned, bo, meanwhile):
    meanwhile(mentioned, bo)

    assert discuss.send_due(worker="w", clock=later()) == 0
    assert mail.outbox == []
    assert NotificationMail.objects.get().state == "dropped"


def test_it_waits_a_little_for_being_read_in_the_app(mentioned):
    assert discuss.send_due(worker="w", clock=later(minutes=1)) == 0
    assert not discuss.sweep(now=NOW + MINUTE)
    assert discuss.sweep(now=NOW + 3 * MINUTE)


def test_a_mail_does_not_give_away_what_is_hidden_in_a_blind_queue(project, anna, bo):
    discuss.choose_mails(person=bo.person, kinds=["mention"])
    one = make_interaction(project=project)
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, one)
    judge(anna, queue)
    discuss.start_thread(actor=anna, interaction=one, text="@bo it is wrong", now=NOW)

    discuss.send_due(worker="w", clock=later())

    [sent] = mail.outbox
    assert "wrong" not in sent.body + sent.subject
    assert "once you have given your own judgement" in sent.body


def test_a_worker_that_dies_leaves_a_mail_that_is_sent_again_as_the_same(mentioned):
    mailing.lease(worker="dead", now=NOW + 3 * MINUTE)
    assert discuss.send_due(worker="w", clock=later(4)) == 0

    assert discuss.sweep(now=NOW + 6 * MINUTE)
    assert discuss.send_due(worker="w", clock=later(6)) == 1

    row = NotificationMail.objects.get()
    assert (row.state, row.tries) == ("sent", 2)
    assert mail.outbox[0].extra_headers["Message-ID"] == f"<notification-{row.notification_id}@127.0.0.1>"


def test_who_lost_the_lease_stores_nothing(mentioned):
    found = mailing.lease(worker="slow", now=NOW + 3 * MINUTE)
    discuss.sweep(now=NOW + 6 * MINUTE)

    mailing.store(mail=found, worker="slow", error="", may_pass=True, now=NOW + 6 * MINUTE)

    assert NotificationMail.objects.get().state == "queued"


def test_a_mail_server_that_is_away_is_tried_again_for_a_day(mentioned, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9

    discuss.send_due(worker="w", clock=later())

    row = NotificationMail.objects.get()
    assert row.state == "queued"
    assert row.not_before > NOW + 3 * MINUTE
    assert "did not take it" in row.error
    NotificationMail.objects.update(not_before=NOW)
    discuss.send_due(worker="w", clock=later(24 * 60 + 5))
    assert NotificationMail.objects.get().state == "failed"
