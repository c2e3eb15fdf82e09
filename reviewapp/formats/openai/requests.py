"""What was asked, as people look at it: messages in display parts, tools, settings.

A view is for showing, searching and comparing; what is sent again is the request's own text.
Never raises, whatever the JSON: what isn't understood is shown as its JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from reviewapp.formats.openai.fields import filled, integer, list_of, number, object_of, objects_in
from reviewapp.formats.openai.messages import Message, read_messages
from reviewapp.formats.openai.replies import EMBEDDING, read_reply
from reviewapp.pure.canonical import SEED_FIELDS, TRANSPORT_FIELDS
from reviewapp.pure.exchange import Endpoint, Exchange, JsonObject, Reply
from reviewapp.pure.streams import merge_chunks

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
        messages=read_messages(endpoint, request),
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
    """Request and reply as one value; chunks are merged where there is no response.

    `error` is what kept the response from coming, or from coming to its end.
    """
    if response is None and chunks:
        response = merge_chunks(endpoint, chunks)
    reply = (
        read_reply(endpoint, response, status, request=request)
        if response is not None or error is None
        else Reply()
    )
    if error is not None and reply.error is None:
        reply = replace(reply, error=error)
    return Exchange(endpoint=endpoint, request=object_of(request), reply=reply, status=status)


def prompt_text(endpoint: Endpoint, request: Any) -> str:
    """What was asked, as plain text for search and comparison; no images, audio or files."""
    return RequestView(endpoint=endpoint, messages=read_messages(endpoint, object_of(request))).text


def output_text(reply: Reply) -> str:
    """What came back, as one text to read: the answer, else the tool calls, else the error.

    Vectors are no text to read: of embeddings it says how many there are.
    """
    if reply.choices and reply.choices[0].role == EMBEDDING:
        count = len(reply.choices)
        return "1 embedding" if count == 1 else f"{count} embeddings"
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
    included = "message.output_text.logprobs" in list_of(request.get("include"))
    return integer(request.get("top_logprobs")), wanted is True or included
