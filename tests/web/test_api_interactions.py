"""Interactions over the REST API: sent, listed, read; errors as problem+json."""

from __future__ import annotations

import gzip
import json
from typing import Any
from uuid import UUID

import pytest
import zstandard

from reviewapp import tasks
from reviewapp.models import ApiKey, FailedMessage, Interaction
from reviewapp.pure.ids import new_id
from tests import factories
from tests.factories import NOW
from tests.serving import settle

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal")]

URL = "/api/v1/interactions"
ONE = {
    "request": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "response": {"choices": []},
}


@pytest.fixture
def key(project) -> str:
    return factories.make_key(project=project)


@pytest.fixture
def send(client, key):
    """POST a body as it is, or a value as JSON."""

    def send(body: Any, *, kind: str = "application/json", **headers: str):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(URL, data, content_type=kind, headers={"Authorization": f"Bearer {key}"} | named)

    return send


@pytest.fixture
def get(client, key):
    def get(path: str = "", **query: str):
        return client.get(URL + path, query, headers={"Authorization": f"Bearer {key}"})

    return get


def test_one_interaction_is_taken_and_recorded(send):
    response = send(ONE)

    assert response.status_code == 202
    assert response.json()["rejected"] == []
    settle()
    assert str(Interaction.objects.get().pk) == response.json()["accepted"][0]


def test_an_array_is_taken_item_by_item(send):
    response = send([ONE, {"source": "x"}, ONE, "rubbish", ONE | {"status": 99}])

    assert response.status_code == 202
    assert len(response.json()["accepted"]) == 2
    assert [item["index"] for item in response.json()["rejected"]] == [1, 3, 4]
    assert response.json()["rejected"][0]["error"].startswith("request: is missing")


