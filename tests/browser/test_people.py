"""People's own pages: what one did, how fast, how well the others agree, and what is one's own to do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from reviewapp.models import Actor, Queue
from reviewapp.stages import discuss, review
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def anna(project: Any) -> Actor:
    person = factories.make_person(name="Anna Meyer")
    return factories.make_actor(project=project, role="admin", person=person)


@pytest.fixture
def bo(project: Any) -> Actor:
    return factories.make_actor(project=project, role="reviewer", person=factories.make_person(name="Bo Li"))


@pytest.fixture
def queue(project: Any, anna: Actor, bo: Actor) -> Queue:
    """Bo judged three items in twenty seconds each, and Anna the same: once she says otherwise."""
    queue: Queue = factories.make_queue(project=project, name="Refunds", judgements_needed=2)
    factories.fill_queue(
        queue, *[factories.make_interaction(project=project, prompt=f"Question {n}?") for n in range(4)]
    )
    began = timezone.now() - timedelta(minutes=5)
    for actor, verdicts in ((bo, ["good", "good", "bad"]), (anna, ["good", "good", "good"])):
        for number, verdict in enumerate(verdicts):
            now = began + timedelta(seconds=20 * number)
            slot = review.take(actor=actor, queue=queue, now=now)
            assert slot is not None
            said = review.Judgement(scores={"verdict": verdict, "correct": True})
            review.judge(actor=actor, slot_id=slot.pk, judgement=said, now=now + timedelta(seconds=20))
    return queue


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state("load")  # the modules that listen have run
    for key in keys:
        page.keyboard.press(key)


def stat(page: Page, label: str) -> Any:
    return page.locator(".stats > *", has_text=label)


def test_one_sees_what_one_did_how_others_agree_and_what_waits(
    open_page: OpenPage, queue: Queue, anna: Actor, bo: Actor
):
    one = factories.make_interaction(project=queue.project, prompt="What about this?")
    discuss.start_thread(actor=anna, interaction=one, text="Is that right, @bo.li?", now=timezone.now())
    page = open_page("/", person=bo.person)

    press(page, "g", "r")
    page.wait_for_url(re.compile("/review/$"))
    press(page, "m")

    expect(page.get_by_role("heading", level=1)).to_have_text("Bo Li")
    expect(stat(page, "In 7 days")).to_contain_text("3")
    expect(stat(page, "An item takes")).to_contain_text("20 s")
    # Three items of two answers each, and one of the six is another.
    expect(stat(page, "Agrees with the others")).to_contain_text("83 %")
    todo = page.locator(".home-list li")
    expect(todo).to_have_count(2)
    expect(todo.nth(0)).to_contain_text("Refunds")
    expect(todo.nth(0)).to_contain_text("1 item")
    expect(todo.nth(1)).to_contain_text("discussion")
    press(page, "j", "Enter")
    expect(page.locator("[data-item]")).to_contain_text("Question 3?")


def test_an_admin_goes_from_everybody_to_one_and_others_see_less(
    open_page: OpenPage, queue: Queue, anna: Actor, bo: Actor
):
    page = open_page("/review/", person=anna.person)

    press(page, "e")
    page.wait_for_url(re.compile("/people/$"))
    expect(page.locator("[data-row]", has_text="Bo Li")).to_contain_text("83 %")
    bos = (
        page.locator("[data-row]")
        .all_inner_texts()
        .index(page.locator("[data-row]", has_text="Bo Li").inner_text())
    )
    press(page, *["j"] * (bos + 1), "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bo Li")
    expect(page.get_by_role("heading", name="To do")).to_be_visible()

    others = open_page(f"/people/{anna.person.pk}/", person=bo.person)
    expect(others.get_by_text("Of others you see how much they judged")).to_be_visible()
    expect(others.get_by_text("Agrees with the others")).to_have_count(0)
