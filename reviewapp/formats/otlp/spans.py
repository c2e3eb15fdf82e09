"""Spans as values, from an OTLP export request in protobuf or JSON, or as the Python SDK writes them.

A span that breaks the protocol's rules (ids of the wrong length, or all zero) is told with its
reason and the others are read on: a receiver answers them as a partial success.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from reviewapp.formats.openai.fields import list_of, object_of, objects_in, text_of
from reviewapp.formats.otlp.wire import InvalidWire, check_size
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import JsonObject

# A value of attributes is a tree; deeper ones are none that an instrumentation writes.
_DEPTH: Final = 32
_is_hex = re.compile(r"[0-9a-fA-F]+").fullmatch
_STATUSES: Final = {"OK": 1, "STATUS_CODE_OK": 1, "ERROR": 2, "STATUS_CODE_ERROR": 2}
ERROR: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidExport(Exception):
    """The body is no export request; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something at a moment of a span. `body` is that of a log record, where the event was one."""

    name: str
    attributes: JsonObject
    body: Any = None


@dataclass(frozen=True, slots=True)
class Span:
    """A span. Ids are in hexadecimal as they came, times in nanoseconds of Unix time."""

    trace_id: str
    span_id: str
    name: str = ""
    started_ns: int = 0
    ended_ns: int = 0
    attributes: JsonObject = field(default_factory=dict)
    resource: JsonObject = field(default_factory=dict)
    scope: str = ""
    events: tuple[Event, ...] = ()
    status: int = 0
    status_message: str = ""

    @property
    def started_at(self) -> datetime | None:
        if self.started_ns <= 0:
            return None
        return _EPOCH + timedelta(microseconds=self.started_ns // 1000)

    @property
    def latency_ms(self) -> int | None:
        took = self.ended_ns - self.started_ns
        return min(round(took / 1e6), 2**31 - 1) if self.started_ns > 0 and took >= 0 else None


@dataclass(frozen=True, slots=True)
class Export:
    """The spans of one request, and why others were refused."""

    spans: tuple[Span, ...] = ()
    refused: tuple[str, ...] = ()


def read_protobuf(data: bytes) -> Export:
    """An ExportTraceServiceRequest in protobuf. Raises InvalidExport."""
    try:
        check_size(data)
        request = ExportTraceServiceRequest()
        request.MergeFromString(data)  # type: ignore[no-untyped-call]  # generated
    except InvalidWire as error:
        raise InvalidExport(str(error)) from None
    except (DecodeError, RecursionError) as error:
        raise InvalidExport(f"The body is no ExportTraceServiceRequest in protobuf. {error}") from None
    return _collected(
        (span, resource, scope.scope.name, True)
        for group in request.resource_spans
        for resource in [_attributes(group.resource.attributes)]
        for scope in group.scope_spans
        for span in map(_from_message, scope.spans)
    )


def read_json(data: bytes | str) -> Export:
    """An ExportTraceServiceRequest in JSON. Raises InvalidExport."""
    try:
        value = rawjson.parse(data)
    except rawjson.InvalidJson as error:
        raise InvalidExport(f"The body is no JSON. {error}") from None
    if not isinstance(value, dict) or not _is_export(value):
        raise InvalidExport("The body must be an ExportTraceServiceRequest: an object with resourceSpans.")
    return read_spans(value)


def read_spans(value: Any) -> Export:
    """The spans of a parsed JSON value: export requests, or spans as an SDK's exporter prints them."""
    return _collected(_walk(value))


def _is_export(value: JsonObject) -> bool:
    # An empty request is a valid one.
    return not value or isinstance(value.get("resourceSpans", value.get("resource_spans")), list)


# A span as written, its resource's attributes, its scope's name, and whether the protocol's rules hold.
_Found = tuple[JsonObject, JsonObject, str, bool]


def _walk(value: Any) -> Iterator[_Found]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        groups = value.get("resourceSpans", value.get("resource_spans"))
        if isinstance(groups, list):
            yield from _of_groups(objects_in(groups))
        elif isinstance(value.get("spans"), list):
            yield from _walk(value["spans"])
        elif "span_id" in value or "spanId" in value or "context" in value:
            scope = object_of(value.get("scope") or value.get("instrumentation_scope"))
            resource = object_of(value.get("resource"))
            yield value, _plain(resource.get("attributes", resource)), text_of(scope.get("name")) or "", False


def _of_groups(groups: list[JsonObject]) -> Iterator[_Found]:
    for group in groups:
        resource = _plain(object_of(group.get("resource")).get("attributes"))
        scopes = group.get("scopeSpans", group.get("scope_spans", group.get("instrumentationLibrarySpans")))
        for scope in objects_in(scopes):
            told = object_of(scope.get("scope") or scope.get("instrumentationLibrary"))
            for span in objects_in(scope.get("spans")):
                yield span, resource, text_of(told.get("name")) or "", True


