from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.formats.openai import output_text, read_reply
from reviewapp.pure.exchange import ENDPOINTS, Alternative, Choice, Reply, Token, ToolCall, Usage

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1734926526,
    "model": "gpt-4o-mini-2024-07-18",
    "system_fingerprint": "fp_0aa8d3e20b",
    "service_tier": "default",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Four."}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}


def chat(status=200, **changes):
    return read_reply("chat.completions", {**ANSWER, **changes}, status)


def choice(message, **fields):
    return chat(choices=[{"index": 0, "message": message, **fields}]).choices[0]


def item(*items, **fields):
    """The one choice that these items of a Responses API output are."""
    (found,) = read_reply("responses", {"output": list(items), **fields}).choices
    return found


def message(*parts):
    return {"type": "message", "role": "assistant", "content": list(parts)}


# ---- chat completions ----


def test_an_answer_is_read_whole():
    assert chat() == Reply(
        id="chatcmpl-1",
        model="gpt-4o-mini-2024-07-18",
        created=1734926526,
        fingerprint="fp_0aa8d3e20b",
        service_tier="default",
        choices=(Choice(index=0, role="assistant", text="Four.", finish_reason="stop"),),
        usage=Usage(input_tokens=9, output_tokens=2),
    )


@pytest.mark.parametrize("fingerprint", [None, "", "  ", {}, 7, []])
def test_a_fingerprint_that_says_nothing_is_none(fingerprint):
    assert chat(system_fingerprint=fingerprint).fingerprint is None


@pytest.mark.parametrize("fingerprint", ["fp_ollama", "b7010-c27efd2bd", "vllm-0.24.0-tp4-6d31f84d", "v1"])
def test_a_fingerprint_may_look_like_anything(fingerprint):
    assert chat(system_fingerprint=fingerprint).fingerprint == fingerprint


REPORTED_IN_METADATA = {"output": [], "metadata": {"system_fingerprint": "fp_xai"}}


@pytest.mark.parametrize("metadata", [{}, {"metadata": None}, {"metadata": {"user": "7"}}])
def test_a_fingerprint_in_metadata_that_nobody_sent_is_the_backends(metadata):
    request = {"input": "?", **metadata}

    reply = read_reply("responses", REPORTED_IN_METADATA, request=request)

    assert reply.fingerprint == "fp_xai"


@pytest.mark.parametrize("sent", ["fp_xai", "mine", None])
def test_a_fingerprint_in_metadata_that_was_sent_there_is_the_callers(sent):
    request = {"input": "?", "metadata": {"system_fingerprint": sent}}

    assert read_reply("responses", REPORTED_IN_METADATA, request=request).fingerprint is None


def test_the_fingerprint_at_its_own_place_wins_over_the_metadata():
    answer = {**ANSWER, "metadata": {"system_fingerprint": "other"}}

    assert read_reply("chat.completions", answer, request={}).fingerprint == "fp_0aa8d3e20b"


def test_a_fingerprint_in_metadata_is_not_the_backends_word():
    assert chat(system_fingerprint=None, metadata={"system_fingerprint": "fp_1"}).fingerprint is None


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 5},
        {"x_groq": {"id": "req_1", "seed": 5}},
        {"choices": [{"index": 0}, {"index": 1, "seed": 5}]},
        {"details": {"seed": 5}},
    ],
    ids=["top", "groq", "choice", "details"],
)
def test_an_echoed_seed_is_found(changes):
    assert chat(**changes).echoed_seed == 5


def test_an_echoed_seed_beyond_64_bits_is_exact():
    assert chat(seed=14687020407684524001).echoed_seed == 14687020407684524001


@pytest.mark.parametrize("seed", [None, "5", True, 5.5])
def test_what_is_no_integer_is_no_seed(seed):
    assert chat(seed=seed).echoed_seed is None


def test_several_choices_are_read():
    reply = chat(
        choices=[{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]
    )

    assert [(found.index, found.text) for found in reply.choices] == [(1, "b"), (0, "a")]


def test_a_refusal_is_read():
    found = choice({"content": None, "refusal": "I can't."})

    assert (found.text, found.refusal) == (None, "I can't.")
    assert chat(choices=[{"message": {"refusal": "I can't."}}]).text == "I can't."


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "H"}, {"text": "m."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
    ],
    ids=["openrouter", "deepseek", "details", "mistral", "mistral text"],
)
def test_reasoning_is_read_under_each_name(said):
    assert choice(said).reasoning == "Hm."


