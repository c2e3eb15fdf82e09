"""What goes wrong on purpose, and what a client sees of it."""

from __future__ import annotations

import json
import time

import httpx2
import openai
import pytest

from reviewapp.providers.simulated.server import running

ASKED = [{"role": "user", "content": "Where is my parcel?"}]


def go_wrong(http: httpx2.Client, *faults: str, model: str = "sim-steady") -> None:
    http.post("/_sim/faults", json={"model": model, "next": list(faults)}).raise_for_status()


def ask(client: openai.OpenAI, **more):
    return client.chat.completions.create(**{"model": "sim-steady", "messages": ASKED, "seed": 7, **more})


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota"),
        ("server_error", 500, None),
        ("overloaded", 503, None),
    ],
)
def test_a_refusal_has_openais_shape(client, http, fault, status, code):
    go_wrong(http, fault)

    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)

    assert caught.value.status_code == status
    assert caught.value.code == code
    assert ask(client).choices[0].message.content


def test_a_rate_limited_request_says_when_to_come_back(client, http):
    go_wrong(http, "rate_limited")

    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.response.headers["retry-after-ms"] == "1000"


def test_a_used_up_quota_says_nothing_of_coming_back(client, http):
    go_wrong(http, "quota")

    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    assert "retry-after" not in caught.value.response.headers


def test_a_bad_gateway_answers_with_a_page(client, http):
    go_wrong(http, "bad_gateway")

    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)

    assert caught.value.status_code == 502
    assert caught.value.response.headers["content-type"] == "text/html"


@pytest.mark.parametrize("fault", ["hang_up", "truncated"])
def test_a_connection_that_breaks_off_is_an_error(client, http, fault):
    go_wrong(http, fault)

    with pytest.raises(openai.APIConnectionError):
        ask(client)


def test_a_malformed_reply_is_no_json(http):
    go_wrong(http, "malformed")

    reply = http.post("/v1/chat/completions", json={"model": "sim-steady", "messages": ASKED})

    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()


def test_a_timeout_lasts_until_the_client_gives_up(client, http):
    go_wrong(http, "timeout")
    began = time.monotonic()

    # Had the server ended it, with what it says after ten minutes, the error would be another.
    with pytest.raises(openai.APITimeoutError):
        ask(client, timeout=0.3)

    assert time.monotonic() - began > 0.25


def test_a_timeout_ends_with_a_504_when_the_client_is_patient():
    with (
        running({"time_scale": 0, "models": {"sim-steady": {"timeout_seconds": 0.1}}}) as url,
        openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client,
        httpx2.Client(base_url=url.removesuffix("/v1"), timeout=120) as http,
    ):
        go_wrong(http, "timeout")

        with pytest.raises(openai.InternalServerError) as caught:
            ask(client)

    assert caught.value.status_code == 504


def test_a_truncated_stream_breaks_off(client, http):
    go_wrong(http, "truncated")

    with pytest.raises(openai.APIConnectionError):
        list(ask(client, stream=True))


def test_a_stream_that_ends_early_has_no_end_mark(http):
    go_wrong(http, "ended_early")

    reply = http.post("/v1/chat/completions", json={"model": "sim-steady", "messages": ASKED, "stream": True})

    assert reply.text.startswith("data: {")
    assert "[DONE]" not in reply.text
    assert '"finish_reason":"stop"' not in reply.text


def test_a_malformed_stream_has_one_chunk_that_is_no_json(http):
    go_wrong(http, "malformed")

    reply = http.post("/v1/chat/completions", json={"model": "sim-steady", "messages": ASKED, "stream": True})

    broken = 0
    for line in reply.text.split("\n\n"):
        if line and line != "data: [DONE]":
            try:
                json.loads(line.removeprefix("data: "))
            except json.JSONDecodeError:
                broken += 1
    assert broken == 1
    assert "[DONE]" in reply.text


