from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.canonical import canonical_json, request_hash

CHAT = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}],
    "temperature": 0,
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
    "seed": 123,
}


def chat_hash(**changes):
    return request_hash("chat.completions", {**CHAT, **changes})


# ---- golden values: whoever changes one of these forgets what equal requests were asked before ----


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"é": "😀\ud83d\x00"}, '{"\\u00e9":"\\ud83d\\ude00\\ud83d\\u0000"}'),
        (
            [1.0, 1, -0.0, 0.1, 1e22, 1e-7, 10**30],
            "[1,1,0,0.1,10000000000000000000000,1e-07,1" + "0" * 30 + "]",
        ),
        ([math.nan, math.inf, -math.inf], "[NaN,Infinity,-Infinity]"),
    ],
)
def test_canonical_json_is_golden(value, text):
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    ("endpoint", "request_body", "digest"),
    [
        ("chat.completions", CHAT, "sha256:6072e8c8cca1b2ba526f71ef9a8956ac2abfd98833ef09396aea8027736b7cf8"),
        (
            "responses",
            {"model": "gpt-5", "input": "Hi"},
            "sha256:7e5bed765587e34f9c67d8731be50e06b57e7f5ded5cf4aa1f2d20a6105037d0",
        ),
        (
            "completions",
            {"model": "davinci-002", "prompt": ["a", "b"], "logprobs": 5},
            "sha256:2433f67c779ab57adb0395bfc302bf6e9bb06956df94cccba9dfc69c38d865b5",
        ),
        (
            "embeddings",
            {"model": "text-embedding-3-small", "input": ["é\ud800"]},
            "sha256:7bb1cdb36979e413c98b527f1526443b4056557ae2818a3464d7cfefe90c3259",
        ),
    ],
)
def test_the_hash_is_golden(endpoint, request_body, digest):
    assert request_hash(endpoint, request_body) == digest


# ---- what takes no part ----


@pytest.mark.parametrize("seed", [1, None, 2**63, "7"])
def test_the_seed_takes_no_part(seed):
    assert chat_hash(seed=seed) == chat_hash()


def test_whether_there_is_a_seed_takes_no_part():
    without = {name: value for name, value in CHAT.items() if name != "seed"}

    assert request_hash("chat.completions", without) == chat_hash()


def test_the_seed_by_mistrals_name_takes_no_part():
    assert chat_hash(random_seed=5) == chat_hash()


@pytest.mark.parametrize("stream", [True, False, None])
def test_whether_it_streams_takes_no_part(stream):
    assert chat_hash(stream=stream) == chat_hash()


def test_the_options_of_the_stream_take_no_part():
    assert chat_hash(stream_options={"include_usage": True}) == chat_hash()


def test_the_order_of_keys_takes_no_part():
    assert request_hash("chat.completions", dict(reversed(CHAT.items()))) == chat_hash()


def test_white_space_takes_no_part():
    spaced = json.loads(json.dumps(CHAT, indent=4))

    assert request_hash("chat.completions", spaced) == chat_hash()


@pytest.mark.parametrize("temperature", [0.0, -0.0, 0])
def test_how_a_number_is_written_takes_no_part(temperature):
    assert chat_hash(temperature=temperature) == chat_hash()


def test_how_a_character_is_escaped_takes_no_part():
    plain, escaped = json.loads('"é😀"'), json.loads('"\\u00e9\\ud83d\\ude00"')

    assert chat_hash(user=plain) == chat_hash(user=escaped)


# ---- what takes part ----


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gpt-4o"},
        {"messages": [{"role": "user", "content": "2+2?"}]},
        {"messages": list(reversed(CHAT["messages"]))},
        {"messages": [CHAT["messages"][0], {"role": "user", "content": "2+2? "}]},
        {"temperature": 0.1},
        {"temperature": None},
        {"temperature": "0"},
        {"temperature": False},
        {"tools": []},
        {"top_p": 1},
        {"n": 2},
        {"logprobs": True},
        {"max_tokens": 5},
        {"response_format": {"type": "json_object"}},
        {"user": "somebody"},
        {"a_field_of_tomorrow": 1},
        {"a_field_of_tomorrow": None},
    ],
    ids=str,
)
def test_everything_else_takes_part(change):
    assert chat_hash(**change) != chat_hash()


def test_the_endpoint_takes_part():
    assert request_hash("completions", CHAT) != chat_hash()


def test_a_seed_within_a_message_takes_part():
    tool = {"type": "function", "function": {"name": "draw", "parameters": {"seed": 1}}}
    other = {"type": "function", "function": {"name": "draw", "parameters": {"seed": 2}}}

    assert chat_hash(tools=[tool]) != chat_hash(tools=[other])


def test_a_field_that_is_null_differs_from_one_that_is_absent():
    assert chat_hash(stop=None) != chat_hash()


def test_big_integers_that_are_one_float_differ():
    assert chat_hash(n=2**53) != chat_hash(n=2**53 + 1)


# ---- what must not break it ----


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"\udfff": "\x00"}, 10**4299, [], {}])
def test_any_value_is_hashed(value):
    assert chat_hash(odd=value).startswith("sha256:")
    assert chat_hash(odd=value) == chat_hash(odd=value)


@pytest.mark.parametrize("request_body", [None, [], "text", 1.5])
def test_a_request_that_is_no_object_is_hashed(request_body):
    assert len(request_hash("chat.completions", request_body)) == len("sha256:") + 64


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    )
)
def test_canonical_json_is_equal_to_its_value_and_says_it_once(value):
    text = canonical_json(value)

    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
