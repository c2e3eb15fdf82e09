from __future__ import annotations

from reviewapp.formats.openai import kept_headers


def test_headers_that_tell_of_the_backend_are_kept():
    headers = [("OpenAI-Version", "2020-10-01"), ("x-request-id", "req_1"), ("X-MS-Region", "East US")]

    assert kept_headers(headers) == {
        "openai-version": "2020-10-01",
        "x-request-id": "req_1",
        "x-ms-region": "East US",
    }


def test_accounts_cookies_and_limits_are_not_kept():
    headers = [
        ("openai-organization", "org-1"),
        ("openai-project", "proj_1"),
        ("set-cookie", "a=b"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("authorization", "Bearer x"),
    ]

    assert kept_headers(headers) == {}


def test_a_header_given_twice_is_one_value():
    assert kept_headers([("Via", "a"), ("via", "b")]) == {"via": "a, b"}


def test_a_header_that_is_not_printable_or_too_long_is_not_kept():
    assert kept_headers([("server", "a\x00"), ("via", "x" * 501)]) == {}
