"""Reviewing as reviewers do it: two people in browsers of their own, by the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from reviewapp.models import Annotation, Attempt, Comparison, Queue, QueueItem, QueueSlot
from reviewapp.stages import review
from tests import factories
from tests.browser.conftest import OpenPage
from tests.embedded.processes import eventually
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def at_rest(browser: Browser, open_page: OpenPage) -> Iterator[None]:
    """What is on its way arrives before the tables are emptied."""
    yield
    for context in browser.contexts:
        for page in context.pages:
            page.wait_for_load_state("networkidle")


@pytest.fixture
def project() -> Any:
    return factories.make_project(name="Demo")


@pytest.fixture
def admin(project: Any) -> Any:
    return factories.make_actor(project=project)


@pytest.fixture
def reviewer(project: Any) -> Any:
    return factories.make_actor(project=project, role="reviewer")


def filled(project: Any, *answers: str, **fields: Any) -> Queue:
    """A queue with one item for each answer, in their order."""
    queue = factories.make_queue(project=project, **fields)
    rows = [
        factories.make_interaction(project=project, prompt=f"Question {number}", answer=answer)
        for number, answer in enumerate(answers, 1)
    ]
    factories.fill_queue(queue, *rows)
    return queue


def item(page: Page) -> Any:
    return page.locator("[data-item]")


def shows(page: Page, text: str) -> None:
    expect(item(page)).to_contain_text(text)


def press(page: Page, *keys: str) -> None:
    # The keys work when the page's modules have run; what it shows is there earlier.
    page.wait_for_load_state("load")
    for key in keys:
        page.keyboard.press(key)


def judged() -> list[dict[str, Any]]:
    """What arrived, in the order of the answers."""
    return [
        {**one.scores, "answer": one.interaction.answer_preview}
        for one in Annotation.objects.filter(removed_at=None)
        .select_related("interaction")
        .order_by("interaction__started_at")
    ]


def test_two_people_work_through_a_queue_without_ever_having_the_same_item(
    open_page: OpenPage, project: Any, admin: Any, reviewer: Any
):
    queue = filled(project, *[f"Answer number {n}." for n in range(1, 9)])
    pages = [open_page(f"/review/{queue.pk}/", person=who.person) for who in (admin, reviewer)]

    for _ in range(8):
        for page in pages:
            if page.locator("[data-nothing]").count():
                continue
            before = item(page).get_attribute("data-item")
            # Good, correct, very helpful.
            press(page, "1", "1", "5", "Enter")
            expect(item(page)).not_to_have_attribute("data-item", before or "")

    for page in pages:
        shows(page, "Nothing is left for you here")
    assert eventually(lambda: Annotation.objects.count() == 8)
    assert QueueItem.objects.filter(queue=queue, state="done").count() == 8
    assert {one["helpful"] for one in judged()} == {5}
    assert QueueSlot.objects.filter(state="judged").values("person").distinct().count() == 2


def test_each_question_is_answered_by_one_key_and_enter_goes_on(
    open_page: OpenPage, project: Any, reviewer: Any
):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    shows(page, "The first.")
    press(page, "3", "2", "Enter")

    shows(page, "The second.")
    assert eventually(lambda: judged() == [{"verdict": "bad", "correct": False, "answer": "The first."}])
    expect(page.locator("[data-progress]")).to_contain_text("1 of 2")


def test_a_goes_to_the_first_open_question(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    press(page, "ArrowDown", "ArrowDown", "a", "3", "2", "Enter")

    shows(page, "The second.")
    assert eventually(lambda: judged() == [{"verdict": "bad", "correct": False, "answer": "The first."}])


def test_a_question_that_must_be_answered_is_asked_for(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    press(page, "1", "Enter")

    expect(page.locator(".toast")).to_contain_text("Answer this question first.")
    shows(page, "The first.")
    assert not Annotation.objects.exists()


def test_words_are_marked_and_the_answer_corrected_without_the_mouse(
    open_page: OpenPage, project: Any, reviewer: Any
):
    queue = filled(project, "Within five days.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    shows(page, "Within five days.")
    # What Shift and the arrow keys select in a browser with caret browsing.
    page.evaluate(
        """() => {
            const text = document.querySelector("[data-judged] p").firstChild;
            const range = document.createRange();
            range.setStart(text, 7);
            range.setEnd(text, 11);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    page.wait_for_function("getSelection().toString() === 'five'")
    press(page, "w")
    expect(page.locator("[data-span-list] mark")).to_contain_text("five")
    press(page, "e")
    page.get_by_label("The answer as it should be").press("Control+a")
    page.keyboard.type("Within ten days.")
    expect(page.locator("[data-difference-of] ins")).to_have_text("ten")
    expect(page.locator("[data-difference-of] del")).to_have_text("five")
    press(page, "Escape", "n")
    page.keyboard.type("It says ten in the policy.")
    press(page, "Escape", "2", "1", "Enter")

    shows(page, "Nothing is left")
    assert eventually(Annotation.objects.exists)
    kept = Annotation.objects.get()
    assert kept.spans == [{"start": 7, "end": 11, "label": "wrong", "note": ""}]
    assert kept.correction == "Within ten days."
    assert kept.comment == "It says ten in the policy."


def test_undo_brings_the_item_back_with_what_was_said(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    press(page, "1", "1", "Enter")
    shows(page, "The second.")

    press(page, "u")

    shows(page, "The first.")
    expect(page.get_by_label("Good", exact=False).first).to_be_checked()
    assert not Annotation.objects.filter(removed_at=None).exists()
    page.get_by_label("Bad").check()
    press(page, "Enter")
    shows(page, "The second.")
    assert eventually(lambda: [one["verdict"] for one in judged()] == ["bad"])


def test_previous_shows_what_was_judged_and_changes_it(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    press(page, "1", "1", "Enter")
    shows(page, "The second.")
    assert eventually(Annotation.objects.exists)

    press(page, "p")
    shows(page, "The first.")
    page.get_by_label("Minor problems").check()
    press(page, "Enter")

    shows(page, "The second.")
    assert eventually(lambda: [one["verdict"] for one in judged()] == ["minor"])


def test_what_is_skipped_goes_to_another(open_page: OpenPage, project: Any, admin: Any, reviewer: Any):
    queue = filled(project, "The only one.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    press(page, "s")
    shows(page, "Nothing is left")
    assert eventually(lambda: QueueSlot.objects.filter(state="skipped").exists())

    shows(open_page(f"/review/{queue.pk}/", person=admin.person), "The only one.")


def test_the_figures_follow_what_was_judged_skipped_and_taken_back(
    open_page: OpenPage, project: Any, reviewer: Any
):
    queue = filled(project, "The first.", "The second.", "The third.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    progress = page.locator("[data-progress]")
    waiting = page.locator(".rail [data-count=review] [data-figure]")
    expect(progress).to_have_text("0 of 3")
    expect(waiting).to_have_text("3")

    press(page, "1", "1", "Enter")
    expect(progress).to_have_text("1 of 3")
    expect(waiting).to_have_text("2")
    press(page, "s")
    expect(progress).to_have_text("1 of 2, 1 skipped")
    expect(waiting).to_have_text("1")
    press(page, "u")
    expect(progress).to_have_text("1 of 3")
    expect(waiting).to_have_text("2")
    press(page, "u")

    shows(page, "The first.")
    expect(progress).to_have_text("0 of 3")
    expect(waiting).to_have_text("3")


def test_the_form_for_a_queue_takes_what_is_typed_after_its_key(open_page: OpenPage, admin: Any):
    page = open_page("/review/", person=admin.person)

    press(page, "n")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("New answers")
    press(page, "Control+Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("New answers")
    assert Queue.objects.get().name == "New answers"


def test_a_rule_says_what_it_would_bring_fills_back_and_stands_beside_what_it_brought(
    open_page: OpenPage, project: Any, admin: Any, reviewer: Any
):
    queue = factories.make_queue(project=project)
    for prompt in ("When is my refund due?", "Where is my parcel?", "Is a refund free?"):
        factories.make_interaction(project=project, prompt=prompt, answer="Soon.")
    waits = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(waits, "Nothing is left")
    page = open_page(f"/review/{queue.pk}/rules/", person=admin.person)

    page.get_by_label("Name").focus()
    page.keyboard.type("About money")
    press(page, "Tab")
    page.keyboard.type("refund")
    expect(page.locator("#rule-preview")).to_contain_text("2 recorded answers match")
    press(page, "Control+Enter")
    page.get_by_role("button", name="Fill back", exact=True).press("Enter")

    expect(page.locator(".toast")).to_contain_text("2 items were put into the queue.")
    waits.reload()
    shows(waits, "When is my refund due?")
    expect(waits.locator(".focus-reason")).to_contain_text("About money")


def test_an_empty_queue_offers_nothing_to_submit_or_skip(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The only one.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)

    press(page, "1", "1", "Enter")

    shows(page, "Nothing is left")
    expect(page.get_by_role("button", name="Submit")).to_be_hidden()
    expect(page.get_by_role("button", name="Skip")).to_be_hidden()
    expect(page.locator(".rail [data-count=review]")).to_be_hidden()
    press(page, "u")
    shows(page, "The only one.")
    expect(page.get_by_role("button", name="Submit")).to_be_visible()


def test_a_lost_connection_loses_nothing(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.", "The third.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(page, "The first.")
    # The next one is at hand already.
    assert eventually(lambda: QueueSlot.objects.count() == 2)
    page.wait_for_load_state("networkidle")

    page.context.set_offline(True)
    press(page, "1", "1", "n")
    page.keyboard.type("Written in a tunnel.")
    press(page, "Escape", "Enter")
    shows(page, "The second.")
    expect(page.locator("[data-unsent]")).to_contain_text("Nothing is lost")
    assert not Annotation.objects.exists()
    page.context.set_offline(False)

    assert eventually(Annotation.objects.exists)
    assert Annotation.objects.get().comment == "Written in a tunnel."
    expect(page.locator("[data-unsent]")).to_be_hidden()


def test_a_judgement_whose_answer_gets_lost_is_sent_again_and_counts_once(
    open_page: OpenPage, project: Any, reviewer: Any
):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(page, "The first.")
    lost: list[int] = []

    held: list[Route] = []

    def lose(route: Route) -> None:
        if lost:
            held.append(route)
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/judge/", lose)
    press(page, "1", "1", "Enter")

    shows(page, "The second.")
    expect(page.locator("[data-unsent]")).to_be_visible()
    page.unroute("**/judge/")
    for one in held:
        one.continue_()
    expect(page.locator("[data-unsent]")).to_be_hidden()
    assert lost == [200]
    assert Annotation.objects.get().version == 1


def test_what_was_typed_outlives_a_reload(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    press(page, "2", "n")
    page.keyboard.type("Half a thought")

    page.reload()

    shows(page, "The first.")
    expect(page.get_by_label(re.compile("^Comment"))).to_have_value("Half a thought")
    expect(page.get_by_label("Minor problems")).to_be_checked()


def test_what_was_being_written_to_others_outlives_a_reload(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", blind=False)
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    # It comes a moment after its item.
    expect(page.locator("[data-discussion]")).to_be_visible()
    press(page, "t")
    page.keyboard.type("Does anybody know?")

    page.reload()

    expect(page.get_by_label("What you want to say")).to_have_value("Does anybody know?")


def test_who_leaves_gives_the_item_back(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(page, "The first.")

    page.goto("/interactions/")

    assert eventually(lambda: QueueItem.objects.get().state == "pending")


def test_people_who_disagree_are_told_apart_and_an_admin_decides(
    open_page: OpenPage, project: Any, admin: Any, reviewer: Any
):
    queue = filled(project, "Within five days.", judgements_needed=2)
    second = factories.make_actor(project=project, role="reviewer")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    press(page, "1", "1", "Enter")
    shows(page, "Nothing is left")
    assert eventually(lambda: Annotation.objects.count() == 1)
    # The second one doesn't see what the first one said.
    other = open_page(f"/review/items/{QueueItem.objects.get().pk}/", person=second.person)
    expect(other.locator(".item-judgements")).to_contain_text("hidden until you have given yours")
    expect(other.locator(".judgement")).to_have_count(0)
    other.goto(f"/review/{queue.pk}/")
    press(other, "3", "1", "Enter")
    shows(other, "Nothing is left")
    assert eventually(lambda: QueueItem.objects.get().state == "adjudication")

    deciding = open_page("/review/", person=admin.person)
    expect(deciding.get_by_text("people disagree, and you decide")).to_be_visible()
    deciding.goto(f"/review/{queue.pk}/items/?state=adjudication")
    press(deciding, "j", "Enter")
    expect(deciding.get_by_text("They differ on: Is the answer good enough to send?")).to_be_visible()
    press(deciding, "2")

    expect(deciding.locator(".judgement.is-authoritative")).to_contain_text("Bad")
    found = QueueItem.objects.get()
    assert found.state == "done"
    assert found.authoritative is not None
    assert found.authoritative.created_by == second.person


def test_an_adjudicator_judges_otherwise_by_keys(
    open_page: OpenPage, project: Any, admin: Any, reviewer: Any
):
    queue = filled(project, "Within five days.", judgements_needed=2)
    second = factories.make_actor(project=project, role="reviewer")
    for actor, verdict in ((reviewer, "good"), (second, "bad")):
        slot = review.take(actor=actor, queue=queue, now=NOW)
        assert slot is not None
        said = review.Judgement(scores={"verdict": verdict, "correct": True})
        review.judge(actor=actor, slot_id=slot.pk, judgement=said, now=NOW)
    page = open_page(f"/review/items/{QueueItem.objects.get().pk}/", person=admin.person)

    press(page, "a")
    expect(page.get_by_role("radio", name=re.compile("^Good"))).to_be_focused()
    # In the form the digits answer its questions; outside of it they would say whose judgement counts.
    press(page, "2", "1", "Control+Enter")

    expect(page.locator(".judgement.is-authoritative")).to_contain_text("Minor problems")
    found = QueueItem.objects.get().authoritative
    assert found is not None
    assert (found.scores["verdict"], found.created_by) == ("minor", admin.person)


def test_an_adjudicator_takes_a_decision_back_by_key_and_by_the_notes_button(
    open_page: OpenPage, project: Any, admin: Any, reviewer: Any
):
    queue = filled(project, "Within five days.", judgements_needed=2)
    second = factories.make_actor(project=project, role="reviewer")
    for actor, verdict in ((reviewer, "good"), (second, "bad")):
        slot = review.take(actor=actor, queue=queue, now=NOW)
        assert slot is not None
        said = review.Judgement(scores={"verdict": verdict, "correct": True})
        review.judge(actor=actor, slot_id=slot.pk, judgement=said, now=NOW)
    page = open_page(f"/review/items/{QueueItem.objects.get().pk}/", person=admin.person)

    for key in ("u", "z"):
        press(page, "1")
        expect(page.locator(".judgement.is-authoritative")).to_contain_text("Good")
        press(page, key)
        expect(page.get_by_text("Decision taken back")).to_be_visible()
        expect(page.get_by_text("People disagree")).to_be_visible()
        assert QueueItem.objects.get().state == "adjudication"


def test_a_replay_is_judged_beside_its_original(open_page: OpenPage, project: Any, reviewer: Any):
    original = factories.make_interaction(project=project, answer="Within five days.")
    answer = factories.make_interaction(project=project, answer="Within ten days.", replay_of=original)
    run = factories.make_run(project=project)
    attempt = factories.make_attempt(run=run, original=original, answer=answer, verdict="backend_changed")
    queue = factories.make_queue(project=project, name="Changed answers")
    review.enqueue(
        queue=queue, entries=[review.Entry(original.pk, attempt.pk, 1.0)], reason="A change", now=NOW
    )
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    expect(page.locator(".bodies del, .bodies .changed").first).to_be_visible()

    press(page, "2", "Enter")

    shows(page, "Nothing is left")
    assert eventually(lambda: Comparison.objects.get().decision == "regression")


def test_r_asks_again_and_shows_the_comparison_without_leaving(
    open_page: OpenPage, project: Any, reviewer: Any
):
    factories.make_provider(project=project, base_url="http://127.0.0.1:9/v1")
    queue = filled(project, "Within five days.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(page, "Within five days.")
    press(page, "n")
    page.keyboard.type("Half a thought")

    press(page, "Escape", "r")
    expect(page.locator("#replayed")).to_contain_text("Asking the same again")
    factories.answer_attempt(
        Attempt.objects.get(), answer="Within ten days.", verdict="nondeterministic", sentence="They part."
    )

    expect(page.locator("#replayed")).to_contain_text("They part.")
    shows(page, "Within five days.")
    expect(page.get_by_label(re.compile("^Comment"))).to_have_value("Half a thought")
    press(page, "1", "1", "Enter")
    shows(page, "The second.")


def test_in_a_pair_nothing_tells_which_is_which(open_page: OpenPage, project: Any, reviewer: Any):
    original = factories.make_interaction(project=project, answer="Old words.", fingerprint="fp_old")
    answer = factories.make_interaction(
        project=project, answer="New words.", fingerprint="fp_new", replay_of=original
    )
    run = factories.make_run(project=project)
    attempt = factories.make_attempt(run=run, original=original, answer=answer, verdict="nondeterministic")
    queue = factories.make_queue(project=project, kind="pairwise")
    review.enqueue(queue=queue, entries=[review.Entry(original.pk, attempt.pk)], reason="", now=NOW)
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    expect(page.locator(".focus-letter")).to_have_text(["A", "B"])
    assert "fp_" not in page.content()

    press(page, "1", "Enter")

    shows(page, "Nothing is left")
    assert eventually(Annotation.objects.exists)
    first = "replay" if QueueSlot.objects.get().replay_first else "original"
    assert Annotation.objects.get().preference == first


def test_a_thumb_is_enough(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person, width=390, height=844, has_touch=True)

    page.locator(".choice", has_text="Good").tap()
    page.locator(".choice", has_text="Yes").tap()
    page.get_by_role("button", name="Submit").tap()

    shows(page, "The second.")
    assert eventually(lambda: len(judged()) == 1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_step_is_painted_before_any_answer_comes(open_page: OpenPage, project: Any, reviewer: Any):
    queue = filled(project, "The first.", "The second.", "The third.")
    page = open_page(f"/review/{queue.pk}/", person=reviewer.person)
    shows(page, "The first.")
    # The next one is at hand already.
    assert eventually(lambda: QueueSlot.objects.count() == 2)
    page.wait_for_load_state("networkidle")
    held: list[Route] = []
    through = False

    def hold(route: Route) -> None:
        if through:
            route.continue_()
        else:
            held.append(route)

    page.route("**/*", hold)
    press(page, "1", "1", "Enter")

    shows(page, "The second.")
    assert [one.request.url for one in held if one.request.url.endswith("/judge/")]
    assert not Annotation.objects.exists()
    through = True
    for one in held:
        one.continue_()
    assert eventually(Annotation.objects.exists)
    press(page, "1", "1", "Enter")
    shows(page, "The third.")
