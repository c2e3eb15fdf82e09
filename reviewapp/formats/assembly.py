"""Requests and responses put together again from what another tool kept of them.

Where a tool kept the bodies whole, they are recorded as they stand. Most keep pieces: messages, a
few settings, counts, the finish reason. Of those the body is written that the endpoint would have been
sent, and have answered; what is not known is left out, never invented.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from reviewapp.formats.interchange import CONTEXT_LIMIT, ERROR_LIMIT, NAME_LIMIT, TAG_LIMIT, TAGS_LIMIT
from reviewapp.formats.messages import input_items, output_items
from reviewapp.formats.openai.fields import filled, integer
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.words import storable

# What a response of the Responses API tells of its request.
_ECHOED: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
_FINISHES: Final = {"tool_call": "tool_calls", "tool_use": "tool_calls", "tool-calls": "tool_calls"}
_DEPTH: Final = 12
NOT_CAPTURED: Final = "The sender did not capture what was asked, so this can't be replayed."


@dataclass(frozen=True, slots=True)
class Counts:
    """Token counts as a tool kept them."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool kept of a response."""

    messages: list[JsonObject] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)
    id: str | None = None
    model: str | None = None
    created: int | None = None
    fingerprint: str | None = None
    service_tier: str | None = None
    counts: Counts = field(default_factory=Counts)


def request_body(
    endpoint: Endpoint, settings: JsonObject, messages: list[JsonObject], *, tools: list[Any] | None = None
) -> JsonObject:
    """The request with these settings; an empty list of messages is one that was not captured."""
    body = {name: value for name, value in settings.items() if value is not None}
    if messages:
        if endpoint == "chat.completions":
            body["messages"] = messages
        elif endpoint == "responses":
            body["input"] = input_items(messages)
        else:
            texts = [message.get("content") for message in messages]
            given = texts[0] if len(texts) == 1 else texts
            body["prompt" if endpoint == "completions" else "input"] = given
    if tools:
        body["tools"] = tools
    return body


def response_body(endpoint: Endpoint, answer: Answer) -> JsonObject:
    """The response that the endpoint gave, as far as it is known."""
    shared = {
        "id": answer.id,
        "model": answer.model,
        "system_fingerprint": answer.fingerprint,
        "service_tier": answer.service_tier,
    }
    counts = answer.counts
    if endpoint == "responses":
        body: JsonObject = {**shared, "object": "response", "created_at": answer.created}
        body["output"] = output_items(answer.messages)
        usage: JsonObject = {"input_tokens": counts.input, "output_tokens": counts.output}
        details = ("input_tokens_details", "output_tokens_details")
    else:
        kinds = {"chat.completions": "chat.completion", "completions": "text_completion"}
        body = {**shared, "object": kinds.get(endpoint, "list"), "created": answer.created}
        if endpoint != "embeddings":
            body["choices"] = [
                _choice(endpoint, index, message, answer.finish_reasons)
                for index, message in enumerate(answer.messages)
            ]
        usage = {"prompt_tokens": counts.input, "completion_tokens": counts.output}
        details = ("prompt_tokens_details", "completion_tokens_details")
    if counts.input is not None and counts.output is not None:
        usage["total_tokens"] = counts.input + counts.output
    if counts.cached is not None:
        usage[details[0]] = {"cached_tokens": counts.cached}
    if counts.reasoning is not None:
        usage[details[1]] = {"reasoning_tokens": counts.reasoning}
    usage = {name: value for name, value in usage.items() if value is not None}
    if usage:
        body["usage"] = usage
    return {name: value for name, value in body.items() if value is not None}


def _choice(endpoint: Endpoint, index: int, message: JsonObject, finishes: list[str]) -> JsonObject:
    finish = finishes[index] if index < len(finishes) else None
    finish = _FINISHES.get(finish, finish) if finish is not None else None
    if endpoint == "completions":
        return {"index": index, "text": message.get("content") or "", "finish_reason": finish}
    return {"index": index, "message": {**message, "role": "assistant"}, "finish_reason": finish}


def request_of_response(response: JsonObject, given: Any) -> JsonObject:
    """The request of a Responses API answer, from its input and what the answer echoes."""
    echoed = {name: response[name] for name in _ECHOED if response.get(name) not in (None, [], {})}
    return {"model": response.get("model"), "input": given, **echoed}


def fingerprint_within(value: Any, *, depth: int = _DEPTH) -> str | None:
    """The first `system_fingerprint` anywhere in a value, such as in a framework's own wrapping."""
    if depth < 0:
        return None
    if isinstance(value, dict):
        if found := filled(value.get("system_fingerprint")):
            return found
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list) and (found := fingerprint_within(item, depth=depth - 1)):
                return found
    return None


def dumped(value: Any) -> str:
    """The value as JSON text to record."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def count_of(value: Any) -> int | None:
    """A count that may be written as text; a negative one is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    number = integer(value)
    return number if number is not None and number >= 0 else None


def context(value: Any) -> str | None:
    """A trace, session or user as it can be stored."""
    return storable(value)[:CONTEXT_LIMIT] if isinstance(value, str) and value.strip() else None


def name(value: Any) -> str | None:
    """The name of a source or provider as it can be stored."""
    return storable(value).strip()[:NAME_LIMIT] if isinstance(value, str) and value.strip() else None


def error_text(value: Any) -> str | None:
    """An error as it can be stored."""
    return storable(value)[:ERROR_LIMIT] if isinstance(value, str) and value.strip() else None


def tags(value: Any) -> tuple[str, ...]:
    """Tags as they can be stored."""
    texts = [storable(tag).strip()[:TAG_LIMIT] for tag in value] if _is_texts(value) else []
    return tuple(dict.fromkeys(tag for tag in texts if tag))[:TAGS_LIMIT]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(tag, str) for tag in value)


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601 or Unix seconds or milliseconds; None for what is none."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.strip())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        if type(value) in (int, float):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def between(start: datetime | None, end: datetime | None) -> int | None:
    """The milliseconds from start to end."""
    if start is None or end is None or end < start:
        return None
    return min(round((end - start).total_seconds() * 1000), 2**31 - 1)
