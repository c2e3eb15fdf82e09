"""Passwords, second factors and sessions: what the accounts library does, as it is set up here."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import factories
from tests.scanning import where

pytestmark = pytest.mark.django_db

PASSWORD = "one-two-three-four"
HALF_MINUTE = 59_000_000


@pytest.fixture
def person(project: Any) -> Any:
    # What was counted for others is no matter of this one.
    cache.clear()
    person = factories.make_person(email="ann@example.org", password=PASSWORD)
    return factories.make_member(project=project, role="admin", person=person)


@pytest.fixture
def secret(person: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the person's authenticator, which is set up."""
    # The half minute stands still, else a test that begins at its end would have another code.
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter([HALF_MINUTE]))
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    return secret


def code_of(secret: str) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, HALF_MINUTE))


def signing_in(password: str = PASSWORD, client: Client | None = None) -> Client:
    client = client or Client()
    client.post(reverse("account_login"), {"login": "ann@example.org", "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def give_code(client: Client, code: str) -> None:
    client.post(reverse("mfa_authenticate"), {"code": code})


def test_who_has_a_second_factor_is_not_in_by_the_password_alone(secret):
    client = signing_in()
    by_password = is_in(client)

    give_code(client, code_of(secret))

    assert not by_password
    assert is_in(client)


def test_a_code_is_good_once(secret):
    code = code_of(secret)
    give_code(signing_in(), code)
    again = signing_in()

    give_code(again, code)

    assert not is_in(again)


def test_what_codes_are_made_from_is_encrypted_in_the_tables(person, secret):
    RecoveryCodes.activate(person)

    assert where(secret) == []
    assert all(str(one.data).count("gAAAA") == 1 for one in person.authenticator_set.all())


def test_a_second_factor_from_before_it_was_encrypted_goes_on(person, secret):
    person.authenticator_set.update(data={"secret": secret})
    client = signing_in()

    give_code(client, code_of(secret))

    assert is_in(client)


def test_codes_can_t_be_guessed_for_long(secret):
    client = signing_in()
    for number in range(10):
        give_code(client, f"{number:06}")

    give_code(client, code_of(secret))

    assert not is_in(client)


def test_a_recovery_code_gets_in_once(person, secret):
    code = RecoveryCodes.activate(person).get_unused_codes()[0]
    first, second = signing_in(), signing_in()

    give_code(first, code)
    give_code(second, code)

    assert (is_in(first), is_in(second)) == (True, False)


@pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn"])
def test_changing_what_one_signs_in_by_asks_for_the_password_once_more(person, name):
    client = signing_in()
    asked = client.get(reverse(name))

    client.post(asked.url, {"password": PASSWORD})

    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert client.get(reverse(name)).status_code == 200


def test_another_address_is_taken_only_after_the_password_was_given_once_more(person):
    client = signing_in()

    asked = client.post(reverse("account_email"), {"action_add": "", "email": "new@example.org"})

    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert not person.emailaddress_set.filter(email="new@example.org").exists()


def test_signing_in_begins_another_session_than_the_one_somebody_may_have_planted(person):
    client = Client()
    client.post(reverse("account_login"), {"login": "ann@example.org", "password": "wrong"})
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["sessionid"] = planted = session.session_key

    signing_in(client=client)
    thief = Client()
    thief.cookies["sessionid"] = planted

    assert is_in(client)
    assert client.cookies["sessionid"].value != planted
    assert not is_in(thief)


def test_signing_out_ends_the_session_itself_and_clears_what_the_browser_keeps(person):
    client = signing_in()
    kept = client.cookies["sessionid"].value

    answer = client.post(reverse("account_logout"))
    client.cookies["sessionid"] = kept

    assert answer["Clear-Site-Data"] == '"storage"'
    assert not is_in(client)


def test_the_operator_ends_all_sessions_of_somebody_and_switches_them_off(person):
    mine, other = signing_in(), signing_in()
    both = is_in(mine), is_in(other)

    call_command("sign_out", person.email.upper(), "--off", stdout=(said := io.StringIO()))

    assert both == (True, True)
    assert said.getvalue() == "2 ended. The account is switched off.\n"
    assert (is_in(mine), is_in(other), is_in(signing_in())) == (False, False, False)


def test_who_is_switched_off_is_out_at_once(person):
    client = signing_in()
    before = is_in(client)

    type(person).objects.filter(pk=person.pk).update(is_active=False)

    assert (before, is_in(client)) == (True, False)


@pytest.mark.parametrize(
    ("password", "taken"),
    [
        ("password123", False),
        ("short", False),
        ("ann@example.org", False),
        ("a" * 64, True),
        ("öl ist 12 € 🙂", True),
    ],
)
def test_a_password_is_long_and_not_among_the_common_ones_and_that_is_all(person, password: str, taken: bool):
    given = {"oldpassword": PASSWORD, "password1": password, "password2": password}

    signing_in().post(reverse("account_change_password"), given)

    assert is_in(signing_in(password)) is taken


def changing(to: str) -> str:
    """The page that answers who wants another password."""
    given = {"oldpassword": PASSWORD, "password1": to, "password2": to}
    return signing_in().post(reverse("account_change_password"), given).content.decode()


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("reviewapp-2026!", "reviewapp"),
        ("Support.Desk.99", "support"),
        ("acme acme acme 1", "acme"),
        ("review.example.org", "example"),
        # With enough beside it a word harms nothing.
        ("reviewapp oyster ladder", None),
    ],
)
def test_a_password_is_not_made_of_words_of_this_place(settings, project, person, password, word):
    settings.PASSWORD_WORDS = ["acme"]
    settings.ALLOWED_HOSTS = ["testserver", "review.example.org"]
    factories.make_member(project=factories.make_project(name="Support Desk"), person=person)

    page = changing(password)

    assert word is None or f"“{word}” is tried first here" in page
    assert is_in(signing_in(password)) is (word is None)


