"""Fixtures of the browser tests: the system's Chromium, and pages of somebody who is signed in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from reviewapp.models import Person

# The shell is the same browser without the windows around its pages, and opens one in a third of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("REVIEWAPP_TEST_CHROMIUM_URL") or next(
    filter(None, (shutil.which(name) for name in BROWSERS)), ""
)

# Milliseconds that anything may take: the machine that tests may be slow, and busy with much else.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright's own browser is a large download; the system's does."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium")
    # As root, in containers, Chromium can't make its own sandbox.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": sandbox}


@pytest.fixture(scope="session", autouse=True)
def nobody_left(django_db_setup, django_db_blocker) -> Iterator[None]:
    """What a closed page asked for last may still be worked on: then no database can be dropped."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.close()


@pytest.fixture
def open_page(browser: Browser, live_server) -> Iterator[OpenPage]:
    """`open_page(path, person=…, width=…, **context)`: a page in a context of its own."""

    def cookie(person: Person) -> Any:
        return session_cookie(person=person, url=live_server.url)

    with opening(browser, url=live_server.url, cookie=cookie) as open_page:
        yield open_page


@contextmanager
def opening(browser: Browser, *, url: str, cookie: Callable[[Person], Any]) -> Iterator[OpenPage]:
    """What `open_page` is, at any server; `cookie` signs a person in there.

    The test fails when a page logs an error: a script that broke, or something that the CSP refused.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(
        path: str = "/", *, person: Person | None = None, width: int = 1440, height: int = 900, **context: Any
    ) -> Page:
        made = browser.new_context(base_url=url, viewport={"width": width, "height": height}, **context)
        contexts.append(made)
        made.set_default_timeout(PATIENCE)
        if person is not None:
            made.add_cookies([cookie(person)])
        page = made.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.on("console", lambda message: note(message.type, message.text))
        page.goto(path)
        return page

    def note(kind: str, text: str) -> None:
        # Every 4xx answer is logged, and every request that found no network or was replaced by a newer one;
        # whether that is right is for the test to say.
        expected = ("Failed to load resource", "Failed to fetch", "AbortError")
        if kind == "error" and not any(words in text for words in expected):
            errors.append(text)

    yield open_page
    for made in contexts:
        # What a page says when it is left would come while the tables are emptied.
        made.set_offline(True)
        made.close()
    assert errors == []


def session_cookie(*, person: Person, url: str) -> Any:
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
