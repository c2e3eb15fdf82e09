"""Who calls too often is told so, and for how long; and nobody is locked out by somebody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from reviewapp.pure.rates import Rate
from reviewapp.web import limiting
from reviewapp.web.limiting import limits
from tests import factories

HERE = "/api/v1/interactions"


@pytest.fixture(autouse=True)
def one_moment(monkeypatch):
    """All calls of a test come at the same second, however long the machine takes for them."""
    monkeypatch.setattr(limiting, "time", SimpleNamespace(monotonic=lambda: 1_000.0))


def call(key: str, **more: Any) -> Any:
    return Client().get(HERE, headers={"authorization": f"Bearer {key}"}, **more)


def test_a_key_that_calls_too_often_is_told_how_long_to_wait(project, monkeypatch):
    monkeypatch.setattr(limits, "by_key", Rate(2))
    key = factories.make_key(project=project)
    other = factories.make_key(project=project)

    answers = [call(key) for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 30
    assert answers[2].json()["detail"].startswith("This key may call 2 times a minute. Try again in")
    assert call(other).status_code == 200


def test_an_address_that_calls_too_often_is_told_so_and_others_are_not(project, monkeypatch):
    monkeypatch.setattr(limits, "by_address", Rate(1))
    keys = [factories.make_key(project=project) for _ in range(2)]

    answers = [call(key) for key in keys]

    assert [one.status_code for one in answers] == [200, 429]
    assert answers[1].json()["detail"].startswith("This address may call 1 times a minute.")
    assert call(keys[1], REMOTE_ADDR="192.0.2.7").status_code == 200


def test_who_tries_wrong_keys_is_slowed_and_locks_nobody_out(project, monkeypatch):
    monkeypatch.setattr(limits, "wrong", Rate(2))
    key = factories.make_key(project=project)

    answers = [call("ra_wrong") for _ in range(3)]

    assert [one.status_code for one in answers] == [401, 401, 429]
    assert answers[2]["Retry-After"]
    assert call(key).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": []}, "rate_limit_exceeded"),
        (HERE, {}, "Too Many Requests"),
        ("/otlp/v1/traces", {}, "Try again in"),
    ],
)
def test_the_gateway_and_the_receivers_keep_the_limit_too(gateway, monkeypatch, path, body, told):
    monkeypatch.setattr(limits, "by_key", Rate(1))
    gateway.post(path, json=body)

    answer = gateway.post(path, json=body)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    assert told in answer.text


@pytest.mark.parametrize(("trusted", "address"), [(False, "127.0.0.1"), (True, "198.51.100.4")])
def test_only_a_trusted_proxy_says_whom_a_call_comes_from(rf, settings, trusted: bool, address: str):
    settings.TRUST_PROXY = trusted
    told = "10.0.0.1, 198.51.100.4"
    scope = {"client": ("127.0.0.1", 4000), "headers": [(b"x-forwarded-for", told.encode())]}

    assert limiting.address_of(rf.get("/", headers={"x-forwarded-for": told})) == address
    assert limiting.address_in(scope) == address


def test_who_guesses_somebodys_password_does_not_lock_them_out(project):
    person = factories.make_person(email="victim@example.org", password="one-two-three-four")

    def sign_in(password: str, address: str) -> Any:
        given = {"login": person.email, "password": password}
        return Client().post(reverse("account_login"), given, REMOTE_ADDR=address)

    for _ in range(12):
        guessed = sign_in("a-wrong-guess", "192.0.2.66")

    assert guessed.status_code == 429
    assert "Too many wrong passwords" in guessed.content.decode()
    assert sign_in("one-two-three-four", "192.0.2.66").status_code == 429
    assert sign_in("one-two-three-four", "192.0.2.1").status_code == 302


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], "192.0.2.1"),
        ([b"198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        # What the caller sent stands above what the proxy adds.
        ([b"198.51.100.1", b"203.0.113.7"], "203.0.113.7"),
        ([b""], "192.0.2.1"),
    ],
)
def test_behind_a_proxy_the_last_address_is_believed(settings, lines, address):
    settings.TRUST_PROXY = True
    scope = {"headers": [(b"x-forwarded-for", line) for line in lines], "client": ("192.0.2.1", 1)}

    assert limiting.address_in(scope) == address
