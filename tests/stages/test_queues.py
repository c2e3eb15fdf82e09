from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, close_old_connections, connection, transaction

from reviewapp.models import (
    Annotation,
    AuditEntry,
    Comparison,
    Interaction,
    NotAllowed,
    Queue,
    QueueItem,
    QueueSlot,
)
from reviewapp.pure.rubrics import InvalidAnswer
from reviewapp.stages import review
from reviewapp.stages.administer import Refused
from tests.factories import (
    NOW,
    fill_queue,
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_queue,
    make_run,
)

GOOD = {"verdict": "good", "correct": True}
BAD = {"verdict": "bad", "correct": False}
LATER = NOW + timedelta(hours=1)


def judgement(scores=None, **fields):
    return review.Judgement(scores=GOOD if scores is None else scores, **fields)


def take(actor, queue, now=NOW, **fields):
    return review.take(actor=actor, queue=queue, now=now, **fields)


def judge(actor, slot, scores=None, now=NOW, **fields):
    return review.judge(actor=actor, slot_id=slot.pk, judgement=judgement(scores, **fields), now=now)


def work(actor, queue, scores=None, **fields):
    """Take what comes next and judge it."""
    return judge(actor, take(actor, queue), scores, **fields)


def state(item):
    return QueueItem.objects.get(pk=item.pk).state


# ---- putting in ----


def test_the_same_interaction_is_put_in_once(project):
    queue = make_queue(project=project)
    entries = [review.Entry(make_interaction(project=project).pk) for _ in range(3)]

    first = review.enqueue(queue=queue, entries=entries, reason="Rule one", now=NOW)
    again = review.enqueue(queue=queue, entries=entries, reason="Rule two", now=NOW)

    assert (first, again) == (3, 0)
    assert set(QueueItem.objects.values_list("reason", flat=True)) == {"Rule one"}
    assert AuditEntry.objects.filter(action="queue.enqueue").count() == 1


def test_a_replay_is_an_item_of_its_own(project):
    queue = make_queue(project=project)
    attempt = make_run(project=project, verdicts=["backend_changed"]).attempt_set.get()
    entries = [review.Entry(attempt.original_id), review.Entry(attempt.original_id, attempt.pk)]

    added = review.enqueue(queue=queue, entries=entries, reason="A change", now=NOW)

    assert added == 2


def test_what_belongs_elsewhere_is_left_out(project):
    queue = make_queue(project=project)
    elsewhere = make_interaction(project=make_project())
    attempt = make_run(project=project, verdicts=["identical"]).attempt_set.get()
    other = make_interaction(project=project)

    added = review.enqueue(
        queue=queue,
        entries=[review.Entry(elsewhere.pk), review.Entry(other.pk, attempt.pk)],
        reason="",
        now=NOW,
    )

    assert added == 0


def test_the_worst_comes_first(project, reviewer):
    queue = make_queue(project=project, order="worst_first")
    rows = [make_interaction(project=project) for _ in range(3)]
    ranks = [0.2, 0.9, 0.5]
    entries = [review.Entry(row.pk, None, rank) for row, rank in zip(rows, ranks, strict=True)]
    review.enqueue(queue=queue, entries=entries, reason="", now=NOW)

    work(reviewer, queue)
    second = take(reviewer, queue)

    assert second.item.interaction_id == rows[2].pk


@pytest.mark.parametrize(
    ("order", "expected"),
    [("newest", [2, 1, 0]), ("oldest", [0, 1, 2]), ("least_certain", [1, 0, 2]), ("random", None)],
)
def test_a_changed_order_is_that_of_what_waits_already(project, admin, order, expected):
    queue = make_queue(project=project, order="worst_first")
    sure = [-0.5, -3.0, None]
    rows = [make_interaction(project=project, min_logprob=value) for value in sure]
    fill_queue(queue, *rows)

    review.save_queue(
        actor=admin, queue=queue, values=review.QueueValues(name="Samples", order=order), now=NOW
    )

    found = [rows.index(item.interaction) for item in QueueItem.objects.filter(queue=queue).in_order()]
    assert found == expected if expected else sorted(found) == [0, 1, 2]


