from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.formats.openai import (
    Message,
    Part,
    Tool,
    preview,
    prompt_text,
    read_exchange,
    read_request,
    seed_of,
)
from reviewapp.pure.exchange import ENDPOINTS, Reply

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def chat(*messages, **settings):
    return read_request("chat.completions", {"model": "m", "messages": list(messages), **settings})


def parts(content, role="user", **fields):
    """The parts of a chat message with this content."""
    (message,) = chat({"role": role, "content": content, **fields}).messages
    return message.parts


def items(*given_items):
    return read_request("responses", {"input": list(given_items)}).messages


# ---- settings ----


def test_the_settings_are_read():
    view = chat(
        seed=123,
        temperature=0,
        top_p=0.5,
        max_tokens=7,
        n=2,
        stream=True,
        logprobs=True,
        top_logprobs=5,
        response_format={"type": "json_object"},
        tool_choice="auto",
    )

    assert (view.model, view.seed, view.temperature, view.top_p, view.max_tokens, view.n) == (
        "m",
        123,
        0,
        0.5,
        7,
        2,
    )
    assert (view.stream, view.wants_logprobs, view.top_logprobs) == (True, True, 5)
    assert (view.response_format, view.tool_choice) == ({"type": "json_object"}, "auto")


def test_what_is_not_said_is_the_default():
    view = read_request("chat.completions", {})

    assert (view.model, view.seed, view.temperature, view.n, view.stream, view.wants_logprobs) == (
        None,
        None,
        None,
        1,
        False,
        False,
    )


def test_parameters_are_the_settings_and_not_what_was_said():
    view = chat(
        {"role": "user", "content": "Hi"}, seed=1, stream=True, tools=[], temperature=0, top_k=None, odd={}
    )

    assert view.parameters == {"temperature": 0, "top_k": None, "odd": {}}


@pytest.mark.parametrize("seed", [0, -1, 2**53 + 1, 2**63, 2**64 + 1])
@pytest.mark.parametrize("name", ["seed", "random_seed"])
def test_the_seed_is_exact_under_each_name(name, seed):
    assert seed_of({name: seed}) == seed


@pytest.mark.parametrize("seed", [None, "7", 1.5, True, [], float("nan")])
def test_what_is_no_integer_is_no_seed(seed):
    assert seed_of({"seed": seed}) is None


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_the_bound_on_tokens_is_read_under_each_name(name):
    assert chat(**{name: 5}).max_tokens == 5


@pytest.mark.parametrize(
    ("endpoint", "request_body", "wanted", "top"),
    [
        ("chat.completions", {"logprobs": True}, True, None),
        ("chat.completions", {"logprobs": False, "top_logprobs": None}, False, None),
        ("completions", {"logprobs": 5}, True, 5),
        ("completions", {"logprobs": 0}, True, 0),
        ("completions", {"logprobs": None}, False, None),
        ("responses", {"include": ["message.output_text.logprobs"], "top_logprobs": 3}, True, 3),
        ("responses", {"include": ["reasoning.encrypted_content"]}, False, None),
    ],
)
def test_whether_log_probabilities_were_asked_for_is_read(endpoint, request_body, wanted, top):
    view = read_request(endpoint, request_body)

    assert (view.wants_logprobs, view.top_logprobs) == (wanted, top)


@pytest.mark.parametrize(
    ("request_body", "tool"),
    [
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA},
                    }
                ]
            },
            Tool("add", "function", "Adds.", SCHEMA),
        ),
        (
            {"tools": [{"type": "function", "name": "add", "parameters": SCHEMA}]},
            Tool("add", parameters=SCHEMA),
        ),
        ({"functions": [{"name": "add", "parameters": SCHEMA}]}, Tool("add", parameters=SCHEMA)),
        ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, Tool("sql", "custom")),
        ({"tools": [{"type": "web_search"}]}, Tool("web_search", "web_search")),
        ({"tools": [{"type": "mcp", "server_label": "dice", "server_url": "x"}]}, Tool("dice", "mcp")),
    ],
)
def test_a_tool_is_read_in_each_shape(request_body, tool):
    assert read_request("chat.completions", request_body).tools == (tool,)


def test_the_format_of_the_responses_api_is_read():
    view = read_request(
        "responses", {"text": {"format": {"type": "json_schema", "name": "x"}, "verbosity": "low"}}
    )

    assert view.response_format == {"type": "json_schema", "name": "x"}