def test_content_in_parts_is_one_text():
    parts = [
        {"type": "thinking", "thinking": []},
        {"type": "text", "text": "Yes, "},
        {"type": "text", "text": "4."},
    ]

    assert choice({"content": parts}).text == "Yes, 4."


def test_what_was_spoken_is_the_text_where_there_is_no_other():
    assert choice({"content": None, "audio": {"id": "a", "transcript": "Hello"}}).text == "Hello"


@pytest.mark.parametrize(
    ("said", "call"),
    [
        (
            {
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
                ]
            },
            ToolCall("add", '{"a": 1}', "1"),
        ),
        (
            {"tool_calls": [{"id": "1", "function": {"name": "add", "arguments": {"a": 1}}}]},
            ToolCall("add", '{"a": 1}', "1"),
        ),
        (
            {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
            ToolCall("sql", "SELECT 1", "1", "custom"),
        ),
        ({"function_call": {"name": "add", "arguments": "{}"}}, ToolCall("add", "{}")),
        ({"tool_calls": [{"function": {"name": "now"}}]}, ToolCall("now", "")),
    ],
    ids=["plain", "parsed", "custom", "older", "bare"],
)
def test_a_tool_call_is_read_in_each_shape(said, call):
    assert choice(said).tool_calls == (call,)


def test_arguments_that_are_no_json_stay_as_the_model_wrote_them():
    said = {"tool_calls": [{"function": {"name": "add", "arguments": '{"a": 1'}}]}

    assert choice(said).tool_calls[0].arguments == '{"a": 1'


def test_the_empty_objects_that_some_tools_write_for_null_are_nothing():
    found = choice({"content": "Four.", "refusal": {}}, logprobs={}, finish_reason={})

    assert (found.text, found.refusal, found.tokens, found.finish_reason) == ("Four.", None, (), None)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(1, 2)),
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(1, 2, 3, 4),
        ),
        ({"prompt_tokens": 1, "prompt_cache_hit_tokens": 3}, Usage(1, None, 3)),
        (None, Usage()),
        ("many", Usage()),
    ],
)
def test_usage_is_read_under_each_name(usage, expected):
    assert chat(usage=usage).usage == expected


def test_usage_of_groqs_streams_is_read():
    assert chat(usage=None, x_groq={"usage": {"completion_tokens": 2}}).usage.output_tokens == 2


# ---- log probabilities ----

TOP = {"token": "Four", "logprob": -0.1, "bytes": [70, 111, 117, 114]}
OTHER = {"token": "4", "logprob": -2.5, "bytes": None}


def test_tokens_are_read_with_their_alternatives():
    found = choice(
        {"content": "Four"}, logprobs={"content": [{**TOP, "top_logprobs": [TOP, OTHER]}], "refusal": None}
    )

    assert found.tokens == (
        Token("Four", -0.1, (Alternative("Four", -0.1, b"Four"), Alternative("4", -2.5)), b"Four"),
    )


def test_tokens_of_a_refusal_are_read():
    assert choice({}, logprobs={"content": None, "refusal": [TOP]}).tokens == (
        Token("Four", -0.1, (), b"Four"),
    )


@pytest.mark.parametrize("chance", [-9999.0, 0, -math.inf, 0.5])
def test_log_probabilities_are_not_cleaned(chance):
    (token,) = choice({}, logprobs={"content": [{"token": "a", "logprob": chance}]}).tokens

    assert token.logprob == chance


@pytest.mark.parametrize("chance", [None, "-1", True, []])
def test_a_log_probability_that_is_no_number_is_none(chance):
    (token,) = choice({}, logprobs={"content": [{"token": "a", "logprob": chance}]}).tokens

    assert token.logprob is None


@pytest.mark.parametrize("data", [[256], [-1], ["a"], "ab", [1.5]])
def test_bytes_that_are_none_are_left_out(data):
    (token,) = choice({}, logprobs={"content": [{"token": "a", "logprob": -1, "bytes": data}]}).tokens

    assert token.bytes is None


