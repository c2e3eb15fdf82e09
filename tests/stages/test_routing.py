from __future__ import annotations

import math
from datetime import timedelta

import pytest

from reviewapp.models import Fingerprint, NotAllowed, QueueItem, RoutingRule
from reviewapp.models.filters import InvalidFilter
from reviewapp.models.interaction import CANARY_SOURCE, CANARY_TAG
from reviewapp.stages import review
from reviewapp.stages.administer import Refused
from tests.factories import (
    NOW,
    make_actor,
    make_attempt,
    make_interaction,
    make_project,
    make_queue,
    make_run,
    make_source,
)

SOON = NOW + timedelta(minutes=10)


@pytest.fixture
def queue(project):
    return make_queue(project=project)


def rule(admin, queue, *, now=NOW, **values):
    return review.save_rule(
        actor=admin, queue=queue, values=review.RuleValues(**{"name": "A rule", **values}), now=now
    )


def record(project, **fields):
    return make_interaction(project=project, **fields)


def brought():
    return {item.interaction for item in QueueItem.objects.select_related("interaction")}


def test_a_rule_brings_what_is_recorded_after_it_was_made(project, admin, queue):
    record(project, started_at=NOW - timedelta(minutes=1))
    rule(admin, queue)
    new = record(project, started_at=NOW + timedelta(minutes=1))

    added = review.route(now=SOON)

    assert added == 1
    assert brought() == {new}


def test_each_item_says_which_rule_brought_it(project, admin, queue):
    made = rule(admin, queue, name="Low certainty")
    record(project, started_at=NOW + timedelta(minutes=1))

    review.route(now=SOON)

    item = QueueItem.objects.get()
    assert (item.reason, item.rule) == ("Low certainty", made)


def test_looking_again_brings_nothing_twice(project, admin, queue):
    rule(admin, queue)
    record(project, started_at=NOW + timedelta(minutes=1))

    assert review.route(now=SOON) == 1
    assert review.route(now=SOON + timedelta(minutes=2)) == 0


def test_what_became_visible_late_is_found(project, admin, queue):
    rule(admin, queue)
    review.route(now=SOON)
    late = record(project, started_at=SOON - timedelta(minutes=1))

    review.route(now=SOON + timedelta(minutes=2))

    assert brought() == {late}


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"filter": {"source": "support-bot", "q": "refund"}}, {"prompt": "My refund?"}),
        ({"filter": {"finish_reason": "length"}}, {"finish_reason": "length"}),
        ({"filter": {"status": "error"}}, {"status": 500}),
        ({"certainty_below": 0.5}, {"mean_logprob": math.log(0.4)}),
        ({"token_below": 0.1}, {"min_logprob": math.log(0.05)}),
        ({"refused": True}, {"refused": True}),
        ({"filter": {"cost": ">=0.01"}}, {"cost": 0.01}),
    ],
)
def test_a_rule_brings_what_it_asks_for_and_nothing_else(project, admin, queue, values, fields):
    wanted = record(project, started_at=NOW + timedelta(minutes=1), **fields)
    record(project, started_at=NOW + timedelta(minutes=1), prompt="Another question")
    rule(admin, queue, **values)

    review.route(now=SOON)

    assert brought() == {wanted}


def test_a_rule_can_ask_for_new_fingerprints(project, admin, queue):
    rule(admin, queue, new_fingerprint=True)
    wanted = record(project, started_at=NOW + timedelta(minutes=1), fingerprint="fp_new")
    record(project, started_at=NOW + timedelta(minutes=1), fingerprint="fp_old")
    for value, state in (("fp_new", "new"), ("fp_old", "accepted")):
        Fingerprint.objects.create(
            project=project,
            provider=wanted.provider,
            model="gpt-4o-mini",
            shape="chat.completions",
            value=value,
            state=state,
            first_seen=NOW,
            last_seen=NOW,
        )

    review.route(now=SOON)

    assert brought() == {wanted}


def test_a_rule_about_a_verdict_brings_the_replay_beside_its_original(project, admin, queue):
    rule(admin, queue, filter={"verdict": "backend_changed"}, now=NOW - timedelta(minutes=1))
    run = make_run(project=project, verdicts=["identical"])
    attempt = make_attempt(run=run, original=record(project), verdict="backend_changed")

    review.route(now=SOON)

    item = QueueItem.objects.get()
    assert (item.interaction_id, item.attempt) == (attempt.original_id, attempt)


@pytest.mark.parametrize(
    ("asked", "canary_comes"), [({}, False), ({"canaries": "yes"}, True), ({"q": "is:canary"}, True)]
)
def test_the_apps_own_canary_questions_come_only_where_a_rule_asks(
    project, admin, queue, asked, canary_comes
):
    made = rule(admin, queue, filter=asked)
    source = make_source(project=project, name=CANARY_SOURCE)
    later = NOW + timedelta(minutes=1)
    canary = record(project, source=source, tags=[CANARY_TAG], started_at=later)
    customer = record(project, started_at=later)

    shown = review.preview(rule=made)
    review.route(now=SOON)

    assert brought() == {canary if canary_comes else customer}
    assert shown.matching == 1


