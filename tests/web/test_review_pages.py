from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from reviewapp.models import Annotation, Attempt, Membership, Queue, QueueItem, QueueSlot, RoutingRule
from reviewapp.pure.agreement import krippendorff_alpha
from reviewapp.stages import review
from tests.factories import (
    NOW,
    answer_attempt,
    fill_queue,
    make_actor,
    make_interaction,
    make_provider,
    make_queue,
    make_run,
)

SCRIPT = {"HX-Request": "true"}
GOOD = {"score-verdict": "good", "score-correct": "true"}


def signed_in(actor) -> Client:
    client = Client()
    client.force_login(actor.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def queue(project):
    return make_queue(project=project)


def held(actor, queue):
    """The item that the person's page shows."""
    signed_in(actor).get(reverse("review-queue", args=[queue.pk]))
    return QueueSlot.objects.get(queue=queue, person=actor.person, state="leased")


def test_the_list_and_the_rail_tell_what_waits_for_me(project, reviewer, queue):
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])

    page = signed_in(reviewer).get(reverse("review")).content.decode()

    assert "3 items wait for you." in page
    assert re.search(r'data-count="review">\s*<span data-figure>3<', page)


def test_a_label_has_one_key_wherever_it_is_pressed(project, reviewer, queue):
    (one, *_rest) = rows = [make_interaction(project=project) for _ in range(2)]
    fill_queue(queue, *rows)
    client = signed_in(reviewer)
    letters = re.compile(r'data-span-label="(\w+)" data-key="(\w)"')

    in_focus = letters.findall(client.get(reverse("review-queue", args=[queue.pk])).content.decode())
    on_page = letters.findall(client.get(reverse("interaction", args=[one.pk])).content.decode())

    assert in_focus == on_page
    assert len({letter for _label, letter in in_focus}) == 4


def test_home_leads_to_the_queues_that_wait(project, reviewer, queue):
    fill_queue(queue)

    page = signed_in(reviewer).get(reverse("home")).content.decode()

    assert "Waiting for you" in page
    assert reverse("review-queue", args=[queue.pk]) in page


def test_an_overdue_queue_says_so_where_something_waits(project, reviewer):
    past, ahead = timezone.localdate() - timedelta(days=1), timezone.localdate() + timedelta(days=1)
    for name, day in (("Late", past), ("Late and done", past), ("Ahead", ahead)):
        queue = make_queue(project=project, name=name, due_on=day)
        if name != "Late and done":
            fill_queue(queue, make_interaction(project=project))
    client = signed_in(reviewer)

    assert client.get(reverse("review")).content.decode().count("overdue since") == 1
    assert client.get(reverse("home")).content.decode().count("overdue since") == 1
    assert (
        client.get(reverse("review-person", args=[reviewer.person.pk])).content.decode().count("overdue") == 1
    )


def test_queues_are_sorted_by_what_waits_or_by_date(project, reviewer):
    today = timezone.localdate()
    make_queue(project=project, name="Undated")
    make_queue(project=project, name="Soon", due_on=today)
    fill_queue(make_queue(project=project, name="Waits", due_on=today + timedelta(days=9)))
    client = signed_in(reviewer)

    def shown(path):
        return [row["queue"].name for row in client.get(path).context["rows"]]

    assert shown(reverse("review")) == ["Waits", "Soon", "Undated"]
    assert shown(reverse("review") + "?sort=due") == ["Soon", "Waits", "Undated"]


def test_a_viewer_is_told_of_nothing_to_do(project, viewer, queue):
    fill_queue(queue)

    page = signed_in(viewer).get(reverse("review")).content.decode()

    assert "wait for you" not in page


def test_the_list_costs_the_same_for_many_queues(project, reviewer):
    client = signed_in(reviewer)
    # The first look of all sets up what is kept from then on.
    client.get(reverse("review"))
    costs = []
    for _ in range(2):
        for _ in range(6):
            fill_queue(make_queue(project=project))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("review"))
        costs.append(len(queries))

    assert costs[0] == costs[1]


