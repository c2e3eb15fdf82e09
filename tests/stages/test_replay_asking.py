"""What goes out for an attempt, and what counts as an answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from reviewapp.providers.client import Answer
from reviewapp.providers.errors import (
    BadRequest,
    CallFailed,
    NotCallable,
    ProviderDown,
    RateLimited,
    TimedOut,
)
from reviewapp.stages.replay.asking import check_answer, request_to_send
from reviewapp.stages.replay.retrying import MOST_RATE_TRIES, MOST_TRIES, weigh
from tests.factories import NOW

ODD = b'{ "model":"m", "x": 1.0, "x": 2,"seed" : 9007199254740993, "nan": NaN, "s": "\\ud83d\\u0000" }'


def sent(request: bytes, *, endpoint: str = "chat.completions", **overrides: Any) -> bytes:
    return request_to_send(endpoint=endpoint, request=request, overrides=overrides)


def test_without_overrides_the_recorded_bytes_go_out():
    assert sent(ODD) == ODD


def test_another_provider_changes_nothing_in_the_request():
    assert sent(ODD, provider="other") == ODD


def test_an_override_is_spliced_in_and_all_else_stays_byte_for_byte():
    assert sent(ODD, model="other") == ODD.replace(b'"m"', b'"other"')


def test_a_seed_goes_under_the_name_that_the_request_gives_it():
    assert sent(b'{"random_seed": 5}', seed=7) == b'{"random_seed": 7}'


def test_a_request_without_a_seed_gets_one():
    assert json.loads(sent(b'{"model": "m"}', seed=7)) == {"model": "m", "seed": 7}


@pytest.mark.parametrize("endpoint", ["responses", "embeddings"])
def test_an_endpoint_that_takes_no_seed_gets_none(endpoint):
    assert sent(b'{"model": "m"}', endpoint=endpoint, seed=7) == b'{"model": "m"}'


def test_a_null_leaves_the_parameter_out():
    assert json.loads(sent(b'{"model": "m", "seed": 5, "top_p": 1}', seed=None)) == {"model": "m", "top_p": 1}


def test_a_seed_of_sixty_four_bits_is_sent_exactly():
    assert sent(b'{"seed": 1}', seed=2**63 - 1) == b'{"seed": 9223372036854775807}'


def test_nothing_can_be_set_in_what_is_no_object():
    with pytest.raises(BadRequest):
        sent(b"[1, 2]", model="other")


# ---- answers ----


def check(body: bytes, *, stream: bool = False, endpoint: str = "chat.completions") -> int | None:
    content_type = "text/event-stream" if stream else "application/json"
    answer = Answer(status=200, body=body, headers={}, content_type=content_type, latency_ms=1)
    return check_answer(endpoint=endpoint, answer=answer, provider="acme")


def events(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


PIECE = {"choices": [{"index": 0, "delta": {"content": "Par"}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def test_a_whole_answer_tells_the_tokens_it_used():
    body = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}

    assert check(json.dumps(body).encode()) == 7


def test_an_answer_without_usage_is_an_answer():
    assert check(b'{"choices": []}') is None


@pytest.mark.parametrize("chunks", [(PIECE, END), (PIECE,)])
def test_a_stream_that_says_done_is_whole(chunks):
    check(events(*chunks), stream=True)


def test_a_stream_with_a_finish_reason_is_whole_without_the_end_mark():
    check(events(PIECE, END, done=False), stream=True)


def test_a_stream_of_the_responses_api_is_whole_with_its_last_event():
    check(
        events({"type": "response.completed", "response": {"output": []}}, done=False),
        stream=True,
        endpoint="responses",
    )


@pytest.mark.parametrize(
    "body",
    [
        events(PIECE, done=False),
        events(done=False),
        events(done=True),
        events(PIECE, done=False) + b'data: {"choices": [{"ind',
        b"",
    ],
)
def test_a_stream_that_broke_off_is_a_failed_call(body):
    with pytest.raises(ProviderDown) as caught:
        check(body, stream=True)

    assert caught.value.may_pass


def test_an_error_within_a_stream_is_a_failed_call():
    with pytest.raises(CallFailed) as caught:
        check(events(PIECE, {"error": {"message": "overloaded", "code": 503}}), stream=True)

    assert "overloaded" in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b'"text"', b"\xff\xfe"])
def test_what_is_no_json_object_is_a_failed_call(body):
    with pytest.raises(ProviderDown):
        check(body)


@pytest.mark.parametrize(
    ("code", "kind"), [(429, RateLimited), (400, BadRequest), (401, NotCallable), (None, ProviderDown)]
)
def test_an_error_under_a_status_of_success_is_the_error_that_it_names(code, kind):
    with pytest.raises(kind):
        check(json.dumps({"error": {"message": "no", "code": code}}).encode())


# ---- retries ----


def test_what_may_pass_is_asked_again_later_each_time():
    waits = [weigh(error=ProviderDown("Down."), tries=tries, now=NOW).again_at - NOW for tries in (1, 3, 5)]

    assert waits[0] <= timedelta(seconds=1)
    assert timedelta(seconds=2) <= waits[1] <= timedelta(seconds=4)
    assert timedelta(seconds=8) <= waits[2] <= timedelta(seconds=16)


@pytest.mark.parametrize("error", [BadRequest("No."), NotCallable("No.")])
def test_what_does_not_pass_fails_at_once(error):
    assert weigh(error=error, tries=1, now=NOW).again_at is None


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (ProviderDown("Down."), MOST_TRIES),
        (TimedOut("Slow."), MOST_TRIES),
        (RateLimited("Wait."), MOST_RATE_TRIES),
    ],
)
def test_after_so_many_tries_it_fails_and_says_how_many(error, most):
    assert weigh(error=error, tries=most - 1, now=NOW).again_at is not None
    last = weigh(error=error, tries=most, now=NOW)

    assert last.again_at is None
    assert f"Asked {most} times." in last.sentence


def test_as_long_as_the_provider_asks_nobody_asks():
    failure = weigh(error=RateLimited("Wait.", retry_after=30), tries=1, now=NOW)

    assert failure.pause_until == NOW + timedelta(seconds=30)
    assert failure.again_at >= NOW + timedelta(seconds=30)


def test_a_provider_that_wants_an_hour_is_not_waited_for():
    failure = weigh(error=RateLimited("Wait.", retry_after=3600), tries=1, now=NOW)

    assert failure.again_at is None
    assert "60 minutes" in failure.sentence


def test_the_vendors_body_is_kept_as_a_table_can_hold_it():
    failure = weigh(error=BadRequest("No\x00.", status=400, body=b"\x00\xff odd"), tries=1, now=NOW)

    assert failure.detail == {"kind": "bad_request", "status": 400, "body": "\ufffd\ufffd odd"}
    assert "\x00" not in failure.sentence
