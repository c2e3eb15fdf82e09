"""From an arrival to the values of its rows: pure derivation, no database.

The texts stay as they came. What is derived from them for lists, filters and search is bounded
and cleaned here, so that no content, however odd, can fail the insert of its neighbours: NUL and
lone surrogates are replaced, numbers that don't fit are null, texts in indexes are cut.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from reviewapp.formats import openai
from reviewapp.formats.interchange import Recorded
from reviewapp.pure import rawjson
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.exchange import Reply
from reviewapp.pure.streams import merge_chunks, parse_sse
from reviewapp.pure.words import storable
from reviewapp.stages.record.arrival import Arrival, Wire
from reviewapp.stages.record.figures import token_figures

# An index row holds 2,700 bytes; four of them may be needed for one character.
NAME_LIMIT: Final = 200
ERROR_LIMIT: Final = 10_000
# Of the prompt and of the answer each; searching needs no more, and the index is the dearest part.
SEARCHED_CHARACTERS: Final = 50_000
NO_RESPONSE: Final = "No response was recorded."

_INT16, _INT32, _INT64 = 2**15, 2**31, 2**63


class UnreadableArrival(Exception):
    """It can't be recorded; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of one interaction's rows; source and provider are not resolved yet."""

    id: UUID
    project_id: UUID
    recorded: Recorded
    source_id: UUID | None
    provider_id: UUID | None
    replay_of: UUID | None
    model: str
    response_model: str | None
    seed: int | None
    fingerprint: str | None
    status: int | None
    error: str | None
    started_at: datetime
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    streamed: bool
    refused: bool
    has_logprobs: bool
    mean_logprob: float | None
    min_logprob: float | None
    request_hash: bytes
    prompt_preview: str
    answer_preview: str
    searched: str


def read(arrival: Arrival) -> Reading:
    """The values to store. Raises UnreadableArrival."""
    content = arrival.content
    recorded, response, chunks = _from_wire(content) if isinstance(content, Wire) else _from_texts(content)
    request = _parsed(recorded.request_text, "request")
    if response is None and chunks is not None:
        response = merge_chunks(recorded.endpoint, chunks)
        text = _dumped(response)
        # What stood in an event stands some levels deeper in the whole, perhaps too deep to be read again.
        recorded = replace(recorded, response_text=text, response_is_json=rawjson.fits(response, text))
    status, error = _outcome(recorded)
    view = openai.read_request(recorded.endpoint, request)
    figures = token_figures(recorded.endpoint, response)
    reply = openai.read_reply(recorded.endpoint, figures.rest, status, request=request)
    answer = openai.output_text(reply)
    return Reading(
        id=arrival.id,
        project_id=arrival.project_id,
        recorded=recorded,
        source_id=arrival.source_id,
        provider_id=arrival.provider_id,
        replay_of=arrival.replay_of,
        model=_name(view.model) or "",
        response_model=_name(reply.model),
        seed=_within(view.seed, _INT64),
        fingerprint=_name(reply.fingerprint),
        status=_within(status, _INT16),
        error=storable(error)[:ERROR_LIMIT] if error is not None else None,
        started_at=recorded.started_at or _start(arrival.received_at, recorded.latency_ms),
        finish_reason=_name(reply.finish_reason),
        input_tokens=_within(reply.usage.input_tokens, _INT32),
        output_tokens=_within(reply.usage.output_tokens, _INT32),
        streamed=chunks is not None,
        refused=any(choice.refusal for choice in reply.choices),
        has_logprobs=figures.reported,
        mean_logprob=figures.mean,
        min_logprob=figures.least,
        request_hash=bytes.fromhex(request_hash(recorded.endpoint, request).removeprefix("sha256:")),
        prompt_preview=storable(view.preview),
        answer_preview=storable(openai.preview(answer)),
        searched=_searched(view.text, reply, answer),
    )


def _from_texts(recorded: Recorded) -> tuple[Recorded, Any, list[Any] | None]:
    chunks = None if recorded.chunks_text is None else _parsed(recorded.chunks_text, "chunks")
    if chunks is not None and not isinstance(chunks, list):
        raise UnreadableArrival("The chunks are no array.")
    if recorded.response_text is None or not recorded.response_is_json:
        return recorded, recorded.response_text, chunks
    return recorded, _quickly(recorded.response_text, "response"), chunks


def _from_wire(wire: Wire) -> tuple[Recorded, Any, list[Any] | None]:
    """The call in the app's own shape; a stream's events become chunks."""
    try:
        request_text = rawjson.decode(wire.request)
    except rawjson.InvalidJson as error:
        raise UnreadableArrival(f"The request is no JSON. {error}") from None
    recorded = Recorded(
        endpoint=wire.endpoint,
        request_text=request_text,
        source=wire.source,
        provider=wire.provider,
        status=wire.status,
        error=wire.error,
        started_at=wire.started_at,
        latency_ms=wire.latency_ms,
        trace=wire.trace,
        session=wire.session,
        user=wire.user,
        tags=wire.tags,
        headers=wire.headers,
    )
    if wire.response is None:
        return recorded, None, None
    if _is_stream(wire):
        events = parse_sse(wire.response)
        if events.chunks:
            texts, values = zip(*map(_chunk, events.chunks), strict=True)
            problem = wire.error or " ".join(events.errors) or None
            chunks_text = "[" + ",".join(texts) + "]"
            return replace(recorded, chunks_text=chunks_text, error=problem), None, list(values)
    try:
        text = rawjson.decode(wire.response)
        return replace(recorded, response_text=text), _quickly(text, "response"), None
    except (rawjson.InvalidJson, UnreadableArrival):
        text = wire.response.decode("utf-8", "surrogateescape")
        return replace(recorded, response_text=text, response_is_json=False), text, None


def _is_stream(wire: Wire) -> bool:
    if wire.content_type:
        return wire.content_type.partition(";")[0].strip().lower() == "text/event-stream"
    return (wire.response or b"").lstrip().startswith((b"data:", b"event:"))


def _chunk(text: str) -> tuple[str, Any]:
    """A chunk's JSON text and value; what is no JSON, or too deep for the array, is kept as a JSON string."""
    with suppress(rawjson.InvalidJson):
        value = rawjson.parse(text)
        if rawjson.fits(value, text, within=1):
            return text, value
    return json.dumps(text), text