def test_the_member_that_is_wrong_is_named_apart_from_the_words(send):
    of_many = send([ONE, ONE | {"status": 99}, "rubbish"]).json()["rejected"]
    alone = send([ONE | {"status": 99}]).json()

    assert of_many[0]["field"] == "status"
    assert "field" not in of_many[1]
    assert alone["field"] == alone["rejected"][0]["field"] == "status"


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/x-ndjson; charset=utf-8"])
def test_lines_are_taken_line_by_line(send, kind):
    lines = b"\n".join([json.dumps(ONE).encode(), b"", b"{", json.dumps(ONE).encode(), b""])

    response = send(lines, kind=kind)

    assert response.status_code == 202
    assert len(response.json()["accepted"]) == 2
    assert [item["index"] for item in response.json()["rejected"]] == [1]


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_compressed_bodies_are_taken(send, encoding, pack):
    response = send(pack(json.dumps([ONE] * 3).encode()), Content_Encoding=encoding)

    assert len(response.json()["accepted"]) == 3


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_a_body_that_unpacks_beyond_16_mib_is_refused(send, encoding, pack):
    response = send(pack(b" " * (200 * 1024 * 1024)), Content_Encoding=encoding)

    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_body_beyond_16_mib_is_refused(send):
    assert send(b" " * (16 * 1024 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused(send, encoding):
    assert send(b"{}", Content_Encoding=encoding).status_code == 400
    assert send(gzip.compress(b"{}" * 1000)[:20], Content_Encoding="gzip").status_code == 400


def test_an_unknown_encoding_is_refused(send):
    assert send(b"{}", Content_Encoding="br").status_code == 415


def test_more_than_a_thousand_items_are_refused(send):
    assert send([ONE] * 1001).status_code == 413
    assert len(send([ONE] * 1000).json()["accepted"]) == 1000


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[{}]", b'"x"', b"\xff", b"[" * 100_000, b"null"])
def test_when_nothing_is_valid_the_answer_is_422(send, body):
    response = send(body)

    assert response.status_code == 422
    assert response.json()["detail"]
    assert settle() == 0


def test_the_reasons_come_with_the_422(send):
    response = send([{}, {"request": 1}])

    assert [item["index"] for item in response.json()["rejected"]] == [0, 1]


def test_a_given_id_makes_sending_again_harmless(send):
    one = ONE | {"id": str(new_id())}

    assert send(one).json() == send(one).json() == {"accepted": [one["id"]], "rejected": []}
    settle()
    assert Interaction.objects.count() == 1


def test_an_id_of_another_project_changes_nothing_there(send, client):
    other = factories.make_project()
    secret = factories.make_key(project=other)
    one = ONE | {"id": str(new_id()), "source": "theirs"}
    client.post(URL, one, content_type="application/json", headers={"Authorization": f"Bearer {secret}"})
    settle()

    assert send(one | {"source": "mine"}).status_code == 202
    settle()

    assert Interaction.objects.get().source.name == "theirs"
    assert "another project" in FailedMessage.objects.get().error


def test_the_keys_source_is_taken_where_none_is_named(send, project):
    ApiKey.objects.update(source=factories.make_source(project=project, name="keys-own"))

    send([ONE, ONE | {"source": "named"}])
    settle()

    assert {found.source.name for found in Interaction.objects.all()} == {"keys-own", "named"}


def test_what_the_journal_can_not_keep_is_not_acknowledged(send):
    tasks.journal().close()

    response = send(ONE)

    assert response.status_code == 503
    assert response.headers["Retry-After"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ra_wrong", "Basic abc"])
def test_without_a_good_key_the_answer_is_401(client, header):
    response = client.post(URL, ONE, "application/json", headers={"Authorization": header} if header else {})

    assert (response.status_code, response.json()["title"]) == (401, "Unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_without_the_scope_gets_403_with_its_name(client, project):
    secret = factories.make_key(project=project, scopes=("read",))

    response = client.post(URL, ONE, "application/json", headers={"Authorization": f"Bearer {secret}"})

    assert response.status_code == 403
    assert "“ingest”" in response.json()["detail"]


def test_an_interaction_reads_back_as_it_was_sent_with_what_was_derived(send, get):
    text = (
        '{"source": "bot", "provider": "openai", "endpoint": "chat.completions", "status": 200, '
        '"request": {"model": "m",  "messages": [], "seed": 123456789012345678901234567890, "x": 1.0}, '
        '"response": {"choices": [{"message": {"content": "\\ud800\\u0000"}}], "system_fingerprint": "fp"}, '
        '"started_at": "2026-11-22T10:00:00Z", "tags": ["a"], "metadata": {"k": NaN}, "trace": "t"}'
    )
    (id_,) = send(text.encode()).json()["accepted"]
    settle()

    response = get(f"/{id_}")

    assert '"request": {"model": "m",  "messages": [], "seed": 123456789012345678901234567890, "x": 1.0}' in (
        response.content.decode()
    )
    read = response.json()
    assert (read["id"], read["source"], read["provider"], read["tags"]) == (id_, "bot", "openai", ["a"])
    assert read["seed"] == 123456789012345678901234567890
    assert (read["system_fingerprint"], read["started_at"]) == ("fp", "2026-11-22T10:00:00Z")
    assert (read["flags"], read["annotations"], read["replays"]) == ([], [], [])


def test_flags_come_with_the_interaction(send, get, project, client):
    secret = factories.make_key(project=project, scopes=("review",))
    (id_,) = send(ONE).json()["accepted"]
    settle()

    client.post(
        f"{URL}/{id_}/flags",
        {"reason": "Wrong", "severity": "high", "note": "see"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert get(f"/{id_}").json()["flags"][0]["reason"] == "Wrong"


def test_an_interaction_of_another_project_is_not_there(send, client):
    (id_,) = send(ONE).json()["accepted"]
    settle()
    secret = factories.make_key(project=factories.make_project())

    response = client.get(f"{URL}/{id_}", headers={"Authorization": f"Bearer {secret}"})

    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_list_is_newest_first_in_pages(send, get):
    send([ONE | {"started_at": f"2026-11-22T10:00:{second:02}Z"} for second in range(5)])
    settle()

    first = get(limit="3").json()
    second = get(limit="3", cursor=first["next"]).json()

    times = [item["started_at"][17:19] for item in [*first["items"], *second["items"]]]
    assert times == ["04", "03", "02", "01", "00"]
    assert second["next"] is None


def test_the_list_is_narrowed_by_filters(send, get):
    send([ONE | {"source": "a"}, ONE | {"source": "b"}])
    settle()

    assert [item["source"] for item in get(source="a").json()["items"]] == ["a"]
    assert get(q="Hi").json()["items"] != []
    assert get(q="nothing").json()["items"] == []


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"cursor": "x"}, {"seed": "x"}, {"colour": "red"}],
)
def test_a_list_that_can_not_be_is_a_422(get, query):
    response = get(**query)

    assert response.status_code == 422
    assert response.json()["field"] == next(iter(query))


def test_the_list_costs_a_handful_of_queries(send, get, django_assert_max_num_queries):
    send([ONE] * 30)
    settle()

    with django_assert_max_num_queries(8):
        assert len(get().json()["items"]) == 30


def test_the_description_is_open_and_names_the_calls(client):
    described = client.get("/api/v1/openapi.json").json()

    assert described["openapi"].startswith("3.1")
    assert {"get", "post"} <= described["paths"]["/api/v1/interactions"].keys()
    assert client.get("/api/v1/docs").status_code == 200


def test_what_the_api_does_not_have_is_a_problem_too(client, get):
    assert client.get("/api/v1/nothing").headers["Content-Type"] == "application/problem+json"
    assert get(f"/{UUID(int=0)}x").status_code == 404
    refused = client.put(URL)
    assert (refused.status_code, refused.headers["Content-Type"]) == (405, "application/problem+json")


def test_the_use_of_a_key_is_noted(send):
    send(ONE)

    assert ApiKey.objects.get().last_used_at > NOW
