from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from reviewapp.models import (
    Alert,
    AuditEntry,
    NotAllowed,
    Notification,
    Post,
    PostRevision,
    Scope,
    actor_for_key,
)
from reviewapp.models import Thread as Discussion
from reviewapp.models.discussing import discussion_of, open_counts, waiting_threads
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import administer, discuss, review
from reviewapp.stages.administer import Refused
from tests.factories import (
    NOW,
    fill_queue,
    make_actor,
    make_channel,
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
def one(project):
    return make_interaction(project=project, answer="Within five days.", prompt="When is my refund due?")


def start(actor, one, text="Is that right?", **more):
    return discuss.start_thread(actor=actor, interaction=one, text=text, now=more.pop("now", NOW), **more)


def told(actor):
    rows = Notification.objects.filter(person=actor.person).order_by("created_at", "id")
    return [(row.kind, row.by) for row in rows]


def shown(actor, one):
    found = discussion_of(actor=actor, interactions=[one.pk])
    return [post.text for thread in found.threads for post in thread.shown], found.hidden


# ---- threads and posts ----


def test_a_thread_keeps_the_words_that_it_is_about(anna, one):
    thread = start(anna, one, anchor=discuss.Anchor(start=7, end=16))

    assert (thread.place, thread.quote) == ("answer", "five days")


def test_a_thread_can_be_about_words_of_a_message(anna, one):
    thread = start(anna, one, anchor=discuss.Anchor(start=8, end=17, message=0))

    assert (thread.place, thread.message, thread.quote) == ("message", 0, "my refund")


@pytest.mark.parametrize(
    "anchor",
    [
        discuss.Anchor(start=7, end=7),
        discuss.Anchor(start=-1, end=3),
        discuss.Anchor(start=0, end=18),
        discuss.Anchor(start=0, end=3, message=1),
        discuss.Anchor(start=0, end=3, message=-1),
    ],
)
def test_words_that_are_not_there_are_refused(anna, one, anchor):
    with pytest.raises(InvalidAnswer, match="span"):
        start(anna, one, anchor=anchor)
    assert not Discussion.objects.exists()


def test_words_selected_on_a_page_are_looked_up(one):
    found = discuss.find_anchor(interaction=one, message=None, words="five  days", near=6)

    assert (found.start, found.end) == (7, 16)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 10_001, None])
def test_a_text_that_says_nothing_or_too_much_is_refused(anna, one, text):
    with pytest.raises(InvalidAnswer, match="text"):
        start(anna, one, text=text)


def test_a_viewer_can_neither_begin_nor_reply_nor_resolve(anna, viewer, one):
    thread = start(anna, one)

    for deed in (
        lambda: start(viewer, one),
        lambda: discuss.reply(actor=viewer, thread=thread, text="No", now=NOW),
        lambda: discuss.move_thread(actor=viewer, thread=thread, to="resolved", now=NOW),
    ):
        with pytest.raises(NotAllowed):
            deed()


def test_nobody_writes_in_another_projects_thread(anna, one):
    thread = start(anna, one)
    stranger = make_actor(project=make_project())

    with pytest.raises(Discussion.DoesNotExist):
        discuss.reply(actor=stranger, thread=thread, text="Hello", now=NOW)
    assert not discuss.move_thread(actor=stranger, thread=thread, to="resolved", now=NOW)


def test_a_change_keeps_what_it_said_before(anna, one):
    post = start(anna, one).posts.get()

    after = discuss.edit_post(actor=anna, post=post, text="Is that so?", version=1, now=NOW)

    assert (after.text, after.version, after.edited_at) == ("Is that so?", 2, NOW)
    assert PostRevision.objects.get().text == "Is that right?"


def test_a_change_of_what_was_changed_meanwhile_is_refused(anna, one):
    post = start(anna, one).posts.get()
    discuss.edit_post(actor=anna, post=post, text="Is that so?", version=1, now=NOW)

    with pytest.raises(discuss.ChangedMeanwhile):
        discuss.edit_post(actor=anna, post=post, text="Or so?", version=1, now=NOW)


