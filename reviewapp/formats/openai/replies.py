"""What an OpenAI-compatible endpoint answered, as a Reply.

Never raises, whatever the JSON: a part of another type than expected counts as not reported.
Many vendors are behind this one shape, so readings go by what is there and not by who sent it:
log probabilities come in the chat's and in the completions' shape from either endpoint,
reasoning has four names, an error ten shapes, an echoed seed four places.

A reply may have an error and choices: a stream that broke off, or a provider that reports the
failure of one choice, still said something.
"""

from __future__ import annotations

from typing import Any, Final

from reviewapp.formats.openai.fields import (
    filled,
    integer,
    joined,
    json_text,
    list_of,
    number,
    object_of,
    objects_in,
    text_of,
)
from reviewapp.pure.exchange import Alternative, Choice, Endpoint, JsonObject, Reply, Token, ToolCall, Usage

# The role of a choice whose text is a vector: to be compared, not to be read or searched.
EMBEDDING: Final = "embedding"
_ERROR_PREVIEW: Final = 500
_METADATA_KEY: Final = "system_fingerprint"


def read_reply(endpoint: Endpoint, response: Any, status: int | None = 200, *, request: Any = None) -> Reply:
    """The reply that this response body, as parsed JSON, means.

    `request`, where it is at hand, tells apart what the backend says of itself in the metadata from
    what the caller sent along.
    """
    failed = status is not None and not 200 <= status < 300
    if not isinstance(response, dict):
        return Reply(error=_error_of_body(response, status, failed=failed))
    error = _error(response, status, failed=failed)
    if failed:
        return Reply(id=filled(response.get("id")), error=error)
    return Reply(
        id=filled(response.get("id")),
        model=filled(response.get("model")),
        created=integer(response.get("created", response.get("created_at"))),
        fingerprint=_fingerprint(response, request),
        service_tier=filled(response.get("service_tier")),
        echoed_seed=_echoed_seed(response),
        choices=_choices(endpoint, response),
        usage=_usage(response),
        error=error,
    )


def _fingerprint(response: JsonObject, request: Any) -> str | None:
    """The fingerprint that was reported.

    xAI puts that of the Responses API into `metadata`, which is the caller's: every backend sends back
    what it was sent there. So it counts only where the request is known and had no such key of its own.
    """
    reported = filled(response.get("system_fingerprint"))
    if reported or not isinstance(request, dict):
        return reported
    if _METADATA_KEY in object_of(request.get("metadata")):
        return None
    return filled(object_of(response.get("metadata")).get(_METADATA_KEY))


def _choices(endpoint: Endpoint, response: JsonObject) -> tuple[Choice, ...]:
    if endpoint == "responses":
        return _output_choice(response)
    if endpoint == "embeddings":
        return tuple(
            Choice(index=_index(item, position), role=EMBEDDING, text=_vector(item.get("embedding")))
            for position, item in enumerate(objects_in(response.get("data")))
        )
    return tuple(
        _choice(choice, position) for position, choice in enumerate(objects_in(response.get("choices")))
    )


def _index(item: JsonObject, position: int) -> int:
    index = integer(item.get("index"))
    return position if index is None else index


def _choice(choice: JsonObject, position: int) -> Choice:
    """A choice of chat completions, or of completions, which has text and no message."""
    message = object_of(choice.get("message") or choice.get("delta"))
    content = message.get("content")
    if isinstance(content, list):
        text, thought = _content_parts(content)
    else:
        text, thought = text_of(content), None
    if not text and isinstance(choice.get("text"), str):
        text = choice["text"]
    if text is None:
        text = text_of(object_of(message.get("audio")).get("transcript"))
    return Choice(
        index=_index(choice, position),
        role=filled(message.get("role")),
        text=text,
        refusal=filled(message.get("refusal")),
        reasoning=reasoning_of(message) or thought,
        tool_calls=tool_calls_of(message),
        finish_reason=filled(choice.get("finish_reason")),
        tokens=_tokens(choice.get("logprobs")),
    )


def _content_parts(parts: list[Any]) -> tuple[str | None, str | None]:
    """Text and reasoning of content that comes in parts, as Mistral's reasoning models send it."""
    texts: list[str | None] = []
    thoughts: list[str | None] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            texts.append(text_of(part.get("text")))
            thought = part.get("thinking")
            thoughts.append(
                text_of(thought) or joined(text_of(item.get("text")) for item in objects_in(thought))
            )
    return joined(texts), joined(thoughts, "\n\n")


