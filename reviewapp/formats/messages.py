"""Messages as other tools write them, as the chat messages that they were.

Tracing tools, evaluation logs and frameworks keep a conversation each in its own shape: OpenTelemetry's
parts, Gemini's contents, LangChain's constructors, or OpenAI's own messages. What has OpenAI's
shape stays as it is, with every member. What isn't understood stays in the message as its JSON, so that
a person sees that something was there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from reviewapp.formats.openai.fields import filled, json_text, object_of, objects_in, text_of
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import JsonObject

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
}
_KNOWN: Final = frozenset(["system", "developer", "user", "assistant", "tool", "function"])
# Of the other members of a message, those that OpenAI's have.
_KEPT: Final = (
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "function_call",
    "audio",
)


def opened(value: Any) -> Any:
    """A value that may have been written as JSON text, as the value it was; else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return rawjson.parse(value)
    except rawjson.InvalidJson:
        return value


def chat_messages(value: Any, *, role: str = "user") -> list[JsonObject]:
    """The messages that a value of whatever shape holds; empty where it holds none.

    `role` is whose a text without a role is.
    """
    value = opened(value)
    if isinstance(value, str):
        return [{"role": role, "content": value}] if value else []
    if isinstance(value, list):
        return [message for item in value for message in chat_messages(item, role=role)]
    if not isinstance(value, dict):
        return []
    for name in ("messages", "contents"):
        if name in value:
            return _instructions(value) + chat_messages(value[name], role=role)
    return list(_of_object(value, role))


def _instructions(value: JsonObject) -> list[JsonObject]:
    config = object_of(value.get("config"))
    told = value.get("system") or value.get("system_instruction") or config.get("system_instruction")
    return [{"role": "system", "content": told}] if isinstance(told, str) and told else []


def _of_object(value: JsonObject, role: str) -> Iterable[JsonObject]:
    if isinstance(value.get("kwargs"), dict):  # LangChain's constructors
        kind = value.get("id")
        name = kind[-1] if isinstance(kind, list) and kind else kind
        value = {"role": _ROLES.get(str(name), role), **value["kwargs"]}
    if isinstance(value.get("message"), dict):
        value = value["message"]
    told = text_of(value.get("role")) or text_of(value.get("type")) or role
    told = _ROLES.get(told, told)
    if isinstance(value.get("parts"), list):
        yield from _of_parts(told, value)
    elif "content" in value or "tool_calls" in value or value.get("role"):
        yield _plain(told, value)
    elif isinstance(value.get("text"), str):
        yield {"role": role, "content": value["text"]}


def _plain(role: str, value: JsonObject) -> JsonObject:
    """A message that has OpenAI's shape, or nearly."""
    if role in _KNOWN and value.get("role") == role and "additional_kwargs" not in value:
        return {name: item for name, item in value.items() if not name.startswith(("gen_ai.", "event."))}
    content = value.get("content")
    message: JsonObject = {
        "role": role,
        "content": content if content is None or isinstance(content, str | list) else json_text(content),
    }
    more = object_of(value.get("additional_kwargs"))
    for name in _KEPT:
        kept = value.get(name) or more.get(name)
        if kept:
            message[name] = kept
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [tool_call(call) for call in objects_in(calls)]
    return message


def tool_call(call: JsonObject) -> JsonObject:
    """A tool call in OpenAI's shape, from that or a flat one (`name`, `args` or `arguments`)."""
    if isinstance(call.get("function"), dict):
        function = call["function"]
        name, arguments = function.get("name"), function.get("arguments")
    else:
        name = call.get("name") or call.get("function") or call.get("toolName")
        arguments = next((call[key] for key in ("arguments", "args", "input") if key in call), None)
    identity = call.get("id") or call.get("toolCallId")
    return {
        **({"id": identity} if isinstance(identity, str) else {}),
        "type": "function",
        "function": {"name": text_of(name) or "", "arguments": _arguments(arguments)},
    }


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps({} if value is None else value, ensure_ascii=False, separators=(",", ":"))


