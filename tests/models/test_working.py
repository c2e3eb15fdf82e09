from __future__ import annotations

from datetime import timedelta

import pytest

from reviewapp.models.working import figures_of, mine_to_do, pace_of
from reviewapp.stages import discuss, review
from tests.factories import NOW, fill_queue, make_interaction, make_queue

SECOND = timedelta(seconds=1)


def judge(actor, queue, verdict="good", now=NOW):
    slot = review.take(actor=actor, queue=queue, now=now)
    judgement = review.Judgement(scores={"verdict": verdict, "correct": True})
    review.judge(actor=actor, slot_id=slot.pk, judgement=judgement, now=now)


def test_the_pace_counts_from_the_judgement_before_where_an_item_was_fetched_ahead():
    # Taken at once, judged after 10, 30 and 40 seconds: 10, 20 and 10 seconds each.
    pairs = [(NOW + n * SECOND, NOW) for n in (10, 30, 40)]

    assert pace_of(pairs) == 10


def test_a_pause_is_no_pace_and_two_items_tell_none():
    pairs = [(NOW + n * SECOND, NOW + (n - 5) * SECOND) for n in (5, 2000, 4000)]
    pauses = [(NOW + n * SECOND, NOW) for n in (700, 1400, 2100)]

    assert pace_of(pairs) == 5
    assert pace_of(pairs[:2]) is None
    assert pace_of(pauses) is None


def test_done_is_counted_by_day_week_and_queue_and_outside_of_queues(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])
    for days in (0, 1, 30):
        judge(reviewer, queue, now=NOW - timedelta(days=days))
    review.annotate(
        actor=reviewer,
        interaction=make_interaction(project=project),
        scores={"verdict": "good", "correct": True},
        now=NOW,
    )

    [found] = figures_of(project=project, people=[reviewer.person], now=NOW)

    assert (found.done.today, found.done.week, found.done.all) == (2, 3, 4)
    assert (found.queues[queue.pk].today, found.queues[queue.pk].all) == (1, 3)
    assert found.queues[None].all == 1


def test_agreement_is_the_share_of_answers_that_others_gave_alike(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(2)])
    judge(reviewer, queue, "good")
    judge(reviewer, queue, "good")
    judge(admin, queue, "good")
    judge(admin, queue, "bad")

    found = figures_of(project=project, people=[reviewer.person, admin.person], now=NOW)

    assert [(one.agrees, one.compared) for one in found] == [(0.75, 4), (0.75, 4)]


def test_figures_cost_the_same_however_many_people_there_are(
    project, reviewer, admin, viewer, django_assert_num_queries
):
    people = [actor.person for actor in (reviewer, admin, viewer)]

    with django_assert_num_queries(3):
        figures_of(project=project, people=people, now=NOW)


@pytest.fixture
def named(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])
    return queue


def test_mine_to_do_is_what_is_in_hand_left_disputed_sent_back_and_asked(project, reviewer, admin, named):
    judge(reviewer, named, "good")
    judge(admin, named, "bad")
    held = review.take(actor=reviewer, queue=named, now=NOW)
    one = make_interaction(project=project)
    thread = discuss.start_thread(
        actor=admin, interaction=one, text=f"@{reviewer.person.short_name} look", now=NOW
    )

    mine, theirs = mine_to_do(actor=reviewer), mine_to_do(actor=admin)

    assert [slot.pk for slot in mine.held] == [held.pk]
    assert mine.queues == [(named, 2)]
    assert mine.threads == [thread]
    assert mine.disputed == mine.returned == []
    assert theirs.disputed == [(named, 1)]
    item = named.items.get(state="adjudication")
    review.adjudicate(actor=admin, item_id=item.pk, chosen=item.slots.first().annotation_id, now=NOW)
    review.requeue(actor=admin, item_id=item.pk, now=NOW)
    assert mine_to_do(actor=reviewer).returned == [item]


def test_a_viewer_has_nothing_to_do(viewer):
    assert mine_to_do(actor=viewer).is_empty
