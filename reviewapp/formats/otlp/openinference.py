"""Spans by OpenInference's conventions: `llm.*`, `input.value` and `output.value`.

Its instrumentation of the OpenAI client keeps request and response whole, as JSON text in `input.value` and
`output.value`: those are recorded as they stand. Others (LangChain, agents) keep the values of their own
framework there; of those the calls are put together from the numbered `llm.*` attributes.
"""

from __future__ import annotations

import re
from typing import Any, Final

from reviewapp.formats.assembly import (
    Answer,
    Counts,
    count_of,
    dumped,
    fingerprint_within,
    request_body,
    request_of_response,
    response_body,
)
from reviewapp.formats.messages import chat_messages, opened, tool_call
from reviewapp.formats.openai import infer_endpoint
from reviewapp.formats.openai.fields import filled, object_of, text_of
from reviewapp.formats.otlp.spans import Span
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint, JsonObject

KIND: Final = "openinference.span.kind"
# What the parameters of an invocation hold beside settings: the framework's own, or a whole response.
_NO_SETTINGS: Final = frozenset(
    [
        "_type",
        "id",
        "created_at",
        "object",
        "output",
        "usage",
        "status",
        "completed_at",
        "error",
        "model_name",
    ]
)
_message = re.compile(r"llm\.(input|output)_messages\.(\d+)\.message\.(.+)").fullmatch
_call = re.compile(r"tool_calls\.(\d+)\.tool_call\.(id|function\.name|function\.arguments)").fullmatch
_part = re.compile(r"contents\.(\d+)\.message_content\.(type|text|image\.image\.url)").fullmatch
_listed_text = re.compile(r"content\.(\d+)").fullmatch
_tool = re.compile(r"llm\.tools\.(\d+)\.tool\.json_schema").fullmatch
_choice = re.compile(r"llm\.(?:choices|prompts)\.(\d+)\.(completion|prompt)\.text").fullmatch


def bodies_of(span: Span) -> tuple[Endpoint, str, str | None] | None:
    """The endpoint, the request's text and the response's; None where the span is no call of a model."""
    attributes = span.attributes
    given, answered = opened(attributes.get("input.value")), opened(attributes.get("output.value"))
    parameters = _parameters(attributes)
    asked = _messages(attributes, "input") or _texts(attributes, "prompt")
    if attributes.get(KIND) == "EMBEDDING":
        endpoint: Endpoint | None = "embeddings"
    else:
        endpoint = infer_endpoint(object_of(given), answered)
        if endpoint == "embeddings" and "input" not in object_of(given):
            endpoint = None  # a list of something else, such as models
        if endpoint is None and (asked or _messages(attributes, "output")):
            endpoint = "chat.completions"
    if endpoint is None:
        return None
    request = _request(endpoint, attributes, given, answered, parameters, asked)
    response = _response(endpoint, attributes, answered)
    if not any(name in request.value for name in ("messages", "input", "prompt")) and response is None:
        return None
    return endpoint, request.text, response


def _request(
    endpoint: Endpoint,
    attributes: JsonObject,
    given: Any,
    answered: Any,
    parameters: JsonObject,
    asked: list[JsonObject],
) -> rawjson.RawMember:
    """The request: whole where it was kept whole, with what only the parameters tell."""
    if isinstance(given, dict) and _is_request(endpoint, given):
        text = text_of(attributes.get("input.value")) or dumped(given)
        more = {name: item for name, item in parameters.items() if name not in given}
        if more:
            text = rawjson.splice(text, set={name: dumped(item) for name, item in more.items()})
        return rawjson.RawMember({**given, **more}, text)
    if endpoint == "responses" and isinstance(answered, dict):
        body = request_of_response(answered, given if isinstance(given, list | str) else asked)
    else:
        body = request_body(endpoint, parameters, asked or chat_messages(given), tools=_tools(attributes))
        if model := filled(attributes.get("llm.model_name")):
            body.setdefault("model", model)
    return rawjson.RawMember(body, dumped(body))


def _is_request(endpoint: Endpoint, given: JsonObject) -> bool:
    if endpoint == "chat.completions":
        messages = given.get("messages")
        # A framework's messages have no role, or are lists of lists.
        return isinstance(messages, list) and all(
            isinstance(message, dict) and "role" in message for message in messages
        )
    return ("prompt" if endpoint == "completions" else "input") in given