@pytest.mark.parametrize("endpoint", ["completions", "chat.completions"])
def test_the_arrays_of_completions_are_read_wherever_they_come(endpoint):
    logprobs = {
        "tokens": ["Fo", "ur"],
        "token_logprobs": [None, -0.2],
        "top_logprobs": [None, {"ur": -0.2, "x": -3}],
        "text_offset": [0, 2],
    }

    (found,) = read_reply(endpoint, {"choices": [{"text": "Four", "logprobs": logprobs}]}).choices

    assert found.tokens == (
        Token("Fo", None),
        Token("ur", -0.2, (Alternative("ur", -0.2), Alternative("x", -3.0))),
    )


def test_an_array_that_is_too_short_leaves_tokens_without():
    logprobs = {"tokens": ["a", "b"], "token_logprobs": [-1]}

    (found,) = read_reply("completions", {"choices": [{"text": "ab", "logprobs": logprobs}]}).choices

    assert found.tokens == (Token("a", -1.0), Token("b", None))


def test_completions_in_the_newer_shape_are_read():
    (found,) = read_reply("completions", {"choices": [{"text": "F", "logprobs": {"content": [TOP]}}]}).choices

    assert found.tokens == (Token("Four", -0.1, (), b"Four"),)


# ---- the Responses API ----


def test_a_message_is_the_text():
    found = item(
        message({"type": "output_text", "text": "Fo"}, {"type": "output_text", "text": "ur"}),
        status="completed",
    )

    assert found == Choice(role="assistant", text="Four", finish_reason="completed")


def test_tokens_of_the_responses_api_are_read():
    part = {"type": "output_text", "text": "Four", "logprobs": [{**TOP, "top_logprobs": [OTHER]}]}

    assert item(message(part)).tokens == (Token("Four", -0.1, (Alternative("4", -2.5),), b"Four"),)


def test_a_refusal_of_the_responses_api_is_read():
    found = item(message({"type": "refusal", "refusal": "I can't."}))

    assert (found.text, found.refusal) == (None, "I can't.")


@pytest.mark.parametrize(
    "said",
    [
        {"summary": [{"type": "summary_text", "text": "Hm."}]},
        {"summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
    ],
)
def test_reasoning_of_the_responses_api_is_read(said):
    assert item({"type": "reasoning", **said}).reasoning == "Hm."


@pytest.mark.parametrize(
    ("said", "call"),
    [
        (
            {"type": "function_call", "call_id": "c", "id": "fc", "name": "add", "arguments": "{}"},
            ToolCall("add", "{}", "c"),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
            ToolCall("sql", "SELECT 1", "c", "custom"),
        ),
        (
            {"type": "web_search_call", "id": "ws", "action": {"type": "search"}},
            ToolCall("web_search", '{"type": "search"}', "ws", "web_search_call"),
        ),
        (
            {"type": "mcp_call", "id": "m", "name": "roll", "arguments": "{}"},
            ToolCall("roll", "{}", "m", "mcp_call"),
        ),
    ],
)
def test_calls_of_the_responses_api_are_read(said, call):
    assert item(said).tool_calls == (call,)


def test_why_a_response_is_incomplete_is_its_finish_reason():
    found = item(message(), status="incomplete", incomplete_details={"reason": "max_output_tokens"})

    assert found.finish_reason == "max_output_tokens"


def test_a_failed_response_tells_its_error():
    reply = read_reply(
        "responses", {"status": "failed", "error": {"code": "server_error", "message": "Sorry"}}
    )

    assert reply.error == "Sorry"


def test_the_time_of_a_response_is_read():
    assert read_reply("responses", {"created_at": 1786574840.0}).created == 1786574840


# ---- embeddings ----


def test_embeddings_can_be_told_apart():
    def reply(vector):
        return read_reply("embeddings", {"object": "list", "data": [{"index": 0, "embedding": vector}]})

    assert reply([0.1, 0.2]).choices != reply([0.1, 0.3]).choices
    assert reply([0.1, 0.2]).choices == reply([0.1, 0.2]).choices
    assert reply("AACAPw==").choices != reply("AAAAQA==").choices


def test_embeddings_are_no_text_to_read():
    data = [{"index": 0, "embedding": [0.1]}, {"index": 1, "embedding": [0.2]}]

    assert output_text(read_reply("embeddings", {"data": data})) == "2 embeddings"


# ---- errors ----


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}},
        {"error": {"message": "No.", "code": 401, "metadata": {}}, "user_id": "u"},
        {"error": "No."},
        {"code": "unauthorized", "error": "No."},
        {"error": {"error": {"message": "No."}}},
        {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400},
        {"message": "No.", "request_id": "r"},
        {"detail": "No."},
        {"detail": [{"loc": ["body", "model"], "msg": "No.", "type": "missing"}]},
        [{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}],
        "No.",
    ],
    ids=str,
)
def test_the_error_is_found_in_each_shape(body):
    reply = read_reply("chat.completions", body, 400)

    assert reply.error == "No."
    assert reply.choices == ()