def test_the_standing_queue_is_made_once(project):
    wanted = {"project": project, "slug": "changed-answers", "name": "Changed answers", "instructions": ""}

    first = review.standing_queue(**wanted, now=NOW)
    again = review.standing_queue(**wanted, now=LATER)

    assert first == again
    assert first.order == "worst_first"


# ---- handing out ----


def test_two_people_are_never_handed_the_same_place(project):
    queue = make_queue(project=project)
    fill_queue(queue, make_interaction(project=project), make_interaction(project=project))

    slots = [take(make_actor(project=project, role="reviewer"), queue) for _ in range(3)]

    assert slots[0].item != slots[1].item
    assert slots[2] is None


def test_a_reload_gives_the_same_item_again(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])

    first, again = take(reviewer, queue), take(reviewer, queue)

    assert first == again


def test_the_item_after_it_can_be_held_ready(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])
    first = take(reviewer, queue)

    ready = take(reviewer, queue, beside=[first.pk])

    assert ready.item != first.item
    assert take(reviewer, queue, beside=[first.pk]) == ready
    # While the judgement of the first is on its way and the second is open.
    assert take(reviewer, queue, beside=[first.pk, ready.pk]).item not in {first.item, ready.item}


def test_a_lease_that_ran_out_is_another_persons(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    take(reviewer, queue)
    other = make_actor(project=project, role="reviewer")
    assert take(other, queue) is None

    taken = take(other, queue, now=LATER)

    assert taken is not None
    assert QueueSlot.objects.get(person=reviewer.person).state == "left"


def test_a_renewed_lease_does_not_run_out(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    review.renew(actor=reviewer, slot_ids=[slot.pk], now=LATER)

    assert review.return_expired(now=LATER + timedelta(minutes=5)) == 0
    assert review.return_expired(now=LATER + timedelta(minutes=11)) == 1


def test_who_leaves_gives_the_place_back(project, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)
    assert state(item) == "in_progress"

    review.leave(actor=reviewer, slot_ids=[slot.pk], now=NOW)

    assert state(item) == "pending"
    assert take(make_actor(project=project, role="reviewer"), queue) is not None


def test_only_those_named_are_handed_anything(project, reviewer):
    queue = make_queue(project=project)
    queue.reviewers.add(make_actor(project=project, role="reviewer").person)
    fill_queue(queue)

    with pytest.raises(Refused, match="for other people"):
        take(reviewer, queue)


def test_a_viewer_is_handed_nothing(project, viewer):
    queue = make_queue(project=project)

    with pytest.raises(NotAllowed):
        take(viewer, queue)


def test_a_paused_queue_hands_nothing_out(project, admin, reviewer):
    queue = make_queue(project=project)
    assert review.move_queue(actor=admin, queue_id=queue.pk, to="paused", now=NOW)
    assert not review.move_queue(actor=admin, queue_id=queue.pk, to="paused", now=NOW)
    queue.refresh_from_db()

    with pytest.raises(Refused, match="is paused"):
        take(reviewer, queue)


# ---- judging ----


def test_one_judgement_is_enough_where_one_is_asked_for(project, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)

    kept = work(reviewer, queue)

    item.refresh_from_db()
    assert item.state == "done"
    assert item.authoritative == kept.annotation


def test_the_item_is_done_when_all_who_were_asked_agree(project):
    queue = make_queue(project=project, judgements_needed=3)
    [item] = fill_queue(queue)
    people = [make_actor(project=project, role="reviewer") for _ in range(3)]

    states = []
    for person in people:
        work(person, queue)
        states.append(state(item))

    assert states == ["in_progress", "in_progress", "done"]
    assert take(make_actor(project=project, role="reviewer"), queue) is None


def test_nobody_sees_an_item_twice(project, reviewer):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue)

    work(reviewer, queue)

    assert take(reviewer, queue) is None


def test_those_who_disagree_wait_for_an_adjudicator(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2)
    [item] = fill_queue(queue)

    work(reviewer, queue, GOOD)
    work(admin, queue, BAD)

    item.refresh_from_db()
    assert item.state == "adjudication"
    assert item.authoritative is None


def test_a_small_difference_on_a_scale_is_no_disagreement(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2)
    [item] = fill_queue(queue)

    work(reviewer, queue, {**GOOD, "helpful": 3})
    work(admin, queue, {**GOOD, "helpful": 4})

    assert state(item) == "done"


def test_the_queue_says_what_counts_as_disagreement(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2, disagreement={"helpful": 0, "verdict": "never"})
    [item] = fill_queue(queue)

    work(reviewer, queue, {**GOOD, "helpful": 3})
    work(admin, queue, {**GOOD, "verdict": "bad", "helpful": 4})

    assert state(item) == "adjudication"
    annotations = Annotation.objects.order_by("created_at")
    assert review.disagreeing(queue, annotations) == ["helpful"]


def test_a_judgement_sent_twice_is_one(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    judge(reviewer, slot)
    judge(reviewer, slot, BAD)

    assert Annotation.objects.get().scores == BAD


def test_a_judgement_whose_answer_got_lost_and_that_is_sent_again_leaves_no_trace(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    first = judge(reviewer, slot)
    again = judge(reviewer, slot, now=LATER)

    assert again == first
    assert again.annotation.version == 1
    assert AuditEntry.objects.filter(action="queue.judge").count() == 1
    assert QueueSlot.objects.get().finished_at == NOW


def test_a_judgement_that_lacks_an_answer_is_refused_and_the_place_kept(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    with pytest.raises(InvalidAnswer, match="is required"):
        judge(reviewer, slot, {"verdict": "good"})

    assert take(reviewer, queue) == slot


def test_nobody_judges_for_another(project, reviewer, admin):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    with pytest.raises(Refused, match="not yours"):
        judge(admin, slot)


def test_a_judgement_after_the_lease_ran_out_counts_while_there_is_room(project, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)
    review.return_expired(now=LATER)

    kept = judge(reviewer, slot, now=LATER)

    assert kept.counted
    assert state(item) == "done"


def test_a_judgement_that_comes_too_late_is_kept_and_does_not_count(project, reviewer, admin):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)
    review.return_expired(now=LATER)
    counted = work(admin, queue)

    late = judge(reviewer, slot, BAD, now=LATER)

    item.refresh_from_db()
    assert not late.counted
    assert item.authoritative == counted.annotation
    assert Annotation.objects.filter(pk=late.annotation.pk, removed_at=None).exists()


def test_a_judgement_that_comes_too_late_twice_is_kept_once(project, reviewer, admin):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)
    review.return_expired(now=LATER)
    work(admin, queue)

    late, again = (judge(reviewer, slot, BAD, now=LATER) for _ in range(2))

    assert again == late
    assert Annotation.objects.filter(created_by=reviewer.person).count() == 1


def test_undo_takes_the_judgement_back_and_keeps_what_was_said(project, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)
    kept = judge(reviewer, slot)

    review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)

    assert state(item) == "in_progress"
    assert Annotation.objects.get(pk=kept.annotation.pk).removed_at == NOW
    assert take(reviewer, queue) == slot


def test_what_was_undone_can_be_judged_again(project, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)
    judge(reviewer, slot)
    review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)

    judge(reviewer, slot, BAD)

    item.refresh_from_db()
    assert (item.state, item.authoritative.scores, item.authoritative.removed_at) == ("done", BAD, None)


