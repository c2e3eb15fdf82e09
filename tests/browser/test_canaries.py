"""An admin watches a model by hand and keyboard: starter set, strip, evidence, budget."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import expect

from reviewapp.models import Actor, CanaryCheck, CanarySet, actor_for_person
from reviewapp.providers.simulated import server
from reviewapp.stages import watch
from tests import factories
from tests.browser.conftest import OpenPage
from tests.watching import Watched, tell

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def what_beat_and_workers_do(base_url: str, actor: Actor) -> tuple[Watched, CanaryCheck]:
    """Prepare, learn, check, and check again after a silent change. In a thread: it has a loop of its own."""
    try:
        made = CanarySet.objects.get()
        start = timezone.now() - timedelta(days=2)
        assert watch.prepare(set_id=made.pk, clock=lambda: start)
        made.refresh_from_db()
        found = Watched(set=made, actor=actor, now=start)
        found.learn()
        found.check()
        tell(base_url, "change", model="sim-steady", size="little", fingerprint="same")
        return found, found.check()
    finally:
        connection.close()


def test_a_watched_models_change_is_seen_on_the_strip_and_told_with_its_evidence(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    person = factories.make_member(project=project, role="admin")
    actor = actor_for_person(person=person, project=project)
    assert actor is not None
    with server.running() as base_url:
        factories.make_provider(project=project, name="simulated", base_url=base_url, max_concurrency=40)
        page = open_page("/settings/canaries/", person=person)

        page.keyboard.press("n")
        page.get_by_label("Model", exact=True).fill("sim-steady")
        page.get_by_label("Check", exact=True).select_option("60")
        page.get_by_role("button", name="Watch this model").click()
        page.get_by_text("The provider is being asked what it can answer").wait_for()
        with ThreadPoolExecutor(1) as workers:
            _, check = workers.submit(what_beat_and_workers_do, base_url, actor).result()
        # While it prepared, the page read itself again, what can be done in its head included.
        page.get_by_role("button", name="Pause").wait_for()
        page.reload()

    page.get_by_text("The backend changed").wait_for()
    expect(page.locator(".strip-dot")).to_have_count(2)
    page.get_by_role("link", name=check.created_at.strftime("%-d %b %H:%M")).first.click()
    page.get_by_role("heading", name="Evidence").wait_for()
    expect(page.locator(".verdict-sentence")).to_contain_text("fresh requests showed it again")
    page.get_by_text("All measures").click()
    expect(page.get_by_role("region", name="All measures")).to_be_visible()
    page.get_by_role("link", name="The backend change").click()
    page.wait_for_url(re.compile("/changes/"))
    page.get_by_role("heading", level=1).wait_for()
