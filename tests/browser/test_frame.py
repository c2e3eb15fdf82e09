"""The frame and the components under people's hands, on the style guide."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STYLE = "/settings/style/"


@pytest.fixture
def person():
    return factories.make_member(project=factories.make_project(name="Demo"), role="admin")


@pytest.fixture
def guide(open_page: OpenPage, person) -> Page:
    return open_page(STYLE, person=person)


def test_a_question_mark_shows_the_keys_of_the_screen(guide: Page):
    guide.keyboard.press("?")

    sheet = guide.locator("#keys")
    expect(sheet).to_be_visible()
    expect(sheet.locator("[data-keys=screen]")).to_contain_text("Replay")
    expect(sheet.locator("[data-keys=go]")).to_contain_text("Replays")


def test_keys_leave_alone_who_types(guide: Page):
    guide.keyboard.press("/")
    guide.keyboard.type("f?gi")

    expect(guide.get_by_role("combobox", name="Search interactions")).to_have_value("f?gi")
    expect(guide.locator("dialog[open]")).to_have_count(0)
    assert guide.url.endswith(STYLE)


def test_g_and_a_letter_go_to_a_screen(guide: Page):
    guide.keyboard.press("g")
    guide.keyboard.press("i")

    guide.wait_for_url(re.compile("/interactions/"))


def test_j_and_k_move_through_a_list(guide: Page):
    rows = guide.locator("[data-list] [data-row]")

    guide.keyboard.press("j")
    expect(rows.nth(2)).to_have_attribute("aria-current", "true")
    guide.keyboard.press("k")

    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    expect(rows.nth(1).locator("[data-open]")).to_be_focused()


def test_x_and_shift_x_select_a_range(guide: Page):
    guide.keyboard.press("j")
    guide.keyboard.press("x")
    guide.keyboard.press("j")
    guide.keyboard.press("j")
    guide.keyboard.press("Shift+X")

    boxes = guide.locator("[data-select]")
    assert [index for index in range(7) if boxes.nth(index).is_checked()] == [2, 3, 4]
    expect(guide.locator("[data-selection-count]")).to_have_text("3")


def test_escape_selects_nothing(guide: Page):
    guide.keyboard.press("Escape")

    expect(guide.locator("[data-select]:checked")).to_have_count(0)
    expect(guide.locator("[data-selection-bar]")).to_be_hidden()


def test_escape_closes_a_menu_before_anything_else(guide: Page):
    guide.locator("#alerts > summary").click()

    guide.keyboard.press("Escape")

    expect(guide.locator("#alerts")).not_to_have_attribute("open", "")
    expect(guide.locator("#alerts > summary")).to_be_focused()
    expect(guide.locator("[data-select]:checked")).to_have_count(1)


def test_the_palette_finds_a_screen_by_some_of_its_letters(guide: Page):
    guide.keyboard.press("Control+k")
    guide.keyboard.type("rpls")

    # Among the screens; what the server finds for these letters may come before it.
    screens = guide.locator("#palette [data-palette-local] [role=option]:visible")
    expect(screens).to_have_count(1)
    screens.click()
    guide.wait_for_url(re.compile("/replays/"))


def test_a_screen_whose_name_begins_so_comes_first_and_one_of_its_letters_last(guide: Page):
    options = guide.locator("#palette [role=option]:visible")
    guide.keyboard.press("Control+k")
    guide.keyboard.type("e")
    expect(options.filter(has_text="Search for “e”")).to_be_visible()

    texts = [text.strip() for text in options.all_inner_texts()]
    assert texts[0] == "Exports"
    assert texts.index("Search for “e”") < texts.index("Home")
    expect(options.first).to_have_attribute("aria-selected", "true")

    # What is typed on is sorted anew.
    guide.keyboard.press("Backspace")
    guide.keyboard.type("h")
    expect(options.filter(has_text="Search for “h”")).to_be_visible()
    expect(options.first).to_have_text("Home")
    guide.keyboard.press("Enter")
    guide.wait_for_url(re.compile(r"^http://[^/]+/$"))


def test_a_dialog_starts_in_its_first_field_and_gives_the_focus_back(guide: Page):
    opener = guide.get_by_role("button", name="Flag F")
    opener.focus()
    guide.keyboard.press("f")
    expect(guide.get_by_label("Reason")).to_be_focused()

    guide.keyboard.press("Escape")

    expect(opener).to_be_focused()


def test_the_server_knows_the_theme_next_time(guide: Page):
    guide.get_by_label(re.compile("^You:")).click()
    guide.get_by_role("button", name="Dark").click()

    guide.reload()

    expect(guide.locator("html")).to_have_attribute("data-theme", "dark")
    assert guide.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_a_toast_says_what_happened_and_goes_when_dismissed(guide: Page):
    guide.keyboard.press("r")
    toast = guide.locator(".toast")
    expect(toast).to_contain_text("Replay of 41 answers started")

    toast.get_by_role("button", name="Dismiss").click()

    expect(toast).to_have_count(0)


REFUSED = """() => document.dispatchEvent(
    new CustomEvent("toast", {detail: {message: "Not allowed here.", kind: "error"}})
)"""


@pytest.fixture
def refused(open_page: OpenPage, person) -> Page:
    """A page that has just told of a refusal; its clock is the test's."""
    page = open_page(STYLE, person=person)
    page.clock.install(time=0)
    page.reload()
    # It goes on only where the test says so, however long anything takes.
    page.clock.pause_at(3_600_000)
    page.evaluate(REFUSED)
    expect(page.locator(".toast")).to_be_visible()
    return page


