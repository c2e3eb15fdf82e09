"""What a person's browser takes over the line: bytes, so that a slow connection is no reason to wait."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from tests.factories import make_interaction

FIRST_LOAD = 100_000
FRAGMENT = 20_000
_LINKED = re.compile(r'(?:href|src)="/?static/([^"#?]+)')
_IMPORTED = re.compile(r'(?:from|import)\s*\(?"(\.[^"]+)"')


@pytest.fixture
def client(client: Client, admin) -> Client:
    client.force_login(admin.person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def fifty(project):
    return [
        make_interaction(
            project=project,
            prompt=f"Question {n}: may a contract of this kind be ended before its first year is over?",
            answer=f"Answer {n}: yes, with three months' notice, unless they agreed on something else.",
        )
        for n in range(50)
    ]


def get(client, **headers):
    response = client.get(reverse("interactions"), headers={"accept-encoding": "gzip", **headers})
    assert response.status_code == 200
    return response


def static_weight(names):
    """Compressed as the start of the product compresses them, with the modules that modules import."""
    seen: dict[str, int] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        path = finders.find(name)
        assert path, name
        data = Path(path).read_bytes()
        # Pictures are no smaller for it.
        seen[name] = len(data) if name.endswith(".png") else len(gzip.compress(data, 9))
        if name.endswith(".js"):
            waiting += [
                str((Path("/") / name).parent.joinpath(found).resolve().relative_to("/"))
                for found in _IMPORTED.findall(data.decode())
            ]
    return seen


@pytest.mark.django_db
def test_a_first_load_of_the_list_takes_less_than_a_hundred_kilobytes(client, fifty):
    response = get(client)

    page = gzip.decompress(response.content).decode()
    parts = {"the page": len(response.content), **static_weight(_LINKED.findall(page))}
    assert len(parts) > 5
    assert sum(parts.values()) <= FIRST_LOAD, sorted(parts.items(), key=lambda part: -part[1])


@pytest.mark.django_db
def test_another_page_of_rows_takes_less_than_twenty_kilobytes(client, fifty):
    response = get(client, **{"HX-Request": "true"})

    assert "<html" not in gzip.decompress(response.content).decode()
    assert len(response.content) <= FRAGMENT


@pytest.mark.django_db
def test_who_takes_no_compressed_answers_gets_plain_ones(client):
    response = client.get(reverse("interactions"))

    assert not response.has_header("Content-Encoding")
    assert "Accept-Encoding" in response["Vary"]