def test_a_step_asks_the_database_little(project, reviewer, queue, django_assert_max_num_queries):
    fill_queue(queue, *[make_interaction(project=project) for _ in range(30)])
    client = signed_in(reviewer)
    client.post(reverse("review-queue-next", args=[queue.pk]), headers=SCRIPT)
    at_hand = QueueSlot.objects.get(person=reviewer.person)

    # Four about who asks; then whether they may, what ran out, the lock, what they hold, the next and its
    # place; the queue, the item and its rubric; and the two ends of a transaction.
    with django_assert_max_num_queries(16):
        answer = client.post(
            reverse("review-queue-next", args=[queue.pk]), {"slot": at_hand.pk}, headers=SCRIPT
        )

    assert b"data-slot=" in answer.content


def test_what_one_person_answered_stands_in_nobody_elses_form(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue)
    mine = held(reviewer, queue)
    signed_in(reviewer).post(reverse("review-slot-judge", args=[mine.pk]), GOOD, headers=SCRIPT)

    again = signed_in(reviewer).get(reverse("review-slot", args=[mine.pk]), headers=SCRIPT).content.decode()
    theirs = signed_in(admin).get(reverse("review-queue", args=[queue.pk])).content.decode()

    assert "checked" in again
    assert "checked" not in theirs


def test_a_rubric_that_was_changed_is_asked_at_once(project, reviewer, admin, queue):
    fill_queue(queue, make_interaction(project=project), make_interaction(project=project))
    client = signed_in(reviewer)
    first = client.get(reverse("review-queue", args=[queue.pk])).content.decode()
    question = {"key": "verdict", "label": "Is it kind?", "kind": "boolean"}
    review.save_rubric(
        actor=admin, name="Answers", instructions="", questions=[question], labels=[], now=timezone.now()
    )

    second = client.get(reverse("review-queue", args=[queue.pk])).content.decode()

    assert "Is it kind?" not in first
    assert "Is it kind?" in second


def test_each_person_is_asked_in_their_language(project, reviewer, queue):
    fill_queue(queue)
    client = signed_in(reviewer)
    address = reverse("review-queue", args=[queue.pk])

    pages = [client.get(address, headers={"Accept-Language": one}).content.decode() for one in ("en", "de")]

    assert "> Yes" in re.sub(r"\s+", " ", pages[0]) or ">Yes" in pages[0]
    assert ">Ja" in pages[1]


def test_the_script_is_told_how_far_this_person_is(project, reviewer, queue):
    fill_queue(queue, make_interaction(project=project), make_interaction(project=project))
    slot = held(reviewer, queue)

    answer = signed_in(reviewer).post(reverse("review-slot-judge", args=[slot.pk]), GOOD, headers=SCRIPT)

    assert answer.json() == {
        "note": "",
        "done": 1,
        "left": 1,
        "total": 2,
        "words": "1 of 2",
        "waiting": 1,
        "waiting_words": "1",
    }


def test_what_was_skipped_is_not_counted_as_done(project, reviewer, queue):
    fill_queue(queue, *[make_interaction(project=project) for _ in range(3)])
    slot = held(reviewer, queue)

    answer = signed_in(reviewer).post(reverse("review-slot-skip", args=[slot.pk]), headers=SCRIPT)

    assert answer.json()["words"] == "0 of 2, 1 skipped"
    assert answer.json()["waiting"] == 2


def test_undo_tells_how_far_this_person_is_now(project, reviewer, queue):
    fill_queue(queue, make_interaction(project=project), make_interaction(project=project))
    slot = held(reviewer, queue)
    client = signed_in(reviewer)
    client.post(reverse("review-slot-judge", args=[slot.pk]), GOOD, headers=SCRIPT)

    answer = client.post(reverse("review-slot-undo", args=[slot.pk]), headers=SCRIPT)

    assert "&quot;words&quot;: &quot;0 of 2&quot;" in answer.content.decode()


