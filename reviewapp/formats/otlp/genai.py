"""Spans by OpenTelemetry's semantic conventions for generative AI, by their old names and the new.

What was said stands in attributes (`gen_ai.input.messages`), in numbered ones (`gen_ai.prompt.0.content`),
or in events of the span (`gen_ai.user.message`, `gen_ai.choice`), depending on who wrote the span and when.
"""

from __future__ import annotations

import re
from typing import Any, Final

from reviewapp.formats.assembly import Answer, Counts, count_of
from reviewapp.formats.messages import chat_messages, opened, tool_call
from reviewapp.formats.openai.fields import filled, list_of, object_of, objects_in, text_of
from reviewapp.formats.otlp.spans import Span
from reviewapp.pure.exchange import Endpoint, JsonObject

_OPERATIONS: Final[dict[str, Endpoint]] = {
    "chat": "chat.completions",
    "generate_content": "chat.completions",
    "text_completion": "completions",
    "completion": "completions",
    "embeddings": "embeddings",
    "embedding": "embeddings",
}
# The settings of a request, by the names they have in the conventions.
_SETTINGS: Final = {
    "model": ("gen_ai.request.model",),
    "seed": ("gen_ai.request.seed", "gen_ai.openai.request.seed", "llm.request.seed"),
    "temperature": ("gen_ai.request.temperature",),
    "top_p": ("gen_ai.request.top_p",),
    "top_k": ("gen_ai.request.top_k",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", "llm.frequency_penalty"),
    "presence_penalty": ("gen_ai.request.presence_penalty", "llm.presence_penalty"),
    "stop": ("gen_ai.request.stop_sequences", "llm.chat.stop_sequences"),
    "n": ("gen_ai.request.choice.count",),
    "user": ("llm.user",),
    "service_tier": ("openai.request.service_tier", "gen_ai.openai.request.service_tier"),
}
_FINGERPRINTS: Final = (
    "openai.response.system_fingerprint",
    "gen_ai.openai.response.system_fingerprint",
    "gen_ai.openai.system_fingerprint",
    "gen_ai.response.system_fingerprint",
)
_TIERS: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
_STREAMING: Final = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
_numbered = re.compile(r"(?:gen_ai|llm)\.(prompts?|completions?)\.(\d+)\.(.+)").fullmatch
_function = re.compile(r"llm\.request\.functions\.(\d+)\.(name|description|parameters)").fullmatch
_call = re.compile(r"tool_calls\.(\d+)\.(id|name|arguments)").fullmatch
_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def endpoint_of(attributes: JsonObject) -> Endpoint | None:
    """Which endpoint the span's call went to; None where the span is no call of a model."""
    operation = text_of(attributes.get("gen_ai.operation.name")) or text_of(
        attributes.get("llm.request.type")
    )
    if operation is None:
        # Old instrumentations name no operation; what ran an agent or a tool names no model of a request.
        asked = "gen_ai.request.model" in attributes and "traceloop.span.kind" not in attributes
        endpoint: Endpoint | None = "chat.completions" if asked else None
    else:
        endpoint = _OPERATIONS.get(operation.lower())
    if endpoint == "chat.completions" and _is_responses(attributes):
        return "responses"
    return endpoint


def _is_responses(attributes: JsonObject) -> bool:
    answered = text_of(attributes.get("gen_ai.response.id")) or ""
    return attributes.get("openai.api.type") == "responses" or answered.startswith("resp_")


def settings_of(endpoint: Endpoint, attributes: JsonObject) -> JsonObject:
    """The settings of the request, by the names that the endpoint has for them."""
    found = {name: _first(attributes, names) for name, names in _SETTINGS.items()}
    if type(found["n"]) is not int or found["n"] == 1:
        found["n"] = None
    if isinstance(found["seed"], str) and re.fullmatch(r"-?[0-9]{1,20}", found["seed"]):
        found["seed"] = int(found["seed"])
    if endpoint == "responses":
        found["max_output_tokens"] = found.pop("max_tokens")
    wanted = opened(attributes.get("gen_ai.request.structured_output_schema"))
    if isinstance(wanted, dict) and endpoint == "chat.completions":
        found["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": wanted},
        }
    elif attributes.get("gen_ai.openai.request.response_format") in ("json_object", "text"):
        found["response_format"] = {"type": attributes["gen_ai.openai.request.response_format"]}
    if _first(attributes, _STREAMING) is True:
        found["stream"] = True
    return {name: value for name, value in found.items() if value is not None}


def asked_of(span: Span) -> list[JsonObject]:
    """The messages that were sent; empty where they were not captured."""
    attributes = span.attributes
    told = _content(span, "gen_ai.input.messages")
    system = chat_messages(_content(span, "gen_ai.system_instructions"), role="system")
    if told is not None:
        messages = chat_messages(told)
        has_system = bool(messages) and messages[0].get("role") in ("system", "developer")
        return messages if has_system else [*_joined(system), *messages]
    if numbered := _numbered_messages(attributes, "prompt", "user"):
        return numbered
    if "ai.prompt.messages" in attributes:
        return chat_messages(attributes["ai.prompt.messages"])
    asked = [
        message
        for name, value in _message_events(span)
        if name in _ROLES
        for message in _of_event(value, _ROLES[name])
    ]
    if asked:
        return asked
    old = _content(span, "gen_ai.prompt")
    return chat_messages(old) if old is not None else []