def test_nobody_changes_or_removes_what_another_wrote_not_even_an_admin(anna, admin, one):
    post = start(anna, one).posts.get()

    with pytest.raises(discuss.NotYourPost):
        discuss.edit_post(actor=admin, post=post, text="Mine", version=1, now=NOW)
    with pytest.raises(discuss.NotYourPost):
        discuss.remove_post(actor=admin, post=post, now=NOW)


def test_what_is_removed_is_kept_and_can_be_restored(anna, one):
    post = start(anna, one).posts.get()

    assert discuss.remove_post(actor=anna, post=post, now=NOW)
    assert not discuss.remove_post(actor=anna, post=post, now=NOW)
    assert Post.objects.get().removed_at == NOW
    assert discuss.restore_post(actor=anna, post=post, now=NOW)
    assert Post.objects.get().text == "Is that right?"
    assert Post.objects.get().removed_at is None


def test_resolving_happens_once_and_a_reply_opens_again(anna, bo, one):
    thread = start(anna, one)

    assert discuss.move_thread(actor=bo, thread=thread, to="resolved", now=NOW)
    assert not discuss.move_thread(actor=anna, thread=thread, to="resolved", now=NOW)
    thread.refresh_from_db()
    assert thread.resolved_by == bo.person
    discuss.reply(actor=anna, thread=thread, text="Not quite.", now=NOW)
    thread.refresh_from_db()
    assert (thread.state, thread.resolved_by) == ("open", None)


def test_a_reply_can_resolve(anna, bo, one):
    thread = start(anna, one)

    discuss.reply(actor=bo, thread=thread, text="It is.", now=NOW, resolve=True)

    thread.refresh_from_db()
    assert thread.state == "resolved"


def test_a_state_that_is_none_is_refused(anna, one):
    with pytest.raises(Refused):
        discuss.move_thread(actor=anna, thread=start(anna, one), to="gone", now=NOW)


def test_every_deed_leaves_an_entry(anna, one):
    thread = start(anna, one)
    post = thread.posts.get()
    discuss.reply(actor=anna, thread=thread, text="More", now=NOW)
    discuss.edit_post(actor=anna, post=post, text="Other", version=1, now=NOW)
    discuss.remove_post(actor=anna, post=post, now=NOW)
    discuss.restore_post(actor=anna, post=post, now=NOW)
    discuss.move_thread(actor=anna, thread=thread, to="resolved", now=NOW)
    discuss.move_thread(actor=anna, thread=thread, to="open", now=NOW)

    kept = set(AuditEntry.objects.filter(person=anna.person).values_list("action", flat=True))
    assert kept == {
        *("thread.create", "post.create", "post.edit", "post.remove", "post.restore"),
        *("thread.resolve", "thread.reopen"),
    }


