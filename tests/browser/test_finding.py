"""Finding by keys alone: a view is saved, a completion is taken."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reviewapp.models import Continuation
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state("load")  # the modules that listen have run
    for key in keys:
        page.keyboard.press(key)


def test_a_view_is_saved_and_opened_from_the_palette(open_page: OpenPage, project: Any, admin: Any):
    for model in ("a", "b"):
        factories.make_interaction(project=project, model=model)
    page = open_page("/interactions/?model=a", person=admin.person)

    press(page, "S")
    expect(page.locator("#view-name")).to_be_focused()
    page.keyboard.type("Only the a")
    press(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Only the a")
    page.goto("/replays/")
    press(page, "Control+k")
    page.keyboard.type("only the")
    expect(page.locator("#palette-found [role=option]").first).to_contain_text("Only the a")
    press(page, "Enter")

    page.wait_for_url(re.compile("view="))
    expect(page.locator("[data-row]")).to_have_count(1)


def test_a_completion_is_taken_with_tab_and_the_box_keeps_the_focus(
    open_page: OpenPage, project: Any, admin: Any
):
    Continuation.objects.bulk_create(
        Continuation(
            project=project, context="capital of", next=word, shown=word.title(), count=10, mass=mass
        )
        for word, mass in (("", 0.0), ("france", 7.5), ("finland", 2.0))
    )
    page = open_page("/replays/", person=admin.person)
    box = page.get_by_role("combobox", name="Search interactions")

    press(page, "/")
    page.keyboard.type("the capital of f")
    options = page.locator("#suggestions [role=option]")
    expect(options).to_contain_text(["fingerprint:", "flagged:", "finish_reason:", "France", "Finland"])
    expect(options.nth(3)).to_contain_text("75 %")
    press(page, "Escape")
    expect(page.locator("#suggestions")).to_be_hidden()
    page.keyboard.type("r")
    expect(options).to_have_count(1)
    press(page, "ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "suggestion-1")
    press(page, "Tab")

    expect(box).to_have_value("the capital of France ")
    expect(box).to_be_focused()
    press(page, "Enter")
    page.wait_for_url(re.compile(r"/interactions/\?q=the\+capital\+of\+France"))
