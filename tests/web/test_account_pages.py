"""The account's pages: the accounts library's views in our design."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("account_login", "Sign in"),
        ("account_reset_password", "Reset the password"),
        ("account_reset_password_done", "Look into your mail"),
        ("account_reset_password_from_key_done", "Password saved"),
        ("account_signup", "By invitation only"),
        ("account_inactive", "switched off"),
    ],
)
def test_who_is_signed_out_sees_the_bare_page(client, name: str, words: str):
    response = client.get(reverse(name))

    page = response.content.decode()
    assert words in page
    assert 'class="bare"' in page


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("account_change_password", "Change the password"),
        ("mfa_index", "Authenticator"),
        ("usersessions_list", "IP Address"),
    ],
)
def test_who_is_signed_in_sees_them_in_the_frame(client, project, name: str, words: str):
    person = factories.make_person(password="one-two-three-four")
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")

    page = client.get(reverse(name)).content.decode()

    assert words in page
    assert 'class="rail"' in page


def test_a_wrong_password_is_told_beside_the_form(client):
    response = client.post(reverse("account_login"), {"login": "a@example.org", "password": "wrong"})

    page = response.content.decode()
    assert 'role="alert"' in page
    assert 'value="a@example.org"' in page


def test_a_reset_link_that_was_used_says_so(client):
    url = reverse("account_reset_password_from_key", kwargs={"uidb36": "0", "key": "used-up"})

    page = client.get(url).content.decode()

    assert "no longer works" in page


def test_a_sign_in_link_that_was_used_says_how_to_get_a_new_one(client):
    response = client.get(reverse("sign-in-link", kwargs={"token": "used-up"}))

    assert response.status_code == 410
    assert "manage.py sign_in_link" in response.content.decode()


def test_who_belongs_to_no_project_is_told_what_to_do(client):
    person = factories.make_person(email="new@example.org")
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")

    page = client.get(reverse("no-project")).content.decode()

    assert "new@example.org" in page


def test_what_is_not_there_is_told_in_the_design(client, project):
    person = factories.make_member(project=project)
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")

    response = client.get("/no/such/page/")

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


@pytest.mark.parametrize("code", ["en", "de", "fr", "ja", "ar"])
def test_second_factors_have_one_name_on_tab_menu_and_heading(client, code):
    client.force_login(factories.make_member(project=factories.make_project(), role="viewer"))

    page = client.get(reverse("mfa_index"), headers={"accept-language": code}).content.decode()

    heading = re.findall(r"<h1[^>]*>\s*(.*?)\s*</h1>", page)[0]
    assert heading in page.split("</h1>", 1)[0].split("<h1", 1)[0]
    linked = re.findall(
        rf'href="{reverse("mfa_index")}"[^>]*>(?:<svg.*?</svg>)?\s*([^<]+)<', page, flags=re.S
    )
    assert set(map(str.strip, linked)) == {heading}


@pytest.mark.parametrize("backend", ["console", "smtp"])
def test_mail_for_an_address_is_offered_only_where_mail_is_sent(client, settings, backend):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    person = factories.make_member(project=factories.make_project(), role="viewer")
    person.emailaddress_set.create(email=person.email, primary=True, verified=False)
    client.force_login(person)

    page = client.get(reverse("account_email")).content.decode()

    assert person.email in page
    assert ("Re-send Verification" in page) is (backend == "smtp")
