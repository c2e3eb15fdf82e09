"""What was asked, as people look at it: messages in display parts, tools, settings.

A view is for showing, searching and comparing; what is sent again is the request's own text.
Never raises, whatever the JSON: what isn't understood is shown as its JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from reviewapp.formats.openai.fields import filled, integer, json_text, number, object_of, objects_in, text_of
from reviewapp.formats.openai.replies import (
    output_call,
    output_reasoning,
    read_reply,
    reasoning_of,
    tool_calls_of,
)
from reviewapp.pure.canonical import SEED_FIELDS, TRANSPORT_FIELDS
from reviewapp.pure.exchange import Endpoint, Exchange, JsonObject, Reply, ToolCall
from reviewapp.pure.streams import merge_chunks

PartKind: TypeAlias = Literal[
    "text", "image", "audio", "video", "file", "tool_call", "tool_result", "refusal", "reasoning", "unknown"
]

PREVIEW_LENGTH: Final = 200

# What a request says, as opposed to how it is to be answered.
_CONTENT_FIELDS: Final = frozenset(
    [
        "model",
        "messages",
        "input",
        "prompt",
        "instructions",
        "tools",
        "functions",
        *SEED_FIELDS,
        *TRANSPORT_FIELDS,
    ]
)


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


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model was offered."""

    name: str
    kind: str = "function"
    description: str | None = None
    parameters: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as people look at it. `parameters` holds every setting, the named ones included."""

    endpoint: Endpoint
    model: str | None = None
    seed: int | None = None
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: Any = None
    response_format: JsonObject | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    n: int = 1
    stream: bool = False
    wants_logprobs: bool = False
    top_logprobs: int | None = None
    parameters: JsonObject = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The conversation as text, each turn after its role."""
        return "\n\n".join(f"{message.role}: {message.text}" for message in self.messages)

    @property
    def preview(self) -> str:
        """The last thing that a person said, in one line."""
        said = [message for message in self.messages if message.text]
        users = [message for message in said if message.role == "user"]
        return preview((users or said)[-1].text) if said else ""


def read_request(endpoint: Endpoint, request: Any) -> RequestView:
    """The view of this request, as parsed JSON."""
    request = object_of(request)
    top_logprobs, wants_logprobs = _logprobs_wanted(endpoint, request)
    return RequestView(
        endpoint=endpoint,
        model=filled(request.get("model")),
        seed=seed_of(request),
        messages=_messages(endpoint, request),
        tools=_tools(request),
        tool_choice=request.get("tool_choice", request.get("function_call")),
        response_format=_response_format(request),
        temperature=number(request.get("temperature")),
        top_p=number(request.get("top_p")),
        max_tokens=_first_integer(request, "max_completion_tokens", "max_output_tokens", "max_tokens"),
        n=integer(request.get("n")) or 1,
        stream=request.get("stream") is True,
        wants_logprobs=wants_logprobs,
        top_logprobs=top_logprobs,
        parameters={name: value for name, value in request.items() if name not in _CONTENT_FIELDS},
    )


def seed_of(request: Any) -> int | None:
    """The seed that was sent, exactly, under whichever name."""
    for name in SEED_FIELDS:
        seed = integer(object_of(request).get(name))
        if seed is not None:
            return seed
    return None


def read_exchange(
    *,
    endpoint: Endpoint,
    request: Any,
    response: Any = None,
    chunks: list[Any] | None = None,
    status: int | None = 200,
    error: str | None = None,
) -> Exchange:
    """Request and reply as one value; chunks are merged where there is no response."""
    if response is None and chunks:
        response = merge_chunks(endpoint, chunks)
    if response is None and error is not None:
        reply = Reply(error=error)
    else:
        reply = read_reply(endpoint, response, status)
    return Exchange(endpoint=endpoint, request=object_of(request), reply=reply, status=status)


def prompt_text(endpoint: Endpoint, request: Any) -> str:
    """What was asked, as plain text for search and comparison; no images, audio or files."""
    return RequestView(endpoint=endpoint, messages=_messages(endpoint, object_of(request))).text


def output_text(reply: Reply) -> str:
    """What came back, as one text: the answer, else the tool calls, else the error."""
    if reply.text:
        return reply.text
    calls = reply.choices[0].tool_calls if reply.choices else ()
    if calls:
        return "\n".join(f"{call.name}({call.arguments})" for call in calls)
    return reply.error or ""


def preview(text: str, *, length: int = PREVIEW_LENGTH) -> str:
    """The beginning of a text in one line, cut between words where it is too long."""
    line = " ".join(text[: length * 4].split())
    if len(line) <= length and len(text) <= length * 4:
        return line
    head = line[:length]
    cut = head.rfind(" ", length * 3 // 4)
    return (head[:cut] if cut > 0 else head).rstrip() + "…"


def part_text(part: Part) -> str:
    """What a part says in plain text."""
    if part.kind == "tool_call":
        return f"{part.name or ''}({part.text})"
    if part.kind in ("image", "audio", "video", "file"):
        return part.name or part.text
    return part.text


# ---- messages ----


def _messages(endpoint: Endpoint, request: JsonObject) -> tuple[Message, ...]:
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


# ---- tools and settings ----


def _tools(request: JsonObject) -> tuple[Tool, ...]:
    offered = objects_in(request.get("tools")) + objects_in(request.get("functions"))
    return tuple(_tool(tool) for tool in offered)


def _tool(tool: JsonObject) -> Tool:
    """A tool in the chat's shape, in that of the Responses API, or one of the vendor's own."""
    kind = filled(tool.get("type")) or "function"
    told = object_of(tool.get(kind)) or object_of(tool.get("function")) or tool
    parameters = told.get("parameters", told.get("input_schema"))
    return Tool(
        name=filled(told.get("name")) or filled(tool.get("server_label")) or kind,
        kind=kind,
        description=filled(told.get("description")),
        parameters=parameters if isinstance(parameters, dict) else None,
    )


def _response_format(request: JsonObject) -> JsonObject | None:
    wanted = request.get("response_format", object_of(request.get("text")).get("format"))
    return wanted if isinstance(wanted, dict) else None


def _first_integer(request: JsonObject, *names: str) -> int | None:
    return next((value for name in names if (value := integer(request.get(name))) is not None), None)


def _logprobs_wanted(endpoint: Endpoint, request: JsonObject) -> tuple[int | None, bool]:
    """How many alternatives were asked for, and whether log probabilities were at all."""
    wanted = request.get("logprobs")
    if endpoint == "completions":
        # Here `logprobs` is the number of alternatives, and 0 asks for the chosen token's alone.
        count = integer(wanted)
        return count, count is not None or wanted is True
    included = "message.output_text.logprobs" in _all(request.get("include"))
    return integer(request.get("top_logprobs")), wanted is True or included