# ---- chat messages ----


def test_messages_come_in_their_order_with_their_roles():
    view = chat(
        {"role": "system", "content": "Be brief."}, {"role": "user", "name": "Ann", "content": "2+2?"}
    )

    assert view.messages == (
        Message("system", (Part("text", "Be brief."),)),
        Message("user", (Part("text", "2+2?"),), "Ann"),
    )
    assert view.text == "system: Be brief.\n\nuser: 2+2?"


def test_an_image_may_be_an_address_or_data():
    data = "data:image/png;base64,iVBORw0"

    assert parts(
        [{"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}]
    ) == (Part("image", url="https://example.org/a.png"),)
    assert parts([{"type": "image_url", "image_url": {"url": data}}]) == (
        Part("image", url=data, media_type="image/png"),
    )
    assert parts([{"type": "image_url", "image_url": data}]) == (
        Part("image", url=data, media_type="image/png"),
    )


def test_audio_is_made_a_data_url():
    assert parts([{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}]) == (
        Part("audio", url="data:audio/mp3;base64,QUJD", media_type="audio/mp3"),
    )


def test_a_file_has_its_name_and_data_or_id():
    data = "data:application/pdf;base64,JVBERi0"

    assert parts([{"type": "file", "file": {"filename": "a.pdf", "file_data": data}}]) == (
        Part("file", name="a.pdf", url=data, media_type="application/pdf"),
    )
    assert parts([{"type": "file", "file": {"file_id": "file-1"}}]) == (Part("file", id="file-1"),)


def test_a_tool_call_and_its_result_are_parts():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}

    assert parts(None, role="assistant", tool_calls=[call]) == (
        Part("tool_call", '{"a":1}', name="add", id="c1"),
    )
    assert parts("2", role="tool", tool_call_id="c1") == (Part("tool_result", "2", id="c1"),)
    assert parts([{"type": "text", "text": "2"}], role="tool", tool_call_id="c1") == (
        Part("tool_result", "2", id="c1"),
    )


def test_reasoning_refusal_and_text_of_an_earlier_answer_are_parts():
    assert parts("Four.", role="assistant", reasoning_content="Hm.", refusal="No.") == (
        Part("reasoning", "Hm."),
        Part("text", "Four."),
        Part("refusal", "No."),
    )


def test_thinking_in_content_is_reasoning():
    assert parts([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]) == (
        Part("reasoning", "Hm."),
    )


@pytest.mark.parametrize(
    "odd",
    [{"type": "text", "wrong": 1}, {"type": "hologram"}, {"type": "image_url"}, 7, {"type": []}],
    ids=str,
)
def test_what_is_not_understood_is_shown_as_its_json(odd):
    (part,) = parts([odd])

    assert part.kind == "unknown"
    assert part.text.startswith(("{", "7"))


def test_a_message_that_is_no_object_is_shown():
    assert chat("Hi", 7).messages == (
        Message("user", (Part("text", "Hi"),)),
        Message("unknown", (Part("unknown", "7"),)),
    )


# ---- the Responses API ----


def test_instructions_and_input_are_messages():
    view = read_request("responses", {"instructions": "Be brief.", "input": "2+2?"})

    assert view.messages == (
        Message("instructions", (Part("text", "Be brief."),)),
        Message("user", (Part("text", "2+2?"),)),
    )


def test_messages_may_come_with_or_without_their_type():
    said = (Part("text", "Hi"),)

    assert items(
        {"role": "user", "content": "Hi"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    ) == (Message("user", said), Message("developer", said), Message("assistant", said))


def test_calls_results_and_reasoning_are_messages():
    assert items(
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "3"}]},
    ) == (
        Message("assistant", (Part("reasoning", "Hm."),)),
        Message("assistant", (Part("tool_call", "{}", name="add", id="c1"),)),
        Message("tool", (Part("tool_result", "2", id="c1"),)),
        Message("tool", (Part("tool_result", "3", id="c2"),)),
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_image", "image_url": "https://example.org/a.png"},
            Part("image", url="https://example.org/a.png"),
        ),
        ({"type": "input_image", "file_id": "file-1"}, Part("image", id="file-1")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JV"},
            Part("file", name="a.pdf", url="data:application/pdf;base64,JV", media_type="application/pdf"),
        ),
        (
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            Part("file", url="https://example.org/a.pdf"),
        ),
        ({"type": "refusal", "refusal": "No."}, Part("refusal", "No.")),
    ],
)
def test_parts_of_the_responses_api_are_read(part, expected):
    assert items({"role": "user", "content": [part]})[0].parts == (expected,)


