"""One interaction on its way into a file.

What is stored goes into a line as it is: the texts of request and response are spliced in, never read and
written again. What costs a reading (the words of a prompt, of an unusual answer) is read when a format asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from reviewapp.formats.exports.agreeing import share_of, shares_of
from reviewapp.formats.interchange import Recorded
from reviewapp.formats.openai import (
    RequestView,
    output_text,
    prompt_text,
    read_reply,
    read_request,
    seed_of,
)
from reviewapp.formats.openai.quick import quick_answer, quick_prompt
from reviewapp.formats.packed import decompress
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint, Reply
from reviewapp.pure.words import storable


class Stored(NamedTuple):
    """An interaction as the tables have it, its bodies packed."""

    id: UUID
    source: str
    provider: str
    endpoint: Endpoint
    model: str
    response_model: str | None
    seed: int | None
    fingerprint: str | None
    status: int | None
    error: str | None
    started_at: datetime
    created_at: datetime
    latency_ms: int | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    has_logprobs: bool
    mean_logprob: float | None
    min_logprob: float | None
    request_hash: bytes
    trace: str | None
    session: str | None
    user: str | None
    tags: list[str] | None
    replay_of: UUID | None
    request: bytes
    response: bytes | None
    response_is_json: bool
    chunks: bytes | None
    metadata: bytes | None
    headers: dict[str, str] | None
    # Whether there is, or may be, a flag, an annotation or a replay of it.
    is_marked: bool = True


_NOTHING_SAID: Final = b'"flags":[],"annotations":[],"rubrics":[],"queues":[],"agreement":{}, "replays":[]'

_NO_COLUMNS: Final[dict[str, str | int | float | None]] = {
    "flags": "",
    "annotations": "",
    "judgements": 0,
    "authoritative": "",
    "agreement": None,
    "queues": "",
    "correction": None,
    "replays": 0,
    "last_verdict": None,
}


class ExportRow:
    """An interaction with what people and replays said about it, as the interfaces show them."""

    def __init__(
        self,
        stored: Stored,
        *,
        added_tags: Sequence[dict[str, Any]] = (),
        flags: Sequence[dict[str, Any]] = (),
        annotations: Sequence[dict[str, Any]] = (),
        rubrics: Sequence[dict[str, Any]] = (),
        queues: Sequence[dict[str, Any]] = (),
        replays: Sequence[dict[str, Any]] = (),
        judged_answers: Mapping[str, ExportRow] | None = None,
    ) -> None:
        self.stored = stored
        self.added_tags = added_tags
        self.flags = flags
        self.annotations = annotations
        # The rubrics that the annotations answer, and what became of the interaction in queues.
        self.rubrics = rubrics
        self.queues = queues
        self.replays = replays
        # By the id that `replays` names: those answers that somebody judged.
        self.judged_answers = judged_answers or {}
        self._request: bytes | None = None
        self._response: bytes | None = None

    @property
    def request_body(self) -> bytes:
        # Not a cached property: that of Python 3.11 takes a lock, three times in a line of microseconds.
        if self._request is None:
            self._request = decompress(self.stored.request)
        return self._request

    @property
    def response_body(self) -> bytes | None:
        if self._response is None and self.stored.response is not None:
            self._response = decompress(self.stored.response)
        return self._response

    @cached_property
    def recorded(self) -> Recorded:
        """The interaction as it arrived."""
        one = self.stored
        return Recorded(
            endpoint=one.endpoint,
            request_text=rawjson.from_bytes(self.request_body),
            response_text=_text(self.response_body),
            response_is_json=one.response_is_json,
            chunks_text=_text(_unpacked(one.chunks)),
            id=one.id,
            source=one.source,
            provider=one.provider,
            status=one.status,
            error=one.error,
            started_at=one.started_at,
            latency_ms=one.latency_ms,
            trace=one.trace,
            session=one.session,
            user=one.user,
            tags=tuple(one.tags or ()),
            metadata_text=_text(_unpacked(one.metadata)),
            headers=one.headers or {},
        )

    @cached_property
    def request(self) -> Any:
        return rawjson.parse(self.request_body)

    @cached_property
    def recorded_response(self) -> Any:
        """The response as a value; None where it was no JSON."""
        body = self.response_body
        return rawjson.parse(body) if body is not None and self.stored.response_is_json else None

    @cached_property
    def view(self) -> RequestView:
        return read_request(self.stored.endpoint, self.request)

    @cached_property
    def reply(self) -> Reply:
        return read_reply(
            self.stored.endpoint, self.recorded_response, self.stored.status, request=self.request
        )

    @cached_property
    def _quick_answer(self) -> bytes | None:
        body = self.response_body if self.stored.response_is_json else None
        return None if body is None else quick_answer(self.stored.endpoint, body, self.stored.status)

    @property
    def answer(self) -> str:
        """What came back, as one text to read; else why nothing did."""
        if self._quick_answer is not None:
            return _string(self._quick_answer)
        return output_text(self.reply) or self.stored.error or ""

    @property
    def error(self) -> str | None:
        """What went wrong, as the caller or the answer says."""
        return self.stored.error or (self.reply.error if self._quick_answer is None else None)

    @property
    def authoritative(self) -> dict[str, Any] | None:
        """The judgement that counts, where a queue or an adjudicator came to one."""
        return next((one for one in reversed(self.annotations) if one.get("authoritative")), None)

    @property
    def corrections(self) -> tuple[str, ...]:
        return tuple(one["correction"] for one in self.annotations if one["correction"] is not None)

    @property
    def prompt(self) -> str:
        """What was asked, as one text to read."""
        quick = quick_prompt(self.stored.endpoint, self.request_body)
        return prompt_text(self.stored.endpoint, self.request) if quick is None else quick

    @property
    def seed(self) -> int | None:
        """Of any size: what does not fit the column is in the request."""
        if self.stored.seed is not None:
            return self.stored.seed
        # Without a seed under any name, also one whose name is escaped, nothing need be read.
        if b'seed"' not in self.request_body and b"\\u" not in self.request_body:
            return None
        return seed_of(self.request)

    @property
    def line(self) -> str:
        """The interaction as one line of JSON in the interfaces' shape."""
        return rawjson.from_bytes(self.line_bytes)

    @property
    def line_bytes(self) -> bytes:
        """The same as it is written to a file, without its end."""
        return b"".join(self.line_parts())

    def line_parts(self) -> list[bytes]:
        """The pieces of that line, to be joined once with those of many others: bodies are long.

        The texts of request, response, chunks and metadata stand in it as they came, but for line
        breaks between their parts, which become spaces so that the whole can be a line of a file.
        """
        one = self.stored
        said = self._quick_answer
        parts = [
            _object({"id": one.id, "source": one.source, "provider": one.provider, "endpoint": one.endpoint}),
            b', "request": ',
            _in_one_line(self.request_body),
            b', "response": ',
            self._response_json(),
            b", ",
            _members(
                {
                    "status": one.status,
                    "error": one.error,
                    "started_at": one.started_at,
                    "latency_ms": one.latency_ms,
                    "trace": one.trace,
                    "session": one.session,
                    "user": one.user,
                    "tags": one.tags or (),
                }
            ),
            b', "metadata": ',
            b"{}" if one.metadata is None else _in_one_line(decompress(one.metadata)),
            b', "output_text": ',
            json.dumps(self.answer).encode() if said is None else said,
            b', "seed": ',
            self._seed_json(),
            b", ",
            _members(
                {
                    "model": one.model,
                    "response_model": one.response_model,
                    "system_fingerprint": one.fingerprint,
                    "finish_reason": one.finish_reason,
                    "usage": {"input_tokens": one.input_tokens, "output_tokens": one.output_tokens},
                    "cost": one.cost,
                    "has_logprobs": one.has_logprobs,
                    "request_hash": "sha256:" + one.request_hash.hex(),
                    "created_at": one.created_at,
                    "replay_of": one.replay_of,
                }
            ),
            b", ",
            self._said_members(),
        ]
        if one.chunks is not None:
            parts += (b', "chunks": ', _in_one_line(decompress(one.chunks)))
        if self.added_tags:
            # Who put which of the tags on it; all of them stand among its tags.
            parts += (b", ", _members({"added_tags": self.added_tags}))
        if one.headers:
            parts += (b", ", _members({"headers": one.headers}))
        parts.append(b"}")
        return parts

    def _seed_json(self) -> bytes:
        seed = self.seed
        return b"null" if seed is None else b"%d" % seed

    @property
    def _is_told_of(self) -> bool:
        return bool(self.flags or self.annotations or self.rubrics or self.queues or self.replays)

    def _said_members(self) -> bytes:
        """What people and replays said; of most interactions they said nothing."""
        if not self._is_told_of:
            return _NOTHING_SAID
        said = _members(
            {
                "flags": self.flags,
                "annotations": self.annotations,
                "rubrics": self.rubrics,
                "queues": self.queues,
                "agreement": shares_of(self.annotations),
            }
        )
        return said + b", " + self._replays_member()

    def _replays_member(self) -> bytes:
        """The replays, those that somebody judged with their answers whole."""
        if not self.judged_answers:
            return _members({"replays": self.replays})
        entries = []
        for replay in self.replays:
            answer = self.judged_answers.get(replay["interaction"] or "")
            entry = _members(replay)
            entries.append(entry if answer is None else entry + b', "answer": ' + answer.line_bytes)
        return b'"replays": [' + b", ".join(b"{" + entry + b"}" for entry in entries) + b"]"

    def _response_json(self) -> bytes:
        """As it came, or as a JSON string where the body was no JSON, or null."""
        body = self.response_body
        if body is None:
            return b"null"
        if self.stored.response_is_json:
            return _in_one_line(body)
        return json.dumps(rawjson.from_bytes(body)).encode()

    @cached_property
    def columns(self) -> dict[str, str | int | float | bool | datetime | None]:
        """The facts as plain values by the names of COLUMNS, in their order; texts as columns hold them."""
        one = self.stored
        return {
            "id": str(one.id),
            "started_at": one.started_at,
            "source": one.source,
            "provider": one.provider,
            "endpoint": one.endpoint,
            "model": one.model,
            "response_model": one.response_model,
            "seed": one.seed,
            "system_fingerprint": one.fingerprint,
            "status": one.status,
            "error": None if self.error is None else storable(self.error),
            "finish_reason": one.finish_reason,
            "input_tokens": one.input_tokens,
            "output_tokens": one.output_tokens,
            "cost": one.cost,
            "latency_ms": one.latency_ms,
            "has_logprobs": one.has_logprobs,
            "mean_logprob": one.mean_logprob,
            "min_logprob": one.min_logprob,
            "request_hash": "sha256:" + one.request_hash.hex(),
            "trace": one.trace,
            "session": one.session,
            "user": one.user,
            "tags": ", ".join(one.tags or ()),
            "prompt": storable(self.prompt),
            "answer": storable(self.answer),
            **(self._said_columns() if self._is_told_of else _NO_COLUMNS),
        }

    def _said_columns(self) -> dict[str, str | int | float | None]:
        """The last of the columns: what people and replays said."""
        corrections, counting = self.corrections, self.authoritative
        return {
            "flags": "; ".join(f"{flag['severity']}: {flag['reason']}" for flag in self.flags),
            "annotations": json.dumps([_in_short(one) for one in self.annotations])
            if self.annotations
            else "",
            "judgements": len(self.annotations),
            "authoritative": json.dumps(counting["scores"]) if counting is not None else "",
            "agreement": share_of(self.annotations),
            "queues": "; ".join(f"{one['queue']['name']}: {one['state']}" for one in self.queues),
            "correction": corrections[-1] if corrections else None,
            "replays": len(self.replays),
            "last_verdict": next((r["verdict"] for r in reversed(self.replays) if r["verdict"]), None),
        }


