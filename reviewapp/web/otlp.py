"""OTLP over HTTP: the spans of instrumented apps, on the way that posted interactions take.

Answers have the encoding of the request, as the protocol asks: an ExportTraceServiceResponse, which tells
of refused spans, or a `google.rpc.Status`. Spans that are no call of a model are taken and left out, since
an app sends all of its spans to one address; a log line counts them. A span gets the same interaction id
each time it is sent, so an exporter may retry whatever it likes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from reviewapp import tasks
from reviewapp.formats.otlp import InvalidCall, InvalidExport, call_id, read_call, read_json, read_protobuf
from reviewapp.journal import JournalError
from reviewapp.stages import record
from reviewapp.web.api import bodies
from reviewapp.web.api.problems import Problem
from reviewapp.web.gateway.process import shared
from reviewapp.web.gateway.relay import Receive, Send
from reviewapp.web.limiting import TooOften
from reviewapp.web.receiving import authenticate, read_body

log = logging.getLogger(__name__)

PREFIX: Final = "/otlp/"
PATH: Final = "/otlp/v1/traces"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_NAMED_REASONS: Final = 5
# What google.rpc.Code calls the HTTP status.
_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}


@dataclass(frozen=True, slots=True)
class Received:
    """What of a request can be recorded, what was refused and why, and how many spans are no calls."""

    frames: list[bytes]
    refused: list[str]
    left_out: int


async def receiving(scope: Any, receive: Receive, send: Send) -> None:
    """Answer one request below `/otlp/`."""
    headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in scope["headers"]}
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    answered = kind if kind == PROTOBUF else JSON
    status, more = 200, {}
    try:
        if scope["path"].rstrip("/") != PATH:
            raise Problem(404, f"There is no {scope['path']}; traces go to {PATH}, metrics and logs nowhere.")
        if scope["method"] != "POST":
            raise Problem(405, f"Send spans to {PATH} by POST.")
        received = await _receive(kind, headers, receive, scope)
        body = _response(received, answered)
    except Problem as problem:
        status, body = problem.status, _status(problem, answered)
        if status == 401:
            more["WWW-Authenticate"] = 'Bearer realm="reviewapp"'
        elif status == 405:
            more["Allow"] = "POST"
        elif status == 503:
            more["Retry-After"] = "5"
    except TooOften as error:
        status, body = 429, _status(Problem(429, str(error)), answered)
        more["Retry-After"] = str(error.seconds)
    more |= {"Content-Type": answered, "Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff"}
    named = [(name.lower().encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _receive(kind: str, headers: dict[str, str], receive: Receive, scope: Any) -> Received:
    now = timezone.now()
    key = await authenticate(shared().directory, headers, now, scope=scope)
    if kind not in (PROTOBUF, JSON):
        raise Problem(
            415, f"Send OTLP as {PROTOBUF} or {JSON}; this is {kind[:100] or 'of no content type'}."
        )
    body = await read_body(headers, receive)
    encoding = headers.get("Content-Encoding", "")
    # Mapping spans takes longer than taking ready interactions, so it never holds up the gateway's streams.
    received = await asyncio.to_thread(
        read_export, body, encoding=encoding, kind=kind, project=key.project, source=key.source, now=now
    )
    if received.frames:
        try:
            await tasks.journal().append_all(received.frames)
        except JournalError as error:
            raise Problem(503, str(error)) from None
    if received.left_out or received.refused:
        log.info(
            "Of an OTLP request %d spans are recorded, %d are no calls of a model, %d were refused",
            len(received.frames),
            received.left_out,
            len(received.refused),
        )
    return received


def read_export(
    body: bytes, *, encoding: str, kind: str, project: UUID, source: str | None, now: datetime
) -> Received:
    """What a body holds; `source` is taken where a span names no service. Raises Problem."""
    data = bodies.unpacked(body, encoding)
    try:
        export = read_protobuf(data) if kind == PROTOBUF else read_json(data)
    except InvalidExport as error:
        raise Problem(400, str(error)) from None
    frames: list[bytes] = []
    refused = list(export.refused)
    left_out = 0
    for span in export.spans:
        try:
            content = read_call(span)
        except InvalidCall as error:
            refused.append(str(error))
            continue
        except Exception:
            # Whatever is odd about one span, the others are recorded: exporters do not send them again.
            log.exception("A span can't be read")
            refused.append("A span can't be read; the app's log says why.")
            continue
        if content is None:
            left_out += 1
            continue
        if content.source is None and source is not None:
            content = replace(content, source=source)
        id_ = call_id(project=project, span=span)
        arrival = record.Arrival(id=id_, project_id=project, received_at=now, content=content)
        frames.append(record.encode(arrival))
    return Received(frames, refused, left_out)


def _response(received: Received, kind: str) -> bytes:
    reasons = " ".join(received.refused[:_NAMED_REASONS])
    if kind == PROTOBUF:
        response = ExportTraceServiceResponse()
        if received.refused:
            response.partial_success.rejected_spans = len(received.refused)
            response.partial_success.error_message = reasons
        data: bytes = response.SerializeToString()  # type: ignore[no-untyped-call]  # generated
        return data
    if not received.refused:
        return b"{}"
    # 64 bits are written as text in OTLP's JSON.
    partial = {"rejectedSpans": str(len(received.refused)), "errorMessage": reasons}
    return json.dumps({"partialSuccess": partial}).encode()


def _status(problem: Problem, kind: str) -> bytes:
    code = _CODES.get(problem.status, 2)
    if kind == JSON:
        return json.dumps({"code": code, "message": problem.detail}).encode()
    # google.rpc.Status: field 1 the code, field 2 the message; its own package would bring thirty more.
    message = problem.detail.encode("utf-8", "replace")
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(message)) + message


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
