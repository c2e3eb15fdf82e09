"""Finding by keys alone: a view is saved, a completion is taken, many are tagged and taken back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reviewapp.models import AddedTag, BulkWork, Continuation
from reviewapp.stages import find
from tests import factories
from tests.browser.conftest import OpenPage
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state("load")  # the modules that listen have run
    for key in keys:
        page.keyboard.press(key)


def work_on(work: BulkWork) -> None:
    """What a worker does."""
    while find.step(work_id=work.pk, now=NOW + timedelta(days=1)):
        pass


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


def test_many_are_tagged_in_the_background_and_taken_back(open_page: OpenPage, project: Any, admin: Any):
    for _ in range(3):
        factories.make_interaction(project=project)
    page = open_page("/interactions/", person=admin.person)

    press(page, "j", "x", "j", "x", "t")
    page.get_by_label("Tag", exact=True).fill("golden")
    press(page, "Enter")
    page.wait_for_url(re.compile(r"/interactions/bulk/[0-9a-f-]{36}/"))
    expect(page.get_by_role("progressbar")).to_be_visible()
    work = BulkWork.objects.get()
    work_on(work)
    # The page looks again by itself.
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert AddedTag.objects.filter(name="golden").count() == 2
    press(page, "z")
    expect(page.get_by_text("Taking it back")).to_be_visible()
    work_on(work)

    expect(page.get_by_role("heading", name="Taken back")).to_be_visible()
    assert not AddedTag.objects.exists()