@pytest.mark.parametrize(
    "values",
    [
        {"state": "gone"},
        {"place": "answer"},
        {"place": "whole", "start": 1, "end": 2},
        {"place": "message", "start": 1, "end": 2},
        {"place": "answer", "start": 2, "end": 2},
    ],
)
def test_the_database_refuses_a_thread_that_can_not_be(project, one, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        Discussion.objects.create(project=project, interaction=one, created_at=NOW, changed_at=NOW, **values)


# ---- who is told ----


def test_who_is_named_is_told_once_however_often(anna, bo, one):
    start(anna, one, text="@bo look, @Bo!")

    assert told(bo) == [("mention", anna.person)]
    assert told(anna) == []


def test_nobody_outside_the_project_can_be_named(anna, one):
    stranger = make_actor(project=make_project(), person=make_person(name="Cleo"))

    thread = start(anna, one, text="@cleo look")

    assert told(stranger) == []
    assert thread.posts.get().mentions == {}


def test_who_is_in_the_thread_is_told_of_a_reply_but_not_its_writer(anna, bo, viewer, one):
    thread = start(anna, one)

    discuss.reply(actor=bo, thread=thread, text="It is.", now=NOW + MINUTE)

    assert told(anna) == [("reply", bo.person)]
    assert told(bo) == told(viewer) == []


def test_who_is_named_in_a_reply_hears_of_it_once(anna, bo, one):
    thread = start(anna, one)

    discuss.reply(actor=bo, thread=thread, text="It is, @anna.", now=NOW)

    assert told(anna) == [("mention", bo.person)]


def test_a_change_tells_only_who_is_newly_named(anna, bo, admin, one):
    thread = start(anna, one, text="@bo look")
    admin.person.name = "Carla"
    admin.person.save()

    discuss.edit_post(actor=anna, post=thread.posts.get(), text="@bo and @carla look", version=1, now=NOW)

    assert len(told(bo)) == 1
    assert told(admin) == [("mention", anna.person)]


def test_a_thread_waits_for_whom_it_names_until_they_answer(anna, bo, one):
    thread = start(anna, one, text="@bo look")
    assert [row.pk for row in waiting_threads(actor=bo)] == [thread.pk]
    assert waiting_threads(actor=anna) == []

    discuss.reply(actor=bo, thread=thread, text="I did", now=NOW + MINUTE)

    assert waiting_threads(actor=bo) == []
    assert [row.writer for row in waiting_threads(actor=anna)] == [bo.person]


def test_threads_wait_in_the_order_in_which_one_was_told_last_and_name_who_wrote_it(
    project, anna, bo, admin, one, django_assert_num_queries
):
    older = start(anna, one, text="@bo first")
    newer = start(anna, one, text="@bo second", now=NOW + MINUTE)
    discuss.reply(actor=admin, thread=older, text="@bo and I ask again", now=NOW + 2 * MINUTE)

    with django_assert_num_queries(1):
        found = waiting_threads(actor=bo)
        told_of = [(row.pk, row.writer, row.interaction) for row in found]

    assert told_of == [(older.pk, admin.person, one), (newer.pk, anna.person, one)]


def test_what_was_removed_waits_for_nobody(anna, bo, one):
    thread = start(anna, one, text="@bo look")
    discuss.reply(actor=anna, thread=thread, text="@bo sorry", now=NOW + MINUTE)

    discuss.remove_post(actor=anna, post=thread.posts.order_by("created_at").last(), now=NOW + 2 * MINUTE)

    (waiting,) = waiting_threads(actor=bo)
    assert waiting.told_at == NOW


def test_a_thread_of_another_project_waits_there(anna, bo, one):
    elsewhere = make_project(name="Elsewhere")
    there = make_actor(project=elsewhere, role="reviewer", person=bo.person)
    start(anna, one, text="@bo look")

    assert waiting_threads(actor=there) == []


def test_a_resolved_thread_waits_for_nobody(anna, bo, one):
    thread = start(anna, one, text="@bo look")

    discuss.move_thread(actor=anna, thread=thread, to="resolved", now=NOW)

    assert waiting_threads(actor=bo) == []


def test_a_channel_hears_of_it_only_where_it_wants_discussions_and_not_the_words(project, anna, one):
    start(anna, one, text="secret words")
    assert not Alert.objects.exists()
    make_channel(project=project, kinds=["discussion"])

    start(anna, one, text="secret words")

    alert = Alert.objects.get()
    assert alert.title == "Anna wrote in a discussion"
    assert "secret" not in alert.text
    assert alert.deliveries.count() == 1


# ---- blind queues ----


@pytest.fixture
def blind(project, one):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, one)
    return queue


def judge(actor, queue, now=NOW):
    slot = review.take(actor=actor, queue=queue, now=now)
    review.judge(
        actor=actor,
        slot_id=slot.pk,
        judgement=review.Judgement(scores={"verdict": "bad", "correct": False}),
        now=now,
    )
    return slot