@pytest.mark.parametrize("body", [None, {}, [], "", {"error": None}, {"error": {}, "id": None}])
def test_an_error_that_says_nothing_is_told_by_its_status(body):
    assert read_reply("chat.completions", body, 503).error == "HTTP status 503, and a body that says nothing."


def test_an_error_in_an_unknown_shape_is_told_by_its_body():
    assert read_reply("chat.completions", {"fault": 7, "x": None}, 503).error == '{"fault": 7}'


def test_an_error_may_come_with_status_200():
    assert read_reply("chat.completions", {"error": {"message": "No.", "code": 429}}, 200).error == "No."


def test_what_was_said_before_an_error_is_kept():
    reply = chat(error={"message": "Overloaded."})

    assert (reply.error, reply.text) == ("Overloaded.", "Four.")


def test_an_error_of_one_choice_is_the_replys():
    assert chat(choices=[{"error": {"message": "Cut off.", "code": 502}}]).error == "Cut off."


@pytest.mark.parametrize("nothing", [None, {}, "", []])
def test_no_error_is_none(nothing):
    assert chat(error=nothing).error is None


def test_no_response_is_an_empty_reply():
    assert read_reply("chat.completions", None, None) == Reply()


def test_a_body_that_is_no_object_is_an_error_whatever_the_status():
    assert read_reply("chat.completions", "<html>", 200).error == "<html>"
    assert read_reply("chat.completions", [1], 200).error == "The body is no JSON object: [1]"


# ---- one text ----


def test_the_output_is_the_text_else_the_calls_else_the_error():
    assert output_text(chat()) == "Four."
    calls = [{"function": {"name": "add", "arguments": "{}"}}, {"function": {"name": "now", "arguments": ""}}]
    assert output_text(chat(choices=[{"message": {"tool_calls": calls}}])) == "add({})\nnow()"
    assert output_text(read_reply("chat.completions", {"error": "No."}, 400)) == "No."
    assert output_text(Reply()) == ""


# ---- whatever comes ----

# fmt: off
NAMES = [
    "choices", "message", "delta", "content", "text", "refusal", "reasoning", "reasoning_details",
    "tool_calls", "function", "function_call", "custom", "name", "arguments", "input", "logprobs", "tokens",
    "logprob", "token_logprobs", "top_logprobs", "token", "bytes", "usage", "prompt_tokens",
    "prompt_tokens_details",
    "error", "detail", "output", "type", "role", "summary", "status", "incomplete_details", "data",
    "thinking",
    "embedding", "index", "seed", "x_groq", "details", "audio", "transcript", "created", "id", "model",
    "system_fingerprint",
]
# fmt: on
SAID = ["message", "reasoning", "function_call", "web_search_call", "output_text", "", "a\x00\ud800"]
ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**4000) | st.floats() | st.sampled_from(SAID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(st.sampled_from(ENDPOINTS), ODD_JSON, st.sampled_from([200, 400, None]))
def test_any_response_is_read(endpoint, response, status):
    reply = read_reply(endpoint, response, status)

    assert isinstance(output_text(reply), str)
    assert isinstance(reply.tokens, tuple)
    assert reply.fingerprint is None or reply.fingerprint.strip()
    assert status != 400 or (reply.error and not reply.choices)


@given(st.sampled_from(ENDPOINTS), st.sampled_from(NAMES), ODD_JSON)
def test_any_part_of_an_answer_may_be_odd(endpoint, name, odd):
    inner = {name: odd}
    answer = {
        "choices": [{"message": inner, "logprobs": inner, **inner}],
        "output": [{"type": "message", "content": [inner], **inner}],
        "data": [inner],
        "usage": inner,
        **inner,
    }

    assert isinstance(output_text(read_reply(endpoint, answer)), str)