BREACHED = "a breached one 17"


@pytest.fixture
def breached_file(settings: Any, tmp_path: Any) -> Any:
    """A file as Have I Been Pwned's downloader writes it."""
    digests = sorted(
        hashlib.sha1(f"a breached one {n}".encode(), usedforsecurity=False).hexdigest() for n in range(200)
    )
    file = tmp_path / "breached.txt"
    file.write_text("\n".join(f"{digest.upper()}:3" for digest in digests))
    settings.BREACHED_PASSWORDS = str(file)
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "reviewapp.web.passwords.BreachedPasswords"}]
    return file


@pytest.mark.parametrize(("password", "taken"), [(BREACHED, False), ("not a breached one", True)])
def test_a_breached_password_is_refused(breached_file, person, password, taken):
    page = changing(password)

    assert ("in a list of breached ones" in page) is not taken
    assert is_in(signing_in(password)) is taken


def test_a_password_that_can_not_be_checked_is_refused(breached_file, person):
    breached_file.unlink()

    page = changing("not a breached one")

    assert "checked now" in page
    assert not is_in(signing_in("not a breached one"))


def test_giving_the_password_once_more_begins_another_session(person):
    client = signing_in()
    before = client.session.session_key
    UserSession.objects.filter(session_key=before).update(created_at=timezone.now() - timedelta(hours=5))
    stolen = Client()
    stolen.cookies["sessionid"] = before
    both = is_in(client), is_in(stolen)

    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    assert both == (True, True)
    assert (is_in(client), is_in(stolen)) == (True, False)
    # How long it lasts in all, counts from when it began.
    [session] = UserSession.objects.filter(user=person)
    assert timezone.now() - session.created_at > timedelta(hours=4)


def test_giving_a_second_factor_once_more_begins_another_session(person, secret, monkeypatch):
    client = signing_in()
    give_code(client, code_of(secret))
    before = client.session.session_key
    # The next half minute: a code is good once.
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter([HALF_MINUTE + 1]))
    code = totp.format_hotp_value(totp.hotp_value(secret, HALF_MINUTE + 1))

    client.post(reverse("mfa_reauthenticate"), {"code": code})

    assert is_in(client)
    assert client.session.session_key != before


def test_what_was_asked_with_the_key_before_takes_nobodys_cookie_away(person):
    client = signing_in()
    late = Client()
    late.cookies["sessionid"] = client.session.session_key
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    answer = late.get(reverse("alerts-bell"))

    assert answer.status_code in (302, 403)
    assert "sessionid" not in answer.cookies
    assert is_in(client)


def test_signing_out_takes_the_cookie_away(person):
    client = signing_in()

    answer = client.post(reverse("account_logout"))

    assert answer.cookies["sessionid"].value == ""
    assert answer.cookies["sessionid"]["max-age"] == 0


def test_other_sessions_stand_in_a_list_and_can_be_ended_from_it(person):
    mine, other = signing_in(), signing_in()
    both = is_in(mine), is_in(other)
    listed = mine.get(reverse("usersessions_list")).content.decode()

    mine.post(reverse("usersessions_list"))

    assert both == (True, True)
    assert listed.count("127.0.0.1") == 2
    assert (is_in(mine), is_in(other)) == (True, False)


def test_a_changed_password_ends_all_sessions(person):
    mine, other = signing_in(), signing_in()
    given = {
        "oldpassword": PASSWORD,
        "password1": "five-six-seven-eight",
        "password2": "five-six-seven-eight",
    }

    mine.post(reverse("account_change_password"), given)

    assert not is_in(other)
    assert is_in(signing_in("five-six-seven-eight"))