def _of_parts(role: str, value: JsonObject) -> Iterable[JsonObject]:
    """OpenTelemetry's parts, or Gemini's. A tool's answer is a message of its own."""
    content: list[JsonObject] = []
    calls: list[JsonObject] = []
    thoughts: list[str] = []
    results: list[JsonObject] = []
    for part in value["parts"]:
        if not isinstance(part, dict):
            content.append({"type": "text", "text": part if isinstance(part, str) else json_text(part)})
            continue
        kind = part.get("type")
        said = part.get("content", part.get("text"))
        if kind == "tool_call" or isinstance(part.get("function_call"), dict):
            calls.append(tool_call(part.get("function_call") or part))
        elif kind == "tool_call_response" or isinstance(part.get("function_response"), dict):
            results.append(_result(part))
        elif kind in ("reasoning", "thinking"):
            thoughts.append(text_of(said) or json_text(said))
        elif kind in ("text", None) and isinstance(said, str):
            content.append({"type": "text", "text": said})
        else:
            content.append(_media(part))
    yield from results
    if results and not content and not calls:
        return
    message: JsonObject = {"role": role, "content": _flat(content)}
    if name := filled(value.get("name")):
        message["name"] = name
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    yield message


def _flat(content: list[JsonObject]) -> Any:
    if not content:
        return None
    if all(part.get("type") == "text" for part in content):
        return "\n".join(part["text"] for part in content)
    return content


def _result(part: JsonObject) -> JsonObject:
    told = object_of(part.get("function_response")) or part
    result = next((told[key] for key in ("result", "response", "content") if key in told), None)
    message: JsonObject = {
        "role": "tool",
        "content": result if isinstance(result, str) else json_text(result),
    }
    if isinstance(part.get("id"), str):
        message["tool_call_id"] = part["id"]
    return message


def _media(part: JsonObject) -> JsonObject:
    kind = part.get("type")
    modality, media_type = filled(part.get("modality")), filled(part.get("mime_type"))
    if kind == "uri" and isinstance(part.get("uri"), str):
        if modality in (None, "image"):
            return {"type": "image_url", "image_url": {"url": part["uri"]}}
        return {"type": "file", "file": {"file_url": part["uri"]}}
    if kind == "blob" and isinstance(part.get("content"), str) and modality in (None, "image"):
        url = f"data:{media_type or 'image/png'};base64,{part['content']}"
        return {"type": "image_url", "image_url": {"url": url}}
    return part


def input_items(messages: list[JsonObject]) -> list[JsonObject]:
    """Chat messages as the items of a Responses API input."""
    items: list[JsonObject] = []
    for message in messages:
        if message.get("role") == "tool":
            items.append(
                {
                    "type": "function_call_output",
                    "call_id": message.get("tool_call_id"),
                    "output": message.get("content"),
                }
            )
            continue
        if message.get("content") is not None or not message.get("tool_calls"):
            items.append({"role": message.get("role"), "content": message.get("content")})
        items += _call_items(message)
    return items


def output_items(messages: list[JsonObject]) -> list[JsonObject]:
    """Answers as the items of a Responses API output."""
    items: list[JsonObject] = []
    for message in messages:
        if (content := message.get("content")) is not None:
            texts = content if isinstance(content, list) else [{"text": content}]
            parts = [{"type": "output_text", "text": part.get("text") or ""} for part in objects_in(texts)]
            items.append({"type": "message", "role": "assistant", "content": parts})
        items += _call_items(message)
    return items


def _call_items(message: JsonObject) -> list[JsonObject]:
    return [
        {
            "type": "function_call",
            "call_id": call.get("id"),
            "name": object_of(call.get("function")).get("name"),
            "arguments": object_of(call.get("function")).get("arguments"),
        }
        for call in objects_in(message.get("tool_calls"))
    ]
