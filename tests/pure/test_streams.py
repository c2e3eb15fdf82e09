from __future__ import annotations

import copy
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.pure.streams import merge_chunks


def chunk(delta=None, *, index=0, choice=None, **fields):
    """A chunk of a chat stream with one choice; `choice` adds fields to that."""
    return {"id": "c1", "choices": [{"index": index, "delta": delta or {}, **(choice or {})}], **fields}


def call(index=0, identity=None, name=None, arguments=None):
    """A fragment of a tool call, with the fields that are given."""
    function = {"name": name, "arguments": arguments}
    fragment = {
        "index": index,
        "id": identity,
        "function": {k: v for k, v in function.items() if v is not None},
    }
    return {"tool_calls": [{k: v for k, v in fragment.items() if v is not None}]}


def merged(*chunks):
    return merge_chunks("chat.completions", chunks)


def message(*deltas):
    return merged(*map(chunk, deltas))["choices"][0]["message"]


# ---- chat completions: the whole ----


def test_the_shape_is_that_of_the_plain_endpoint():
    response = merged(
        {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": []},
        chunk({"role": "assistant", "content": "Hel"}, choice={"finish_reason": None}),
        chunk({"content": "lo"}),
        chunk(choice={"finish_reason": "stop"}),
        {"id": "c1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    )

    assert response == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }


@pytest.mark.parametrize(
    "fingerprints",
    [("fp_1", None, None), (None, None, "fp_1"), (None, "fp_1", "fp_1"), ("", "fp_1", ""), ("fp_1",) * 3],
    ids=["first", "last", "later", "middle", "each"],
)
def test_the_fingerprint_is_kept_wherever_it_stands(fingerprints):
    chunks = [chunk({"content": "a"}, system_fingerprint=fingerprint) for fingerprint in fingerprints]

    assert merged(*chunks)["system_fingerprint"] == "fp_1"


def test_a_fingerprint_that_no_chunk_names_is_kept_from_the_one_that_does():
    assert merged(chunk({"content": "a"}), chunk(system_fingerprint="fp_1"))["system_fingerprint"] == "fp_1"


def test_usage_stands_in_a_chunk_without_choices():
    response = merged(
        chunk({"content": "a"}, usage=None), {"choices": [], "usage": {"total_tokens": 3}}, chunk(usage=None)
    )

    assert response["usage"] == {"total_tokens": 3}


def test_of_usage_that_grows_with_each_chunk_the_last_counts():
    response = merged(
        chunk(usage={"completion_tokens": 1}), chunk(usage={"completion_tokens": 2, "cost": 0.1})
    )

    assert response["usage"] == {"completion_tokens": 2, "cost": 0.1}


def test_the_time_and_the_id_are_those_of_the_first_chunk_that_has_them():
    response = merged(
        {"id": "", "created": 0, "model": "", "choices": []},
        {"id": "c1", "created": 5, "model": "m", "choices": []},
        {"id": "c2", "created": 6, "model": "n", "choices": []},
    )

    assert (response["id"], response["created"], response["model"]) == ("c1", 5, "m")


def test_what_groq_says_at_both_ends_is_put_together():
    response = merged(
        chunk(x_groq={"id": "req_1"}), chunk(x_groq={"id": "req_1", "usage": {"total_tokens": 2}, "seed": 5})
    )

    assert response["x_groq"] == {"id": "req_1", "usage": {"total_tokens": 2}, "seed": 5}


def test_unknown_fields_are_kept_at_every_place():
    response = merged(
        chunk({"content": "a", "mood": "calm"}, choice={"native_finish_reason": None}, citations=["x"]),
        chunk({"content": "b"}, choice={"native_finish_reason": "STOP"}, citations=[], timings={"ms": 1}),
    )

    assert response["citations"] == ["x"]
    assert response["timings"] == {"ms": 1}
    assert response["choices"][0]["native_finish_reason"] == "STOP"
    assert response["choices"][0]["message"]["mood"] == "calm"


def test_padding_against_eavesdroppers_is_left_out():
    assert "obfuscation" not in merged(chunk({"content": "a"}, obfuscation="xYz"))


def test_an_error_in_mid_stream_is_kept_with_what_was_said_before():
    response = merged(chunk({"content": "Hel"}), {"error": {"message": "overloaded"}})

    assert response["error"] == {"message": "overloaded"}
    assert response["choices"][0]["message"]["content"] == "Hel"


def test_a_stream_without_chunks_has_no_choices():
    assert merged()["choices"] == []


def test_what_is_no_object_is_left_out():
    assert merged("[DONE]", None, chunk({"content": "a"}), [1])["choices"][0]["message"]["content"] == "a"


def test_the_chunks_stay_as_they_are():
    chunks = [
        chunk(
            {"content": "a", "reasoning_details": [{"text": "t"}]},
            choice={"logprobs": {"content": [{"token": "a"}]}},
        ),
        chunk(
            {"content": "b", "reasoning_details": [{"text": "u"}]},
            choice={"logprobs": {"content": [{"token": "b"}]}},
        ),
        chunk(call(0, "call_1", "add", "{")),
        chunk(call(0, arguments="}")),
        chunk({"audio": {"id": "a", "data": "AA"}}, x_groq={"id": "r"}),
        chunk({"audio": {"data": "BB"}}, x_groq={"seed": 1}),
    ]
    before = copy.deepcopy(chunks)

    merged(*chunks)

    assert chunks == before


# ---- chat completions: the choices ----


def test_several_choices_are_told_apart_by_index():
    response = merged(
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}, index=0),
        chunk({"content": "B"}, index=1, choice={"finish_reason": "length"}),
        chunk({"content": "A"}, index=0, choice={"finish_reason": "stop"}),
    )

    said = [(c["index"], c["message"]["content"], c["finish_reason"]) for c in response["choices"]]
    assert said == [(0, "aA", "stop"), (1, "bB", "length")]


