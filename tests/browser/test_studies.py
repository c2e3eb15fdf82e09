"""A study under somebody's hands: begun from an interaction, watched, and a point of it compared."""

from __future__ import annotations

import re
import threading

import pytest
from django.db import connection
from playwright.sync_api import expect

from reviewapp.models import Study
from reviewapp.stages import compare, replay, study
from tests import factories
from tests.answering import answering, completion
from tests.browser.conftest import OpenPage
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ASKED = "When is my refund due? I need it soon."


def behave(asked):
    """The recorded answer to the recorded question and to small edits of it."""
    prompt = asked.json["messages"][-1]["content"]
    near = len(prompt) < len(ASKED) + 4 and "refund" in prompt
    return completion("Within five days." if near else "It depends on what you bought, and when.")


def work(found: Study) -> None:
    """What workers do; in a thread of its own, since the browser's driver has an event loop in this one."""

    def turn() -> None:
        try:
            replay.work(run_id=found.run_id, worker="w1", seconds=600.0)
            while compare.compare_new(now=NOW, run_id=found.run_id):
                pass
            study.measure(run_id=found.run_id)
        finally:
            connection.close()

    thread = threading.Thread(target=turn)
    thread.start()
    thread.join(600)
    assert not thread.is_alive()


def test_a_deviation_study_from_its_start_to_the_comparison_of_a_point(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    person = factories.make_member(project=project, role="reviewer")
    with answering(behave) as server:
        provider = factories.make_provider(project=project, name="acme", base_url=server.base_url)
        original = factories.make_interaction(project=project, provider=provider, prompt=ASKED)
        page = open_page(f"/interactions/{original.pk}/", person=person)

        page.get_by_text("Study", exact=True).click()
        page.get_by_role("link", name="How far may the prompt drift?").click()
        before = page.locator(".estimate-figure").inner_text()
        # What a person leaves out costs nothing: the estimate follows the form.
        page.get_by_label("leave out").first.check()
        expect(page.locator(".estimate-figure")).not_to_have_text(before)
        page.get_by_role("button", name="Start the study").click()
        expect(page.get_by_text("Waiting for a worker")).to_be_visible()
        work(Study.objects.get())

        # It shows what came without being loaded again, and then asks no more.
        expect(page.locator(".plot-mark").first).to_be_visible()
        expect(page.locator("#live[hx-trigger]")).to_have_count(0)
        expect(page.locator(".study-answer")).to_contain_text("of the prompt may change")
        # By the keyboard: each mark is a link with words of its own. One of an edit that mattered: in another
        # order the same words are asked, and answered alike.
        mark = page.locator('.plot-mark:not([aria-label*=": 100"])').last
        assert "of the words stayed" in (mark.get_attribute("aria-label") or "")
        mark.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/compare/"))
        expect(page.locator("body")).to_contain_text("It depends on what you bought")
