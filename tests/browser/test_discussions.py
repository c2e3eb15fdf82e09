"""Discussions under several people's hands at once, by keys alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from reviewapp.models import Notification, Thread
from reviewapp.stages import discuss
from tests import factories
from tests.browser.conftest import OpenPage, session_cookie
from tests.browser.test_marks import SELECT
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_asked_told_found_answered_and_settled(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    anna, bo = (
        factories.make_member(project=project, person=factories.make_person(name=name))
        for name in ("Anna Meyer", "Bo Li")
    )
    factories.make_member(
        project=factories.make_project(), person=factories.make_person(name="Bob Elsewhere")
    )
    one = factories.make_interaction(
        project=project, answer="Your refund comes within **five** days.\n\n" + "Something else. " * 30
    )
    asks = open_page(f"/interactions/{one.pk}/", person=anna)
    answers = open_page("/", person=bo)

    # Anna selects words, and asks Bo about them; nobody of another project is offered.
    asks.evaluate(SELECT, ["five", "days"])
    asks.keyboard.press("t")
    expect(asks.locator("[data-thread-words]")).to_have_text("five days")
    asks.keyboard.type("Is that right, @b")
    expect(asks.get_by_role("option")).to_have_count(1)
    asks.keyboard.press("Enter")
    asks.keyboard.type("? It says **three** <i>here</i>.")
    asks.keyboard.press("Control+Enter")
    expect(asks.locator(".thread .mention")).to_have_text("@bo.li")
    # The space that came with the name gave way.
    expect(asks.locator(".post-text")).to_contain_text("@bo.li? It says")
    expect(asks.locator("[data-judged] mark[data-thread]").first).to_have_text("five")
    assert Thread.objects.get().quote == "five** days"

    # Bo is told, and goes to the words.
    answers.reload()
    expect(answers.locator("#alerts > summary")).to_have_accessible_name("1 notification for you")
    answers.keyboard.press("g")
    answers.keyboard.press("n")
    answers.wait_for_url(re.compile("/notifications/"))
    answers.keyboard.press("j")
    answers.keyboard.press("Enter")
    answers.wait_for_url(re.compile(f"/interactions/{one.pk}/#thread-"))
    # Its words too are in sight where the window holds both.
    expect(answers.locator("[id^=thread-]:focus")).to_be_in_viewport()
    expect(answers.locator("mark[aria-current]").first).to_have_text("five")
    expect(answers.locator(".thread")).to_be_focused()
    expect(answers.locator(".thread em, .thread i")).to_have_count(0)
    expect(answers.locator("#alerts > summary")).to_have_accessible_name("No new alerts")

    # He answers; Anna, who is writing, sees it within seconds and keeps what she writes.
    asks.locator(".thread-reply textarea").focus()
    asks.keyboard.type("Half a thou")
    answers.get_by_label(re.compile("^Reply in the discussion")).focus()
    answers.keyboard.type("It is five, see the terms.")
    answers.keyboard.press("Control+Enter")
    expect(answers.locator(".post")).to_have_count(2)
    expect(answers.get_by_label(re.compile("^Reply in the discussion"))).to_have_value("")
    expect(asks.locator(".post")).to_have_count(2)
    expect(asks.locator(".thread-reply textarea")).to_have_value("Half a thou")
    expect(asks.locator(".thread-reply textarea")).to_be_focused()

    # She settles it, and the words are marked no more; he sees that too.
    asks.keyboard.type("ght.")
    asks.keyboard.press("Control+Shift+Enter")
    expect(asks.locator(".thread-settled > summary")).to_have_text("1 resolved")
    expect(asks.locator("mark[data-thread]")).to_have_count(0)
    expect(answers.locator(".thread-settled > summary")).to_have_text("1 resolved")
    assert Thread.objects.get().state == "resolved"
    assert {row.kind for row in Notification.objects.filter(person=bo)} == {"mention", "reply"}


def test_one_changes_and_removes_what_one_wrote_on_a_phone(open_page: OpenPage):
    project = factories.make_project()
    actor = factories.make_actor(project=project, role="reviewer")
    one = factories.make_interaction(project=project)
    discuss.start_thread(actor=actor, interaction=one, text="Is that rihgt?", now=NOW)
    page = open_page(f"/interactions/{one.pk}/", person=actor.person, width=390)

    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Your text").fill("Is that right?")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".post-text")).to_have_text("Is that right?")
    expect(page.get_by_text("Earlier versions")).to_be_visible()

    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Removed by who wrote it")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".post-text")).to_have_text("Is that right?")


DRAFTS = "() => Object.keys(localStorage).filter((key) => key.startsWith('discussion-draft:'))"


def test_what_is_being_written_outlives_a_lost_server_and_a_reload_until_it_is_sent(open_page: OpenPage):
    project = factories.make_project()
    actor = factories.make_actor(project=project, role="reviewer")
    one = factories.make_interaction(project=project, answer="Within **five** days.")
    page = open_page(f"/interactions/{one.pk}/", person=actor.person)
    writing = page.get_by_label("What you want to say")
    page.evaluate(SELECT, ["five", "days"])
    page.keyboard.press("t")
    page.keyboard.type("Half a thought")

    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No answer from the server")).to_be_visible()
    page.context.set_offline(False)
    page.reload()

    # With the words that it is about.
    expect(writing).to_have_value("Half a thought")
    expect(page.locator("[data-thread-words]")).to_have_text("five days")
    assert page.evaluate(DRAFTS) == [f"discussion-draft:{actor.person.pk}:thread-new-{one.pk}"]

    writing.focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".post-text")).to_have_text("Half a thought")
    assert Thread.objects.get().quote == "five** days"
    page.reload()
    expect(page.locator(".post-text")).to_have_text("Half a thought")
    expect(writing).to_be_hidden()
    expect(writing).to_have_value("")
    assert page.evaluate(DRAFTS) == []


def test_a_reply_and_a_change_that_were_begun_are_there_again_and_go_when_cancelled(open_page: OpenPage):
    project = factories.make_project()
    actor = factories.make_actor(project=project, role="reviewer")
    one = factories.make_interaction(project=project)
    discuss.start_thread(actor=actor, interaction=one, text="Is that rihgt?", now=NOW)
    page = open_page(f"/interactions/{one.pk}/", person=actor.person)
    page.get_by_label(re.compile("^Reply in the discussion")).fill("It is not")
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Your text").fill("Is that right?")

    page.reload()

    expect(page.get_by_label(re.compile("^Reply in the discussion"))).to_have_value("It is not")
    expect(page.get_by_label("Your text")).to_have_value("Is that right?")
    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_label(re.compile("^Reply in the discussion")).fill("")
    page.reload()
    expect(page.locator(".post-text")).to_have_text("Is that rihgt?")
    expect(page.get_by_label("Your text")).to_be_hidden()
    expect(page.get_by_label(re.compile("^Reply in the discussion"))).to_have_value("")
    assert page.evaluate(DRAFTS) == []


def test_nobody_finds_what_somebody_else_was_writing_in_the_same_browser(
    open_page: OpenPage, live_server: Any
):
    project = factories.make_project()
    anna, bo = (factories.make_member(project=project) for _ in range(2))
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/", person=anna)
    page.wait_for_load_state("load")
    page.keyboard.press("t")
    page.keyboard.type("For nobody yet")
    expect(page.get_by_label("What you want to say")).to_have_value("For nobody yet")

    page.context.add_cookies([session_cookie(person=bo, url=live_server.url)])
    page.reload()

    expect(page.get_by_label("What you want to say")).to_be_hidden()
    expect(page.get_by_label("What you want to say")).to_have_value("")


def test_signing_out_leaves_nothing_of_it_in_the_browser(open_page: OpenPage):
    project = factories.make_project()
    person = factories.make_member(project=project)
    one = factories.make_interaction(project=project)
    page = open_page(f"/interactions/{one.pk}/", person=person)
    page.wait_for_load_state("load")
    page.keyboard.press("t")
    page.keyboard.type("For nobody yet")
    assert len(page.evaluate(DRAFTS)) == 1

    page.goto("/accounts/logout/")
    page.locator("main form button").click()
    page.wait_for_url(re.compile("/accounts/login/"))

    assert page.evaluate(DRAFTS) == []
