"""Alerts under people's hands: the bell, an acknowledgement, a channel that is tried."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from django.utils import timezone
from playwright.sync_api import expect

from reviewapp.models import Alert, AlertChannel
from tests import factories
from tests.answering import answering
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_from_the_bell_to_an_acknowledgement_that_is_taken_back(open_page: OpenPage):
    project = factories.make_project(name="Demo")
    person = factories.make_member(project=project)
    factories.make_alert(
        project=project, title="A new fingerprint", path="/fingerprints/", now=timezone.now()
    )
    page = open_page("/", person=person)
    bell = page.locator("#alerts > summary")
    expect(bell).to_have_accessible_name("1 new alert")
    waiting = page.locator(".rail [data-count=changes]")
    expect(waiting).to_be_hidden()
    factories.make_change(project=project)
    page.evaluate("document.getElementById('alerts').dispatchEvent(new CustomEvent('every'))")
    expect(waiting).to_contain_text("1")

    bell.click()
    expect(page.locator("#alerts").get_by_text("A new fingerprint")).to_be_visible()
    expect(bell).to_have_accessible_name("No new alerts")
    page.get_by_role("link", name="All alerts").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".alert-taken")).to_contain_text(person.short_name)
    assert not Alert.objects.open().exists()

    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    page.get_by_role("link", name="A new fingerprint").last.click()
    page.wait_for_url(re.compile("/fingerprints/"))


def test_a_channel_is_added_tried_and_deleted(open_page: OpenPage):
    person = factories.make_member(project=factories.make_project(), role="admin")
    with answering(lambda _: web.Response(status=204)) as receiver:
        page = open_page("/settings/alerts/", person=person)
        page.keyboard.press("n")
        page.wait_for_url(re.compile("/alerts/new/"))
        page.get_by_label("Name").fill("On call")
        page.get_by_label("Kind").select_option("webhook")
        page.get_by_label("Address").fill(f"{receiver.base_url}/hook")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Copy the secret now")).to_be_visible()

        page.get_by_role("button", name="Send a test").click()
        expect(page.locator("#channel-test").get_by_text("The other side took it")).to_be_visible()

    assert receiver.asked[0].json["type"] == "test"
    page.get_by_role("link", name="All channels").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No channel yet")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="On call")).to_be_visible()
    assert AlertChannel.objects.standing().count() == 1
