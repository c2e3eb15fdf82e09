"""Passkeys, with an authenticator that Chromium plays."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "one-two-three-four"
# One that is built into the machine and knows its owner.
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_somebody_makes_a_passkey_and_signs_in_with_it_alone(open_page: OpenPage):
    project = factories.make_project()
    person = factories.make_member(
        project=project, role="viewer", person=factories.make_person(password=PASSWORD)
    )
    page = open_page("/accounts/login/", person=person)
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    make_passkey(page)
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    page.wait_for_url("**/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def make_passkey(page: Page) -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button[type=submit], main form button:not([type])").first.click()
    page.locator("input[name=name]").fill("This machine")
    page.locator("input[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/accounts/2fa/**codes/**")