def test_where_nothing_is_left_there_is_nothing_to_submit(project, reviewer, queue):
    page = signed_in(reviewer).get(reverse("review-queue", args=[queue.pk])).content.decode()

    assert "Nothing is left for you here" in page
    assert re.search(r'<footer class="focus-foot" hidden>', page)
    assert len(re.findall(r"data-of-item hidden disabled>", page)) == 2


def test_a_judgement_that_lacks_an_answer_is_refused_in_words(project, reviewer, queue):
    fill_queue(queue)
    slot = held(reviewer, queue)

    answer = signed_in(reviewer).post(
        reverse("review-slot-judge", args=[slot.pk]), {"score-verdict": "good"}, headers=SCRIPT
    )

    assert answer.status_code == 422
    assert "is required" in answer.json()["problem"]


def test_without_a_script_the_form_leads_to_the_next_item(project, reviewer, queue):
    fill_queue(queue)
    slot = held(reviewer, queue)

    answer = signed_in(reviewer).post(reverse("review-slot-judge", args=[slot.pk]), GOOD)

    assert answer["Location"] == reverse("review-queue", args=[queue.pk])
    assert Annotation.objects.count() == 1


def test_anothers_slot_is_not_there(project, admin, reviewer, queue):
    fill_queue(queue)
    slot = held(reviewer, queue)

    assert signed_in(admin).post(reverse("review-slot-judge", args=[slot.pk]), GOOD).status_code == 404


def test_who_leaves_gives_the_item_back_and_who_comes_back_has_it_again(project, reviewer, queue):
    [item] = fill_queue(queue)
    slot = held(reviewer, queue)
    client = signed_in(reviewer)

    client.post(reverse("review-leave"), {"slot": str(slot.pk)})
    item.refresh_from_db()
    assert item.state == "pending"
    kept = client.post(reverse("review-renew"), {"slot": str(slot.pk)})

    assert kept.json() == {"held": [str(slot.pk)]}


def test_others_judgements_are_hidden_until_ones_own_is_given(project, reviewer, admin):
    queue = make_queue(project=project, judgements_needed=3)
    [item] = fill_queue(queue)
    slot = held(reviewer, queue)
    signed_in(reviewer).post(
        reverse("review-slot-judge", args=[slot.pk]), {**GOOD, "comment": "A secret"}, headers=SCRIPT
    )
    pages = [reverse("review-item", args=[item.pk]), reverse("interaction", args=[item.interaction_id])]

    for address in pages:
        assert "A secret" not in signed_in(admin).get(address).content.decode()
        assert "A secret" in signed_in(reviewer).get(address).content.decode()
    own = held(admin, queue)
    signed_in(admin).post(reverse("review-slot-judge", args=[own.pk]), GOOD, headers=SCRIPT)

    for address in pages:
        assert "A secret" in signed_in(admin).get(address).content.decode()


def test_a_pair_tells_nothing_of_which_is_which(project, reviewer):
    queue = make_queue(project=project, kind="pairwise")
    attempt = make_run(project=project, verdicts=["identical"]).attempt_set.get()
    review.enqueue(queue=queue, entries=[review.Entry(attempt.original_id, attempt.pk)], reason="", now=NOW)

    page = signed_in(reviewer).get(reverse("review-queue", args=[queue.pk])).content.decode()

    assert "A is better" in page
    assert "gpt-4o-mini" not in page
    assert "fp_44709d6fcb" not in page


FORM = {
    "name": "Refunds",
    "kind": "single",
    "order": "least_certain",
    "judgements_needed": "2",
    "blind": "on",
    "differ-helpful": "2",
    "differ-verdict": "never",
}


@pytest.fixture
def callable_queue(project):
    provider = make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    queue = make_queue(project=project)
    fill_queue(queue, make_interaction(project=project, provider=provider, answer="Within five days."))
    return queue