def test_what_one_skips_another_gets(project, reviewer, admin):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(reviewer, queue)

    review.skip(actor=reviewer, slot_id=slot.pk, now=NOW)

    assert take(reviewer, queue) is None
    assert take(admin, queue).item == item


def test_what_everybody_skips_is_skipped_and_can_be_sent_back(project, admin):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    review.skip(actor=admin, slot_id=take(admin, queue).pk, now=NOW)
    assert state(item) == "skipped"

    assert review.requeue(actor=admin, item_id=item.pk, now=NOW)

    assert state(item) == "returned"
    assert take(admin, queue) is not None


def test_a_skip_is_undone(project, admin):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    slot = take(admin, queue)
    review.skip(actor=admin, slot_id=slot.pk, now=NOW)

    review.undo(actor=admin, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)

    assert state(item) == "in_progress"
    assert take(admin, queue) == slot


def test_what_is_sent_back_is_judged_anew_and_the_old_judgement_stays_readable(project, admin, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    work(reviewer, queue, GOOD)

    review.requeue(actor=admin, item_id=item.pk, now=NOW)
    work(reviewer, queue, BAD)

    assert Annotation.objects.filter(removed_at=None).count() == 2
    item.refresh_from_db()
    assert item.authoritative.scores == BAD


def test_more_judgements_can_be_asked_for_later(project, admin, reviewer):
    queue = make_queue(project=project)
    waits, _ = fill_queue(queue, make_interaction(project=project), make_interaction(project=project))

    review.save_queue(
        actor=admin, queue=queue, values=review.QueueValues(name="Samples", judgements_needed=2), now=NOW
    )

    queue.refresh_from_db()
    work(reviewer, queue)
    assert state(waits) == "in_progress"
    work(admin, queue)
    assert state(waits) == "done"


# ---- beside the original ----


@pytest.fixture
def changed(project):
    """A queue with a replay's answer that must be judged beside its original's."""
    queue = make_queue(project=project)
    attempt = make_run(project=project, verdicts=["backend_changed"]).attempt_set.get()
    review.enqueue(
        queue=queue, entries=[review.Entry(attempt.original_id, attempt.pk, 1.0)], reason="Change", now=NOW
    )
    return queue


def test_judging_a_replay_decides_its_comparison(changed, reviewer):
    kept = work(reviewer, changed, {}, preference="regression", comment="It lies now")

    comparison = Comparison.objects.get()
    assert kept.annotation.interaction_id == comparison.attempt_id
    assert (comparison.decision, comparison.decided_by) == ("regression", reviewer.person)
    assert comparison.decision_note == "It lies now"


def test_undoing_it_takes_the_decision_back(changed, reviewer):
    slot = take(reviewer, changed)
    judge(reviewer, slot, {}, preference="same")

    review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)

    assert Comparison.objects.get().decision is None


