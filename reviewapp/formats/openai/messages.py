"""The conversation that a request holds, as messages of display parts.

The same parts whichever endpoint: chat messages, the items of a Responses API input, a plain
prompt. What isn't understood is kept as its JSON, so that a person sees that something is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from reviewapp.formats.openai.fields import filled, json_text, object_of, objects_in, text_of
from reviewapp.formats.openai.replies import output_call, output_reasoning, reasoning_of, tool_calls_of
from reviewapp.pure.exchange import Endpoint, JsonObject, ToolCall

PartKind: TypeAlias = Literal[
    "text", "image", "audio", "video", "file", "tool_call", "tool_result", "refusal", "reasoning", "unknown"
]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message. Which fields are filled depends on its kind.

    `text` is what there is to read: of a tool call its arguments, of a tool result the result, of
    an unknown part its JSON. `name` is the tool's or the file's. `url` is an address or a
    `data:` URL; `id` a call's, or the id of a file at the vendor.
    """

    kind: PartKind
    text: str = ""
    name: str | None = None
    url: str | None = None
    id: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that was sent."""

    role: str
    parts: tuple[Part, ...] = ()
    name: str | None = None

    @property
    def text(self) -> str:
        """What its parts say, without what only stands in it as data."""
        return "\n".join(filter(None, map(part_text, self.parts)))


def part_text(part: Part) -> str:
    """What a part says in plain text."""
    if part.kind == "tool_call":
        return f"{part.name or ''}({part.text})"
    if part.kind in ("image", "audio", "video", "file"):
        return part.name or part.text
    return part.text


def read_messages(endpoint: Endpoint, request: JsonObject) -> tuple[Message, ...]:
    """The conversation of this request, in the order in which the model reads it."""
    if endpoint == "chat.completions":
        return tuple(_message(message) for message in _all(request.get("messages")))
    if endpoint == "responses":
        return _instructions(request) + _input_items(request.get("input"))
    prompts = request.get("prompt") if endpoint == "completions" else request.get("input")
    return tuple(Message("user", (_prompt(prompt),)) for prompt in _prompts(prompts))


def _all(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _prompts(value: Any) -> list[Any]:
    """One prompt or several: an array of integers is one prompt, given as token ids."""
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return [value]
    return _all(value)


def _prompt(prompt: Any) -> Part:
    return Part("text", prompt) if isinstance(prompt, str) else _unknown(prompt)


def _unknown(value: Any) -> Part:
    return Part("unknown", json_text(value))


def _message(message: Any) -> Message:
    if isinstance(message, str):
        return Message("user", (Part("text", message),))
    if not isinstance(message, dict):
        return Message("unknown", (_unknown(message),))
    role = filled(message.get("role")) or "unknown"
    parts = _content(message.get("content"))
    if role in ("tool", "function"):
        parts = _as_result(parts, text_of(message.get("tool_call_id")), text_of(message.get("name")))
    if reasoning := reasoning_of(message):
        parts = (Part("reasoning", reasoning), *parts)
    if refusal := filled(message.get("refusal")):
        parts += (Part("refusal", refusal),)
    parts += tuple(_call(call) for call in tool_calls_of(message))
    if isinstance(audio := message.get("audio"), dict):
        parts += (Part("audio", text_of(audio.get("transcript")) or "", id=text_of(audio.get("id"))),)
    return Message(role, parts, filled(message.get("name")))


def _call(call: ToolCall) -> Part:
    return Part("tool_call", call.arguments, name=call.name, id=call.id)


def _as_result(parts: tuple[Part, ...], call_id: str | None, name: str | None) -> tuple[Part, ...]:
    """The parts of a tool's message: its texts are the result."""
    return tuple(
        Part("tool_result", part.text, name=name, id=call_id) if part.kind == "text" else part
        for part in parts
    )


def _content(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Part("text", content),)
    return tuple(_part(part) for part in _all(content))


def _part(part: Any) -> Part:
    if isinstance(part, str):
        return Part("text", part)
    if not isinstance(part, dict):
        return _unknown(part)
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text", "summary_text") and isinstance(part.get("text"), str):
        return Part("text", part["text"])
    if kind in ("image_url", "input_image", "image"):
        return _image(part)
    if kind in ("input_audio", "audio"):
        return _audio(part)
    if kind in ("video_url", "input_video"):
        url = text_of(object_of(part.get("video_url")).get("url")) or text_of(part.get("video_url"))
        return Part("video", url=url, media_type=_media_type(url)) if url else _unknown(part)
    if kind in ("file", "input_file"):
        return _file(part)
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return Part("refusal", part["refusal"])
    if kind in ("thinking", "reasoning", "reasoning_text"):
        thought = part.get("thinking", part.get("text"))
        texts = [text_of(item.get("text")) or "" for item in objects_in(thought)]
        return Part("reasoning", thought if isinstance(thought, str) else "".join(texts))
    return _unknown(part)


def _image(part: JsonObject) -> Part:
    image = part.get("image_url", part.get("image"))
    url = text_of(image) or text_of(object_of(image).get("url"))
    file_id = text_of(part.get("file_id"))
    if url is None and file_id is None:
        return _unknown(part)
    return Part("image", url=url, id=file_id, media_type=_media_type(url))


def _audio(part: JsonObject) -> Part:
    audio = object_of(part.get("input_audio") or part.get("audio"))
    data = text_of(audio.get("data"))
    media_type = f"audio/{filled(audio.get('format')) or 'wav'}"
    if data is None:
        return Part("audio", text_of(audio.get("transcript")) or "", id=text_of(audio.get("id")))
    url = data if data.startswith(("data:", "http:", "https:")) else f"data:{media_type};base64,{data}"
    return Part("audio", url=url, media_type=media_type)


def _file(part: JsonObject) -> Part:
    file = object_of(part.get("file")) or part
    url = text_of(file.get("file_data")) or text_of(file.get("file_url"))
    return Part(
        "file",
        name=text_of(file.get("filename")),
        url=url,
        id=text_of(file.get("file_id")),
        media_type=_media_type(url),
    )


_data_url: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)[;,]").match


def _media_type(url: str | None) -> str | None:
    match = _data_url(url) if url else None
    return match.group(1) if match else None


# ---- the Responses API ----


def _instructions(request: JsonObject) -> tuple[Message, ...]:
    instructions = filled(request.get("instructions"))
    return (Message("instructions", (Part("text", instructions),)),) if instructions else ()


def _input_items(value: Any) -> tuple[Message, ...]:
    return tuple(_input_item(item) for item in _all(value))


def _input_item(item: Any) -> Message:
    """An item of the input, which is a message, a call, a result, or reasoning given back."""
    if not isinstance(item, dict):
        return _message(item)
    kind = item.get("type")
    if kind in (None, "message"):
        return _message(item)
    if isinstance(kind, str) and kind.endswith("_call_output"):
        parts = _content(item.get("output"))
        return Message("tool", _as_result(parts, text_of(item.get("call_id")), None))
    if (call := output_call(item)) is not None:
        return Message("assistant", (_call(call),))
    if kind == "reasoning":
        return Message("assistant", (Part("reasoning", output_reasoning(item) or ""),))
    if isinstance(item.get("role"), str):
        return _message(item)
    part = _part(item)
    return Message("user" if part.kind != "unknown" else "unknown", (part,))