def test_a_reviewer_asks_again_and_sees_the_comparison_beside_the_item(reviewer, callable_queue):
    client, here = (
        signed_in(reviewer),
        reverse("review-slot-replay", args=[held(reviewer, callable_queue).pk]),
    )

    asked = client.post(here, headers=SCRIPT).content.decode()
    waiting = client.get(here, headers=SCRIPT).content.decode()
    attempt = Attempt.objects.get()
    answer_attempt(
        attempt, answer="Within ten days.", verdict="nondeterministic", sentence="They part at a word."
    )
    told = client.get(here, headers=SCRIPT).content.decode()

    assert attempt.run.created_by == reviewer.person
    # It looks again while there is something to wait for, and no longer.
    assert all("Asking the same again" in page and "load delay" in page for page in (asked, waiting))
    assert "load delay" not in told
    assert "They part at a word." in told
    assert re.search(r"<ins[^>]*>ten</ins>", told)


def test_what_can_not_be_asked_again_is_told_in_words(project, reviewer, queue):
    fill_queue(queue, make_interaction(project=project))
    here = reverse("review-slot-replay", args=[held(reviewer, queue).pk])

    page = signed_in(reviewer).post(here, headers=SCRIPT).content.decode()

    assert "Not asked" in page
    assert not Attempt.objects.exists()


def test_an_admin_makes_a_queue_and_is_led_to_its_rules(project, admin):
    answer = signed_in(admin).post(reverse("review-queue-new"), FORM)

    queue = Queue.objects.get(name="Refunds")
    assert answer["Location"] == reverse("review-queue-rules", args=[queue.pk])
    assert (queue.judgements_needed, queue.order) == (2, "least_certain")
    assert queue.disagreement == {"helpful": 2.0, "verdict": "never"}


def test_the_form_shows_what_was_saved(project, admin):
    client = signed_in(admin)
    client.post(reverse("review-queue-new"), FORM)

    page = client.get(reverse("review-queue-edit", args=[Queue.objects.get(name="Refunds").pk]))

    form = page.context["form"]
    assert (form["differ-helpful"].value(), form["differ-verdict"].value()) == ("2", "never")


def test_saving_the_form_keeps_the_rubric(project, admin, queue):
    rubric = review.default_rubric(admin)
    Queue.objects.filter(pk=queue.pk).update(rubric=rubric)

    signed_in(admin).post(reverse("review-queue-edit", args=[queue.pk]), FORM)

    queue.refresh_from_db()
    assert queue.name == "Refunds"
    assert queue.rubric == rubric


def test_a_named_reviewer_who_became_a_viewer_stays_among_the_choices(project, admin, reviewer, queue):
    queue.reviewers.set([reviewer.person])
    Membership.objects.filter(person=reviewer.person).update(role="viewer")
    client, url = signed_in(admin), reverse("review-queue-edit", args=[queue.pk])
    pk = str(reviewer.person.pk)

    assert pk in dict(client.get(url).context["form"].fields["reviewers"].choices)
    form = {**FORM, "judgements_needed": "1", "reviewers": [pk]}
    assert client.post(url, form).status_code == 302
    assert list(queue.reviewers.all()) == [reviewer.person]


def test_a_queue_for_fewer_people_than_must_judge_is_refused(project, admin, reviewer):
    answer = signed_in(admin).post(
        reverse("review-queue-new"), {**FORM, "reviewers": [str(reviewer.person.pk)]}
    )

    assert answer.status_code == 422
    assert b"fewer are named" in answer.content


def test_a_rule_is_previewed_before_it_is_made(project, admin, queue):
    make_interaction(project=project, prompt="My refund?")

    answer = signed_in(admin).post(
        reverse("review-queue-preview", args=[queue.pk]),
        {"search": "refund", "sample": "100"},
        headers=SCRIPT,
    )

    assert b"1 recorded answer matches" in answer.content
    assert not RoutingRule.objects.exists()