def _parsed(text: str, name: str) -> Any:
    try:
        return rawjson.parse(text)
    except rawjson.InvalidJson as error:
        raise UnreadableArrival(f"The {name} is no JSON. {error}") from None


def _quickly(text: str, name: str) -> Any:
    """The value of a response. Integers beyond 64 bits become floats, which no column minds."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parsed(text, name)
    return value if rawjson.looks_shallow(text) else _parsed(text, name)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _outcome(recorded: Recorded) -> tuple[int | None, str | None]:
    """Status and error; a row must have one of them, so what was left unsaid is said here."""
    if recorded.status is not None or recorded.error is not None:
        return recorded.status, recorded.error
    if recorded.response_text is not None:
        return 200, None
    return None, NO_RESPONSE


def _start(received_at: datetime, latency_ms: int | None) -> datetime:
    return received_at - timedelta(milliseconds=latency_ms or 0)


def _name(text: str | None) -> str | None:
    return None if text is None else storable(text[:NAME_LIMIT])


def _within(value: int | None, limit: int) -> int | None:
    return value if value is not None and -limit <= value < limit else None


def _searched(prompt: str, reply: Reply, answer: str) -> str:
    """What full-text search looks through: the answer, the other choices', then the prompt; no vectors."""
    others = [
        text
        for choice in reply.choices[1:]
        if choice.role != openai.EMBEDDING and (text := choice.text or choice.refusal)
    ]
    said = "\n".join([answer, *others])[:SEARCHED_CHARACTERS]
    return f"{said}\n{prompt[:SEARCHED_CHARACTERS]}"
