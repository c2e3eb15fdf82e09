"""Spans as interactions: what instrumentations tell of a call is what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reviewapp.formats.interchange import Recorded, read_recorded
from reviewapp.formats.otlp import (
    InvalidExport,
    call_id,
    read_call,
    read_json,
    read_protobuf,
    read_spans,
)
from reviewapp.pure.ids import time_of
from tests.formats import spans
from tests.formats.spans import GENAI

FILES = Path(__file__).parents[3] / "shared" / "data" / "formats"
PROJECT = UUID(int=1)


def recorded(attributes: dict[str, Any], **members: Any) -> Recorded:
    call = read_call(read_spans([spans.flat(attributes, **members)]).spans[0])
    assert call is not None
    return call


def request_of(call: Recorded) -> Any:
    return json.loads(call.request_text)


def test_a_span_by_the_new_names_is_the_call_that_was_made():
    call = recorded(GENAI)

    exchange = read_recorded(call)
    assert request_of(call) == {
        "model": "gpt-4o-mini",
        "seed": 42,
        "temperature": 0.5,
        "max_tokens": 20,
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Say hello"}],
    }
    assert (exchange.reply.fingerprint, exchange.reply.text, exchange.reply.finish_reason) == (
        "fp_1",
        "Hello.",
        "stop",
    )
    assert (call.provider, call.status, call.latency_ms, call.trace) == ("openai", 200, 812, spans.TRACE)
    assert (exchange.reply.usage.input_tokens, exchange.reply.usage.output_tokens) == (13, 2)


@pytest.mark.parametrize("name", ["gen_ai.request.seed", "gen_ai.openai.request.seed"])
def test_the_seed_is_found_by_each_of_its_names(name):
    attributes = {key: value for key, value in GENAI.items() if key != "gen_ai.request.seed"}

    call = recorded(attributes | {name: 2**62})

    assert request_of(call)["seed"] == 2**62


@pytest.mark.parametrize(
    "name",
    [
        "openai.response.system_fingerprint",
        "gen_ai.openai.response.system_fingerprint",
        "gen_ai.openai.system_fingerprint",
        "gen_ai.response.system_fingerprint",
    ],
)
def test_the_fingerprint_is_found_by_each_of_its_names(name):
    attributes = {key: value for key, value in GENAI.items() if "fingerprint" not in key}

    call = recorded(attributes | {name: "fp_other"})

    assert read_recorded(call).reply.fingerprint == "fp_other"


def test_numbered_attributes_are_the_conversation():
    call = recorded(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Weather?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "call_1",
            "gen_ai.completion.0.tool_calls.0.name": "get_weather",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Paris"}',
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 3,
            "llm.request.functions.0.name": "get_weather",
            "llm.request.functions.0.parameters": '{"type":"object"}',
        }
    )

    reply = read_recorded(call).reply
    assert request_of(call)["messages"] == [{"role": "user", "content": "Weather?"}]
    assert request_of(call)["tools"][0]["function"]["name"] == "get_weather"
    assert reply.choices[0].tool_calls[0].arguments == '{"city":"Paris"}'
    assert (reply.finish_reason, reply.usage.input_tokens) == ("tool_calls", 7)


def test_messages_in_events_are_the_conversation():
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.openai.request.seed": 7,
        "gen_ai.openai.response.system_fingerprint": "fp_2",
    }
    events = [
        {"name": "gen_ai.system.message", "attributes": {"content": "Be brief"}},
        {"name": "gen_ai.user.message", "attributes": {"content": "Say hello"}},
        {
            "name": "gen_ai.choice",
            "attributes": {"index": 0, "finish_reason": "stop", "message": '{"content": "Hello."}'},
        },
    ]

    call = recorded(attributes, events=events)

    assert [message["role"] for message in request_of(call)["messages"]] == ["system", "user"]
    assert read_recorded(call).reply.text == "Hello."
    assert read_recorded(call).reply.fingerprint == "fp_2"


def test_content_in_the_details_event_is_found():
    content = {name: GENAI[name] for name in ("gen_ai.input.messages", "gen_ai.output.messages")}
    bare = {name: value for name, value in GENAI.items() if name not in content}

    call = recorded(
        bare, events=[{"name": "gen_ai.client.inference.operation.details", "attributes": content}]
    )

    assert read_recorded(call).reply.text == "Hello."
    assert len(request_of(call)["messages"]) == 2


def test_an_openinference_span_keeps_request_and_response_byte_for_byte():
    given = '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}],  "temperature": 1.0}'
    answered = '{"id":"chatcmpl-1","model":"gpt-4o","choices":[],"system_fingerprint":"fp_3","usage":null}'

    call = recorded(
        {
            "openinference.span.kind": "LLM",
            "llm.system": "openai",
            "input.value": given,
            "output.value": answered,
            "llm.invocation_parameters": '{"model": "gpt-4o", "temperature": 1.0}',
        }
    )

    assert call.request_text == given
    assert call.response_text == answered
    assert read_recorded(call).reply.fingerprint == "fp_3"


def test_a_seed_only_in_the_invocation_parameters_is_kept():
    call = recorded(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.invocation_parameters": '{"seed": 9, "temperature": 0}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Hi",
            "llm.output_messages.0.message.content": "Hello.",
            "output.value": '{"generations": [[{"message": {"kwargs": {"response_metadata":'
            ' {"system_fingerprint": "fp_4"}}}}]]}',
            "llm.token_count.prompt": 3,
            "session.id": "s-1",
            "user.id": "u-1",
        }
    )

    assert (request_of(call)["seed"], request_of(call)["model"]) == (9, "gpt-4o")
    assert read_recorded(call).reply.fingerprint == "fp_4"
    assert read_recorded(call).reply.text == "Hello."
    assert (call.session, call.user) == ("s-1", "u-1")


def test_an_error_is_recorded_with_its_status():
    attributes = {
        name: value
        for name, value in GENAI.items()
        if not name.startswith(("gen_ai.response", "gen_ai.output", "gen_ai.usage", "openai."))
    }

    call = recorded(
        attributes | {"error.type": "RateLimitError"},
        status={"code": "ERROR", "description": "Error code: 429 - Slow down."},
    )

    assert (call.status, call.error, call.response_text) == (429, "Error code: 429 - Slow down.", None)


def test_a_span_of_the_responses_api_is_one_of_that_endpoint():
    call = recorded(GENAI | {"gen_ai.response.id": "resp_1"})

    assert call.endpoint == "responses"
    assert request_of(call)["input"][1] == {"role": "user", "content": "Say hello"}
    assert read_recorded(call).reply.text == "Hello."


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "POST"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o"},
        {"openinference.span.kind": "CHAIN", "input.value": "Hi"},
        {
            "openinference.span.kind": "LLM",
            "input.value": "{}",
            "output.value": '{"object": "list", "data": []}',
        },
    ],
)
def test_a_span_that_is_no_call_of_a_model_is_none(attributes):
    assert read_call(read_spans([spans.flat(attributes)]).spans[0]) is None


def test_what_was_not_captured_is_said():
    call = recorded({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.request.seed": 1})

    assert request_of(call) == {"model": "m", "seed": 1}
    assert "can't be replayed" in json.loads(call.metadata_text or "")["otel"]["request"]


def test_protobuf_and_json_tell_the_same():
    wire = read_protobuf(spans.request(GENAI).SerializeToString())
    text = read_json(json.dumps(spans.as_json(GENAI)))

    assert wire == text
    assert read_call(wire.spans[0]) is not None


def test_the_id_of_a_span_is_the_same_each_time_and_another_in_another_project():
    span = read_protobuf(spans.request(GENAI).SerializeToString()).spans[0]

    ids = {call_id(project=PROJECT, span=span), call_id(project=PROJECT, span=span)}

    assert len(ids) == 1
    assert time_of(next(iter(ids))) == span.started_at
    assert call_id(project=UUID(int=2), span=span) not in ids


@pytest.mark.parametrize(
    "members", [{"traceId": "00000000000000000000000000000000"}, {"spanId": "abc"}, {"traceId": "x" * 32}]
)
def test_a_span_with_a_wrong_id_is_refused_and_its_neighbours_are_read(members):
    body = spans.as_json(GENAI, GENAI)
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= members

    export = read_json(json.dumps(body))

    assert len(export.spans) == 1
    assert "hexadecimal" in export.refused[0]


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x0a\x05ab", b"\x0b", b"\x0a" + b"\xff" * 11, b"{", b'{"resourceSpans": []}']
)
def test_what_is_no_export_request_is_refused(data):
    with pytest.raises(InvalidExport):
        read_protobuf(data)


@pytest.mark.parametrize("data", [b"[]", b"1", b"{", b'{"resourceLogs": []}', b'{"resourceSpans": {}}'])
def test_json_that_is_no_export_request_is_refused(data):
    with pytest.raises(InvalidExport):
        read_json(data)


def test_a_request_of_millions_of_empty_spans_is_refused_before_it_is_parsed():
    scope = b"\x12\x00" * 2_000_000
    group = b"\x12" + _length(len(scope)) + scope
    body = b"\x0a" + _length(len(group)) + group

    with pytest.raises(InvalidExport, match="more than 200,000"):
        read_protobuf(body)


def _length(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


COUNTS = {
    "autogen_live_spans.json": 0,
    "claude_live_spans.json": 0,
    "openai_agents_genai_live_spans.json": 8,
    "openai_agents_openinference_live_spans.json": 5,
    "openinference_adot_spans.json": 0,
    "openinference_live_spans.json": 2,
    "pydantic_ai_live_spans.json": 2,
}


@pytest.mark.skipif(not FILES.exists(), reason="the collection of real files is not here")
@pytest.mark.parametrize("name", COUNTS)
def test_the_calls_among_real_spans_are_found(name):
    export = read_spans(json.loads((FILES / "otel_genai_spans" / name).read_text()))

    calls = [call for span in export.spans if (call := read_call(span)) is not None]

    assert len(calls) == COUNTS[name]
    for call in calls:
        exchange = read_recorded(call)
        assert exchange.reply.text or exchange.reply.choices[0].tool_calls
        assert exchange.request["messages" if call.endpoint == "chat.completions" else "input"]


@pytest.mark.skipif(not FILES.exists(), reason="the collection of real files is not here")
def test_real_requests_in_protobuf_are_read_though_they_hold_no_calls():
    files = sorted((FILES / "otlp_protobuf_wire").glob("*.pb"))

    exports = [read_protobuf(path.read_bytes()) for path in files]

    assert [len(export.spans) for export in exports] == [
        int(path.stem.rpartition("_")[2].removesuffix("spans")) for path in files
    ]
    assert not any(read_call(span) for export in exports for span in export.spans)