def reasoning_of(message: JsonObject) -> str | None:
    """What a chat message tells of the model's reasoning, under whichever name."""
    said = filled(message.get("reasoning_content")) or filled(message.get("reasoning"))
    if said is None and "reasoning_details" in message:
        details = objects_in(message["reasoning_details"])
        said = joined(filled(item.get("text")) or filled(item.get("summary")) for item in details)
    return said


def tool_calls_of(message: JsonObject) -> tuple[ToolCall, ...]:
    """The tool calls of a chat message, the older single function call included."""
    calls = [_tool_call(call) for call in objects_in(message.get("tool_calls"))]
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and (legacy.get("name") or legacy.get("arguments")):
        calls.append(ToolCall(text_of(legacy.get("name")) or "", _arguments(legacy.get("arguments"))))
    return tuple(calls)


def _tool_call(call: JsonObject) -> ToolCall:
    kind = filled(call.get("type")) or "function"
    called = object_of(call.get(kind) or call.get("function") or call.get("custom"))
    return ToolCall(
        name=text_of(called.get("name")) or "",
        arguments=_arguments(called.get("arguments", called.get("input"))),
        id=filled(call.get("id")),
        kind=kind,
    )


def _arguments(value: Any) -> str:
    """Arguments as the model wrote them; some servers parse them before they send them."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def _vector(value: Any) -> str | None:
    """An embedding as text, so that two answers can be told apart: JSON numbers, or base64 as sent."""
    return value if isinstance(value, str) else json_text(value) if isinstance(value, list) else None


# ---- the Responses API ----


def _output_choice(response: JsonObject) -> tuple[Choice, ...]:
    """The output items of a response as the one choice that they are together."""
    items = objects_in(response.get("output"))
    if not items:
        return ()
    messages = [item for item in items if item.get("type") == "message"]
    parts = [part for message in messages for part in objects_in(message.get("content"))]
    tokens: tuple[Token, ...] = ()
    for part in parts:
        tokens += _token_list(part.get("logprobs"))
    calls = (call for item in items if (call := output_call(item)) is not None)
    return (
        Choice(
            role=next((role for message in messages if (role := filled(message.get("role")))), None),
            text=joined(text_of(part.get("text")) for part in parts),
            refusal=joined(filled(part.get("refusal")) for part in parts),
            reasoning=joined((output_reasoning(item) for item in items), "\n\n"),
            tool_calls=tuple(calls),
            finish_reason=_output_finish(response),
            tokens=tokens,
        ),
    )


def output_call(item: JsonObject) -> ToolCall | None:
    """The call that an item of the Responses API is, be it of the caller's or of the vendor's tools."""
    kind = filled(item.get("type")) or ""
    if kind == "function_call":
        name, arguments, kind = item.get("name"), item.get("arguments"), "function"
    elif kind == "custom_tool_call":
        name, arguments, kind = item.get("name"), item.get("input"), "custom"
    elif kind.endswith("_call"):
        name = item.get("name") or kind.removesuffix("_call")
        arguments = next(
            (item[key] for key in ("arguments", "action", "queries", "code") if item.get(key)), None
        )
    else:
        return None
    identity = filled(item.get("call_id")) or filled(item.get("id"))
    return ToolCall(text_of(name) or "", _arguments(arguments), identity, kind)


def output_reasoning(item: JsonObject) -> str | None:
    """What a reasoning item of the Responses API tells: its summary, else its text."""
    if item.get("type") != "reasoning":
        return None
    for key in ("summary", "content"):
        if said := joined((filled(part.get("text")) for part in objects_in(item.get(key))), "\n\n"):
            return said
    return None


def _output_finish(response: JsonObject) -> str | None:
    return filled(object_of(response.get("incomplete_details")).get("reason")) or filled(
        response.get("status")
    )


# ---- log probabilities ----


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    """The tokens of a choice; those of the refusal where the answer is one."""
    if not isinstance(logprobs, dict):
        return ()
    if isinstance(logprobs.get("tokens"), list):
        return _legacy_tokens(logprobs)
    return _token_list(logprobs.get("content")) or _token_list(logprobs.get("refusal"))


def _token_list(value: Any) -> tuple[Token, ...]:
    return tuple(
        Token(
            text_of(item.get("token")) or "",
            number(item.get("logprob")),
            tuple(_alternative(other) for other in objects_in(item.get("top_logprobs"))),
            _bytes(item.get("bytes")),
        )
        for item in objects_in(value)
    )


def _alternative(item: JsonObject) -> Alternative:
    return Alternative(
        text_of(item.get("token")) or "", number(item.get("logprob")), _bytes(item.get("bytes"))
    )


def _bytes(value: Any) -> bytes | None:
    if not isinstance(value, list):
        return None
    try:
        return bytes(value)
    except (TypeError, ValueError):
        return None


def _legacy_tokens(logprobs: JsonObject) -> tuple[Token, ...]:
    """The parallel arrays of the completions endpoint; a short one leaves its tokens without."""
    chances = list_of(logprobs.get("token_logprobs"))
    tops = list_of(logprobs.get("top_logprobs"))
    return tuple(
        Token(
            text_of(token) or "",
            number(chances[at]) if at < len(chances) else None,
            _legacy_alternatives(tops[at]) if at < len(tops) else (),
        )
        for at, token in enumerate(logprobs["tokens"])
    )


def _legacy_alternatives(top: Any) -> tuple[Alternative, ...]:
    if isinstance(top, dict):
        return tuple(Alternative(token, number(chance)) for token, chance in top.items())
    return tuple(_alternative(other) for other in objects_in(top))


# ---- what stands beside the answer ----


def _usage(response: JsonObject) -> Usage:
    usage = object_of(response.get("usage")) or object_of(object_of(response.get("x_groq")).get("usage"))
    if not usage:
        return Usage()
    read = object_of(usage.get("prompt_tokens_details")) or object_of(usage.get("input_tokens_details"))
    wrote = object_of(usage.get("completion_tokens_details")) or object_of(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=integer(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=integer(usage.get("completion_tokens", usage.get("output_tokens"))),
        cached_tokens=integer(read.get("cached_tokens", usage.get("prompt_cache_hit_tokens"))),
        reasoning_tokens=integer(wrote.get("reasoning_tokens", usage.get("reasoning_tokens"))),
    )


def read_identity(response: Any) -> tuple[str | None, int | None]:
    """The service tier and the seed that a response tells, without reading the answer itself."""
    if not isinstance(response, dict):
        return None, None
    return filled(response.get("service_tier")), _echoed_seed(response)


def _echoed_seed(response: JsonObject) -> int | None:
    """The seed that the server says it used, where it says so."""
    places = [response, object_of(response.get("x_groq")), object_of(response.get("details"))]
    places += objects_in(response.get("choices"))
    for place in places:
        seed = place.get("seed")
        if type(seed) is int:
            return seed
    return None


# ---- errors ----


def _error(response: JsonObject, status: int | None, *, failed: bool) -> str | None:
    if (told := _told(response.get("error"))) is not None:
        return told
    if not failed:
        for choice in objects_in(response.get("choices")):
            if (told := _told(choice.get("error"))) is not None:
                return told
        return None
    for key in ("message", "detail", "details", "title", "error_message", "msg"):
        if (told := _told(response.get(key))) is not None:
            return told
    said = {name: value for name, value in response.items() if value not in (None, "", [], {})}
    return _error_of_body(said or None, status, failed=True)


def _told(value: Any) -> str | None:
    """The sentence in an error, however deep it was wrapped."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list):
        return joined((_told(item) for item in value), "; ")
    if not isinstance(value, dict):
        return None
    for key in ("message", "msg", "detail", "error", "details", "description", "type", "code"):
        if (told := _told(value.get(key))) is not None:
            return told
    return json_text(value)[:_ERROR_PREVIEW] if value else None


def _error_of_body(response: Any, status: int | None, *, failed: bool) -> str | None:
    """The error that a body which is no object tells; None where there is none."""
    if response is None and not failed:
        return None
    told = _told(response)
    if failed:
        return told or f"HTTP status {status}, and a body that says nothing."
    return told or f"The body is no JSON object: {json_text(response)[:_ERROR_PREVIEW]}"
