"""The calls: what goes out is what was recorded, what comes back is kept, errors are narrow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback

import pytest
from aiohttp import web

from reviewapp.providers.client import Answer, Client, Target
from reviewapp.providers.errors import (
    BadRequest,
    CallFailed,
    NotCallable,
    ProviderDown,
    RateLimited,
    TimedOut,
)
from tests.answering import Answering, answering, completion, refusal


@pytest.fixture
def provider():
    with answering() as running:
        yield running


async def ask(
    provider: Answering,
    request: bytes = b'{"model":"m"}',
    *,
    endpoint: str = "chat.completions",
    key: str | None = "sk-test",
    seconds: float = 60,
) -> Answer:
    target = Target(name="acme", base_url=provider.base_url, api_key=key, timeout_seconds=seconds)
    async with Client(target) as client:
        return await client.send(endpoint=endpoint, request=request)


async def failure(provider: Answering, **how: object) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await ask(provider, **how)
    return caught.value


async def test_a_request_goes_out_byte_for_byte(provider):
    odd = b'{"model": "m",  "seed": 9007199254740993, "x": 1.0, "x": 2, "nan": NaN, "s": "\\ud83d \\u0000"}'

    await ask(provider, odd)

    assert provider.asked[0].body == odd
    assert provider.asked[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("chat.completions", "/v1/chat/completions"),
        ("completions", "/v1/completions"),
        ("responses", "/v1/responses"),
        ("embeddings", "/v1/embeddings"),
    ],
)
async def test_each_endpoint_is_asked_at_its_own_path(provider, endpoint, path):
    await ask(provider, endpoint=endpoint)

    assert provider.asked[0].path == path


async def test_the_answer_is_kept_as_it_came(provider):
    body = b'{ "object":"chat.completion", "unknown": 1e2, "choices": [] }'
    provider.behave = lambda _: web.Response(
        body=body, content_type="application/json", headers={"x-request-id": "req_1", "x-secret": "no"}
    )

    answer = await ask(provider)

    assert answer.body == body
    assert answer.headers["x-request-id"] == "req_1"
    assert "x-secret" not in answer.headers


async def test_a_stream_is_kept_whole(provider):
    stream = b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n'

    provider.behave = lambda _: web.Response(body=stream, content_type="text/event-stream", charset="utf-8")

    answer = await ask(provider)

    assert answer.is_stream
    assert answer.body == stream


async def test_only_what_has_a_body_tells_of_its_type(provider):
    async with Client(Target(name="acme", base_url=provider.base_url, api_key="sk-test")) as client:
        with contextlib.suppress(CallFailed):
            await client.list_models()
        await client.send(endpoint="embeddings", request=b"{}")

    models, asked = provider.asked
    assert (models.path, asked.path) == ("/v1/models", "/v1/embeddings")
    assert "Content-Type" not in models.headers
    assert models.headers["Authorization"] == "Bearer sk-test"
    assert asked.headers["Content-Type"] == "application/json"


async def test_the_key_is_sent_as_a_bearer_token(provider):
    await ask(provider, key="sk-secret")

    assert provider.asked[0].headers["Authorization"] == "Bearer sk-secret"


async def test_a_provider_without_a_key_is_called_without_one(provider):
    await ask(provider, key=None)

    assert "Authorization" not in provider.asked[0].headers


async def test_nothing_of_the_workers_environment_is_sent(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-machine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-the-machine")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-machine")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")

    await ask(provider, key=None)

    assert "of-the-machine" not in json.dumps(provider.asked[0].headers)


async def test_a_429_says_how_long_to_wait(provider):
    provider.behave = lambda _: refusal(429, "Too fast.", retry_after="7")

    error = await failure(provider)

    assert isinstance(error, RateLimited)
    assert error.retry_after == 7
    assert "Too fast." in str(error)


async def test_a_used_up_quota_is_not_waited_for(provider):
    provider.behave = lambda _: web.json_response(
        {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}, status=429
    )

    error = await failure(provider)

    assert isinstance(error, NotCallable)
    assert not error.may_pass


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408])
async def test_a_server_error_may_pass(provider, status):
    provider.behave = lambda _: refusal(status)

    error = await failure(provider)

    assert isinstance(error, ProviderDown)
    assert error.may_pass
    assert error.status == status


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_refused_request_does_not_pass_and_keeps_the_vendors_body(provider, status):
    provider.behave = lambda _: refusal(status, "top_logprobs must be at most 20")

    error = await failure(provider)

    assert isinstance(error, BadRequest)
    assert not error.may_pass
    assert b"top_logprobs must be at most 20" in error.body
    assert "top_logprobs must be at most 20" in str(error)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_makes_the_provider_not_callable(provider, status):
    provider.behave = lambda _: refusal(status, "Incorrect API key")

    error = await failure(provider)

    assert isinstance(error, NotCallable)
    assert "refuses the key" in str(error)


async def test_a_redirect_is_not_followed(provider):
    provider.behave = lambda _: web.Response(status=307, headers={"Location": "http://169.254.169.254/v1"})

    error = await failure(provider)

    assert isinstance(error, NotCallable)
    assert "169.254.169.254" in str(error)
    assert len(provider.asked) == 1


async def test_a_slow_answer_times_out_in_all(provider):
    async def drip(request):
        # Each byte arrives within the limit, the whole never does.
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.1)

    provider.handle_raw = drip

    error = await failure(provider, seconds=0.5)

    assert isinstance(error, TimedOut)


async def test_nobody_listening_is_a_provider_that_is_down(provider):
    provider.base_url = "http://127.0.0.1:1/v1"

    error = await failure(provider)

    assert isinstance(error, ProviderDown)
    assert "acme" in str(error)


async def test_a_connection_that_breaks_off_is_a_provider_that_is_down(provider):
    async def behave(request):
        request.transport.abort()
        return web.Response()

    provider.handle_raw = behave

    error = await failure(provider)

    assert isinstance(error, ProviderDown)


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP at all\0\xff\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["nothing", "status", "long", "header", "length", "chunk", "later-chunk", "short", "gzip"],
)
async def test_an_answer_that_is_no_http_is_a_provider_that_is_down(answer):
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(behave, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(Target(name="acme", base_url=f"http://127.0.0.1:{port}/v1")) as client:
            with pytest.raises(ProviderDown, match=r"^acme can't be reached, or broke off: .+\.$") as caught:
                await client.list_models()

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("address", "mend"),
    [
        ("", "An admin can give it one"),
        ("ftp://x/v1", "must start with https:// or http://"),
        ("api.openai.com/v1", "must start with https:// or http://"),
        ("http://", "names no host"),
        ("http://x:0/v1", "a number from 1 to 65535"),
        ("http://x:99999999/v1", "a port from 1 to 65535"),
        ("http://[::1/v1", "must be like https://"),
        ("http://a\nb/v1", "must not hold spaces, line breaks"),
        ("http://a b/v1", "must not hold spaces, line breaks"),
    ],
)
async def test_an_address_that_cannot_be_called_is_refused_before_any_call(address, mend):
    with pytest.raises(NotCallable, match=mend):
        Client(Target(name="acme", base_url=address))


async def test_a_key_that_cannot_be_sent_is_refused(provider):
    error = await failure(provider, key="sk-a\r\nX-Evil: 1")

    assert isinstance(error, NotCallable)
    assert provider.asked == []


@pytest.mark.parametrize("key", ["sk-schlüssel", "sk-\ud800", "sk-…"])
def test_a_key_that_is_not_ascii_is_refused_without_showing_any_of_it(key):
    with pytest.raises(NotCallable, match="its address or key holds something that can't be sent") as caught:
        Client(Target(name="acme", base_url="http://127.0.0.1:1/v1", api_key=key))

    told = "".join(traceback.format_exception(caught.value, limit=0))
    assert "can't encode" not in told


def test_the_key_does_not_show_in_the_targets_text():
    assert "sk-secret" not in repr(Target(name="acme", base_url="https://x/v1", api_key="sk-secret"))


async def test_two_hundred_calls_run_at_once(provider):
    all_are_here = asyncio.Event()

    async def once_all_are_here(asked):
        # No answer before the last has asked: calls that waited for others would never end.
        if provider.busy == 200:
            all_are_here.set()
        await asyncio.wait_for(all_are_here.wait(), timeout=250)
        return completion()

    provider.behave = once_all_are_here
    target = Target(name="acme", base_url=provider.base_url, timeout_seconds=300)

    async with Client(target) as client, asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(client.send(endpoint="chat.completions", request=b"{}"))

    assert provider.most_busy == 200