def test_what_somebody_decided_on_the_compare_page_stays(changed, admin, reviewer):
    slot = take(reviewer, changed)
    review.decide(actor=admin, comparison=Comparison.objects.get(), decision="regression", now=LATER)

    judge(reviewer, slot, {}, preference="same")
    review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)

    comparison = Comparison.objects.get()
    assert (comparison.decision, comparison.decided_by) == ("regression", admin.person)


def test_a_first_judgement_of_several_leaves_a_decision_alone(changed, admin, reviewer):
    Queue.objects.update(judgements_needed=2)
    QueueItem.objects.update(free=2)
    review.decide(actor=admin, comparison=Comparison.objects.get(), decision="same", now=NOW)

    work(reviewer, changed, {}, preference="same")

    assert Comparison.objects.get().decision == "same"


def test_the_audit_tells_whose_judgement_decided(changed, reviewer):
    work(reviewer, changed, {}, preference="same")

    assert AuditEntry.objects.get(action="comparison.decide").person == reviewer.person


def test_a_replay_can_not_be_judged_without_saying_how_it_compares(changed, reviewer):
    with pytest.raises(InvalidAnswer, match="how the two answers compare"):
        work(reviewer, changed, GOOD)


def test_in_a_pairwise_queue_the_better_one_is_chosen(project, reviewer):
    queue = make_queue(project=project, kind="pairwise")
    run = make_run(project=project)
    attempt = make_attempt(run=run, original=make_interaction(project=project), verdict="nondeterministic")
    entries = [review.Entry(attempt.original_id, attempt.pk), review.Entry(attempt.original_id)]
    assert review.enqueue(queue=queue, entries=entries, reason="", now=NOW) == 1

    kept = work(reviewer, queue, {}, preference="replay")

    assert kept.annotation.preference == "replay"
    assert Comparison.objects.get().decision is None