def test_what_a_judge_writes_is_hidden_until_one_has_judged(anna, bo, viewer, one, blind):
    judge(anna, blind)
    start(anna, one, text="It is wrong.", now=NOW + MINUTE)

    assert shown(bo, one) == ([], 1)
    assert shown(viewer, one) == ([], 1)
    assert shown(anna, one) == (["It is wrong."], 0)
    judge(bo, blind, now=NOW + 2 * MINUTE)
    assert shown(bo, one) == (["It is wrong."], 0)
    # Now nobody can be handed it any more, so there is nothing to give away.
    assert shown(viewer, one) == (["It is wrong."], 0)


def test_a_row_is_not_marked_by_what_its_reader_may_not_know_of(anna, bo, one, blind):
    judge(anna, blind)
    start(anna, one, text="It is wrong.", now=NOW + MINUTE)

    assert open_counts(actor=anna, interactions=[one.pk]) == {one.pk: 1}
    assert open_counts(actor=bo, interactions=[one.pk]) == {}


def test_what_somebody_wrote_before_they_had_the_item_stays_readable(anna, bo, one, blind):
    start(anna, one, text="@bo, who knows this?", now=NOW - MINUTE)
    judge(anna, blind)

    assert shown(bo, one) == (["@bo, who knows this?"], 0)


def test_what_somebody_writes_while_they_have_the_item_is_hidden(anna, bo, one, blind):
    review.take(actor=anna, queue=blind, now=NOW)
    start(anna, one, text="I think it is wrong.", now=NOW + MINUTE)

    assert shown(bo, one) == ([], 1)


def test_a_reply_of_a_judge_is_hidden_in_a_thread_that_is_not(anna, bo, viewer, one, blind):
    thread = start(anna, one, text="Who knows this?", now=NOW - MINUTE)
    judge(anna, blind)
    discuss.reply(actor=anna, thread=thread, text="I judged it wrong.", now=NOW + MINUTE)

    assert shown(bo, one) == (["Who knows this?"], 1)


def test_of_what_was_sent_back_nothing_is_shown_before_one_has_judged_anew(admin, anna, bo, one, blind):
    judge(anna, blind)
    judge(bo, blind)
    start(admin, one, text="Anna is right.")
    review.requeue(actor=admin, item_id=blind.items.get().pk, now=NOW)

    assert shown(bo, one) == ([], 1)
    judge(bo, blind, now=NOW + MINUTE)
    assert shown(bo, one) == (["Anna is right."], 0)


def test_in_a_queue_that_is_not_blind_nothing_is_hidden(project, anna, bo, one):
    queue = make_queue(project=project, judgements_needed=2, blind=False)
    fill_queue(queue, one)
    judge(anna, queue)
    start(anna, one, text="It is wrong.", now=NOW + MINUTE)

    assert shown(bo, one) == (["It is wrong."], 0)


def test_a_key_reads_all(project, anna, one, blind):
    judge(anna, blind)
    start(anna, one, text="It is wrong.", now=NOW + MINUTE)
    key, _ = administer.create_api_key(project=project, name="k", scopes=(Scope.READ,), now=NOW)

    assert shown(actor_for_key(key=key), one) == (["It is wrong."], 0)


@pytest.mark.django_db(transaction=True)
def test_two_who_resolve_at_once_resolve_once():
    project = make_project()
    actors = [make_actor(project=project, role="reviewer") for _ in range(2)]
    thread = start(actors[0], make_interaction(project=project))
    begin, moved = Barrier(2), []

    def resolve(actor):
        begin.wait()
        moved.append(discuss.move_thread(actor=actor, thread=thread, to="resolved", now=NOW))
        connection.close()

    hands = [Thread(target=resolve, args=[actor]) for actor in actors]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()

    assert sorted(moved) == [False, True]
    assert AuditEntry.objects.filter(action="thread.resolve").count() == 1