def test_a_sample_takes_its_share_and_always_the_same_ones(project, admin, queue):
    made = rule(admin, queue, sample=0.3)
    ids = [record(project, started_at=NOW + timedelta(minutes=1)).pk for _ in range(60)]

    taken = [pk for pk in ids if review.takes(made, pk)]

    assert 5 < len(taken) < 35
    review.route(now=SOON)
    assert {item.interaction_id for item in QueueItem.objects.all()} == set(taken)


def test_a_rule_brings_no_more_than_its_cap_a_day(project, admin, queue):
    rule(admin, queue, daily_cap=2)
    for _ in range(5):
        record(project, started_at=NOW + timedelta(minutes=1))

    review.route(now=SOON)
    review.route(now=SOON + timedelta(minutes=2))

    assert QueueItem.objects.count() == 2


def test_the_first_rule_that_takes_an_answer_brings_it_and_admins_choose_the_order(project, admin, queue):
    rule(admin, queue, name="Everything")
    errors = rule(admin, queue, name="Errors", filter={"status": "error"})
    early = record(project, started_at=NOW + timedelta(minutes=1), status=500)
    review.route(now=SOON)
    later = SOON + timedelta(minutes=1)

    assert review.raise_rule(actor=admin, rule_id=errors.pk, now=SOON)
    assert not review.raise_rule(actor=admin, rule_id=errors.pk, now=SOON)
    late = record(project, started_at=later, status=500)
    review.route(now=later + timedelta(minutes=10))

    assert [one.name for one in RoutingRule.objects.order_by("place")] == ["Errors", "Everything"]
    reasons = dict(QueueItem.objects.values_list("interaction", "reason"))
    assert reasons == {early.pk: "Everything", late.pk: "Errors"}


def test_only_admins_of_the_project_order_its_rules(reviewer, admin, queue):
    rule(admin, queue)
    second = rule(admin, queue)
    stranger = make_actor(project=make_project())

    with pytest.raises(NotAllowed):
        review.raise_rule(actor=reviewer, rule_id=second.pk, now=SOON)

    assert not review.raise_rule(actor=stranger, rule_id=second.pk, now=SOON)


def test_a_rule_turned_off_brings_nothing(project, admin, queue):
    made = rule(admin, queue)
    review.move_rule(actor=admin, rule_id=made.pk, is_active=False, now=NOW)
    record(project, started_at=NOW + timedelta(minutes=1))

    assert review.route(now=SOON) == 0


def test_rules_of_one_project_never_see_anothers_interactions(admin, queue):
    rule(admin, queue)
    record(make_project(), started_at=NOW + timedelta(minutes=1))

    assert review.route(now=SOON) == 0


def test_the_preview_tells_what_a_back_fill_brings(project, admin, queue):
    for _ in range(3):
        record(project, prompt="My refund?")
    record(project, prompt="Something else")
    made = rule(admin, queue, filter={"q": "refund"}, now=SOON)

    preview = review.preview(rule=made)

    assert (preview.matching, preview.sampled, preview.or_more) == (3, 3, False)
    assert review.backfill(actor=admin, rule=made, now=SOON) == 3
    assert review.backfill(actor=admin, rule=made, now=SOON) == 0


def test_what_a_removed_rule_brought_stays_and_still_says_so(project, admin, queue):
    made = rule(admin, queue, name="Refunds", now=SOON)
    record(project)
    review.backfill(actor=admin, rule=made, now=SOON)

    review.remove_rule(actor=admin, rule_id=made.pk, now=SOON)

    item = QueueItem.objects.get()
    assert (item.reason, item.rule) == ("Refunds", None)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": ""}, Refused),
        ({"sample": 0.0}, Refused),
        ({"certainty_below": 1.5}, Refused),
        ({"daily_cap": 0}, Refused),
        ({"filter": {"replays": "yes"}}, Refused),
        ({"filter": {"colour": "red"}}, InvalidFilter),
    ],
)
def test_a_rule_that_can_not_be_is_refused(admin, queue, values, error):
    with pytest.raises(error):
        rule(admin, queue, **values)

    assert not RoutingRule.objects.exists()


def test_a_reviewer_makes_no_rules(reviewer, queue):
    with pytest.raises(NotAllowed):
        rule(reviewer, queue)


def test_a_rule_that_stumbles_keeps_no_other_from_bringing(project, admin, queue, caplog):
    bad, good = rule(admin, queue), rule(admin, make_queue(project=project, name="Other"))
    RoutingRule.objects.filter(pk=bad.pk).update(filter={"no-such-field": 1})
    new = record(project, started_at=NOW + timedelta(minutes=1))

    review.route(now=SOON)

    assert [(item.rule, item.interaction) for item in QueueItem.objects.all()] == [(good, new)]
    assert "A routing rule could not be dealt with" in caplog.text


def test_a_rule_that_stumbled_looks_again_at_what_it_missed(project, admin, queue):
    bad = rule(admin, queue)
    review.route(now=NOW + timedelta(seconds=30))
    RoutingRule.objects.filter(pk=bad.pk).update(filter={"no-such-field": 1})
    missed = record(project, started_at=NOW + timedelta(minutes=1))
    for minutes in range(5, 60, 5):
        review.route(now=NOW + timedelta(minutes=minutes))
    RoutingRule.objects.filter(pk=bad.pk).update(filter={})

    review.route(now=NOW + timedelta(hours=1))

    assert brought() == {missed}
