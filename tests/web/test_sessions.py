"""Sessions are looked up by a query that is composed once, and end as Django's own do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

HERE = "/"


@pytest.fixture
def client(viewer):
    client = Client()
    client.force_login(viewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def signed_in(client):
    return "/accounts/login/" not in client.get(HERE).headers.get("Location", "")


def test_who_has_a_session_is_signed_in(client):
    assert signed_in(client)


def test_a_session_past_its_time_is_over(client):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert not signed_in(client)


def test_a_session_that_was_deleted_is_over(client):
    assert signed_in(client)
    Session.objects.all().delete()

    assert not signed_in(client)


@pytest.mark.django_db
def test_a_key_that_somebody_made_up_is_nobodys():
    client = Client()
    client.cookies["sessionid"] = "k" * 32

    assert not signed_in(client)


def test_who_was_switched_off_is_signed_out(client, viewer):
    type(viewer.person).objects.filter(pk=viewer.person.pk).update(is_active=False)

    assert not signed_in(client)