def test_a_rule_that_can_not_be_is_told_in_the_preview(project, admin, queue):
    answer = signed_in(admin).post(
        reverse("review-queue-preview", args=[queue.pk]),
        {"search": "seed:abc", "sample": "100"},
        headers=SCRIPT,
    )

    assert b"must be a whole number" in answer.content


def test_a_rule_can_ask_for_what_an_answer_costs_at_least(project, admin, queue):
    for cost in (0.01, 0.02, 0.001, None):
        make_interaction(project=project, cost=cost)
    said = {"name": "Dear", "sample": "100", "costs_at_least": "0.0100"}

    told = (
        signed_in(admin)
        .post(reverse("review-queue-preview", args=[queue.pk]), said, headers=SCRIPT)
        .content.decode()
    )
    page = signed_in(admin).post(reverse("review-queue-rules", args=[queue.pk]), said, follow=True)

    assert "2 recorded answers match" in told
    assert "cost:&gt;=0.01" in page.content.decode()
    assert RoutingRule.objects.get().filter == {"cost": ">=0.01"}


def test_a_rule_says_only_once_what_an_answer_costs(project, admin, queue):
    answer = signed_in(admin).post(
        reverse("review-queue-rules", args=[queue.pk]),
        {"name": "Dear", "search": "cost:>1", "sample": "100", "costs_at_least": "0.01"},
    )

    assert (answer.status_code, RoutingRule.objects.count()) == (422, 0)


def test_a_rule_saved_with_back_fill_fills_the_queue(project, admin, queue):
    make_interaction(project=project, prompt="My refund?")
    make_interaction(project=project, prompt="Something else")

    signed_in(admin).post(
        reverse("review-queue-rules", args=[queue.pk]),
        {"name": "Refunds", "search": "refund", "sample": "100", "backfill": "1"},
    )

    assert QueueItem.objects.get().reason == "Refunds"


def test_a_rule_is_asked_earlier_by_its_button(project, admin, queue):
    for name in ("First", "Second", "Third"):
        review.save_rule(actor=admin, queue=queue, values=review.RuleValues(name=name), now=NOW)
    client, here = signed_in(admin), reverse("review-queue-rules", args=[queue.pk])
    page = client.get(here).content.decode()

    last = RoutingRule.objects.get(name="Third")
    after = client.post(reverse("review-rule-deed", args=[last.pk]), {"deed": "raise"}, follow=True)

    # The first one has nothing before it.
    assert page.count('value="raise"') == 2
    assert re.findall(r"<strong>(\w+)</strong>", after.content.decode()) == ["First", "Third", "Second"]


def judged_by_two(project, *pairs):
    """A queue whose items were judged by two people, each pair of verdicts one item."""
    queue = make_queue(project=project, judgements_needed=2)
    fill_queue(queue, *[make_interaction(project=project) for _ in pairs])
    people = [make_actor(project=project, role="reviewer") for _ in range(2)]
    for number, actor in enumerate(people):
        for pair in pairs:
            slot = review.take(actor=actor, queue=queue, now=NOW)
            scores = {"verdict": pair[number], "correct": True}
            review.judge(actor=actor, slot_id=slot.pk, judgement=review.Judgement(scores=scores), now=NOW)
    return queue, people


def test_the_agreement_page_computes_kappa_and_lists_who_differs(project, viewer):
    queue, _people = judged_by_two(
        project, ("good", "good"), ("good", "bad"), ("bad", "bad"), ("bad", "bad"), ("good", "good")
    )

    answer = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk]) + "?now=yes")

    found = answer.context["found"]
    verdict = next(one for one in found.questions if one.key == "verdict")
    # By hand: observed 4/5; chance 0.6 × 0.4 + 0.4 × 0.6 = 0.48.
    assert verdict.percent.value == pytest.approx(0.8)
    assert (verdict.kappas[0].name, verdict.kappas[0].value) == (
        "Cohen",
        pytest.approx((0.8 - 0.48) / (1 - 0.48)),
    )
    assert [one.questions for one in found.disagreements] == [["Is the answer good enough to send?"]]
    assert "0.62" in answer.content.decode()


