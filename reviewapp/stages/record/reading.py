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
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from reviewapp.formats import openai, quickjson
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.packed import compress
from reviewapp.pure import rawjson
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.exchange import Endpoint, Reply
from reviewapp.pure.pools import shape_of
from reviewapp.pure.redaction import Found, Hider
from reviewapp.pure.streams import merge_chunks, parse_sse
from reviewapp.pure.words import storable
from reviewapp.stages.record.arrival import Arrival, Wire
from reviewapp.stages.record.bare import hidden_in
from reviewapp.stages.record.figures import TokenFigures, quick_figures, token_figures

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
    # As they are stored.
    request: bytes
    response: bytes | None
    chunks: bytes | None
    metadata: bytes | None
    # For the counting of what answers.
    shape: str
    service_tier: str | None
    answered_seed: int | None
    # What was hidden before, and the pseudonyms that stand for it.
    found: Found | None = None


def read(arrival: Arrival, *, hider: Hider | None = None) -> Reading:
    """The values to store, without what the source hides. Raises UnreadableArrival."""
    content = arrival.content
    recorded, figures, chunks = _from_wire(content) if isinstance(content, Wire) else _from_texts(content)
    request = _parsed(recorded.request_text, "request")
    found = None
    if hider is not None:
        # Before anything is derived from it. What the frame has packed is what must not be kept.
        bare, found = hidden_in(recorded, hider)
        if found:
            arrival = replace(arrival, content=bare, packed=())
            recorded, figures, chunks = _from_texts(bare)
            request = _parsed(recorded.request_text, "request")
    if figures is None and chunks is not None:
        response = merge_chunks(recorded.endpoint, chunks)
        text = _dumped(response)
        # What stood in an event stands some levels deeper in the whole, perhaps too deep to be read again.
        recorded = replace(recorded, response_text=text, response_is_json=rawjson.fits(response, text))
        figures = token_figures(recorded.endpoint, response)
    figures = figures or token_figures(recorded.endpoint, None)
    status, error = _outcome(recorded)
    view = openai.read_request(recorded.endpoint, request)
    bodies = _bodies(arrival, recorded)
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
        request=bodies[0] or b"",
        response=bodies[1],
        chunks=bodies[2],
        metadata=bodies[3],
        shape=storable(shape_of(recorded.endpoint, request))[:NAME_LIMIT],
        service_tier=_name(reply.service_tier),
        answered_seed=_within(reply.echoed_seed, _INT64),
        found=found,
    )


def _bodies(arrival: Arrival, recorded: Recorded) -> list[bytes | None]:
    """The bodies as they are stored: as the frame has them, where their text is still the same."""
    texts = [recorded.request_text, recorded.response_text, recorded.chunks_text, recorded.metadata_text]
    kept: list[bytes | None] = [*arrival.packed, None, None, None, None][:4]
    content = arrival.content
    if isinstance(content, Wire):
        # A byte order mark, bytes that are no text, a stream: then what is stored is not what came.
        came = (content.request, content.response)
        for at, (text, body) in enumerate(zip(texts, came, strict=False)):
            if kept[at] is not None and (text is None or rawjson.to_bytes(text) != body):
                kept[at] = None
    return [
        (ready or compress(rawjson.to_bytes(text))) if text is not None else None
        for text, ready in zip(texts, kept, strict=True)
    ]


_Content: TypeAlias = tuple[Recorded, TokenFigures | None, list[Any] | None]


def _from_texts(recorded: Recorded) -> _Content:
    """The figures of the response, if there is one, and the chunks."""
    chunks = None if recorded.chunks_text is None else _parsed(recorded.chunks_text, "chunks")
    if chunks is not None and not isinstance(chunks, list):
        raise UnreadableArrival("The chunks are no array.")
    text = recorded.response_text
    if text is None:
        return recorded, None, chunks
    if not recorded.response_is_json:
        return recorded, token_figures(recorded.endpoint, text), chunks
    # Whoever received it has looked how deep it is nested.
    return recorded, quick_figures(recorded.endpoint, text) or _figures(recorded.endpoint, text), chunks


def _from_wire(wire: Wire) -> _Content:
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
        figures = quick_figures(wire.endpoint, text) if quickjson.is_plain(text) else None
        figures = figures or _figures(wire.endpoint, text)
        return replace(recorded, response_text=text), figures, None
    except (rawjson.InvalidJson, UnreadableArrival):
        text = wire.response.decode("utf-8", "surrogateescape")
        figures = token_figures(wire.endpoint, text)
        return replace(recorded, response_text=text, response_is_json=False), figures, None


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


def _figures(endpoint: Endpoint, text: str) -> TokenFigures:
    """Of any response. Integers beyond 64 bits become floats, which no column minds."""
    try:
        value = orjson.loads(text) if rawjson.looks_shallow(text) else _parsed(text, "response")
    except orjson.JSONDecodeError:
        value = _parsed(text, "response")
    return token_figures(endpoint, value)


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