def test_an_item_that_is_not_understood_is_shown_as_its_json():
    (message,) = items({"type": "mcp_list_tools", "tools": []})

    assert message == Message("unknown", (Part("unknown", '{"type": "mcp_list_tools", "tools": []}'),))


# ---- completions and embeddings ----


@pytest.mark.parametrize(("endpoint", "name"), [("completions", "prompt"), ("embeddings", "input")])
def test_a_prompt_may_be_one_or_several(endpoint, name):
    def texts(given_prompt):
        return [message.text for message in read_request(endpoint, {name: given_prompt}).messages]

    assert texts("a") == ["a"]
    assert texts(["a", "b"]) == ["a", "b"]
    assert texts([1, 2]) == ["[1, 2]"]
    assert texts([[1, 2], [3]]) == ["[1, 2]", "[3]"]
    assert texts(None) == []


# ---- texts ----


def test_the_text_of_a_prompt_holds_what_is_said_and_no_data():
    request_body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0"}},
                ],
            }
        ]
    }

    assert prompt_text("chat.completions", request_body) == "user: What is this?\na.pdf"


def test_the_preview_of_a_request_is_the_last_thing_that_a_person_said():
    view = chat(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "2 +\n 2?"},
        {"role": "assistant", "content": "Four."},
        {"role": "tool", "content": "4"},
    )

    assert view.preview == "2 + 2?"
    assert chat({"role": "system", "content": "Be brief."}).preview == "Be brief."
    assert chat().preview == ""


def test_a_preview_is_cut_between_words():
    assert preview("one two three", length=10) == "one two…"
    assert preview("onetwothreefour", length=10) == "onetwothre…"
    assert preview("one two", length=10) == "one two"


@given(st.text(max_size=60), st.integers(1, 20))
def test_a_preview_is_one_line_and_no_longer_than_it_may_be(text, length):
    line = preview(text, length=length)

    assert len(line) <= length + 1
    assert "\n" not in line


# ---- exchanges ----


def test_an_exchange_has_its_request_and_reply():
    exchange = read_exchange(
        endpoint="chat.completions",
        request={"model": "m"},
        response={"choices": [{"message": {"content": "Hi"}}]},
    )

    assert (exchange.request, exchange.reply.text, exchange.status) == ({"model": "m"}, "Hi", 200)


def test_chunks_are_merged_where_there_is_no_response():
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("He", "llo")]

    assert read_exchange(endpoint="chat.completions", request={}, chunks=chunks).reply.text == "Hello"


def test_what_never_got_a_response_has_its_error():
    exchange = read_exchange(endpoint="chat.completions", request={}, status=None, error="Timed out.")

    assert exchange.reply == Reply(error="Timed out.")


def test_a_stream_that_broke_off_has_its_text_and_its_error():
    chunks = [{"choices": [{"index": 0, "delta": {"content": "He"}}]}]

    reply = read_exchange(
        endpoint="chat.completions", request={}, chunks=chunks, error="Connection lost."
    ).reply

    assert (reply.text, reply.error) == ("He", "Connection lost.")


# ---- whatever comes ----

# fmt: off
NAMES = [
    "messages", "input", "prompt", "instructions", "role", "content", "type", "text", "image_url",
    "url", "file",
    "input_audio", "data", "format", "tool_calls", "function", "name", "arguments", "tools", "functions",
    "include",
    "parameters", "seed", "n", "logprobs", "top_logprobs", "response_format", "output", "call_id", "summary",
    "thinking", "audio", "stream", "max_tokens", "model", "temperature", "custom", "action", "video_url",
]
# fmt: on
SAID = [
    "user",
    "tool",
    "text",
    "image_url",
    "input_file",
    "function_call",
    "function_call_output",
    "",
    "a\x00\ud800",
]
ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**4000) | st.floats() | st.sampled_from(SAID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(st.sampled_from(ENDPOINTS), ODD_JSON)
def test_any_request_is_read(endpoint, request_body):
    view = read_request(endpoint, request_body)

    assert isinstance(view.text + view.preview, str)
    assert all(isinstance(part.text, str) for message in view.messages for part in message.parts)
    assert view.seed is None or type(view.seed) is int
