"""The quick way in for recordings: it takes and refuses what the API's operation does."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx2
import pytest
from django.db import connection

from reviewapp import tasks
from reviewapp.models import ApiKey, Interaction
from tests import factories
from tests.serving import settle

URL = "/api/v1/interactions"
ONE = {"request": {"model": "m", "messages": []}, "response": {"choices": []}}
BODIES: list[tuple[dict[str, str], bytes]] = [
    ({}, json.dumps(ONE).encode()),
    ({}, json.dumps([ONE, {}, ONE | {"status": 7}]).encode()),
    ({"Content-Type": "application/x-ndjson"}, b"%b\n{\n" % json.dumps(ONE).encode()),
    ({"Content-Encoding": "gzip"}, gzip.compress(json.dumps(ONE).encode())),
    ({"Content-Encoding": "gzip"}, b"no gzip"),
    ({"Content-Encoding": "br"}, b"{}"),
    ({}, json.dumps([ONE] * 1001).encode()),
    ({}, json.dumps([ONE] * 900).encode()),
    ({}, b" " * (16 * 1024 * 1024 + 1)),
    ({}, b""),
    ({}, b"[]"),
    ({}, b"{"),
    ({}, b"[{}, 1]"),
]


def told(response: Any) -> tuple[int, str, Any]:
    """Status, type and body, without the ids that are new each time."""
    body = json.loads(response.content)
    if "accepted" in body:
        body["accepted"] = len(body["accepted"])
    return response.status_code, response.headers["Content-Type"].partition(";")[0], body


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_it_answers_as_the_operation_does(gateway, client, number):
    headers, body = BODIES[number]
    kind = headers.get("Content-Type", "application/json")
    quick = gateway.post(URL, content=body, headers={"Content-Type": kind} | headers)

    named = {"Authorization": f"Bearer {gateway.key}"} | headers
    operation = client.post(URL, body, content_type=kind, headers=named)

    assert told(quick) == told(operation)


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ra_wrong", "Basic x"])
def test_a_wrong_key_is_refused_in_the_same_words(gateway, client, key):
    quick = gateway.post(URL, json=ONE, headers={"Authorization": key})

    operation = client.post(URL, ONE, content_type="application/json", headers={"Authorization": key})

    assert told(quick) == told(operation)
    assert quick.headers["WWW-Authenticate"] == operation.headers["WWW-Authenticate"]


def test_a_key_without_the_scope_is_refused_in_the_same_words(gateway, client):
    named = {"Authorization": f"Bearer {factories.make_key(project=gateway.project, scopes=('read',))}"}

    quick = gateway.post(URL, json=ONE, headers=named)

    assert told(quick) == told(client.post(URL, ONE, content_type="application/json", headers=named))


def test_what_is_taken_is_recorded_for_the_keys_source(gateway):
    ApiKey.objects.update(source=factories.make_source(project=gateway.project, name="keys-own"))
    gateway.post(URL, json=ONE, headers={"Authorization": "Bearer ra_has_the_keys_read_again"})

    response = gateway.post(URL, json=[ONE, ONE | {"source": "named"}])
    settle()

    found = Interaction.objects.filter(id__in=response.json()["accepted"])
    assert {one.source.name for one in found} == {"keys-own", "named"}


def test_what_the_journal_can_not_keep_is_not_acknowledged(gateway):
    tasks.journal().close()

    response = gateway.post(URL, json=ONE)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_recording_goes_on_while_the_database_is_away(gateway):
    assert gateway.post(URL, json=ONE).status_code == 202
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE reviewapp_apikey RENAME TO away")
    try:
        answers = [gateway.post(URL, json=ONE).status_code for _ in range(3)]
        asked = gateway.post("/v1/chat/completions", json=ONE["request"]).status_code
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO reviewapp_apikey")

    assert (answers, asked) == ([202, 202, 202], 200)


def test_a_client_that_stops_halfway_leaves_nothing(gateway):
    def pieces():
        yield b'{"request": {"messages": ['
        raise ConnectionError

    with pytest.raises((ConnectionError, httpx2.HTTPError)):
        gateway.post(URL, content=pieces())

    assert settle() == 0
