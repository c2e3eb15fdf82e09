"""OpenTelemetry's traces: an OTLP export request, and the calls of language models among its spans."""

from __future__ import annotations

from reviewapp.formats.otlp.calls import InvalidCall, call_id, call_name, read_call
from reviewapp.formats.otlp.spans import (
    Export,
    InvalidExport,
    Span,
    read_json,
    read_protobuf,
    read_spans,
)

__all__ = [
    "Export",
    "InvalidCall",
    "InvalidExport",
    "Span",
    "call_id",
    "call_name",
    "read_call",
    "read_json",
    "read_protobuf",
    "read_spans",
]