def test_several_choices_may_come_in_one_chunk():
    two = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}

    assert [c["message"]["content"] for c in merged(two, two)["choices"]] == ["aa", "bb"]


def test_log_probabilities_of_all_chunks_are_kept():
    tokens = [{"token": token, "logprob": -0.1, "top_logprobs": []} for token in "abc"]
    response = merged(
        *(chunk(choice={"logprobs": {"content": [token], "refusal": None}}) for token in tokens)
    )

    assert response["choices"][0]["logprobs"] == {"content": tokens, "refusal": None}


def test_log_probabilities_survive_a_chunk_without():
    token = {"token": "a", "logprob": -0.1}
    response = merged(
        chunk(choice={"logprobs": None}),
        chunk(choice={"logprobs": {"content": [token]}}),
        chunk(choice={"logprobs": None}),
        chunk(choice={"logprobs": {"content": None}}),
    )

    assert response["choices"][0]["logprobs"]["content"] == [token]


def test_log_probabilities_of_a_refusal_are_kept():
    tokens = [{"token": token, "logprob": -0.1} for token in "ab"]
    response = merged(
        *(
            chunk({"refusal": t["token"]}, choice={"logprobs": {"content": None, "refusal": [t]}})
            for t in tokens
        )
    )

    assert response["choices"][0]["logprobs"]["refusal"] == tokens
    assert response["choices"][0]["message"]["refusal"] == "ab"


@pytest.mark.parametrize(
    "name", ["content", "refusal", "reasoning", "reasoning_content", "thinking_of_tomorrow"]
)
def test_texts_go_on_from_chunk_to_chunk(name):
    assert message({name: None}, {name: "ha"}, {name: "ha"}, {name: None}, {name: "!"})[name] == "haha!"


def test_content_that_was_never_sent_is_null():
    assert message({"role": "assistant"}, {})["content"] is None


def test_content_that_was_sent_empty_is_empty():
    assert message({"content": None}, {"content": ""})["content"] == ""


def test_content_in_parts_is_kept_part_by_part():
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]
    text = [{"type": "text", "text": "Yes"}]

    assert message({"content": thinking}, {"content": text})["content"] == thinking + text


def test_the_role_is_said_once_however_often_it_is_sent():
    assert message({"role": "assistant"}, {"role": "assistant", "content": "a"})["role"] == "assistant"