def test_the_agreement_page_shows_drift_and_marks_by_their_labels(project, viewer):
    queue, _people = judged_by_two(project, *[("good", "good")] * 10, *[("good", "bad")] * 10)
    marks = [{"start": 0, "end": 4, "label": "tone", "note": ""}]
    Annotation.objects.filter(pk__in=Annotation.objects.values("pk")[:1]).update(spans=marks)

    answer = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk]) + "?now=yes")

    found = answer.context["found"]
    verdict = next(one for one in found.questions if one.key == "verdict")
    assert [part.items for part in verdict.stretches] == [10, 10]
    [(label, tone)] = found.marks_by_label
    assert (label, tone.marks, tone.pairs, tone.overlap, tone.meet) == ("tone", 1, 1, 0.0, 0.0)
    # One of twenty items was marked by one alone.
    assert tone.given.percent.value == 0.95
    assert tone.given.kappas[0].value == 0
    # Four of the 20 × 17 characters of “Within five days.”
    table = [["tone", ""]] * 4 + [["", ""]] * (20 * 17 - 4)
    assert tone.alpha.value == pytest.approx(krippendorff_alpha(table))
    assert found.marks.alpha == tone.alpha
    assert "Over time" in answer.content.decode()
    assert "Marks, label by label" in answer.content.decode()


def test_without_marks_no_answer_is_read_for_them(project, viewer):
    queue, _people = judged_by_two(project, ("good", "good"))

    with CaptureQueriesContext(connection) as asked:
        answer = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk]) + "?now=yes")

    assert answer.context["found"].marks is None
    assert not [one for one in asked if "interactionbody" in one["sql"]]


def test_the_agreement_page_tells_ordered_answers_by_their_order_and_each_by_itself(project, viewer):
    queue, _people = judged_by_two(
        project, *[("good", "good")] * 4, *[("good", "minor")] * 2, *[("bad", "bad")] * 4
    )

    answer = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk]) + "?now=yes")

    verdict = next(one for one in answer.context["found"].questions if one.key == "verdict")
    assert [level for level, _alpha in verdict.alphas] == ["ordinal", "nominal"]
    # To say that something is a minor problem is not far from good.
    assert verdict.alphas[0][1].value > verdict.alphas[1][1].value
    assert [one.name for one in verdict.kappas] == ["Cohen", "linear", "quadratic"]
    assert [(words, one.chosen, one.again) for words, one in verdict.choices] == [
        ("Good", 10, pytest.approx(0.8)),
        ("Minor problems", 2, 0.0),
        ("Bad", 8, 1.0),
    ]
    page = answer.content.decode()
    assert "Answer by answer" in page
    assert "Linear kappa" in page


def test_answers_of_an_earlier_version_that_have_no_place_in_the_order_are_left_out(project, viewer):
    queue, _people = judged_by_two(project, ("good", "good"), ("good", "bad"))
    first = Annotation.objects.order_by("pk").first()
    Annotation.objects.filter(pk=first.pk).update(scores={"verdict": "so so", "correct": True})

    answer = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk]) + "?now=yes")

    verdict = next(one for one in answer.context["found"].questions if one.key == "verdict")
    assert verdict.items == 1


def test_the_agreement_page_comes_before_its_figures(project, viewer, queue):
    page = signed_in(viewer).get(reverse("review-queue-agreement", args=[queue.pk])).content.decode()

    assert 'hx-trigger="load"' in page
    assert "Computing" in page


def test_a_persons_page_tells_how_often_they_agree(project, admin, queue):
    _queue, people = judged_by_two(project, ("good", "good"), ("good", "bad"))

    answer = signed_in(admin).get(reverse("review-person", args=[people[0].person.pk]))

    [(row, mine)] = answer.context["rows"]
    # Verdict and correctness on two items: three of four answers alike.
    assert (row.judged, row.compared, row.share) == (2, 4, 0.75)
    assert mine.done == 2
    assert answer.context["figures"].agrees == 0.75