def _parameters(attributes: JsonObject) -> JsonObject:
    """The settings of the call."""
    told = attributes.get("llm.invocation_parameters", attributes.get("embedding.invocation_parameters"))
    found = object_of(opened(told))
    if isinstance(found.get("output"), list) or str(found.get("id", "")).startswith("resp_"):
        found = {}  # the agents' instrumentation puts the response there
    settings = {name: item for name, item in found.items() if name not in _NO_SETTINGS and item is not None}
    if "model" not in settings and filled(found.get("model_name")):
        settings["model"] = found["model_name"]
    return settings


def _response(endpoint: Endpoint, attributes: JsonObject, answered: Any) -> str | None:
    """The response: whole where it was kept whole, with what only the attributes tell."""
    model = text_of(attributes.get("llm.model_name"))
    counts = _counts(attributes)
    if isinstance(answered, dict) and _is_response(endpoint, answered):
        text = text_of(attributes.get("output.value")) or dumped(answered)
        told = response_body(endpoint, Answer(model=model, counts=counts))
        # Of a stream only the choices are kept.
        more: dict[str, str] = {}
        for name in ("model", "usage"):
            if name in told and name not in answered:
                more[name] = dumped(told[name])
        return rawjson.splice(text, set=more) if more else text
    messages = _messages(attributes, "output") or _texts(attributes, "completion")
    if not messages and isinstance(answered, str) and endpoint != "embeddings":
        messages = chat_messages(answered, role="assistant")
    fingerprint = fingerprint_within(answered)
    if not messages and fingerprint is None and counts == Counts():
        return None
    answer = Answer(
        messages=messages,
        finish_reasons=[end] if (end := text_of(attributes.get("llm.finish_reason"))) else [],
        model=model,
        fingerprint=fingerprint,
        counts=counts,
    )
    return dumped(response_body(endpoint, answer))


def _is_response(endpoint: Endpoint, answered: JsonObject) -> bool:
    if endpoint == "responses":
        return isinstance(answered.get("output"), list)
    return isinstance(answered.get("data" if endpoint == "embeddings" else "choices"), list)


def _counts(attributes: JsonObject) -> Counts:
    def one(name: str) -> int | None:
        return count_of(attributes.get(f"llm.token_count.{name}"))

    return Counts(
        input=one("prompt"),
        output=one("completion"),
        cached=one("prompt_details.cache_read"),
        reasoning=one("completion_details.reasoning"),
    )


def _tools(attributes: JsonObject) -> list[Any]:
    found = {int(match[1]): opened(value) for name, value in attributes.items() if (match := _tool(name))}
    tools = [found[index] for index in sorted(found) if isinstance(found[index], dict)]
    return [tool if "type" in tool else {"type": "function", "function": tool} for tool in tools]


def _texts(attributes: JsonObject, what: str) -> list[JsonObject]:
    """The prompts or the answers of the completions endpoint."""
    found = {
        int(match[1]): value
        for name, value in attributes.items()
        if (match := _choice(name)) and match[2] == what
    }
    role = "user" if what == "prompt" else "assistant"
    return [{"role": role, "content": found[index]} for index in sorted(found)]


def _messages(attributes: JsonObject, which: str) -> list[JsonObject]:
    """The numbered messages of the input or the output."""
    found: dict[int, JsonObject] = {}
    parts: dict[int, dict[int, JsonObject]] = {}
    calls: dict[int, dict[int, JsonObject]] = {}
    for name, value in attributes.items():
        match = _message(name)
        if match is None or match[1] != which:
            continue
        index, member = int(match[2]), match[3]
        told = found.setdefault(index, {})
        if call := _call(member):
            calls.setdefault(index, {}).setdefault(int(call[1]), {})[call[2].removeprefix("function.")] = (
                value
            )
        elif part := _part(member):
            parts.setdefault(index, {}).setdefault(int(part[1]), {})[part[2]] = value
        elif text := _listed_text(member):
            parts.setdefault(index, {})[int(text[1])] = {"type": "text", "text": value}
        elif member in ("role", "content", "name", "tool_call_id"):
            told[member] = value
    default = "user" if which == "input" else "assistant"
    messages = []
    for index in sorted(found):
        message = {"role": default, "content": None, **found[index]}
        if index in parts and message["content"] is None:
            message["content"] = _content([parts[index][at] for at in sorted(parts[index])])
        if index in calls:
            message["tool_calls"] = [tool_call(calls[index][at]) for at in sorted(calls[index])]
        messages.append(message)
    return messages


def _content(parts: list[JsonObject]) -> Any:
    if all(part.get("type") == "text" for part in parts):
        return "\n".join(text_of(part.get("text")) or "" for part in parts)
    return [
        {"type": "image_url", "image_url": {"url": part["image.image.url"]}}
        if "image.image.url" in part
        else part
        for part in parts
    ]