def test_an_older_function_call_is_put_together():
    said = message(
        {"function_call": {"name": "add", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
    )

    assert said["function_call"] == {"name": "add", "arguments": '{"a":1}'}


def test_audio_is_put_together():
    said = message(
        {"audio": {"id": "audio_1", "transcript": "Hel"}},
        {"audio": {"transcript": "lo"}},
        {"audio": {"data": "QUJD"}},
        {"audio": {"data": "REVG", "expires_at": 9}},
    )

    assert said["audio"] == {"id": "audio_1", "transcript": "Hello", "data": "QUJDREVG", "expires_at": 9}


# ---- chat completions: tool calls ----


def test_the_fragments_of_a_tool_call_are_put_together():
    said = message(call(0, "call_1", "add", ""), call(0, arguments='{"a"'), call(0, arguments=":1}"))

    assert said["tool_calls"] == [
        {"index": 0, "id": "call_1", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]


def calls(*deltas):
    return [
        (c.get("id"), c["function"]["name"], c["function"]["arguments"])
        for c in message(*deltas)["tool_calls"]
    ]


def test_two_tool_calls_may_be_interleaved():
    assert calls(
        call(0, "1", "add", ""), call(1, "2", "mul", ""), call(0, arguments="{}"), call(1, arguments="[]")
    ) == [("1", "add", "{}"), ("2", "mul", "[]")]


def test_two_whole_calls_may_come_under_one_index():
    assert calls(call(0, "1", "add", '{"a":1}'), call(0, "2", "add", '{"a":2}')) == [
        ("1", "add", '{"a":1}'),
        ("2", "add", '{"a":2}'),
    ]


def test_two_calls_in_fragments_may_come_under_one_index():
    assert calls(
        call(0, "1", "add", "{"), call(0, arguments="}"), call(0, "2", "mul", "["), call(0, arguments="]")
    ) == [("1", "add", "{}"), ("2", "mul", "[]")]


def test_calls_may_come_without_an_index():
    assert calls(
        call(None, "1", "add", "{"),
        call(None, arguments="}"),
        call(None, "2", "mul", "["),
        call(None, "2", arguments="]"),
    ) == [("1", "add", "{}"), ("2", "mul", "[]")]


def test_an_id_that_changes_within_a_call_is_the_first():
    assert calls(call(0, "1", "add", "{"), call(0, "x", arguments='"a":'), call(0, "y", arguments="1}")) == [
        ("1", "add", '{"a":1}')
    ]


@pytest.mark.parametrize(
    "names",
    [("add", "add", "add"), ("add", "", ""), ("", "", "add"), ("a", "ad", "add"), ("a", "d", "d")],
    ids=["repeated", "first", "last", "growing", "pieces"],
)
def test_a_functions_name_may_come_in_any_way(names):
    (found,) = calls(*(call(0, "1", name, "x") for name in names))

    assert found == ("1", "add", "xxx")


def test_unknown_fields_of_a_call_are_kept():
    said = message({"tool_calls": [{"index": 0, "id": "1", "extra_content": {"google": {"signature": "s"}}}]})

    assert said["tool_calls"][0]["extra_content"] == {"google": {"signature": "s"}}


def test_no_tool_calls_stay_none():
    assert message({"tool_calls": None, "content": "a"})["tool_calls"] is None


# ---- completions ----


def test_completions_are_put_together():
    response = merge_chunks(
        "completions",
        [
            {
                "id": "1",
                "choices": [{"index": 0, "text": "a", "logprobs": logprobs("a", 0)}],
                "system_fingerprint": "fp",
            },
            {"id": "1", "choices": [{"index": 1, "text": "x", "logprobs": None}]},
            {
                "id": "1",
                "choices": [{"index": 0, "text": "b", "logprobs": logprobs("b", 1), "finish_reason": "stop"}],
            },
        ],
    )

    assert response["object"] == "text_completion"
    assert response["system_fingerprint"] == "fp"
    assert [choice["text"] for choice in response["choices"]] == ["ab", "x"]
    assert response["choices"][0]["finish_reason"] == "stop"
    assert response["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [-0.5, -0.5],
        "top_logprobs": [{"a": -0.5}, {"b": -0.5}],
        "text_offset": [0, 1],
    }


def logprobs(token, offset):
    return {
        "tokens": [token],
        "token_logprobs": [-0.5],
        "top_logprobs": [{token: -0.5}],
        "text_offset": [offset],
    }


# ---- whatever comes ----

# fmt: off
NAMES = [
    "choices", "delta", "index", "message", "text", "logprobs", "content", "tool_calls", "function", "name",
    "id", "arguments", "usage", "type", "response", "output", "item", "part", "output_index", "content_index",
    "error", "function_call", "audio", "model", "reasoning_details", "summary",
]
# fmt: on
KINDS = ["response.output_item.added", "response.output_text.delta", "response.content_part.done", "error"]
ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | st.sampled_from([*KINDS, "", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(
    st.sampled_from(["chat.completions", "completions", "responses", "embeddings"]),
    st.lists(ODD_JSON, max_size=5),
)
def test_any_chunks_are_merged(endpoint, chunks):
    before = json.dumps(chunks)

    response = merge_chunks(endpoint, chunks)

    assert isinstance(response, dict)
    assert json.dumps(chunks) == before


@given(st.lists(st.text(string.printable, max_size=3), max_size=8), st.integers(0, 8))
def test_where_a_text_is_cut_makes_no_difference(pieces, at):
    whole = "".join(pieces)
    chunks = [chunk({"content": ""})] + [chunk({"content": piece}) for piece in pieces]

    assert merged(*chunks)["choices"][0]["message"]["content"] == whole
    assert (
        merged(chunk({"content": whole[:at]}), chunk({"content": whole[at:]}))["choices"][0]["message"][
            "content"
        ]
        == whole
    )


def test_a_long_stream_is_merged_in_no_time():
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    chunks = [chunk({"content": "word "}, choice={"logprobs": {"content": [token]}}) for _ in range(20_000)]

    response = merged(*chunks)

    assert len(response["choices"][0]["logprobs"]["content"]) == 20_000
