"""What opens doors asks once more who is there, and then goes on; who has nothing to show is not held up."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver, reverse

from reviewapp.models import ApiKey, AuditEntry, Membership, Provider, RetentionRule, RoutingRule
from reviewapp.web import reauthenticating
from reviewapp.web.deeds import ASKING as ASKING_DEEDS
from reviewapp.web.deeds import LEFT_OPEN, Asks
from tests import factories
from tests.conftest import ROOT
from tests.web.test_access import PAGES, address_of, addresses, made, world  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db

PASSWORD = "one-two-three-four"


@pytest.fixture
def person(project: Any) -> Any:
    cache.clear()
    person = factories.make_person(email="ann@example.org", password=PASSWORD)
    return factories.make_member(project=project, role="admin", person=person)


@pytest.fixture
def stale(person: Any) -> Client:
    """A session of the person in which nobody has shown for long who is there."""
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def fresh(person: Any) -> Client:
    """A session that the password has just begun."""
    client = Client()
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return client


KEY = {"name": "bot", "scopes": ["ingest"]}


def deeds(project: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Everything that asks, by its name: its address, and what is sent."""
    member = Membership.objects.get(
        person=factories.make_member(project=project, role="reviewer"), project=project
    )
    source = factories.make_source(project=project)
    return {
        "key": (reverse("settings-keys"), KEY),
        "invitation": (reverse("settings-members"), {"email": "new@example.org", "role": "admin"}),
        "role": (reverse("settings-member-role", args=[member.pk]), {"role": "admin"}),
        "removal": (reverse("settings-member-remove", args=[member.pk]), {}),
        "retention rule": (reverse("settings-privacy-rules"), {"days": "30"}),
        "stored answers": (reverse("settings-source-purge", args=[source.pk]), {}),
        "audit log": (reverse("settings-audit-export"), {}),
    }


ASKING = ["key", "invitation", "role", "removal", "retention rule", "stored answers", "audit log"]


@pytest.mark.parametrize("name", ASKING)
def test_a_deed_that_opens_doors_asks_who_is_there(stale, project, name):
    address, sent = deeds(project)[name]

    answer = stale.post(address, sent)

    assert answer.status_code == 302
    assert answer.url.startswith(reverse("account_reauthenticate"))
    assert not ApiKey.objects.exists()
    assert not RetentionRule.objects.exists()
    assert sorted(Membership.objects.values_list("role", flat=True)) == ["admin", "reviewer"]


@pytest.mark.parametrize("name", ASKING)
def test_who_has_just_signed_in_is_not_asked_again(fresh, project, name):
    address, sent = deeds(project)[name]

    answer = fresh.post(address, sent)

    assert not answer.get("Location", "").startswith(reverse("account_reauthenticate"))


@pytest.mark.parametrize("name", ASKING)
def test_who_came_by_a_link_and_has_no_password_goes_on(project, name):
    client = Client()
    client.force_login(factories.make_member(project=project, role="admin"))
    address, sent = deeds(project)[name]

    answer = client.post(address, sent)

    assert not answer.get("Location", "").startswith("/accounts/")


# What is sent where an address asks about some of its deeds only: one of these, then one that it lets be.
SENT = {
    "settings-privacy-person": ({"person-name": "ann", "export": "1"}, {"person-name": "ann"}),
    "settings-source-redaction": ({}, {"try": "1"}),
    "settings-privacy-rules": ({"days": "30"}, {"days": "30", "try": "1"}),
    "review-rule-deed": ({"deed": "remove"}, {"deed": "raise"}),
}
BY_POST = sorted(name for name, deed in ASKING_DEEDS.items() if deed.asks is Asks.WHO_CAN)


@pytest.fixture
def admin_of_the_world(world):  # noqa: F811
    """An admin of a project with one of everything, who can be asked for a password, and lately was not."""
    ids, people = world
    cache.clear()
    people["admin"].set_password(PASSWORD)
    people["admin"].save()
    client = Client()
    client.force_login(people["admin"])
    return client, ids


@pytest.mark.parametrize("name", BY_POST)
def test_every_deed_of_the_table_asks_before_it_does_anything(admin_of_the_world, name):
    client, ids = admin_of_the_world
    before = AuditEntry.objects.count()

    answer = client.post(address_of(name, ids), SENT.get(name, ({},))[0])

    assert answer.status_code == 302
    assert answer.url.startswith(reverse("account_reauthenticate"))
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("name", SENT)
def test_what_an_address_does_besides_asks_nobody(admin_of_the_world, name):
    client, ids = admin_of_the_world

    answer = client.post(address_of(name, ids), SENT[name][1])

    assert not answer.get("Location", "").startswith("/accounts/")


def test_a_rule_is_gone_once_the_password_is_given(admin_of_the_world):
    client, ids = admin_of_the_world
    asked = client.post(address_of("review-rule-deed", ids), {"deed": "remove"})
    still_there = RoutingRule.objects.exists()

    client.post(asked.url, {"password": PASSWORD})

    assert (still_there, RoutingRule.objects.exists()) == (True, False)