def test_a_refusal_leaves_by_itself(refused: Page):
    refused.clock.run_for(5_000)
    expect(refused.locator(".toast")).to_have_count(1)

    refused.clock.run_for(5_000)

    expect(refused.locator(".toast")).to_have_count(0)


@pytest.mark.parametrize("how", ["pointer", "focus"])
def test_a_refusal_waits_for_who_attends_to_it(refused: Page, how: str):
    toast = refused.locator(".toast")
    toast.hover() if how == "pointer" else toast.get_by_role("button").focus()
    refused.clock.run_for(60_000)
    expect(toast).to_have_count(1)

    refused.mouse.move(2, 2) if how == "pointer" else refused.locator("#main").focus()
    refused.clock.run_for(6_000)

    expect(toast).to_have_count(0)


def test_a_refusal_that_comes_again_is_told_once(refused: Page):
    for _ in range(3):
        refused.evaluate(REFUSED)

    expect(refused.locator(".toast")).to_have_count(1)


def test_a_refusal_can_be_closed_while_a_dialog_is_open(guide: Page):
    guide.keyboard.press("?")
    guide.evaluate(REFUSED)

    guide.locator(".toast").get_by_role("button", name="Dismiss").click()

    expect(guide.locator(".toast")).to_have_count(0)
    expect(guide.locator("#keys")).to_be_visible()
    guide.keyboard.press("Escape")
    guide.evaluate(REFUSED)
    expect(guide.locator(".toast")).to_be_visible()


def test_an_answer_that_failed_leaves_the_screen_and_tells(guide: Page):
    guide.evaluate("htmx.ajax('GET', '/nowhere/', {target: '#main'})")

    expect(guide.locator(".toast")).to_contain_text("no longer there")
    expect(guide.get_by_role("heading", name="Conversation")).to_be_visible()


def test_who_was_signed_out_gets_the_sign_in_page_as_a_page(guide: Page):
    guide.context.clear_cookies()

    guide.evaluate(f"htmx.ajax('GET', '{STYLE}', {{target: '#main'}})")

    guide.wait_for_url(re.compile("/accounts/login/"))
    expect(guide.get_by_role("heading", name="Sign in")).to_be_visible()


