"""The interactions list by keys alone: choose, flag, undo, replay, annotate, filter; and the palette."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from reviewapp.models import Flag, FlagState
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def rows(project):
    """Six interactions, the newest first, as the list has them."""
    made = [
        factories.make_interaction(
            project=project, prompt=f"Question {n}?", seed=1000 + n, model=f"model-{n % 2}"
        )
        for n in range(6)
    ]
    return made[::-1]


@pytest.fixture
def listed(open_page: OpenPage, rows, admin) -> Page:
    return open_page("/interactions/", person=admin.person)


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state("load")  # the modules that listen have run
    for key in keys:
        page.keyboard.press(key)


def flagged() -> set[str]:
    return {str(pk) for pk in Flag.objects.filter(state=FlagState.OPEN).values_list("interaction", flat=True)}


def test_f_flags_the_active_interaction(listed: Page, rows):
    press(listed, "j", "j", "f")
    expect(listed.locator("#flag-dialog")).to_be_visible()
    press(listed, "Control+Enter")

    expect(listed.locator(".toast")).to_contain_text("1 interaction flagged.")
    assert flagged() == {str(rows[1].pk)}


def test_a_range_is_flagged_and_z_takes_it_back(listed: Page, rows):
    press(listed, "j", "x", "j", "j", "X", "f")
    listed.get_by_label("Wrong").check()
    press(listed, "Control+Enter")

    expect(listed.locator(".toast")).to_contain_text("3 interactions flagged.")
    assert flagged() == {str(row.pk) for row in rows[:3]}

    press(listed, "z")

    expect(listed.locator(".toast")).to_contain_text("3 flags taken back.")
    assert flagged() == set()


SCROLLED = "[...document.querySelectorAll('*')].map(one => one.scrollTop).filter(Boolean).join()"


def test_a_flag_leaves_the_list_as_it_is(open_page: OpenPage, rows, admin):
    page = open_page("/interactions/", person=admin.person, height=320)
    press(page, "j", "j", "j", "j", "j")
    expect(page.locator("#preview-body")).to_contain_text("Question 1?")
    place = page.evaluate(SCROLLED)
    assert place

    press(page, "f")
    expect(page.locator("#flag-dialog")).to_be_visible()
    press(page, "2", "Control+Enter")

    row = page.locator(f"[data-row='{rows[4].pk}']")
    expect(row.locator(".flags-cell")).to_contain_text("Harmful")
    expect(page.locator("#flag-dialog")).to_be_hidden()
    expect(row).to_have_attribute("aria-current", "true")
    expect(row.locator("[data-select]")).not_to_be_checked()
    expect(row.locator("[data-open]")).to_be_focused()
    expect(page.locator("#preview-body")).to_contain_text("Question 1?")
    assert page.evaluate(SCROLLED) == place

    press(page, "z")
    expect(row.locator(".flags-cell")).not_to_contain_text("Harmful")
    press(page, "k")
    expect(page.locator(f"[data-row='{rows[3].pk}']")).to_have_attribute("aria-current", "true")


def test_a_flag_that_is_not_given_leaves_nothing_checked(listed: Page):
    press(listed, "j", "f")
    expect(listed.locator("#flag-dialog")).to_be_visible()

    press(listed, "Escape")

    expect(listed.locator("#flag-dialog")).to_be_hidden()
    expect(listed.locator("[data-select]:checked")).to_have_count(0)
    expect(listed.locator("[data-row][aria-current]")).to_have_count(1)


def test_escape_clears_what_x_checked(listed: Page):
    press(listed, "j", "x", "j", "x")
    expect(listed.locator("[data-select]:checked")).to_have_count(2)
    listed.locator("[data-select]").nth(3).click()

    press(listed, "Escape")

    expect(listed.locator("[data-select]:checked")).to_have_count(0)
    expect(listed.locator("[data-selection-bar]")).to_be_hidden()


def test_what_was_checked_stays_checked_when_it_was_flagged(listed: Page):
    press(listed, "j", "x", "j", "x", "f")
    expect(listed.locator("#flag-title")).to_have_text("Flag these 2 answers")
    press(listed, "Control+Enter")
    expect(listed.locator(".toast")).to_contain_text("2 interactions flagged.")

    expect(listed.locator("[data-select]:checked")).to_have_count(2)


def test_shift_and_click_select_a_range(listed: Page):
    boxes = listed.locator("[data-select]")

    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])

    expect(listed.locator("[data-selection-count]")).to_have_text("4")


def test_a_key_that_needs_an_interaction_says_so(listed: Page):
    press(listed, "f")

    expect(listed.locator(".toast")).to_contain_text("Choose an interaction first")
    expect(listed.locator("#flag-dialog")).to_be_hidden()


def test_r_replays_the_active_interaction(listed: Page, rows):
    press(listed, "j", "r")

    listed.wait_for_url(re.compile(f"/replays/new/.*ids={rows[0].pk}"))


def test_a_opens_the_active_interaction_at_its_rubric(listed: Page, rows):
    press(listed, "j", "a")

    listed.wait_for_url(re.compile(f"/interactions/{rows[0].pk}/#annotate"))
    expect(listed.locator("#annotate")).to_be_in_viewport()


def test_a_chip_is_changed_where_it_stands(open_page: OpenPage, rows, admin):
    page = open_page("/interactions/?model=model-0&seed=1000..1009", person=admin.person)
    expect(page.locator("[data-row]")).to_have_count(3)

    page.get_by_label("Change the filter seed, now 1000..1009").click()
    expect(page.locator("input[name=seed][form]")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("1004")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile("seed=1004"))
    assert "model=model-0" in page.url
    expect(page.locator("[data-row]")).to_have_count(1)


def test_columns_that_were_chosen_stay_chosen(listed: Page):
    listed.get_by_label("Columns").click()
    listed.get_by_role("checkbox", name="Seed").uncheck()
    listed.get_by_role("checkbox", name="Status").check()
    listed.get_by_role("button", name="Show these").click()
    expect(listed.get_by_role("columnheader", name="Status")).to_be_visible()

    listed.goto("/interactions/")

    expect(listed.get_by_role("columnheader", name="Status")).to_be_visible()
    expect(listed.get_by_role("columnheader", name="Seed")).to_have_count(0)


def test_the_search_box_suggests_fields_and_values(listed: Page):
    press(listed, "/")
    listed.keyboard.type("mod")
    expect(listed.locator("#suggestions [role=option]")).to_contain_text(["model:"])
    press(listed, "Tab")
    expect(listed.locator("#suggestions [role=option]")).to_contain_text(["model:model-0", "model:model-1"])
    press(listed, "ArrowDown", "ArrowDown", "Enter", "Enter")

    listed.wait_for_url(re.compile("model-1"))
    expect(listed.locator("[data-row]")).to_have_count(3)


@pytest.mark.parametrize("typed", ["id", "seed", "fingerprint", "screen", "settings"])
def test_the_palette_finds_from_any_screen(open_page: OpenPage, rows, admin, typed: str):
    page = open_page("/replays/", person=admin.person)
    text, address = {
        "id": (str(rows[2].pk), f"/interactions/{rows[2].pk}/"),
        "seed": ("1003", "/seeds/1003/"),
        "fingerprint": ("fp_4470", r"/interactions/\?fingerprint=fp_44709d6fcb"),
        "screen": ("expo", "/exports/"),
        "settings": ("api", "/settings/keys/"),
    }[typed]

    press(page, "Control+k")
    page.keyboard.type(text)
    expect(page.locator("#palette [role=option][aria-selected=true]")).to_be_visible()
    if typed != "screen":
        expect(page.locator("#palette-found [role=option]").first).to_be_visible()
    press(page, "Enter")

    page.wait_for_url(re.compile(address))


def test_the_palette_opens_what_was_typed_last_not_what_half_of_it_found(open_page: OpenPage, rows, admin):
    page = open_page("/replays/", person=admin.person)
    id_ = str(rows[2].pk)

    press(page, "Control+k")
    page.keyboard.type(id_[:13])
    expect(page.locator("#palette-found [role=option]").first).to_be_visible()
    page.keyboard.type(id_[13:])
    press(page, "Enter")

    page.wait_for_url(re.compile(f"/interactions/{id_}/"))
