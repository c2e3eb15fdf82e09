"""Spans as instrumentations write them, for tests: attributes taken from the real ones."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

TRACE = "0295b55e1b7a83fe709fba9715e803d4"
SPAN = "64eafd28de20ab52"
START = 1_795_000_000_000_000_000

GENAI: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.request.seed": 42,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 20,
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ["stop"],
    "openai.response.system_fingerprint": "fp_1",
    "gen_ai.usage.input_tokens": 13,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief"}]},
            {"role": "user", "parts": [{"type": "text", "content": "Say hello"}]},
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}], "finish_reason": "stop"}]
    ),
}


def flat(attributes: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A span as the Python SDK prints it."""
    span = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "name": "chat gpt-4o-mini",
        "start_time": START,
        "end_time": START + 812_000_000,
        "attributes": attributes,
    }
    return {**span, **members}


def request(
    *attributes: dict[str, Any], service: str = "support-bot", span_id: str = SPAN
) -> ExportTraceServiceRequest:
    """An export request with a span for each set of attributes."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    scope = group.scope_spans.add()
    for number, one in enumerate(attributes):
        span = scope.spans.add(name="chat gpt-4o-mini", start_time_unix_nano=START)
        span.end_time_unix_nano = START + 812_000_000
        span.trace_id = bytes.fromhex(TRACE)
        span.span_id = (int(span_id, 16) + number).to_bytes(8, "big")
        for name, value in one.items():
            _set(span.attributes.add(key=name).value, value)
    return message


def as_json(*attributes: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The same in OTLP's JSON, with hexadecimal ids and 64-bit integers as text."""
    spans = [
        {
            "traceId": TRACE,
            "spanId": f"{int(SPAN, 16) + number:016x}",
            "name": "chat gpt-4o-mini",
            "startTimeUnixNano": str(START),
            "endTimeUnixNano": str(START + 812_000_000),
            "attributes": [{"key": name, "value": _value(value)} for name, value in one.items()],
            **members,
        }
        for number, one in enumerate(attributes)
    ]
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "support-bot"}}]}
    return {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]}


def _set(target: AnyValue, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _set(target.array_value.values.add(), item)
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    else:
        target.string_value = value


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
