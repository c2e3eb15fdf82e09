"""Second factors that must be: who sets one up, what is closed until then, and who comes in again."""

from __future__ import annotations

import io
import threading
import time
from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from reviewapp.models import AuditEntry, Membership
from reviewapp.stages import administer
from reviewapp.web.second_factors import OPEN, VOUCHED
from tests import factories
from tests.web.test_access import PAGES, address_of, made, world  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db

PASSWORD = "one-two-three-four"
HALF_MINUTE = 59_000_000


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The half minute of codes stands still."""
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter([HALF_MINUTE]))


def code_of(secret: str) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, HALF_MINUTE))


def make_member(project: Any, role: str = "admin", **fields: Any) -> Any:
    return factories.make_member(project=project, role=role, person=factories.make_person(**fields))


def signed_in(person: Any) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return client


def is_open(client: Client) -> bool:
    return client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("rule", "role", "open_"),
    [
        ("off", "admin", True),
        ("admins", "admin", False),
        ("admins", "reviewer", True),
        ("everyone", "reviewer", False),
        ("everyone", "viewer", False),
    ],
)
def test_the_rule_says_who_must_have_one(settings, project, rule, role, open_):
    settings.REQUIRE_SECOND_FACTOR = rule
    client = Client()
    client.force_login(make_member(project, role))

    assert is_open(client) is open_


def test_an_operator_is_among_the_admins(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "admins"
    operator = make_member(project, "viewer", is_operator=True)
    client = Client()
    client.force_login(operator)

    assert not is_open(client)


def test_who_becomes_an_admin_must_have_one_from_then_on(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "admins"
    person = make_member(project, "reviewer")
    client = Client()
    client.force_login(person)
    before = is_open(client)

    Membership.objects.filter(person=person).update(role="admin")

    assert (before, is_open(client)) == (True, False)


def test_no_page_but_those_for_setting_one_up_opens_without_it(settings, world):  # noqa: F811
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    ids, people = world
    client = Client()
    client.force_login(people["admin"])

    for name in sorted(set(PAGES) - OPEN):
        address = address_of(name, ids)
        page, deed = client.get(address), client.post(address)
        fragment = client.get(address, headers={"HX-Request": "true"})

        assert (page.status_code, page["Location"]) == (302, reverse("mfa_index")), name
        assert deed.status_code == 403, name
        assert (fragment.status_code, fragment["HX-Redirect"]) == (403, reverse("mfa_index")), name
        assert b"When is my refund due" not in page.content + deed.content + fragment.content


@pytest.mark.parametrize(
    "name", ["account_email", "usersessions_list", "socialaccount_connections", "mfa_generate_recovery_codes"]
)
def test_the_accounts_librarys_other_pages_are_closed_too(settings, project, name):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    client = Client()
    client.force_login(make_member(project))

    assert client.get(reverse(name))["Location"] == reverse("mfa_index")


def test_what_is_open_tells_nothing_of_any_project(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    client = Client()
    client.force_login(make_member(project))

    page = client.get(reverse("mfa_index")).content.decode()

    assert "Set up a second factor to go on" in page
    assert project.name not in page


def test_a_call_of_the_api_from_such_a_session_is_refused_as_a_problem(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    client = Client()
    client.force_login(make_member(project))

    answer = client.get("/api/v1/interactions")

    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"


def test_a_key_goes_on_working_whoever_made_it(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    key = factories.make_key(project=project, scopes=["read"])

    answer = Client().get("/api/v1/interactions", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 200


def test_setting_one_up_opens_everything(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    client = signed_in(person)
    asked = client.get(reverse("mfa_activate_totp"))
    client.post(asked.url, {"password": PASSWORD})
    client.get(reverse("mfa_activate_totp"))
    secret = client.session["mfa.totp.secret"]

    client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})

    assert is_open(client)


def test_recovery_codes_alone_are_no_second_factor(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project)
    person.authenticator_set.create(type="recovery_codes", data={})
    client = Client()
    client.force_login(person)

    assert not is_open(client)


def test_the_last_one_of_who_must_have_it_stays(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = signed_in(person)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    client.post(reverse("mfa_deactivate_totp"))

    assert person.authenticator_set.filter(type="totp").exists()


def with_passkeys(person: Any, n: int) -> Client:
    """A session in which the password was just given, of who has as many passkeys."""
    for at in range(n):
        person.authenticator_set.create(type="webauthn", data={"name": f"key {at}"})
    client = Client()
    client.force_login(person)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


def removal_of(passkey: Any) -> str:
    return reverse("mfa_remove_webauthn", args=[passkey.pk])


def test_the_last_passkey_of_who_must_have_a_factor_stays(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    client = with_passkeys(person, 1)

    answer = client.post(removal_of(person.authenticator_set.get()))

    assert person.authenticator_set.filter(type="webauthn").exists()
    assert answer.url == reverse("mfa_list_webauthn")
    assert [str(one) for one in get_messages(answer.wsgi_request)][-1].endswith("add another first.")


@pytest.mark.parametrize(("rule", "had", "left"), [("everyone", 2, 1), ("off", 1, 0)])
def test_a_passkey_that_may_go_goes(settings, project, rule, had, left):
    settings.REQUIRE_SECOND_FACTOR = rule
    person = make_member(project, password=PASSWORD)
    client = with_passkeys(person, had)

    client.post(removal_of(person.authenticator_set.first()))

    assert person.authenticator_set.filter(type="webauthn").count() == left


def removed_at_once(client: Client, person: Any, *addresses: str) -> None:
    """Each sent on a connection of its own, and each as far as it can come before any factor is gone."""

    def send(address: str) -> None:
        try:
            tab = Client()
            tab.cookies = client.cookies
            tab.post(address)
        finally:
            connection.close()

    tabs = [threading.Thread(target=send, args=[address]) for address in addresses]
    with transaction.atomic():
        list(person.authenticator_set.select_for_update())
        for tab in tabs:
            tab.start()
        deadline = time.monotonic() + 60
        while waiting_for_locks() < len(tabs):
            assert time.monotonic() < deadline, "not all of them came so far"
            time.sleep(0.01)
    for tab in tabs:
        tab.join(120)
        assert not tab.is_alive()


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE datname = current_database() AND pid IN (SELECT pid FROM pg_locks WHERE NOT granted)"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_two_passkeys_removed_at_once_leave_one(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    client = with_passkeys(person, 2)

    removed_at_once(client, person, *map(removal_of, person.authenticator_set.all()))

    assert person.authenticator_set.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_app_and_a_passkey_removed_at_once_leave_one(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    client = with_passkeys(person, 1)
    passkey = person.authenticator_set.get()
    totp.TOTP.activate(person, totp.generate_totp_secret())

    removed_at_once(client, person, reverse("mfa_deactivate_totp"), removal_of(passkey))

    assert person.authenticator_set.count() == 1


@pytest.mark.django_db(transaction=True)
def test_both_go_at_once_where_none_must_be(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "off"
    person = make_member(project, password=PASSWORD)
    client = with_passkeys(person, 2)

    removed_at_once(client, person, *map(removal_of, person.authenticator_set.all()))

    assert not person.authenticator_set.exists()


def test_removing_a_passkey_asks_who_is_there(project):
    person = make_member(project, password=PASSWORD)
    person.authenticator_set.create(type="webauthn", data={"name": "key"})
    client = Client()
    client.force_login(person)

    answer = client.post(removal_of(person.authenticator_set.get()))

    assert answer.url.startswith(reverse("account_reauthenticate"))
    assert person.authenticator_set.exists()


def test_setting_one_up_or_dropping_it_ends_ones_other_sessions(project, django_capture_on_commit_callbacks):
    person = make_member(project, password=PASSWORD)
    mine, other = signed_in(person), signed_in(person)
    both = is_open(mine), is_open(other)
    mine.post(mine.get(reverse("mfa_activate_totp")).url, {"password": PASSWORD})
    mine.get(reverse("mfa_activate_totp"))
    secret = mine.session["mfa.totp.secret"]

    with django_capture_on_commit_callbacks(execute=True):
        mine.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    after = is_open(mine), is_open(other)
    cache.clear()
    third = signed_in(person)
    third.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    came_in = is_open(third)
    with django_capture_on_commit_callbacks(execute=True):
        mine.post(reverse("mfa_deactivate_totp"))

    assert (both, after) == ((True, True), (True, False))
    assert (came_in, is_open(third), is_open(mine)) == (True, False, True)


def test_a_sign_in_link_skips_no_second_factor(project):
    person = make_member(project)
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    token = administer.create_sign_in_link(person=person, now=timezone.now())
    client = Client()

    answer = client.post(reverse("sign-in-link", args=[token]))
    by_link_alone = is_open(client)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})

    assert answer.url.startswith(reverse("mfa_authenticate"))
    assert (by_link_alone, is_open(client)) == (False, True)


def test_a_sign_in_link_opens_the_account_of_who_has_none(project):
    token = administer.create_sign_in_link(person=make_member(project), now=timezone.now())
    client = Client()

    answer = client.post(reverse("sign-in-link", args=[token]))

    assert answer.url == reverse("home")
    assert is_open(client)


def test_who_lost_theirs_starts_anew_by_the_operator(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    person = make_member(project, password=PASSWORD)
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    before = signed_in(person)
    before.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    was_in = is_open(before)

    link, said = io.StringIO(), io.StringIO()
    call_command("sign_in_link", "--email", person.email, "--recovery", stdout=link, stderr=said)
    client = Client()
    client.post(link.getvalue().strip().removeprefix("http://127.0.0.1:8000"))

    assert (was_in, is_open(before)) == (True, False)
    assert client.get("/").url == reverse("mfa_index")
    assert AuditEntry.objects.get(action="person.forget_factors").detail == {
        "second_factors": 1,
        "password": True,
    }


def test_who_forgot_the_password_chooses_a_new_one_and_goes_on(project):
    person = make_member(project, password=PASSWORD)
    link, said = io.StringIO(), io.StringIO()
    call_command("sign_in_link", "--email", person.email, "--recovery", stdout=link, stderr=said)
    client = Client()
    client.post(link.getvalue().strip().removeprefix("http://127.0.0.1:8000"))

    # What is done only by who can show who they are sends them to choose a password, and then takes it.
    new = "five-six-seven-eight"
    sent_to = client.post(reverse("settings-privacy-pseudonyms-forget"))
    client.post(sent_to.url, {"password1": new, "password2": new})
    client.post(reverse("account_login"), {"login": person.email, "password": new})
    asked = client.post(reverse("settings-privacy-pseudonyms-forget"))
    wrong = client.post(asked.url, {"password": PASSWORD})
    done = client.post(asked.url, {"password": new})

    assert sent_to.url == reverse("account_set_password")
    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert wrong.status_code == 200
    assert done.url.startswith(reverse("settings-privacy"))
    assert "and the password" in said.getvalue()
    assert sent_to.url in said.getvalue()


def test_a_plain_link_leaves_the_password(project):
    person = make_member(project, password=PASSWORD)

    call_command("sign_in_link", "--email", person.email, stdout=io.StringIO(), stderr=io.StringIO())

    assert is_open(signed_in(person))


def test_the_command_says_that_a_second_factor_will_be_asked_for(project):
    person = make_member(project)
    totp.TOTP.activate(person, totp.generate_totp_secret())

    call_command(
        "sign_in_link", "--email", person.email, stdout=io.StringIO(), stderr=(said := io.StringIO())
    )

    assert "will be asked for a second factor" in said.getvalue()
    assert person.authenticator_set.exists()


def test_a_session_that_the_provider_vouched_for_is_open(settings, project):
    settings.REQUIRE_SECOND_FACTOR = "everyone"
    client = Client()
    client.force_login(make_member(project))
    session = client.session
    session[VOUCHED] = True
    session.save()

    assert is_open(client)


def test_a_second_factor_and_a_wrong_one_are_told_in_the_log(project, caplog):
    person = make_member(project, password=PASSWORD)
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = signed_in(person)
    caplog.set_level("INFO")

    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})

    told = [one.msg for one in caplog.records if isinstance(one.msg, dict)]
    events = [(one["event"], one["person"]) for one in told if one["event"].startswith("second_factor.")]
    assert events == [
        ("second_factor.wrong", str(person.pk)),
        ("second_factor.given", str(person.pk)),
    ]