def _in_short(annotation: dict[str, Any]) -> dict[str, Any]:
    """A judgement as a cell of a table has room for it."""
    told = {name: annotation[name] for name in ("created_by", "scores", "preference", "comment", "spans")}
    kept = {name: value for name, value in told.items() if value not in (None, "", [])}
    if annotation["authoritative"]:
        kept["authoritative"] = True
    return kept


def _object(values: Mapping[str, Any]) -> bytes:
    """An object with these members, without its last brace."""
    try:
        return orjson.dumps(values, option=orjson.OPT_UTC_Z)[:-1]
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits in what somebody sent as scores.
        return json.dumps(values, default=_plain)[:-1].encode()


def _members(values: Mapping[str, Any]) -> bytes:
    """These members of an object, without its braces."""
    return _object(values)[1:]


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _string(text: bytes) -> str:
    """The string that the JSON text is."""
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        # Half a pair of surrogates.
        return str(rawjson.parse(text))


def _in_one_line(body: bytes) -> bytes:
    """A JSON text without line breaks, which can only stand between its parts."""
    if b"\n" in body or b"\r" in body:
        return body.replace(b"\n", b" ").replace(b"\r", b" ")
    return body


def _unpacked(data: bytes | None) -> bytes | None:
    return None if data is None else decompress(data)


def _text(data: bytes | None) -> str | None:
    return None if data is None else rawjson.from_bytes(data)


COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "text"),
    ("started_at", "time"),
    ("source", "text"),
    ("provider", "text"),
    ("endpoint", "text"),
    ("model", "text"),
    ("response_model", "text"),
    ("seed", "integer"),
    ("system_fingerprint", "text"),
    ("status", "integer"),
    ("error", "text"),
    ("finish_reason", "text"),
    ("input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("cost", "number"),
    ("latency_ms", "integer"),
    ("has_logprobs", "boolean"),
    ("mean_logprob", "number"),
    ("min_logprob", "number"),
    ("request_hash", "text"),
    ("trace", "text"),
    ("session", "text"),
    ("user", "text"),
    ("tags", "text"),
    ("prompt", "text"),
    ("answer", "text"),
    ("flags", "text"),
    ("annotations", "text"),
    ("judgements", "integer"),
    ("authoritative", "text"),
    ("agreement", "number"),
    ("queues", "text"),
    ("correction", "text"),
    ("replays", "integer"),
    ("last_verdict", "text"),
)
"""Name and kind of each column of the table formats."""