def answer_of(span: Span) -> Answer:
    """What is told of the response."""
    attributes = span.attributes
    finishes = [str(item) for item in list_of(opened(attributes.get("gen_ai.response.finish_reasons")))]
    told = _content(span, "gen_ai.output.messages")
    if told is not None:
        raw = opened(told)
        messages = chat_messages(raw, role="assistant")
        ends = [text_of(item.get("finish_reason")) for item in objects_in(raw)]
        if any(ends) and len(ends) == len(messages):
            finishes = [end or "" for end in ends]
    elif numbered := _numbered_messages(attributes, "completion", "assistant"):
        messages = numbered
        ends = [text_of(message.pop("finish_reason", None)) for message in messages]
        finishes = finishes or [end for end in ends if end]
    elif isinstance(attributes.get("ai.response.text"), str) or "ai.response.toolCalls" in attributes:
        messages = [_vercel_answer(attributes)]
    else:
        choices = [value for name, value in _message_events(span) if name == "gen_ai.choice"]
        messages = [message for value in choices for message in _of_event(value, "assistant")]
        finishes = finishes or [end for value in choices if (end := text_of(value.get("finish_reason")))]
        old = _content(span, "gen_ai.completion")
        if not messages and old is not None:
            messages = chat_messages(old, role="assistant")
    return Answer(
        messages=messages,
        finish_reasons=finishes,
        id=text_of(attributes.get("gen_ai.response.id")),
        model=text_of(attributes.get("gen_ai.response.model")),
        fingerprint=filled(_first(attributes, _FINGERPRINTS)),
        service_tier=filled(_first(attributes, _TIERS)),
        counts=_counts(attributes),
    )


def _counts(attributes: JsonObject) -> Counts:
    def one(*names: str) -> int | None:
        return count_of(_first(attributes, names))

    return Counts(
        input=one("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
        output=one(
            "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"
        ),
        cached=one("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        reasoning=one("gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
    )


def tools_of(attributes: JsonObject) -> list[Any]:
    """The tools that were offered."""
    told = opened(attributes.get("gen_ai.tool.definitions"))
    if isinstance(told, list):
        return [_tool(tool) for tool in objects_in(told)]
    found: dict[int, JsonObject] = {}
    for name, value in attributes.items():
        if match := _function(name):
            found.setdefault(int(match[1]), {})[match[2]] = opened(value)
    return [_tool(found[index]) for index in sorted(found)]


def _tool(tool: JsonObject) -> JsonObject:
    if "function" in tool or tool.get("type") not in (None, "function"):
        return tool
    return {"type": "function", "function": {name: item for name, item in tool.items() if name != "type"}}


def _first(attributes: JsonObject, names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _content(span: Span, name: str) -> Any:
    """An attribute of the span, or of one of its events; logs put it into an event's body."""
    if name in span.attributes:
        return span.attributes[name]
    for event in span.events:
        for place in (event.attributes, object_of(event.body)):
            if name in place:
                return place[name]
    return None


def _message_events(span: Span) -> list[tuple[str, JsonObject]]:
    """The events that are messages, by name; Pydantic AI once kept them in an attribute."""
    kept = objects_in(opened(span.attributes.get("events")))
    listed = [(str(event.get("event.name")), event) for event in kept]
    return [
        (event.name, {**event.attributes, **object_of(opened(event.body))}) for event in span.events
    ] + listed


def _of_event(value: JsonObject, role: str) -> list[JsonObject]:
    """A message of an event: its members may be JSON text."""
    told = {name: opened(item) if name in ("message", "tool_calls") else item for name, item in value.items()}
    if isinstance(told.get("message"), dict):
        told = told["message"]
    message: JsonObject = {"role": text_of(told.get("role")) or role}
    for name in ("content", "name", "tool_calls", "refusal"):
        if told.get(name) is not None:
            message[name] = told[name]
    if role == "tool" and isinstance(told.get("id"), str):
        message["tool_call_id"] = told["id"]
    return chat_messages([message]) if len(message) > 1 else []


def _joined(messages: list[JsonObject]) -> list[JsonObject]:
    """System instructions, which come as one part each, as one message."""
    texts = [message.get("content") for message in messages]
    if len(messages) < 2 or not all(isinstance(text, str) for text in texts):
        return messages
    return [{"role": "system", "content": "\n".join(map(str, texts))}]


def _numbered_messages(attributes: JsonObject, what: str, role: str) -> list[JsonObject]:
    """`gen_ai.prompt.0.role`, `gen_ai.completion.0.tool_calls.0.name` and the like."""
    found: dict[int, JsonObject] = {}
    calls: dict[int, dict[int, JsonObject]] = {}
    for name, value in attributes.items():
        match = _numbered(name)
        if match is None or match[1].rstrip("s") != what:
            continue
        index, member = int(match[2]), match[3]
        if call := _call(member):
            calls.setdefault(index, {}).setdefault(int(call[1]), {})[call[2]] = value
            found.setdefault(index, {})
        elif member in ("role", "content", "tool_call_id", "finish_reason", "refusal", "name", "reasoning"):
            found.setdefault(index, {})[member] = value
    messages = []
    for index in sorted(found):
        told = found[index]
        content = told.get("content")
        message: JsonObject = {**told, "role": text_of(told.get("role")) or role}
        parts = opened(content)
        message["content"] = parts if _is_parts(parts) else content
        if index in calls:
            message["tool_calls"] = [tool_call(calls[index][at]) for at in sorted(calls[index])]
        messages.append(message)
    return messages


def _is_parts(value: Any) -> bool:
    """Whether it is a list of content parts, and not an answer that is JSON."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in value)
    )


def _vercel_answer(attributes: JsonObject) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": text_of(attributes.get("ai.response.text"))}
    if calls := objects_in(opened(attributes.get("ai.response.toolCalls"))):
        message["tool_calls"] = [tool_call(call) for call in calls]
    return message
