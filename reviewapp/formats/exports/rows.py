"""One interaction on its way into a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from reviewapp.formats.interchange import Recorded, write_interaction
from reviewapp.formats.openai import RequestView, read_reply, read_request
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply


@dataclass(frozen=True)
class ExportRow:
    """An interaction with what people and replays said about it.

    `derived` holds the derived members as raw JSON texts, `columns` the same facts as plain values.
    """

    recorded: Recorded
    derived: Mapping[str, str]
    columns: Mapping[str, str | int | float | bool | datetime | None]
    corrections: tuple[str, ...] = ()
    flagged: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The interaction as one line of JSON in the interfaces' shape."""
        return write_interaction(self.recorded, derived=self.derived)

    @cached_property
    def request(self) -> Any:
        return rawjson.parse(self.recorded.request_text)

    @cached_property
    def view(self) -> RequestView:
        return read_request(self.recorded.endpoint, self.request)

    @cached_property
    def reply(self) -> Reply:
        text = self.recorded.response_text
        response = rawjson.parse(text) if text is not None and self.recorded.response_is_json else None
        return read_reply(self.recorded.endpoint, response, self.recorded.status, request=self.request)


COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "text"),
    ("started_at", "time"),
    ("source", "text"),
    ("provider", "text"),
    ("endpoint", "text"),
    ("model", "text"),
    ("response_model", "text"),
    ("seed", "integer"),
    ("system_fingerprint", "text"),
    ("status", "integer"),
    ("error", "text"),
    ("finish_reason", "text"),
    ("input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("latency_ms", "integer"),
    ("has_logprobs", "boolean"),
    ("mean_logprob", "number"),
    ("min_logprob", "number"),
    ("request_hash", "text"),
    ("trace", "text"),
    ("session", "text"),
    ("user", "text"),
    ("tags", "text"),
    ("prompt", "text"),
    ("answer", "text"),
    ("flags", "text"),
    ("annotations", "text"),
    ("correction", "text"),
    ("replays", "integer"),
    ("last_verdict", "text"),
)
"""Name and kind of each column of the table formats."""