def _collected(found: Iterable[_Found]) -> Export:
    spans: list[Span] = []
    refused: list[str] = []
    for raw, resource, scope, strict in found:
        try:
            spans.append(_span(raw, resource, scope, strict=strict))
        except InvalidExport as error:
            refused.append(str(error))
    return Export(tuple(spans), tuple(refused))


def _span(raw: JsonObject, resource: JsonObject, scope: str, *, strict: bool) -> Span:
    context = object_of(raw.get("context"))
    name = text_of(raw.get("name")) or ""
    status = object_of(raw.get("status"))
    told = status.get("code", status.get("status_code"))
    return Span(
        trace_id=_id(_first(raw, context, "traceId", "trace_id"), name, "trace id", strict and 16),
        span_id=_id(_first(raw, context, "spanId", "span_id"), name, "span id", strict and 8),
        name=name,
        started_ns=_nanoseconds(_first(raw, {}, "startTimeUnixNano", "start_time_unix_nano", "start_time")),
        ended_ns=_nanoseconds(_first(raw, {}, "endTimeUnixNano", "end_time_unix_nano", "end_time")),
        attributes=_plain(raw.get("attributes")),
        resource=resource,
        scope=scope,
        events=tuple(map(_event, objects_in(raw.get("events") or raw.get("span_events")))),
        status=told if type(told) is int else _STATUSES.get(str(told), 0),
        status_message=text_of(status.get("message")) or text_of(status.get("description")) or "",
    )


def _event(raw: JsonObject) -> Event:
    attributes = _plain(raw.get("attributes"))
    name = raw.get("name") or raw.get("event_name") or attributes.get("event.name")
    return Event(text_of(name) or "", attributes, raw.get("body"))


def _first(raw: JsonObject, other: JsonObject, *names: str) -> Any:
    return next(
        (place[name] for name in names for place in (raw, other) if place.get(name) is not None), None
    )


def _id(value: Any, name: str, what: str, length: int) -> str:
    """The id as text, of so many bytes; 0 takes any, as an exporter's own files have them."""
    text = value.hex() if isinstance(value, bytes) else value.strip() if isinstance(value, str) else ""
    if text.endswith("="):
        # What protobuf's own JSON writer makes of bytes; the protocol wants hexadecimal.
        try:
            text = base64.b64decode(text, validate=True).hex()
        except (ValueError, binascii.Error):
            text = ""
    text = text.removeprefix("0x").lower()
    if not text.strip("0") or len(text) > 64 or (length and not (_is_hex(text) and len(text) == length * 2)):
        rule = f"it must be {length * 2} hexadecimal digits, not all 0" if length else "it is missing"
        raise InvalidExport(f"The span “{name[:80]}” has no valid {what}: {rule}.")
    return text


def _nanoseconds(value: Any) -> int:
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) < 20:
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return 0
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1e6) * 1000
    if type(value) is int:
        return value if 0 <= value < 2**63 else 0
    return int(value) if type(value) is float and 0 <= value < 2**63 else 0


# ---- protobuf ----


def _from_message(span: Any) -> JsonObject:
    """A protobuf span with the names that the JSON one has."""
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "attributes": _attributes(span.attributes),
        "events": [
            {"name": event.name, "attributes": _attributes(event.attributes)} for event in span.events
        ],
        "status": {"code": span.status.code, "message": span.status.message},
    }


def _attributes(pairs: Any) -> JsonObject:
    return {pair.key: _any_value(pair.value, _DEPTH) for pair in pairs}


def _any_value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or depth == 0:
        return None
    if kind == "array_value":
        return [_any_value(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _any_value(pair.value, depth - 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


# ---- JSON ----


def _plain(attributes: Any) -> JsonObject:
    """Attributes as an object: from the protocol's list of keys and values, or one already."""
    if isinstance(attributes, dict):
        return attributes
    return {
        pair["key"]: _json_value(pair.get("value"), _DEPTH)
        for pair in objects_in(attributes)
        if isinstance(pair.get("key"), str)
    }


def _json_value(value: Any, depth: int) -> Any:
    if not isinstance(value, Mapping) or depth == 0:
        return None
    for kind, raw in value.items():
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return raw
        if kind == "intValue":
            # 64 bits are written as text; a number is taken too.
            return int(raw) if isinstance(raw, str) and _is_integer(raw) else raw
        if kind == "arrayValue":
            return [_json_value(item, depth - 1) for item in list_of(object_of(raw).get("values"))]
        if kind == "kvlistValue":
            pairs = objects_in(object_of(raw).get("values"))
            return {str(pair.get("key")): _json_value(pair.get("value"), depth - 1) for pair in pairs}
    return None


_is_integer = re.compile(r"-?[0-9]{1,20}").fullmatch