def test_going_back_shows_a_whole_page(guide: Page):
    guide.evaluate(f"htmx.ajax('GET', '{STYLE}?part=1', {{target: '#main', push: 'true'}})")
    guide.wait_for_url(re.compile("part=1"))

    guide.go_back()

    expect(guide.locator("nav.rail")).to_have_count(1)
    expect(guide.get_by_role("heading", name="Conversation")).to_have_count(1)


def test_a_menu_stays_open_while_its_content_is_renewed(guide: Page):
    guide.locator("#alerts > summary").click()

    guide.evaluate(f"""async () => {{
        document.querySelector("#alerts .menu-panel").append("old");
        await htmx.ajax("GET", "{STYLE}", {{target: "#alerts", swap: "outerMorph", select: "#alerts"}});
    }}""")

    expect(guide.locator("#alerts .menu-panel")).not_to_contain_text("old")
    expect(guide.locator("#alerts .menu-panel")).to_be_visible()


def test_a_server_out_of_reach_is_told_once(guide: Page):
    guide.context.set_offline(True)

    for _ in range(3):
        guide.evaluate("htmx.ajax('GET', '/settings/style/', {target: '#main'})")

    expect(guide.locator(".toast")).to_have_count(1)
    expect(guide.locator(".toast")).to_contain_text("Nothing was lost")


def test_the_rail_stays_narrow(guide: Page):
    guide.get_by_role("button", name="Narrow").click()

    guide.reload()

    expect(guide.locator("html")).to_have_attribute("data-rail", "narrow")
    expect(guide.locator(".rail-word").first).to_be_hidden()


def test_a_text_is_copied(open_page: OpenPage, person):
    page = open_page(STYLE, person=person, permissions=["clipboard-read", "clipboard-write"])

    page.get_by_role("button", name="Copy the id").click()

    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "0193"


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_no_width_scrolls_sideways(open_page: OpenPage, person, width: int):
    page = open_page(STYLE, person=person, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_has_its_screens_at_the_bottom(open_page: OpenPage, person):
    page = open_page(STYLE, person=person, width=390, height=844)

    page.locator(".dock summary").click()
    page.locator(".dock").get_by_role("link", name="Replays").click()

    page.wait_for_url(re.compile("/replays/"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_stands_in_the_way_of_anybody(open_page: OpenPage, person, width: int, theme: str):
    page = open_page(
        STYLE, person=person, width=width, color_scheme=theme, bypass_csp=True, reduced_motion="reduce"
    )

    found = Axe().run(page).response["violations"]

    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []


@pytest.mark.parametrize("width", [390, 1440])
def test_what_is_pressed_is_large_enough(open_page: OpenPage, person, width: int):
    page = open_page(STYLE, person=person, width=width)

    small = page.evaluate("""() =>
        [...document.querySelectorAll("button, summary, .chip, .tab, .segment, input")]
        .filter((one) => one.checkVisibility() && !one.matches("input[type=checkbox], input[type=radio]"))
        .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 90)])
        .filter(([box]) => box.width && (box.width < 24 || box.height < 23.9))
        .map(([box, html]) => `${box.width}x${box.height} ${html}`)""")

    assert small == []


def test_a_reader_without_scripts_can_read(open_page: OpenPage, person):
    page = open_page(STYLE, person=person, java_script_enabled=False)

    page.locator(".conversation summary").first.click()

    expect(page.get_by_text("Never promise what the policy does not say.")).to_be_visible()


def test_an_interaction_begins_right_below_its_head(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    one = factories.make_interaction(project=project)
    person = factories.make_member(project=project, role="reviewer")

    page = open_page(f"/interactions/{one.pk}/", person=person)

    head, tabs = (page.locator(name).first.bounding_box() for name in (".page-head", ".tabs"))
    assert head is not None
    assert tabs is not None
    assert tabs["y"] - (head["y"] + head["height"]) <= 24
