"""Who calls too often is told so, and for how long; and nobody is locked out by somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.conf import settings as product
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from reviewapp.models import RateLevel
from reviewapp.pure.rates import Rate
from reviewapp.stages.administer import counting
from reviewapp.web import limiting
from reviewapp.web.limiting import Limits, TooOften, limits
from tests import factories
from tests.serving import free_port

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


def took(process: Limits, *, key: Any, times: int) -> int:
    """How many of so many calls get through."""
    through = 0
    for _ in range(times):
        try:
            process.come(key=key, address="192.0.2.1")
            through += 1
        except TooOften:
            pass
    return through


def test_what_a_key_used_up_at_one_process_it_has_at_no_other(db):
    one, other = Limits(by_key=1_000, by_address=0), Limits(by_key=1_000, by_address=0)
    key = uuid4()

    before = took(one, key=key, times=1_500)
    one.share()
    other.share()

    assert before == 1_000
    # What has filled up since, on a slow machine.
    assert took(other, key=key, times=1_500) < 500
    assert took(other, key=uuid4(), times=1_500) == 1_000


def test_what_an_address_used_up_at_one_process_it_has_at_no_other(db):
    one, other = Limits(by_key=0, by_address=1_000), Limits(by_key=0, by_address=1_000)

    took(one, key=uuid4(), times=1_000)
    one.share()
    other.share()

    assert took(other, key=uuid4(), times=1_000) < 500


def test_wrong_keys_are_counted_over_all_processes(db):
    one, other = Limits(by_key=0, by_address=0), Limits(by_key=0, by_address=0)
    for _ in range(limiting.WRONG_KEYS):
        one.try_wrong(address="192.0.2.1")

    one.share()
    other.share()

    tried = 0
    # Some may have filled up meanwhile, on a slow machine.
    with pytest.raises(TooOften, match="Too many wrong keys"):  # noqa: PT012  # until it is raised
        while tried < limiting.WRONG_KEYS / 2:
            tried += 1
            other.try_wrong(address="192.0.2.1")


def test_what_both_let_through_before_they_heard_is_owed(db):
    one, other = Limits(by_key=1_000, by_address=0), Limits(by_key=1_000, by_address=0)
    key = uuid4()
    both = took(one, key=key, times=1_000), took(other, key=key, times=1_000)

    one.share()
    other.share()

    assert both == (1_000, 1_000)
    assert RateLevel.objects.get().level < -500


def test_what_could_not_be_shared_is_shared_later(db, monkeypatch):
    one, other = Limits(by_key=1_000, by_address=0), Limits(by_key=1_000, by_address=0)
    key = uuid4()
    took(one, key=key, times=1_000)

    def away(**told: Any) -> Any:
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(counting, "share_counts", away)
        with pytest.raises(OperationalError):
            one.share()
    one.share()
    other.share()

    assert took(other, key=key, times=1_000) < 500


def test_a_call_asks_the_database_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        took(Limits(by_key=10, by_address=10), key=uuid4(), times=20)


def test_who_passes_a_limit_is_told_in_the_log_once_a_minute(caplog):
    process = Limits(by_key=1, by_address=0)
    key = uuid4()

    took(process, key=key, times=5)

    told = [one.msg for one in caplog.records if isinstance(one.msg, dict)]
    assert [(one["event"], one["limit"], one["of"]) for one in told] == [("limit.passed", "key", str(key))]


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """What makes a process of its own work on this test's database."""
    database = connection.settings_dict
    return os.environ | {
        "REVIEWAPP_DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REVIEWAPP_BROKER_URL": product.BROKER_URL,
        "REVIEWAPP_DATA": str(folder),
        "REVIEWAPP_SECRET_KEY": product.SECRET_KEY,
        "REVIEWAPP_ROLE": "",
        **more,
    }


@contextmanager
def web_process(folder: Path, **more: str) -> Iterator[str]:
    """A web process of its own on this test's database; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--port", str(port)]
    with subprocess.Popen(
        [*command, "--log-level", "warning", "reviewapp.asgi:application"],
        env=environment_of(folder, **more),
    ) as program:
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: answers(url))
            yield url
        finally:
            program.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def until(happens: Callable[[], bool], *, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.django_db(transaction=True)
def test_two_web_processes_keep_one_limit(project, tmp_path):
    key = factories.make_key(project=project)
    mine = {"Authorization": f"Bearer {key}"}
    limit = {"REVIEWAPP_KEY_RATE": "30"}

    with (
        web_process(tmp_path / "1", **limit) as one,
        web_process(tmp_path / "2", **limit) as other,
        httpx.Client(headers=mine, timeout=60) as here,
    ):
        first = here.get(other + HERE).status_code
        while here.get(one + HERE).status_code == 200:
            pass
        # By itself the other would let a bucket of thirty through: at this pace for twenty seconds.
        through = 0
        while here.get(other + HERE).status_code == 200:
            through += 1
            time.sleep(0.5)

    assert first == 200
    assert through < 15


USED = """
import django
django.setup()
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
print(TOTP(Authenticator(user_id="{person}"))._mark_code_used("12345678"))
"""


@pytest.mark.django_db(transaction=True)
def test_a_code_that_was_used_at_one_process_is_used_at_all(project, tmp_path):
    person = factories.make_person()
    program = [sys.executable, "-c", USED.format(person=person.pk)]
    environment = environment_of(tmp_path, DJANGO_SETTINGS_MODULE="reviewapp.settings")

    said = [
        subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]

    assert said == ["True", "False"]


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
        # Some proxies tell the port.
        ([b"203.0.113.7:50123"], "203.0.113.7"),
        ([b"[2001:db8:1:2::7]:50123"], "2001:db8:1:2::"),
        # What is no address would be a name of its own each time, of any length.
        ([b"unknown"], "192.0.2.1"),
        ([b"x" * 8_000], "192.0.2.1"),
    ],
)
def test_behind_a_proxy_the_last_address_is_believed(settings, lines, address):
    settings.TRUST_PROXY = True
    scope = {"headers": [(b"x-forwarded-for", line) for line in lines], "client": ("192.0.2.1", 1)}

    assert limiting.address_in(scope) == address


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_who_has_a_network_of_addresses_is_counted_once(rf, address, counted):
    assert limiting.address_in({"client": (address, 1), "headers": []}) == counted
    assert limiting.address_of(rf.get("/", REMOTE_ADDR=address)) == counted
