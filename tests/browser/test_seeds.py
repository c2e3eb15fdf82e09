"""Seeds and stored answers under an admin's hands: reserved, found, forgotten; and whether a seed counts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from reviewapp.models import Reuse
from reviewapp.providers.simulated import server
from tests import factories
from tests.browser.conftest import OpenPage
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_range_is_reserved_and_one_of_its_seeds_found_again_by_its_number(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    source = factories.make_source(project=project, name="support-bot")
    factories.make_interaction(project=project, source=source, seed=4242, prompt="When is my refund due?")
    page = open_page("/settings/seeds/", person=factories.make_member(project=project, role="admin"))

    page.locator("select[name=source]").select_option(label="support-bot")
    page.get_by_label("First seed").fill("4000")
    page.get_by_label("Last seed").fill("4999")
    page.get_by_role("button", name="Reserve", exact=True).click()

    line = page.get_by_role("img", name=re.compile("support-bot: 4"))
    expect(line.locator(".number-line-range")).to_have_count(1)
    page.keyboard.press("Control+k")
    page.keyboard.type("4242")
    found = page.locator("#palette [role=option]").filter(has_text="support-bot").first
    expect(found).to_be_visible()
    found.click()
    expect(page).to_have_url(re.compile("/seeds/4242/"))
    expect(page.locator(".page-lead")).to_contain_text("It belongs to support-bot: number 243 of its range")
    expect(page.get_by_role("link", name="When is my refund due?")).to_be_visible()


def test_a_source_tells_what_was_served_again_and_forgets_it_when_asked_twice(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    source = factories.make_source(project=project, name="bot", reuse="valid")
    one = factories.make_interaction(project=project, source=source, prompt="When is my refund due?")
    Reuse.objects.create(project=project, interaction=one, source=source, policy="valid", at=NOW)
    page = open_page(
        f"/settings/sources/{source.pk}/", person=factories.make_member(project=project, role="admin")
    )

    served = page.get_by_role("row").filter(has_text="When is my refund due?")
    expect(served.locator(".fingerprint")).to_be_visible()
    page.get_by_role("button", name="Serve none of those stored so far").click()
    # Nothing is forgotten by a slip: it is asked first.
    expect(page.get_by_role("dialog")).to_contain_text("What was recorded stays.")
    page.get_by_role("dialog").locator("[value=yes]").click()

    expect(page.locator(".toast")).to_contain_text("bot gets no answer again that was stored before")


def test_the_test_button_tells_whether_the_seed_counts(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    with server.running() as base_url:
        provider = factories.make_provider(project=project, name="sim", base_url=base_url)
        page = open_page(
            f"/settings/providers/{provider.pk}/", person=factories.make_member(project=project, role="admin")
        )

        page.locator("#test-model").fill("sim-steady")
        page.get_by_role("button", name="Test it now").click()

        expect(page.locator(".findings")).to_contain_text("It honours the seed")
