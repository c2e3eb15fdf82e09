"""A server that goes away and comes back under somebody's hands: nothing of what was typed is lost.

The server is a process of its own on the tests' database. It is killed, not asked to end, as by a lack of
memory or of power, and started again at the same address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from playwright.sync_api import Browser, Page, expect

from reviewapp.models import Annotation, Queue, QueueSlot
from tests import factories
from tests.browser.conftest import OpenPage, opening, session_cookie
from tests.browser.test_marks import SELECT
from tests.embedded.processes import eventually
from tests.restarting import Restarting, restarting
from tests.serving import free_port

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

COMMENT = re.compile("^Comment")


@pytest.fixture(scope="module")
def server(
    browser: Browser, django_db_setup, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restarting]:
    # `browser` first: without one there is nothing to start.
    folder = tmp_path_factory.mktemp("restart")
    with override_settings(STATIC_ROOT=folder / "static"):
        call_command("collectstatic", link=True, interactive=False, verbosity=0)
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
    env = {
        "REVIEWAPP_DATA": str(folder),
        "REVIEWAPP_DATABASE_URL": database.geturl(),
        "REVIEWAPP_SECRET_KEY": settings.SECRET_KEY,
        # Not a web process's: static files are served as they are found.
        "REVIEWAPP_ROLE": "",
    }
    with restarting(port=free_port(), log=folder / "web.log", env=env) as server:
        yield server


@pytest.fixture
def open_page(browser: Browser, server: Restarting) -> Iterator[OpenPage]:
    def cookie(person):
        return session_cookie(person=person, url=server.url)

    with opening(browser, url=server.url, cookie=cookie) as open_page:
        yield open_page


@pytest.fixture
def queue(project) -> Queue:
    queue = factories.make_queue(project=project)
    rows = [
        factories.make_interaction(project=project, answer=f"The {name}.")
        for name in ("first", "second", "third")
    ]
    factories.fill_queue(queue, *rows)
    return queue


def shows(page: Page, text: str) -> None:
    expect(page.locator("[data-item]")).to_contain_text(text)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def half_a_judgement(page: Page, note: str) -> None:
    """A word is marked, the answer corrected and a note begun; no question is answered."""
    page.evaluate(SELECT, ["The", "The"])
    press(page, "w", "e")
    expect(page.get_by_label("The answer as it should be")).to_be_focused()
    press(page, "Control+End")
    page.keyboard.type(" And more.")
    press(page, "Escape", "n")
    page.keyboard.type(note)


def begin(open_page: OpenPage, queue: Queue, person) -> Page:
    """Focus mode with its first item, and the second one at hand."""
    page = open_page(f"/review/{queue.pk}/", person=person)
    shows(page, "The first.")
    assert eventually(lambda: QueueSlot.objects.count() == 2)
    page.wait_for_load_state("networkidle")
    return page


def kept() -> list[tuple[str, str | None, list[str], str]]:
    rows = Annotation.objects.order_by("interaction__started_at")
    return [
        (row.scores["verdict"], row.correction, [span["label"] for span in row.spans], row.comment)
        for row in rows
    ]


def test_a_judgement_goes_on_while_the_server_restarts(
    open_page: OpenPage, server: Restarting, queue: Queue, reviewer
):
    page = begin(open_page, queue, reviewer.person)
    half_a_judgement(page, "Half a ")

    server.kill()
    page.keyboard.type("thought.")
    press(page, "Escape", "1", "1", "Enter")
    shows(page, "The second.")
    expect(page.locator("[data-unsent]")).to_contain_text("Nothing is lost: keep going.")
    half_a_judgement(page, "Another ")
    server.start()
    expect(page.locator("[data-unsent]")).to_be_hidden()
    page.keyboard.type("one.")
    press(page, "Escape", "3", "1", "Enter")

    shows(page, "The third.")
    assert eventually(lambda: Annotation.objects.count() == 2)
    assert kept() == [
        ("good", "The first. And more.", ["wrong"], "Half a thought."),
        ("bad", "The second. And more.", ["wrong"], "Another one."),
    ]


def test_what_was_typed_outlives_the_window_and_the_server(
    open_page: OpenPage, server: Restarting, queue: Queue, reviewer
):
    page = begin(open_page, queue, reviewer.person)
    press(page, "2", "1", "n")
    page.keyboard.type("Whole.")
    server.kill()
    press(page, "Escape", "Enter")
    shows(page, "The second.")
    half_a_judgement(page, "Half a ")
    expect(page.locator("[data-unsent]")).to_be_visible()

    page.close()
    server.start()
    page = page.context.new_page()
    page.goto(f"/review/{queue.pk}/")

    shows(page, "The second.")
    expect(page.locator("[data-span-list] mark")).to_contain_text("The")
    expect(page.get_by_label("The answer as it should be")).to_have_value("The second. And more.")
    expect(page.get_by_label(COMMENT)).to_have_value("Half a ")
    assert eventually(lambda: kept() == [("minor", None, [], "Whole.")])


def test_who_is_through_with_what_was_at_hand_is_told_what_is_waited_for(
    open_page: OpenPage, server: Restarting, queue: Queue, reviewer
):
    page = begin(open_page, queue, reviewer.person)
    server.kill()
    for answer in ("The second.", "Waiting for the connection"):
        press(page, "1", "1", "Enter")
        shows(page, answer)

    server.start()

    shows(page, "The third.")
    assert eventually(lambda: Annotation.objects.count() == 2)
