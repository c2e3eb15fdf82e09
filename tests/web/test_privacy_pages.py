"""The privacy page: rules, holds, one person's data; what can't be undone asks who is there."""

from __future__ import annotations

import pytest
from django.urls import reverse

from reviewapp.models import Erasure, Export, Hold, Interaction, RetentionRule
from reviewapp.stages import privacy
from tests import factories
from tests.factories import NOW

PASSWORD = "correct horse battery"


@pytest.fixture
def person(project):
    found = factories.make_person(email="admin@example.org", password=PASSWORD)
    return factories.make_member(project=project, role="admin", person=found)


@pytest.fixture
def page(client, person):
    client.force_login(person)
    return lambda name, data=None, *ids: client.post(reverse(name, args=ids), data or {})


def test_a_rule_is_tried_before_it_is_saved(client, project, page):
    factories.make_interaction(project=project)

    tried = page("settings-privacy-rules", {"days": 1, "try": "1"})
    assert "This would delete about 1 interactions now" in tried.content.decode()
    assert RetentionRule.objects.count() == 0

    asked = page("settings-privacy-rules", {"days": 1})
    client.post(asked.url, {"password": PASSWORD})
    assert RetentionRule.objects.get().days == 1


def test_an_interaction_is_held_by_its_id(project, page):
    one = factories.make_interaction(project=project)

    page("settings-privacy-holds", {"hold-interaction": str(one.pk), "hold-reason": "A case."})

    assert Hold.objects.get().interaction_id == one.pk


def test_anothers_interaction_can_not_be_held(page):
    one = factories.make_interaction(project=factories.make_project())

    answer = page("settings-privacy-holds", {"hold-interaction": str(one.pk), "hold-reason": "A case."})

    assert (answer.status_code, Hold.objects.count()) == (422, 0)


def test_erasing_asks_for_the_password_and_then_goes_on(client, project, page):
    factories.make_interaction(project=project, end_user="user-4711")

    asked = page("settings-privacy-erase", {"person-name": "user-4711"})
    assert asked.url.startswith(reverse("account_reauthenticate"))
    assert Erasure.objects.count() == 0

    done = client.post(asked.url, {"password": PASSWORD})
    made = Erasure.objects.get()
    assert done.url == reverse("settings-privacy-erasure", args=[made.pk])
    privacy.erase(erasure_id=made.pk, clock=lambda: NOW)
    shown = client.get(done.url).content.decode()
    assert "Everything that was recorded of this person by then is erased." in shown
    assert client.get(f"{done.url}?file").json()["erased"]["interaction"] == 1
    assert Interaction.objects.count() == 0


def test_who_has_no_password_has_to_choose_one_first(client, project):
    client.force_login(factories.make_member(project=project, role="admin"))

    answer = client.post(reverse("settings-privacy-erase"), {"person-name": "user-4711"})

    assert (answer.url, Erasure.objects.count()) == (reverse("account_set_password"), 0)


def test_a_persons_data_is_looked_at_and_taken_along(client, project, page):
    factories.make_interaction(project=project, end_user="user-4711")

    assert "1 interaction" in page("settings-privacy-person", {"person-name": "user-4711"}).content.decode()
    asked = page("settings-privacy-person", {"person-name": "user-4711", "export": "1"})
    client.post(asked.url, {"password": PASSWORD})

    assert Export.objects.get().filter == {"user": "user-4711", "replays": "all"}


def test_looking_up_a_pseudonym_asks_for_the_password(page):
    answer = page("settings-privacy-reveal", {"reveal-text": "[email:aaaaaaaaaaaa]", "reveal-reason": "x"})

    assert answer.url.startswith(reverse("account_reauthenticate"))


def test_a_person_takes_their_own_data_along(client, person):
    client.force_login(person)

    told = client.get(reverse("own-data")).json()

    assert told["account"]["email"] == "admin@example.org"
    assert [one["role"] for one in told["memberships"]] == ["admin"]
