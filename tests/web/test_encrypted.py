"""A key that comes in the clear is refused, however good it is, where the operator did not allow it."""

from __future__ import annotations

import pytest

from reviewapp.web.encrypted import IN_THE_CLEAR

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
WAYS = [
    ("GET", "/v1/models", None),
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/api/v1/interactions", {"request": CHAT, "response": {"choices": []}}),
    ("GET", "/api/v1/interactions", None),
    ("POST", "/api/v1/interactions/01890000-0000-7000-8000-000000000000/annotations", {"answers": {}}),
    ("POST", "/otlp/v1/traces", {}),
]


@pytest.fixture
def strict(settings):
    """As in production, behind a proxy."""
    settings.HTTPS_KEYS_ONLY = True
    settings.TRUST_PROXY = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
@pytest.mark.parametrize("told", [{}, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "http, https"}])
def test_a_key_in_the_clear_is_refused_and_sent_nowhere_else(gateway, strict, method, path, body, told):
    answer = gateway.request(method, path, json=body, headers=told)

    assert (answer.status_code, "Location" in answer.headers) == (403, False)
    assert IN_THE_CLEAR in answer.text


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_a_key_that_came_by_https_is_not(gateway, strict, method, path, body):
    answer = gateway.request(method, path, json=body, headers={"X-Forwarded-Proto": "https"})

    assert IN_THE_CLEAR not in answer.text
    assert answer.status_code < 300 or "Location" not in answer.headers


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_without_a_proxy_nobody_is_believed(gateway, strict, settings, method, path, body):
    settings.TRUST_PROXY = False
    settings.SECURE_PROXY_SSL_HEADER = None

    answer = gateway.request(method, path, json=body, headers={"X-Forwarded-Proto": "https"})

    assert answer.status_code == 403


def test_people_are_led_to_https(client, strict):
    answer = client.get("/accounts/login/")

    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("https://")


def test_who_reads_the_api_is_led_nowhere(client, strict):
    assert client.get("/api/v1/interactions").status_code in {401, 403}
