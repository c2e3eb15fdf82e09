"""The list of one's sessions says when each was last seen, and no click waits for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

HERE = "/accounts/sessions/"


@pytest.fixture
def client(viewer):
    client = Client()
    client.force_login(viewer.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.get(HERE)
    return client


def aged(minutes):
    seen = timezone.now() - timedelta(minutes=minutes)
    UserSession.objects.update(last_seen_at=seen)
    return seen


def test_a_session_is_noted_at_its_first_request(client):
    assert UserSession.objects.count() == 1


def test_a_request_within_a_minute_writes_nothing(client):
    seen = aged(0.5)

    with CaptureQueriesContext(connection) as captured:
        client.get("/")

    assert not [query for query in captured.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]
    assert UserSession.objects.get().last_seen_at == seen


def test_after_a_minute_it_is_noted_again(client):
    seen = aged(1.5)

    client.get("/")

    assert UserSession.objects.get().last_seen_at > seen


def test_another_browser_with_the_same_session_is_noted_at_once(client):
    client.get("/", headers={"User-Agent": "Another/1.0"})

    assert UserSession.objects.get().user_agent == "Another/1.0"


def test_a_session_in_which_nothing_was_done_for_long_is_over(client, settings):
    settings.SESSION_IDLE_HOURS = 1
    aged(61)

    answer = client.get("/")

    assert answer.url.startswith("/accounts/login/")
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()


def test_a_session_is_over_at_its_time_however_busy(client, settings):
    settings.SESSION_HOURS = 1
    UserSession.objects.update(created_at=timezone.now() - timedelta(minutes=61))

    assert client.get("/").url.startswith("/accounts/login/")


def test_a_session_within_its_limits_goes_on(client, settings):
    settings.SESSION_IDLE_HOURS = settings.SESSION_HOURS = 1
    UserSession.objects.update(created_at=timezone.now() - timedelta(minutes=59))
    aged(59)

    assert client.get("/").status_code == 200


@pytest.mark.parametrize("no_store", [False, True])
def test_pages_of_who_is_signed_in_are_stored_nowhere(client, admin, settings, no_store):
    settings.NO_STORE = no_store
    before = client.get("/accounts/login/").headers.get("Cache-Control", "")
    client.force_login(admin.person)

    page = client.get("/")

    assert (page.status_code, page.headers.get("Cache-Control") == "no-store") == (200, no_store)
    # Who is not signed in is shown nothing that could be kept.
    assert "Cache-Control" not in before
