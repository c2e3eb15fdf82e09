"""The gateway over real sockets: what passes, what is recorded, what fails and how."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from aiohttp import web
from django.db import connection

from reviewapp.formats.interchange import NAME_LIMIT
from reviewapp.models import ApiKey, Provider
from reviewapp.pure.addresses import AddressRule
from reviewapp.web.gateway import directory
from tests import answering, factories
from tests.serving import settle

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Capital of France?"}]}


def ask(gateway: httpx2.Client, request: Any = QUESTION, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.post("/v1/chat/completions", json=request, headers=named)


def test_the_request_goes_on_byte_for_byte_with_the_providers_key(gateway, provider):
    body = b'{"model": "m",  "messages": [], "x": 1.0, "seed": 123456789012345678901234567890}'

    response = gateway.post(
        "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 200
    assert provider.asked[0].body == body
    assert provider.asked[0].path == "/v1/chat/completions"
    assert provider.asked[0].headers["Authorization"] == "Bearer sk-provider"


def test_the_answer_comes_back_as_it_was_and_is_recorded(gateway, provider):
    response = ask(gateway, QUESTION | {"seed": 7})

    assert response.json()["system_fingerprint"] == "fp_one"
    assert response.headers["X-Review-Seed"] == "7"
    found = gateway.recorded(response)
    assert (found.source.name, found.provider.name, found.seed) == ("default", "openai", 7)
    assert json.loads(found.body.request_text) == QUESTION | {"seed": 7}
    assert found.body.response_text == response.content


def test_a_client_may_name_source_provider_and_context(gateway, provider):
    other = factories.make_provider(project=gateway.project, name="other", base_url=provider.base_url)
    response = ask(
        gateway,
        X_Review_Source="support-bot",
        X_Review_Provider="other",
        X_Review_Trace="t-1",
        X_Review_Session="s-1",
        X_Review_User="u-1",
        X_Review_Tags="billing, beta,billing",
    )

    found = gateway.recorded(response)
    assert (found.source.name, found.provider) == ("support-bot", other)
    assert (found.trace, found.session, found.end_user) == ("t-1", "s-1", "u-1")
    assert found.tags == ["billing", "beta"]
    assert not any(name.lower().startswith("x-review") for name in provider.asked[0].headers)


def test_a_name_outside_ascii_may_come_percent_encoded(gateway):
    found = gateway.recorded(ask(gateway, X_Review_Source="K%C3%BCche"))

    assert found.source.name == "Küche"


def test_a_source_may_have_a_provider_of_its_own(gateway, provider):
    own = factories.make_provider(project=gateway.project, name="own", base_url=provider.base_url)
    factories.make_source(project=gateway.project, name="bot", provider=own)

    assert gateway.recorded(ask(gateway, X_Review_Source="bot")).provider == own


def test_the_keys_source_is_taken_where_none_is_named(gateway, provider):
    source = factories.make_source(project=gateway.project, name="keys-own")
    ApiKey.objects.update(source=source)
    _until(lambda: gateway.recorded(ask(gateway)).source == source)


def test_the_sources_policy_adds_a_seed_where_there_is_none(gateway, provider):
    factories.make_source(project=gateway.project, name="bot", add_seed=True)
    body = b'{"model": "m",  "messages": []}'

    response = gateway.post("/v1/chat/completions", content=body, headers={"X-Review-Source": "bot"})

    seed = int(response.headers["X-Review-Seed"])
    assert 1 <= seed < 2**31
    assert provider.asked[0].body == b'{"model": "m",  "messages": [],"seed":%d}' % seed
    found = gateway.recorded(response)
    assert found.seed == seed
    assert found.body.request_text == provider.asked[0].body


def test_the_sources_range_gives_each_seed_once(gateway, provider):
    source = factories.make_source(project=gateway.project, name="bot", add_seed=True)
    factories.make_seed_range(source=source, first=100, last=109, policy="sequence")

    seeds = [int(ask(gateway, X_Review_Source="bot").headers["X-Review-Seed"]) for _ in range(10)]

    assert seeds == list(range(100, 110))


def test_a_used_up_range_begins_again_rather_than_fail_a_call(gateway, provider):
    source = factories.make_source(project=gateway.project, name="bot", add_seed=True)
    factories.make_seed_range(source=source, first=7, last=8, policy="sequence")

    seeds = [int(ask(gateway, X_Review_Source="bot").headers["X-Review-Seed"]) for _ in range(4)]

    assert seeds == [7, 8, 7, 8]


def test_a_derived_seed_is_the_same_for_the_same_question(gateway, provider):
    source = factories.make_source(project=gateway.project, name="bot", add_seed=True)
    factories.make_seed_range(source=source, policy="derived")

    first, again, other = (
        ask(gateway, QUESTION | more, X_Review_Source="bot").headers["X-Review-Seed"]
        for more in ({}, {"stream": False}, {"top_p": 0.5})
    )

    assert first == again != other


def test_the_clients_own_seed_stays(gateway, provider):
    factories.make_source(project=gateway.project, name="bot", add_seed=True)

    response = ask(gateway, QUESTION | {"seed": 2**63 + 1}, X_Review_Source="bot")

    assert response.headers["X-Review-Seed"] == str(2**63 + 1)
    assert provider.asked[0].json["seed"] == 2**63 + 1


@pytest.mark.parametrize(
    ("path", "request_", "added"),
    [
        ("chat/completions", {"messages": []}, {"logprobs": True}),
        ("completions", {"prompt": "a"}, {"logprobs": 1}),
        ("responses", {"input": "a"}, {"include": ["message.output_text.logprobs"]}),
        ("responses", {"input": "a", "include": ["x"]}, {"include": ["x", "message.output_text.logprobs"]}),
        ("embeddings", {"input": "a"}, {}),
        ("chat/completions", {"messages": [], "logprobs": False}, {}),
    ],
)
def test_the_sources_policy_adds_log_probabilities(gateway, provider, path, request_, added):
    factories.make_source(project=gateway.project, name="bot", add_logprobs=True)

    gateway.post(f"/v1/{path}", json=request_, headers={"X-Review-Source": "bot"})

    assert provider.asked[0].json == request_ | added


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_providers_error_passes_as_it_came_and_is_recorded(gateway, provider, status):
    provider.behave = lambda _: answering.refusal(status, "too bad", retry_after="7", x_request_id="req_1")

    response = ask(gateway)

    assert (response.status_code, response.json()["error"]["message"]) == (status, "too bad")
    assert (response.headers["Retry-After"], response.headers["X-Request-Id"]) == ("7", "req_1")
    found = gateway.recorded(response)
    assert (found.status, found.error, found.answer_preview) == (status, None, "too bad")
    assert found.body.headers["x-request-id"] == "req_1"


def test_an_answer_that_is_no_json_passes_and_is_kept(gateway, provider):
    provider.behave = lambda _: web.Response(body=b"<h1>\xff</h1>", status=502, content_type="text/html")

    response = ask(gateway)

    assert (response.status_code, response.content) == (502, b"<h1>\xff</h1>")
    assert not gateway.recorded(response).body.response_is_json


def test_what_a_provider_compresses_is_recorded_plain(gateway, provider):
    async def compressed(request):
        answer = answering.completion("Zipped.")
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    provider.handle_raw = compressed

    response = ask(gateway)

    assert response.json()["choices"][0]["message"]["content"] == "Zipped."
    assert gateway.recorded(response).answer_preview == "Zipped."


def test_a_provider_that_can_not_be_reached_is_a_502_and_recorded(gateway):
    factories.make_provider(project=gateway.project, name="nobody", base_url="http://127.0.0.1:9/v1")

    response = ask(gateway, X_Review_Provider="nobody")

    assert (response.status_code, response.json()["error"]["code"]) == (502, "provider_unreachable")
    found = gateway.recorded(response)
    assert (found.status, found.error) == (None, response.json()["error"]["message"])


def test_a_provider_that_takes_too_long_is_a_504_and_recorded(gateway, provider):
    factories.make_provider(
        project=gateway.project, name="slow", base_url=provider.base_url, timeout_seconds=1
    )
    provider.behave = _slowly

    response = ask(gateway, X_Review_Provider="slow")

    assert (response.status_code, response.json()["error"]["code"]) == (504, "provider_timeout")
    assert "1 seconds" in gateway.recorded(response).error


async def _slowly(_: answering.Asked) -> web.Response:
    await asyncio.sleep(3600)
    return answering.completion()


def test_a_provider_that_breaks_off_is_a_502_and_what_came_is_recorded(gateway, provider):
    async def half(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id": "half')
        request.transport.abort()
        return response

    provider.handle_raw = half

    response = ask(gateway)

    assert (response.status_code, response.json()["error"]["code"]) == (502, "provider_broke_off")
    found = gateway.recorded(response)
    assert (found.status, found.body.response_text) == (200, b'{"id": "half')


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ra_wrong", "Basic x", "Bearer sk-other"])
def test_a_wrong_key_is_refused_in_openais_shape(gateway, provider, key):
    response = ask(gateway, Authorization=key)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert provider.asked == []


def test_a_key_without_the_scope_is_refused(gateway, provider):
    key = factories.make_key(project=gateway.project, scopes=("read",))

    response = ask(gateway, Authorization=f"Bearer {key}")

    assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_scope")


def test_a_key_made_this_moment_works_at_once(gateway):
    ask(gateway)
    key = factories.make_key(project=gateway.project)

    assert ask(gateway, Authorization=f"Bearer {key}").status_code == 200


def test_a_revoked_key_stops_working_within_two_seconds(gateway):
    assert ask(gateway).status_code == 200

    ApiKey.objects.update(revoked_at=factories.NOW)

    # It asks every second; how long an answer takes is the machine's.
    assert directory.POLL_SECONDS <= 1
    _until(lambda: ask(gateway).status_code == 401)


def test_the_use_of_a_key_is_noted(gateway):
    ask(gateway)

    _until(lambda: ApiKey.objects.get().last_used_at is not None)


def test_an_expired_key_is_refused(gateway):
    ApiKey.objects.update(expires_at=factories.NOW - timedelta(days=365))

    _until(lambda: ask(gateway).status_code == 401)


def test_a_provider_of_another_project_is_not_there(gateway, provider):
    other = factories.make_project()
    factories.make_provider(project=other, name="theirs", base_url=provider.base_url)

    response = ask(gateway, X_Review_Provider="theirs")

    assert (response.status_code, response.json()["error"]["code"]) == (400, "provider_not_found")


def test_a_provider_without_an_address_says_so(gateway):
    factories.make_provider(project=gateway.project, name="recorded-only")

    response = ask(gateway, X_Review_Provider="recorded-only")

    assert (response.status_code, response.json()["error"]["code"]) == (400, "provider_not_callable")
    assert "recorded-only" in response.json()["error"]["message"]


def test_without_a_default_provider_one_must_be_named(gateway):
    Provider.objects.update(is_default=False)

    _until(lambda: ask(gateway).json().get("error", {}).get("code") == "provider_missing")


def test_a_provider_key_that_can_not_be_decrypted_stops_only_that_provider(gateway, provider):
    factories.make_provider(project=gateway.project, name="sealed", base_url=provider.base_url)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE reviewapp_provider SET api_key = 'rubbish' WHERE name = 'sealed'")

    assert ask(gateway, X_Review_Provider="sealed").json()["error"]["code"] == "provider_key_unreadable"
    assert ask(gateway).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused_and_not_sent(gateway, provider, body):
    response = gateway.post("/v1/chat/completions", content=body)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
    assert provider.asked == []


def test_a_body_of_more_than_32_mib_is_refused(gateway, provider):
    def pieces():
        for _ in range(33):
            yield b" " * 1024 * 1024

    assert gateway.post("/v1/chat/completions", content=b" " * (33 * 1024 * 1024)).status_code == 413
    assert gateway.post("/v1/chat/completions", content=pieces()).status_code == 413
    assert provider.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages": [], "model": "a\\u0000b"}',
        b'{"messages": [], "model": "\\ud800"}',
        b'{"messages": [], "temperature": NaN}',
        b'{"messages": [], "n": 18446744073709551616, "user": 9007199254740993}',
        b'{"messages": [], "a": 1, "a": 2}',
        b'\xef\xbb\xbf{"messages": []}',
        b'{"messages": ' + b"[" * 150 + b"]" * 150 + b"}",
    ],
)
def test_whatever_json_passes_and_is_recorded_byte_for_byte(gateway, provider, body):
    response = gateway.post("/v1/chat/completions", content=body)

    assert response.status_code == 200
    assert provider.asked[0].body == body
    assert gateway.recorded(response).body.request_text == body.removeprefix(b"\xef\xbb\xbf")


def test_bodies_of_ten_megabytes_pass_and_are_recorded(gateway, provider):
    long = "ten megabytes " * 750_000
    provider.behave = lambda _: answering.completion(long)

    response = ask(gateway, {"messages": [{"role": "user", "content": long}]})

    assert response.json()["choices"][0]["message"]["content"] == long
    body = gateway.recorded(response).body
    assert (body.request_text, body.response_text) == (provider.asked[0].body, response.content)


def test_an_answer_without_choices_is_recorded(gateway, provider):
    provider.behave = lambda _: answering.completion(choices=[])

    assert gateway.recorded(ask(gateway)).answer_preview == ""


def test_the_reuse_policy_is_checked(gateway):
    assert ask(gateway, X_Review_Reuse="valid").status_code == 200
    assert ask(gateway, X_Review_Reuse="sometimes").json()["error"]["param"] == "X-Review-Reuse"


def test_a_header_that_is_too_long_is_refused(gateway):
    assert ask(gateway, X_Review_Source="s" * (NAME_LIMIT + 1)).json()["error"]["param"] == "X-Review-Source"


def test_the_list_of_models_is_the_providers(gateway, provider):
    provider.behave = lambda asked: web.json_response({"path": asked.path}, headers={"X-Request-Id": "r"})

    response = gateway.get("/v1/models")

    assert (response.json(), response.headers["X-Request-Id"]) == ({"path": "/v1/models"}, "r")
    assert gateway.get("/v1/models/vendor%2Fmodel").json() == {"path": "/v1/models/vendor/model"}
    assert settle() == 0


def test_an_unknown_address_and_method_are_told_in_openais_shape(gateway):
    assert gateway.post("/v1/audio/speech").json()["error"]["code"] == "unknown_url"
    assert gateway.get("/v1/chat/completions").json()["error"]["code"] == "method_not_allowed"


def test_the_clients_credentials_and_account_do_not_go_on(gateway, provider):
    ask(gateway, OpenAI_Organization="org-1", Api_Key="secret", Cookie="a=b", OpenAI_Beta="x=1")

    sent = {name.lower() for name in provider.asked[0].headers}
    assert not sent & {"openai-organization", "api-key", "cookie"}
    assert "openai-beta" in sent


def _until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_provider_inside_the_operators_network_is_not_called(provider, settings, gateway):
    settings.ADDRESS_RULE = AddressRule()

    response = ask(gateway)

    assert response.status_code == 502
    assert "REVIEWAPP_ALLOW_PRIVATE_ADDRESSES" in response.json()["error"]["message"]
    assert provider.asked == []
