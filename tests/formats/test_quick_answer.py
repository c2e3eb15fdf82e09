"""The quick reader of answers finds what the full one reads, and leaves to it what is unusual."""

from __future__ import annotations

import json

import pytest

from reviewapp.formats.openai import output_text, prompt_text, read_reply
from reviewapp.formats.openai.quick import quick_answer, quick_prompt
from tests.recordings import recorded_rows


def assert_same(endpoint, response, status=200):
    found = quick_answer(endpoint, json.dumps(response).encode(), status)
    if found is None:
        return False
    reply = read_reply(endpoint, response, status)
    assert json.loads(found) == output_text(reply)
    assert reply.error is None
    return True


def test_it_finds_the_same_in_every_recorded_answer(shared):
    found = sum(
        assert_same(row["endpoint"], row["response"], row["status"])
        for row in recorded_rows(shared)
        if row["response"] is not None
    )

    assert found > 1_000


CHOICE = {"index": 0, "message": {"role": "assistant", "content": "é \u0000"}, "finish_reason": "stop"}


def test_an_answer_keeps_its_own_spelling():
    body = b'{"choices": [{"message": {"content": "caf\\u00e9"}}]}'

    assert quick_answer("chat.completions", body, 200) == b'"caf\\u00e9"'


@pytest.mark.parametrize(
    "response",
    [
        {"choices": []},
        {"choices": [{"message": {"content": ""}}]},
        {"choices": [{"message": {"content": None}}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]},
        {"choices": [{"message": {"content": "a", "role": "embedding"}}]},
        {"choices": [{"text": "a"}]},
        {"choices": [{"message": {"content": "half a pair: \ud800"}}]},
        {"choices": ["x", CHOICE]},
        {"choices": [CHOICE], "error": {"message": "broken off"}},
        {"choices": [{**CHOICE, "error": "broken off"}]},
        {"error": "no"},
        [],
        "x",
    ],
)
def test_the_unusual_is_left_to_the_full_reader(response):
    assert quick_answer("chat.completions", json.dumps(response).encode(), 200) is None


@pytest.mark.parametrize(("endpoint", "status"), [("responses", 200), ("chat.completions", 500)])
def test_other_endpoints_and_failures_are_left_to_the_full_reader(endpoint, status):
    assert quick_answer(endpoint, json.dumps({"choices": [CHOICE]}).encode(), status) is None


def test_the_usual_is_found():
    assert assert_same("chat.completions", {"choices": [CHOICE, CHOICE], "error": None})


def test_the_quick_prompt_is_the_same_in_every_recorded_request(shared):
    quick = 0
    for row in recorded_rows(shared):
        found = quick_prompt(row["endpoint"], json.dumps(row["request"]).encode())
        quick += found is not None
        assert found in (None, prompt_text(row["endpoint"], row["request"]))

    assert quick > 1_000


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "tool", "content": "a", "tool_call_id": "b"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "a", "refusal": "b"},
        {"role": "user", "content": "half a pair: \ud800"},
        "a",
    ],
)
def test_an_unusual_turn_is_left_to_the_full_reader(message):
    body = json.dumps({"messages": [{"role": "user", "content": "hello"}, message]}).encode()

    assert quick_prompt("chat.completions", body) is None