def test_the_table_names_what_asks_and_how():
    asking = {
        pattern.name: pattern.callback.asks
        for _, pattern in addresses(get_resolver().url_patterns)
        if hasattr(pattern.callback, "asks")
    }

    assert asking == {name: deed.asks for name, deed in ASKING_DEEDS.items()}


def test_every_other_deed_of_an_admin_is_left_open_for_a_reason():
    of_admins = {name for name, (_, post) in PAGES.items() if post == "admin"}

    assert of_admins - set(ASKING_DEEDS) == set(LEFT_OPEN)


def test_the_docs_have_the_table():
    text = (ROOT / "docs" / "configuration.md").read_text()
    section = text.split("## What asks once more")[1].split("\n## ")[0]

    rows = re.findall(r"^\| (.+) \| (.+) \|$", section, flags=re.MULTILINE)

    assert rows == [
        ("deed", "asks"),
        *((deed.what, str(deed.asks)) for deed in ASKING_DEEDS.values()),
    ]


def test_a_deed_goes_on_by_itself_once_the_password_is_given(stale):
    asked = stale.post(reverse("settings-keys"), KEY)

    done = stale.post(asked.url, {"password": PASSWORD})

    assert ApiKey.objects.get().name == "bot"
    assert "ra_" in done.content.decode()


@pytest.mark.parametrize(
    ("name", "sent", "kind"),
    [
        ("settings-keys", [KEY, KEY | {"name": "second"}], ApiKey),
        (
            "settings-members",
            [{"email": "one@example.org", "role": "viewer"}, {"email": "two@example.org", "role": "viewer"}],
            Membership,
        ),
    ],
)
def test_the_form_in_the_answer_to_the_password_takes_the_next(stale, name, sent, kind):
    before = kind.objects.count()
    asked = stale.post(reverse(name), sent[0])

    done = stale.post(asked.url, {"password": PASSWORD})
    form = re.search(r'<form class="form card" method="post"[^>]*>', done.content.decode())
    assert form is not None
    # A form that names no address sends to the one of the page it is on: that of the password, here.
    address = re.search(r'action="([^"]*)"', form[0])
    stale.post(address[1] if address else asked.url, sent[1])

    assert kind.objects.count() == before + 2


def test_a_deed_sent_to_an_address_with_a_query_goes_on_with_it(stale, project):
    stale.post(stale.post(reverse("settings-keys"), KEY).url, {"password": PASSWORD})
    stale.post(reverse("settings-source-purge", args=[factories.make_source(project=project).pk]))
    session = stale.session
    session["account_authentication_methods"][-1]["at"] -= reauthenticating.KNOWN_FOR + 60
    session.save()
    asked = stale.post(reverse("settings-audit-export") + "?q=api_key.create")

    taken = stale.post(asked.url, {"password": PASSWORD})

    lines = [json.loads(line) for line in b"".join(taken.streaming_content).decode().splitlines()]
    assert taken["Content-Type"] == "application/x-ndjson"
    # The entry of the export itself names what was searched for.
    assert {line["entry"]["action"] for line in lines} == {"api_key.create", "audit.export"}


def test_a_key_asked_for_at_an_address_with_a_query_is_made(stale):
    asked = stale.post(reverse("settings-keys") + "?x=y", KEY)

    done = stale.post(asked.url, {"password": PASSWORD})

    assert ApiKey.objects.get().name == "bot"
    assert "ra_" in done.content.decode()


def test_a_page_that_only_shows_is_gone_back_to_with_its_query(stale):
    asked = stale.get(reverse("settings-provider-new") + "?x=y")

    back = stale.post(asked.url, {"password": PASSWORD})

    assert back.url == reverse("settings-provider-new") + "?x=y"


def test_a_wrong_password_does_not_do_it(stale):
    asked = stale.post(reverse("settings-keys"), KEY)

    stale.post(asked.url, {"password": "wrong"})

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("name", ["settings-provider-new", "settings-alert-new"])
def test_a_form_that_takes_a_secret_asks_before_it_opens(stale, name):
    asked = stale.get(reverse(name))

    stale.post(asked.url, {"password": PASSWORD})

    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert stale.get(reverse(name)).status_code == 200


def test_a_secret_that_was_typed_too_late_does_not_lie_in_the_session(stale):
    sent = {"name": "openai", "base_url": "https://api.example.org/v1", "api_key": "sk-very-secret"}

    answer = stale.post(reverse("settings-provider-new"), sent)

    assert answer.url == reverse("settings-provider-new")
    assert "sk-very-secret" not in str(dict(stale.session))
    assert not Provider.objects.exists()


def test_a_form_that_was_opened_in_time_is_taken_later(fresh):
    fresh.get(reverse("settings-provider-new"))
    session = fresh.session
    session["account_authentication_methods"][-1]["at"] -= reauthenticating.KNOWN_FOR + 60
    session.save()
    sent = {"name": "openai", "base_url": "https://api.example.org/v1"}

    fresh.post(reverse("settings-provider-new"), sent | {"max_concurrency": 20, "timeout_seconds": 60})
    asked = fresh.get(reverse("settings-provider-new"))

    assert Provider.objects.get().name == "openai"
    assert asked.url.startswith(reverse("account_reauthenticate"))
