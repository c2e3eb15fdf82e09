from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from reviewapp.pure.splitting import split_response
from reviewapp.pure.streams import merge_chunks

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded_dev.jsonl.gz"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes.", "refusal": None},
            "logprobs": {"content": [{"token": "Yes.", "logprob": -0.1, "bytes": None, "top_logprobs": []}]},
            "finish_reason": "stop",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
            "logprobs": None,
            "finish_reason": "tool_calls",
        },
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "system_fingerprint": "fp_1",
}


def test_the_chunks_of_a_chat_completion_add_up_to_it():
    merged = merge_chunks("chat.completions", split_response("chat.completions", CHAT, usage=True))

    for one in merged["choices"]:
        for call in one["message"].get("tool_calls") or ():
            call.pop("index", None)
    assert merged["choices"][0]["message"]["content"] == "Yes."
    assert merged["choices"][0]["logprobs"] == CHAT["choices"][0]["logprobs"]
    assert merged["choices"][1]["message"]["tool_calls"] == [CALL]
    assert [one["finish_reason"] for one in merged["choices"]] == ["stop", "tool_calls"]
    assert (merged["usage"], merged["system_fingerprint"]) == (CHAT["usage"], "fp_1")


def test_usage_comes_only_when_it_was_asked_for():
    chunks = split_response("chat.completions", CHAT)

    assert all("usage" not in chunk for chunk in chunks)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_the_chunks_of_a_text_completion_add_up_to_it():
    response = {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "m",
        "choices": [{"index": 0, "text": "Yes.", "logprobs": None, "finish_reason": "length"}],
    }

    merged = merge_chunks("completions", split_response("completions", response))

    assert merged["choices"][0]["text"] == "Yes."
    assert merged["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("response", [{}, {"choices": None}, {"choices": [7, {"message": "x"}]}])
def test_a_strange_response_is_split_all_the_same(response):
    assert isinstance(split_response("chat.completions", response, usage=True), list)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded traffic lies beside the project's checkout")
def test_every_recorded_chat_completion_survives_the_splitting():
    seen = 0
    with gzip.open(RECORDED, "rt") as lines:
        for line in lines:
            one = json.loads(line)
            response = one.get("response")
            if not isinstance(response, dict) or response.get("object") != "chat.completion":
                continue
            merged = merge_chunks(
                "chat.completions", split_response("chat.completions", response, usage=True)
            )
            seen += 1
            for was, now in zip(response.get("choices") or (), merged["choices"], strict=True):
                said, says = was.get("message") or {}, now.get("message") or {}
                assert says.get("content") == said.get("content"), one["id"]
                assert now.get("logprobs") == was.get("logprobs"), one["id"]
                assert now.get("finish_reason") == was.get("finish_reason"), one["id"]
            assert merged.get("system_fingerprint") == response.get("system_fingerprint")
    assert seen > 1000
