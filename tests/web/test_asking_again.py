"""What opens doors asks once more who is there, and then goes on; who has nothing to show is not held up."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from reviewapp.models import ApiKey, Membership, Provider, RetentionRule
from reviewapp.web import reauthenticating
from tests import factories

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


def test_a_deed_goes_on_by_itself_once_the_password_is_given(stale):
    asked = stale.post(reverse("settings-keys"), KEY)

    done = stale.post(asked.url, {"password": PASSWORD})

    assert ApiKey.objects.get().name == "bot"
    assert "ra_" in done.content.decode()


@pytest.mark.parametrize(
    ("name", "sent", "made"),
    [
        ("settings-keys", [KEY, KEY | {"name": "second"}], ApiKey),
        (
            "settings-members",
            [{"email": "one@example.org", "role": "viewer"}, {"email": "two@example.org", "role": "viewer"}],
            Membership,
        ),
    ],
)
def test_the_form_in_the_answer_to_the_password_takes_the_next(stale, name, sent, made):
    before = made.objects.count()
    asked = stale.post(reverse(name), sent[0])

    done = stale.post(asked.url, {"password": PASSWORD})
    form = re.search(r'<form class="form card" method="post"[^>]*>', done.content.decode())
    assert form is not None
    # A form that names no address sends to the one of the page it is on: that of the password, here.
    address = re.search(r'action="([^"]*)"', form[0])
    stale.post(address[1] if address else asked.url, sent[1])

    assert made.objects.count() == before + 2


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