def test_an_error_in_a_stream_reaches_the_client(client, http):
    go_wrong(http, "stream_error")

    with pytest.raises(openai.APIError, match="had an error"):
        list(ask(client, stream=True))


def test_faults_come_in_the_share_that_is_configured(client, http):
    http.post(
        "/_sim/faults", json={"model": "sim-steady", "shares": {"server_error": 0.5}}
    ).raise_for_status()
    failed = 0

    for _ in range(60):
        try:
            ask(client, max_tokens=1)
        except openai.InternalServerError:
            failed += 1

    assert 15 <= failed <= 45
    assert http.delete("/_sim/faults").json()["models"]["sim-steady"] == {"shares": {}, "next": []}
    assert ask(client, max_tokens=1).choices


def test_the_flaky_model_fails_in_several_ways(base_url, http):
    outcomes = set()
    # A request that hangs ends soon, with a 504: so no other is taken for one on a slow machine.
    http.post("/_sim/state", json={"models": {"sim-flaky": {"timeout_seconds": 0.1}}}).raise_for_status()
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0) as client:
        for _ in range(120):
            try:
                ask(client, model="sim-flaky", max_tokens=1)
                outcomes.add("answered")
            except openai.APIStatusError as error:
                outcomes.add(str(error.status_code))
            except (openai.APIConnectionError, json.JSONDecodeError) as error:
                outcomes.add(type(error).__name__)

    assert {"answered", "429", "500"} <= outcomes
    assert len(outcomes) >= 5


def test_a_rate_limit_counts_down_and_refuses(http):
    with (
        running(
            {"time_scale": 0, "models": {"sim-steady": {"rate_limit": {"requests_per_minute": 3}}}}
        ) as url,
        httpx2.Client(base_url=url, timeout=120) as http,
    ):
        body = {"model": "sim-steady", "messages": ASKED, "max_tokens": 1}
        replies = [http.post("/chat/completions", json=body) for _ in range(4)]
        other = http.post("/chat/completions", json=body, headers={"Authorization": "Bearer another"})

    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["2", "1", "0", "0"]
    assert replies[0].headers["x-ratelimit-limit-requests"] == "3"
    assert 15 <= int(replies[3].headers["retry-after"]) <= 20
    assert replies[3].json()["error"]["code"] == "rate_limit_exceeded"
    assert other.status_code == 200


def test_a_limit_of_tokens_refuses_what_is_too_much():
    limit = {"rate_limit": {"tokens_per_minute": 200}}
    with (
        running({"time_scale": 0, "models": {"sim-steady": limit}}) as url,
        httpx2.Client(base_url=url, timeout=120) as http,
    ):
        body = {"model": "sim-steady", "messages": ASKED, "max_tokens": 150}
        first, second = (http.post("/chat/completions", json=body) for _ in range(2))

    assert first.status_code == 200
    assert 36 <= int(first.headers["x-ratelimit-remaining-tokens"]) <= 41
    assert second.status_code == 429
    assert "tokens per min" in second.json()["error"]["message"]


def test_latency_and_the_pace_of_tokens_are_kept():
    slow = {"latency": {"median_ms": 200, "p95_ms": 200, "token_ms": 100}}
    with (
        running({"models": {"sim-steady": slow}}) as url,
        openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client,
    ):
        began = time.monotonic()
        times = [time.monotonic() - began for _ in ask(client, stream=True, max_tokens=10)]

    assert times[0] >= 0.18
    assert times[-1] >= 0.18 + 9 * 0.09
    # The first is not kept back for the last; that it may be seen late, on a busy machine, is left room for.
    assert times[-1] - times[0] >= 0.1


def test_a_slow_answer_takes_ten_times_as_long(client, http):
    http.post(
        "/_sim/state",
        json={
            "time_scale": 1,
            "models": {"sim-steady": {"latency": {"median_ms": 20, "token_ms": 0, "p95_ms": 20}}},
        },
    )
    go_wrong(http, "slow")
    began = time.monotonic()

    ask(client, max_tokens=1)

    assert time.monotonic() - began >= 1.9