# ---- adjudication ----


@pytest.fixture
def disputed(project, reviewer):
    """An item on which two people disagree."""
    queue = make_queue(project=project, judgements_needed=2)
    [item] = fill_queue(queue)
    work(reviewer, queue, GOOD)
    work(make_actor(project=project, role="reviewer"), queue, BAD)
    return item


def test_an_adjudicator_chooses_the_judgement_that_counts(disputed, admin, reviewer):
    chosen = Annotation.objects.get(created_by=reviewer.person)

    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=chosen.pk, now=NOW)

    disputed.refresh_from_db()
    assert (disputed.state, disputed.authoritative, disputed.adjudicated_by) == (
        "done",
        chosen,
        admin.person,
    )


def test_an_adjudicator_may_judge_otherwise_than_all(disputed, admin):
    review.adjudicate(
        actor=admin,
        item_id=disputed.pk,
        judgement=judgement({"verdict": "minor", "correct": True}),
        now=NOW,
    )

    disputed.refresh_from_db()
    assert disputed.authoritative.scores["verdict"] == "minor"
    assert disputed.authoritative.created_by == admin.person


def test_a_reviewer_does_not_adjudicate_unless_named(disputed, reviewer):
    chosen = Annotation.objects.first()
    with pytest.raises(Refused, match="Others decide"):
        review.adjudicate(actor=reviewer, item_id=disputed.pk, chosen=chosen.pk, now=NOW)

    disputed.queue.adjudicators.add(reviewer.person)

    assert review.adjudicate(actor=reviewer, item_id=disputed.pk, chosen=chosen.pk, now=NOW).state == "done"


def test_what_was_adjudicated_is_not_undone_by_its_judges(disputed, admin, reviewer):
    slot = QueueSlot.objects.get(person=reviewer.person)
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=slot.annotation_id, now=NOW)

    with pytest.raises(Refused, match="adjudicator has decided"):
        review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)


def test_who_decided_takes_it_back_and_it_waits_again(disputed, admin, reviewer):
    chosen = Annotation.objects.get(created_by=reviewer.person)
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=chosen.pk, now=NOW)

    review.undo_adjudication(actor=admin, item_id=disputed.pk, now=NOW + review.LEASE)

    disputed.refresh_from_db()
    chosen.refresh_from_db()
    assert (disputed.state, disputed.authoritative, disputed.adjudicated_by) == ("adjudication", None, None)
    # It is its judge's, and stands as before.
    assert chosen.removed_at is None
    entry = AuditEntry.objects.get(action="queue.undo_adjudication")
    assert (entry.person, entry.object_id) == (admin.person, str(disputed.pk))
    assert entry.detail == {"annotation": str(chosen.pk), "to": "adjudication"}


def test_what_an_adjudicator_judged_themselves_is_withdrawn_with_the_decision(disputed, admin):
    own = judgement({"verdict": "minor", "correct": True})
    review.adjudicate(actor=admin, item_id=disputed.pk, judgement=own, now=NOW)

    review.undo_adjudication(actor=admin, item_id=disputed.pk, now=NOW)

    assert Annotation.objects.get(created_by=admin.person).removed_at == NOW
    assert Annotation.objects.filter(removed_at=None).count() == 2


def test_who_decides_anew_takes_back_what_they_had_said_themselves(disputed, admin, reviewer):
    for verdict in ("minor", "bad"):
        own = judgement({"verdict": verdict, "correct": True})
        review.adjudicate(actor=admin, item_id=disputed.pk, judgement=own, now=NOW)
    chosen = Annotation.objects.get(created_by=reviewer.person)
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=chosen.pk, now=NOW)

    review.undo_adjudication(actor=admin, item_id=disputed.pk, now=NOW)

    assert not Annotation.objects.filter(created_by=admin.person, removed_at=None).exists()
    assert Annotation.objects.get(pk=chosen.pk).removed_at is None