def test_a_member_sees_all_of_their_own_page_and_of_others_only_counts_that_give_nothing_away(
    project, viewer
):
    blind, people = judged_by_two(project, ("good", "good"), ("good", "bad"))
    seen = make_queue(project=project, name="Open to all", blind=False)
    fill_queue(seen)
    slot = review.take(actor=people[0], queue=seen, now=NOW)
    judgement = review.Judgement(scores={"verdict": "good", "correct": True})
    review.judge(actor=people[0], slot_id=slot.pk, judgement=judgement, now=NOW)
    address = reverse("review-person", args=[people[0].person.pk])

    mine = signed_in(people[0]).get(address)
    theirs = signed_in(viewer).get(address)

    assert {row.queue for row, _mine in mine.context["rows"]} == {blind, seen}
    assert [queue for queue, _done in theirs.context["queues"]] == [seen]
    assert blind.name not in theirs.content.decode()
    assert "rows" not in theirs.context
    assert "todo" not in theirs.context


def test_the_people_of_a_project_are_listed_with_their_figures(project, admin, queue):
    _queue, people = judged_by_two(project, ("good", "good"), ("good", "bad"))

    found = signed_in(admin).get(reverse("people")).context["people"]

    by_person = {one.person.pk: one for one in found}
    assert by_person[people[0].person.pk].done.all == 2
    assert by_person[people[0].person.pk].agrees == 0.75
    assert by_person[admin.person.pk].done.all == 0


def test_an_adjudicator_may_judge_otherwise_on_the_items_page(project, admin):
    queue, _people = judged_by_two(project, ("good", "bad"))
    item = QueueItem.objects.get(queue=queue)

    signed_in(admin).post(
        reverse("review-item-adjudicate", args=[item.pk]),
        {"score-verdict": "minor", "score-correct": "true"},
    )

    item.refresh_from_db()
    assert (item.state, item.authoritative.scores["verdict"]) == ("done", "minor")


def test_a_decision_is_taken_back_from_the_item_that_comes_next(project, admin):
    queue, _people = judged_by_two(project, ("good", "bad"), ("bad", "good"))
    first, second = QueueItem.objects.filter(queue=queue).in_order()
    client = signed_in(admin)
    chosen = first.slots.first().annotation_id

    page = client.post(
        reverse("review-item-adjudicate", args=[first.pk]), {"chosen": chosen}, follow=True
    ).content.decode()
    back = client.post(reverse("review-item-undo", args=[first.pk]), follow=True)

    # In the note that says it is decided, and as a button with its key.
    assert page.count(reverse("review-item-undo", args=[first.pk])) == 2
    assert back.redirect_chain[-1][0] == reverse("review-item", args=[first.pk])
    assert "Decision taken back" in back.content.decode()
    assert reverse("review-item-undo", args=[first.pk]) not in back.content.decode()
    first.refresh_from_db()
    assert (first.state, second.state) == ("adjudication", "adjudication")


def test_why_a_decision_can_not_be_taken_back_is_said(project, admin):
    queue, _people = judged_by_two(project, ("good", "bad"))
    item = QueueItem.objects.get(queue=queue)
    chosen = item.slots.first().annotation_id
    signed_in(admin).post(reverse("review-item-adjudicate", args=[item.pk]), {"chosen": chosen})

    answer = signed_in(make_actor(project=project)).post(reverse("review-item-undo", args=[item.pk]))

    assert answer.status_code == 409
    assert "Somebody else has decided about this item" in answer.content.decode()


def test_an_admin_sends_an_item_back(project, admin):
    queue, _people = judged_by_two(project, ("good", "good"))
    item = QueueItem.objects.get(queue=queue)

    signed_in(admin).post(reverse("review-item-requeue", args=[item.pk]))

    item.refresh_from_db()
    assert item.state == "returned"
