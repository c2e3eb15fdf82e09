"""What a file of somebody else's tool holds, one thing at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reviewapp.formats import assembly
from reviewapp.formats.assembly import Answer, Counts
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.messages import chat_messages, opened
from reviewapp.formats.openai import infer_endpoint
from reviewapp.formats.openai.fields import filled, integer, number, object_of, objects_in, text_of
from reviewapp.formats.said import Said
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop


class NotImportable(Exception):
    """The file, or a thing in it, can't be recorded; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A thing in the file: the interaction in it, why it could not be read, or what it is instead of a call.

    `number` is that of the line, or of the thing in a file that is one document.
    """

    number: int
    recorded: Recorded | None = None
    reason: str = ""
    left_out: str = ""
    # Tells this line from every other of the file, and is the same next time.
    digest: bytes = b""
    # What the interaction is called wherever it comes from, where it has such a name.
    name: str = ""
    # What people said of it. Without an interaction it tells itself which one it is about.
    said: Said | None = None
    # What stands beside the interaction and is not brought along: how many replays.
    not_brought: Mapping[str, int] = field(default_factory=dict)


DOCUMENT_LIMIT: Final = 512 * 1024 * 1024


def whole_of(lines: Iterable[bytes]) -> bytes:
    """A file that is one document. Raises NotImportable for one that is too large."""
    parts: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line)
        if size > DOCUMENT_LIMIT:
            raise NotImportable(
                gettext_noop("The file is larger than 512 MiB, the most that a document may have.")
            )
        parts.append(line)
    return b"".join(parts)


_MESSAGE_SHAPES: Final = ("messages", "input", "prompt")


def call(
    *,
    request: JsonObject,
    response: Any = None,
    chunks: list[Any] | None = None,
    endpoint: Endpoint | None = None,
    source: Any = None,
    provider: Any = None,
    status: int | None = None,
    error: Any = None,
    started_at: datetime | None = None,
    latency_ms: int | None = None,
    trace: Any = None,
    session: Any = None,
    user: Any = None,
    tags: Any = None,
    metadata: Mapping[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Recorded:
    """The interaction; what a tool writes for lack of a value is left out. Raises NotImportable."""
    endpoint = endpoint or infer_endpoint(
        request, response if response is not None else (chunks or [None])[0]
    )
    if endpoint is None:
        raise NotImportable(
            gettext_noop("Which endpoint was asked can't be told from what was kept of the request.")
        )
    told = {name: value for name, value in dict(metadata or {}).items() if value not in (None, "", [], {})}
    if not any(request.get(name) for name in _MESSAGE_SHAPES):
        told["request"] = assembly.NOT_CAPTURED
    error = assembly.error_text(error)
    recorded = Recorded(
        endpoint=endpoint,
        request_text=assembly.dumped(request),
        response_text=None if response is None else assembly.dumped(response),
        chunks_text=None if chunks is None else assembly.dumped(chunks),
        source=assembly.name(source),
        provider=assembly.name(provider),
        status=status if status is not None else None if error else 200,
        error=error,
        started_at=started_at,
        latency_ms=latency_ms,
        trace=assembly.context(trace),
        session=assembly.context(session),
        user=assembly.context(user),
        tags=assembly.tags(tags),
        metadata_text=assembly.dumped(told) if told else None,
        headers=headers or {},
    )
    for text in (recorded.request_text, recorded.response_text, recorded.chunks_text, recorded.metadata_text):
        try:
            rawjson.parse(text or "{}")
        except rawjson.InvalidJson as reason:
            raise NotImportable(reason_of(reason)) from None
    if recorded.response_text is None and recorded.chunks_text is None and recorded.error is None:
        raise NotImportable(gettext_noop("It holds neither an answer nor an error."))
    return recorded


def bodies_of(
    given: Any,
    answered: Any,
    *,
    settings: JsonObject,
    counts: Counts | None = None,
    model: str | None = None,
    fingerprint: str | None = None,
) -> tuple[JsonObject, Any]:
    """Request and response from what a tool kept as the input and the output of a call, in whatever shape.

    Where they are OpenAI's own bodies they stay so; `settings` adds what the request doesn't say.
    """
    given, answered = opened(given), opened(answered)
    if isinstance(given, dict) and _is_request(given):
        request = {name: value for name, value in given.items() if value is not None}
        request |= {name: value for name, value in settings.items() if name not in given}
    elif isinstance(answered, dict) and isinstance(answered.get("output"), list):
        request = assembly.request_of_response(answered, given)
    else:
        told = object_of(given)
        asked = chat_messages(given) or chat_messages(told.get("prompt", told.get("args")))
        request = assembly.request_body("chat.completions", settings, asked)
    if isinstance(answered, dict) and (
        isinstance(answered.get("choices"), list) or isinstance(answered.get("output"), list)
    ):
        return request, answered
    if answered in (None, "", [], {}):
        return request, None
    answer = Answer(
        messages=answer_messages(answered),
        finish_reasons=_finishes(answered),
        model=model,
        fingerprint=fingerprint or assembly.fingerprint_within(answered),
        counts=counts or Counts(),
    )
    return request, assembly.response_body("chat.completions", answer)


def _is_request(given: JsonObject) -> bool:
    messages = given.get("messages")
    if isinstance(messages, list):
        return all(isinstance(one, dict) and "role" in one and "parts" not in one for one in messages)
    return "model" in given and any(isinstance(given.get(name), str | list) for name in ("input", "prompt"))


def answer_messages(value: Any) -> list[JsonObject]:
    """The messages of an answer: Gemini's candidates, LangChain's generations, or messages in any shape."""
    if isinstance(value, dict):
        for name in ("candidates", "generations"):
            if isinstance(value.get(name), list):
                return answer_messages(value[name])
        if isinstance(value.get("content"), dict):
            return chat_messages(value["content"], role="assistant")
        if isinstance(value.get("output"), str | dict) and "role" not in value:
            return answer_messages(value["output"])
        if "toolName" in value:
            return chat_messages(
                [{"role": "assistant", "content": None, "tool_calls": [value], "kwargs": None}]
            )
    if isinstance(value, list):
        return [message for item in value for message in answer_messages(item)]
    return chat_messages(value, role="assistant")


def _finishes(value: Any) -> list[str]:
    places = [*objects_in(value), *objects_in(object_of(value).get("candidates")), object_of(value)]
    found = (filled(place.get("finish_reason")) or filled(place.get("finishReason")) for place in places)
    return [finish.lower() for finish in found if finish]


def flat_settings(value: Any) -> JsonObject:
    """Settings that a tool kept as texts, as the values they were; what says nothing is left out."""
    found: JsonObject = {}
    for name, raw in object_of(opened(value)).items():
        told = opened(raw)
        if isinstance(told, str):
            lowered = told.strip().lower()
            if lowered in ("", "none", "null", "not_given"):
                continue
            told = {"true": True, "false": False}.get(lowered, told)
            if name in ("seed", "max_tokens", "n", "max_completion_tokens", "top_k") and _is_whole(told):
                told = int(told)
            elif name in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
                told = _as_float(told)
        if told in (None, [], {}) or (name.startswith("max_") and told == -1):
            continue
        found[name] = told
    return found


def _is_whole(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value) is not None


def _as_float(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def seconds_ms(value: Any) -> int | None:
    """Seconds as milliseconds."""
    found = number(value)
    return round(found * 1000) if found is not None and 0 <= found < 2**31 / 1000 else None


def whole(value: Any) -> int | None:
    """A number of milliseconds."""
    found = integer(value)
    return found if found is not None and 0 <= found < 2**31 else None


def each(value: Any) -> Iterator[JsonObject]:
    """The objects of a value: of an array, of an API's page (`data`), or itself."""
    if isinstance(value, list):
        for item in value:
            yield from each(item)
    elif isinstance(value, dict):
        if isinstance(value.get("data"), list) and "choices" not in value:
            yield from objects_in(value["data"])
        else:
            yield value


def provider_of(model: Any) -> str | None:
    """The provider in a name such as `openai:gpt-4o` or `openai/gpt-4o`."""
    text = text_of(model) or ""
    for separator in (":", "/"):
        head, found, _ = text.partition(separator)
        if found:
            return head
    return None