def test_a_decision_that_was_taken_back_can_be_made_again_and_its_judges_undo_theirs(
    disputed, admin, reviewer
):
    slot = QueueSlot.objects.get(person=reviewer.person)
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=slot.annotation_id, now=NOW)
    review.undo_adjudication(actor=admin, item_id=disputed.pk, now=NOW)
    # Sent twice, it is taken back once.
    review.undo_adjudication(actor=admin, item_id=disputed.pk, now=NOW)

    review.undo(actor=reviewer, slot_id=slot.pk, now=NOW, lease_until=NOW + review.LEASE)
    work(reviewer, disputed.queue, GOOD)
    review.adjudicate(
        actor=admin,
        item_id=disputed.pk,
        chosen=Annotation.objects.get(created_by=reviewer.person, removed_at=None).pk,
        now=NOW,
    )

    disputed.refresh_from_db()
    assert disputed.state == "done"
    assert AuditEntry.objects.filter(action="queue.undo_adjudication").count() == 1


def test_a_decision_on_those_who_agree_leaves_their_agreement_behind(project, admin):
    queue = make_queue(project=project, judgements_needed=2)
    [item] = fill_queue(queue)
    for _ in range(2):
        work(make_actor(project=project, role="reviewer"), queue, GOOD)
    own = judgement({"verdict": "minor", "correct": True})
    review.adjudicate(actor=admin, item_id=item.pk, judgement=own, now=NOW)

    review.undo_adjudication(actor=admin, item_id=item.pk, now=NOW)

    item.refresh_from_db()
    assert (item.state, item.authoritative.scores["verdict"]) == ("done", "good")


def test_nobody_takes_back_what_somebody_else_decided(disputed, admin, project, reviewer):
    chosen = Annotation.objects.first()
    review.adjudicate(actor=admin, item_id=disputed.pk, chosen=chosen.pk, now=NOW)

    with pytest.raises(Refused, match="Somebody else"):
        review.undo_adjudication(actor=make_actor(project=project), item_id=disputed.pk, now=NOW)
    with pytest.raises(Refused, match="Others decide"):
        review.undo_adjudication(actor=reviewer, item_id=disputed.pk, now=NOW)


def test_what_nobody_decided_is_not_taken_back(project, admin, reviewer):
    queue = make_queue(project=project)
    [item] = fill_queue(queue)
    work(reviewer, queue, GOOD)

    with pytest.raises(Refused, match="Nobody has decided"):
        review.undo_adjudication(actor=admin, item_id=item.pk, now=NOW)


def test_a_replays_decision_goes_with_the_adjudication_that_made_it(project, changed, admin):
    Queue.objects.update(judgements_needed=2)
    QueueItem.objects.update(free=2)
    changed.refresh_from_db()
    for preference in ("same", "regression"):
        work(make_actor(project=project, role="reviewer"), changed, {}, preference=preference)
    item = QueueItem.objects.get()
    chosen = Annotation.objects.get(preference="regression")
    review.adjudicate(actor=admin, item_id=item.pk, chosen=chosen.pk, now=NOW)
    made = Comparison.objects.get().decision

    review.undo_adjudication(actor=admin, item_id=item.pk, now=NOW + review.LEASE)

    assert (made, Comparison.objects.get().decision) == ("regression", None)


# ---- what the database refuses ----


def refused(change):
    with pytest.raises(IntegrityError), transaction.atomic():
        change()


def test_the_database_refuses_a_place_too_many(project):
    [item] = fill_queue(make_queue(project=project))

    refused(lambda: QueueItem.objects.filter(pk=item.pk).update(free=-1))


def test_the_database_refuses_a_second_slot_of_a_person(project, reviewer):
    queue = make_queue(project=project)
    fill_queue(queue)
    slot = take(reviewer, queue)

    refused(
        lambda: QueueSlot.objects.create(
            project=project,
            queue=queue,
            item=slot.item,
            person=reviewer.person,
            lease_until=NOW,
            taken_at=NOW,
        )
    )


