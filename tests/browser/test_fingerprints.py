"""The timeline of fingerprints under people's hands: zoom by mouse, finger and keys; what a bar opens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from reviewapp.models import Fingerprint, Person
from reviewapp.stages import watch
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def person() -> Person:
    """Admin of a project fifty minutes old, whose model answers with another value since ten minutes ago."""
    project = factories.make_project(name="Demo")
    now = timezone.now()
    for n in range(50, 0, -1):
        value = "fp_old" if n > 10 else "fp_new"
        factories.make_interaction(project=project, fingerprint=value, started_at=now - n * MINUTE)
    while watch.pull(now=timezone.now()):
        pass
    return factories.make_member(project=project, role="admin")


@pytest.fixture
def page(open_page: OpenPage, person: Person) -> Page:
    return open_page("/fingerprints/", person=person)


def box_of(page: Page) -> tuple[float, float, float, float]:
    """The place of the drawing itself, without the names."""
    found = page.locator("[data-brush]").bounding_box()
    assert found is not None
    return found["x"], found["y"], found["width"], found["height"]


def drag(page: Page, begin: float, end: float) -> None:
    """Over the drawing, from one share of its width to another."""
    x, y, width, height = box_of(page)
    page.mouse.move(x + begin * width, y + height / 2)
    page.mouse.down()
    page.mouse.move(x + (begin + end) / 2 * width, y + height / 2)
    page.mouse.move(x + end * width, y + height / 2)
    page.mouse.up()


def shown(page: Page) -> tuple[datetime, datetime]:
    """The span in the address."""
    query = parse_qs(urlsplit(page.url).query)
    begin, end = (datetime.fromisoformat(query[name][0]) for name in ("from", "to"))
    return begin, end


def edge(page: Page, name: str) -> Locator:
    return page.locator(f"[data-edge={name}]").first


def test_dragging_over_the_timeline_looks_closer(page: Page):
    page.evaluate("window.stayed = true")

    drag(page, 0.5, 0.75)

    page.wait_for_url(re.compile("from=.*to="))
    begin, end = shown(page)
    assert end - begin == pytest.approx(15 * MINUTE, abs=MINUTE)
    expect(page.locator("[data-brush]")).to_have_attribute("data-start", re.compile(str(stamp(begin))))
    # In place, without the page being loaded anew.
    assert page.evaluate("window.stayed")


def stamp(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp())


def test_dragging_backwards_is_the_same(page: Page):
    drag(page, 0.75, 0.5)

    page.wait_for_url(re.compile("from=.*to="))
    begin, end = shown(page)
    assert end - begin == pytest.approx(15 * MINUTE, abs=MINUTE)


def test_back_goes_one_step_and_whole_all_the_way(page: Page):
    drag(page, 0.25, 0.75)
    page.wait_for_url(re.compile("from="))
    first = shown(page)
    page.locator("[data-zoom] [name=was]").wait_for(state="attached")
    drag(page, 0.25, 0.75)
    page.wait_for_url(re.compile("was="))

    page.get_by_role("link", name="Back", exact=True).click()

    page.wait_for_url(lambda url: "was=" not in url)
    assert shown(page) == first

    page.get_by_role("link", name="Whole").click()

    page.wait_for_url(lambda url: "from=" not in url)
    expect(page.locator(".segment[aria-current]")).to_have_text("Hour")


def test_the_browsers_back_shows_what_was_shown(page: Page):
    drag(page, 0.25, 0.75)
    page.wait_for_url(re.compile("from="))

    page.go_back()

    page.wait_for_url(lambda url: "from=" not in url)
    expect(page.locator("h1")).to_have_text("Fingerprints")
    expect(page.locator(".segment[aria-current]")).to_have_text("Hour")


def test_the_keys_move_the_edges_and_enter_looks_closer(page: Page):
    edge(page, "from").focus()
    words = page.locator("[data-words]").first
    expect(words).to_be_visible()

    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile("from=.*to="))
    begin, end = shown(page)
    assert end - begin == pytest.approx(19 * MINUTE, abs=MINUTE)
    # One is still there, and can go on.
    expect(edge(page, "to")).to_be_focused()


def test_escape_resets_the_edges(page: Page):
    edge(page, "from").focus()
    at_first = edge(page, "from").get_attribute("aria-valuetext")
    page.keyboard.press("Shift+ArrowRight")
    expect(edge(page, "from")).not_to_have_attribute("aria-valuetext", at_first or "")

    page.keyboard.press("Escape")

    expect(edge(page, "from")).to_have_attribute("aria-valuetext", at_first or "")
    page.keyboard.press("Enter")
    assert "from=" not in page.url


def test_the_edges_do_not_pass_each_other(page: Page):
    edge(page, "from").focus()
    page.keyboard.press("End")

    first, last = (float(edge(page, name).get_attribute("aria-valuenow") or 0) for name in ("from", "to"))
    assert first < last


def test_a_press_on_a_bar_opens_the_interactions_behind_it(page: Page):
    bar = page.locator("a[href*='fingerprint=fp_new'] rect.timeline-lane").first

    bar.click()

    page.wait_for_url(re.compile(r"/interactions/\?.*fingerprint=fp_new.*since="))
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-row]")).to_contain_text("fp_new")


def test_a_drag_that_begins_on_a_bar_is_no_press(page: Page):
    bar = page.locator("a[href*='fingerprint=fp_old'] rect.timeline-lane").first.bounding_box()
    assert bar is not None
    y = bar["y"] + bar["height"] / 2

    page.mouse.move(bar["x"] + 2, y)
    page.mouse.down()
    page.mouse.move(bar["x"] + 150, y, steps=4)
    page.mouse.up()

    page.wait_for_url(re.compile("/fingerprints/.*from="))


def test_a_finger_drags_as_well(open_page: OpenPage, person: Person):
    page = open_page("/fingerprints/", person=person, width=390, has_touch=True, is_mobile=True)
    page.locator("[data-brush]").scroll_into_view_if_needed()
    x, y, width, height = box_of(page)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *shares: float) -> None:
        points = [{"x": x + share * width, "y": y + height / 2} for share in shares]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.3)
    for share in (0.4, 0.5, 0.6, 0.7, 0.8):
        touch("touchMove", share)
    touch("touchEnd")

    page.wait_for_url(re.compile("from=.*to="))
    begin, end = shown(page)
    assert end - begin == pytest.approx(30 * MINUTE, abs=2 * MINUTE)


def test_two_times_in_a_form_need_no_script(open_page: OpenPage, person: Person):
    page = open_page("/fingerprints/", person=person, java_script_enabled=False)
    begin = (timezone.now() - 20 * MINUTE).strftime("%Y-%m-%dT%H:%M")

    page.locator("#zoom-menu summary").click()
    page.get_by_label("From (UTC)").fill(begin)
    page.get_by_role("button", name="Show this time").click()

    page.wait_for_url(re.compile("from="))
    expect(page.get_by_role("link", name="Whole")).to_be_visible()
    expect(page.locator("[data-brush]")).to_be_hidden()


def test_the_form_of_two_times_fits_a_phone(open_page: OpenPage, person: Person):
    page = open_page("/fingerprints/", person=person, width=390)

    page.locator("#zoom-menu summary").click()

    panel = page.locator("#zoom-menu .menu-panel").bounding_box()
    assert panel is not None
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 390


def test_an_overlap_that_passed_unseen_shows_as_retired_by_itself(still: datetime, page: Page):
    now = still
    Fingerprint.objects.filter(value="fp_old").update(
        state="overlap",
        overlap_until=now - MINUTE,
        decided_at=now - 9 * MINUTE,
        last_seen=now - timedelta(hours=25),
        first_seen=now - timedelta(hours=26),
    )
    page.reload()
    row = page.locator(".pool .table-stack tbody tr", has_text="fp_old")
    expect(row).to_contain_text("overlap")

    watch.settle(now=now)
    page.reload()

    expect(row).to_contain_text("retired")
    expect(row).to_contain_text("by itself, just now")
    expect(row).to_contain_text("No longer seen when its overlap had passed.")


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("width", [390, 320])
def test_every_period_can_be_seen_on_a_phone(open_page: OpenPage, person: Person, width: int, language: str):
    page = open_page(
        "/fingerprints/", person=person, width=width, extra_http_headers={"accept-language": language}
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    head = page.locator(".page-head").bounding_box()
    assert head is not None
    for box in [one.bounding_box() for one in page.locator(".page-head .segment").all()]:
        assert box is not None
        assert head["x"] <= box["x"]
        assert box["x"] + box["width"] <= head["x"] + head["width"]


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_nothing_stands_in_anybodys_way(open_page: OpenPage, person: Person, width: int, theme: str):
    page = open_page(
        "/fingerprints/", person=person, width=width, color_scheme=theme, reduced_motion="reduce"
    )
    page.get_by_text("The same figures as a table").click()
    edge(page, "from").focus()
    page.keyboard.press("Shift+ArrowRight")

    found = Axe().run(page).response["violations"]

    assert [(one["id"], node["html"][:200]) for one in found for node in one["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def answer_anew(person: Person, value: str) -> None:
    """One answer with a value that was never seen, counted as the worker counts it."""
    project = person.memberships.get().project
    just_now = timezone.now() - timedelta(seconds=5)
    factories.make_interaction(project=project, fingerprint=value, started_at=just_now)
    while watch.pull(now=timezone.now()):
        pass


def test_a_value_never_seen_comes_onto_the_page_by_itself(page: Page, person: Person):
    page.evaluate("window.stayed = true")
    fold = page.get_by_text("The same figures as a table")
    fold.click()

    answer_anew(person, "fp_newest")

    expect(page.locator(".pool .table-stack").first).to_contain_text("fp_newest")
    expect(page.locator("details[id^=figures]")).to_have_attribute("open", "")
    expect(fold).to_be_focused()
    assert page.evaluate("window.stayed")


def test_the_page_waits_while_a_dialog_is_open(still: datetime, page: Page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("if-none-match", "")))
    tick = "document.getElementById('timelines').dispatchEvent(new CustomEvent('every'))"

    page.locator("[data-opens^=overlap-]").first.click()
    asked.clear()
    page.evaluate(tick)
    while_open = list(asked)
    page.keyboard.press("Escape")
    with page.expect_response("**/fingerprints/") as answer:
        page.evaluate(tick)

    assert while_open == []
    assert any(asked)
    assert answer.value.status == 304