def test_the_database_refuses_one_judgement_as_authority_for_two_items(project, reviewer):
    queue = make_queue(project=project)
    first, second = fill_queue(queue, make_interaction(project=project), make_interaction(project=project))
    kept = work(reviewer, queue)
    assert state(first) == "done"

    refused(lambda: QueueItem.objects.filter(pk=second.pk).update(authoritative=kept.annotation))


def test_the_database_refuses_eleven_judgements_of_an_item(project):
    refused(lambda: Queue.objects.filter(pk=make_queue(project=project).pk).update(judgements_needed=11))


# ---- many at once ----


@pytest.mark.django_db(transaction=True)
def test_an_item_is_taken_while_the_queue_is_being_saved():
    project = make_project()
    admin, reviewer = make_actor(project=project), make_actor(project=project, role="reviewer")
    queue = make_queue(project=project)
    fill_queue(queue)
    taken: list[QueueSlot | None] = []

    def taking():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            taken.append(take(reviewer, queue))
        finally:
            connection.close()

    with transaction.atomic():
        review.save_queue(actor=admin, queue=queue, values=review.QueueValues(name="Renamed"), now=NOW)
        thread = threading.Thread(target=taking)
        thread.start()
        thread.join()

    assert len(taken) == 1
    assert taken[0] is not None


@pytest.mark.django_db(transaction=True)
def test_what_somebody_judges_in_the_moment_of_the_next_is_not_handed_to_them_again(project, reviewer):
    queue = make_queue(project=project, judgements_needed=2)
    (item,) = fill_queue(queue, make_interaction(project=project))
    slot = take(reviewer, queue)
    review.leave(actor=reviewer, slot_ids=[slot.pk], now=NOW)
    taken: list[QueueSlot | None] = []

    def taking():
        try:
            taken.append(take(reviewer, queue))
        finally:
            connection.close()

    with transaction.atomic():
        # As if judged with a place that had run out; the next is looked for before it is committed.
        QueueItem.objects.select_for_update().get(pk=item.pk)
        QueueSlot.objects.filter(pk=slot.pk).update(state="judged", finished_at=NOW)
        QueueItem.objects.filter(pk=item.pk).update(free=1)
        thread = threading.Thread(target=taking)
        thread.start()
        deadline = time.monotonic() + 120
        while not somebody_waits_for_a_lock():
            assert time.monotonic() < deadline, "nobody asks for the next item"
            time.sleep(0.01)
    thread.join()

    assert taken == [None]
    assert QueueSlot.objects.get(pk=slot.pk).state == "judged"
    assert QueueItem.objects.get(pk=item.pk).free == 1


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        return cursor.fetchone()[0] > 0


@pytest.mark.django_db(transaction=True)
def test_twenty_people_judge_a_thousand_items_three_times_each_and_none_twice():
    project = make_project()
    people = [make_actor(project=project, role="reviewer") for _ in range(20)]
    queue = make_queue(project=project, judgements_needed=3)
    model = make_interaction(project=project)
    Interaction.objects.bulk_create(_copies(model, 999))
    fill_queue(queue, *Interaction.objects.filter(project=project))
    problems: list[BaseException] = []

    def reviewing(actor):
        try:
            while (slot := take(actor, queue)) is not None:
                # The judgement itself is in the way of nothing here, so it is left small.
                review.judge(actor=actor, slot_id=slot.pk, judgement=judgement(), now=NOW)
        except BaseException as error:  # told by the test's own thread
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=reviewing, args=[actor]) for actor in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()

    assert problems == []
    judged = QueueSlot.objects.filter(state="judged").values_list("item", "person")
    assert Counter(Counter(item for item, _ in judged).values()) == {3: 1000}
    assert len(set(judged)) == 3000
    assert Annotation.objects.count() == 3000
    assert not QueueItem.objects.exclude(state="done").exists()


def _copies(model, count):
    for _ in range(count):
        values = {
            field.attname: getattr(model, field.attname)
            for field in Interaction._meta.concrete_fields
            if not field.primary_key
        }
        yield Interaction(**values)
