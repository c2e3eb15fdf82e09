"""One interaction in the app's own JSON shape: what clients post, what the exports hold.

`read_interaction` keeps the texts of request, response, chunks and metadata exactly as they
came and checks everything else, because what it accepts must fit the tables and come back
equal. Nothing is cut short: what doesn't fit is refused with the field and the mend.

Members that this version doesn't know are kept too, inside the metadata (under their own
name, or `interaction.NAME` where the metadata has that name already). The derived members
that the app itself writes are read only, and ignored when they come back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from reviewapp.formats import quickjson
from reviewapp.formats.openai import infer_endpoint, read_exchange
from reviewapp.formats.quickjson import Member, Members
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import ENDPOINTS, Endpoint, Exchange
from reviewapp.pure.rawjson import InvalidJson
from reviewapp.pure.said import Said, figure, said, text_of
from reviewapp.pure.said.templates.marking import gettext_noop

NAME_LIMIT: Final = 120
CONTEXT_LIMIT: Final = 255
ERROR_LIMIT: Final = 10_000
TAG_LIMIT: Final = 100
TAGS_LIMIT: Final = 50
HEADERS_LIMIT: Final = 64
HEADER_LIMIT: Final = 2_000
METADATA_LIMIT: Final = 1024 * 1024
LATENCY_LIMIT: Final = 2**31 - 1

# fmt: off
SENT: Final = frozenset([
    "id", "source", "provider", "endpoint", "request", "response", "chunks", "status", "error", "started_at",
    "latency_ms", "trace", "session", "user", "tags", "metadata", "headers",
])
DERIVED: Final = frozenset([
    "model", "response_model", "seed", "system_fingerprint", "output_text", "finish_reason", "usage",
    "cost", "has_logprobs", "request_hash", "created_at", "flags", "annotations", "rubrics", "queues",
    "agreement", "replays", "replay_of", "project", "url",
])
# fmt: on


class InvalidInteraction(Exception):
    """An interaction that can't be recorded; `field` names the member, `reason` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(_of_member(field, reason))


def _of_member(field: str, reason: str) -> str:
    if not field or not isinstance(reason, Said):
        return f"{field}: {reason}" if field else reason
    return said("file_member", member=field, ours=reason)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One interaction as it arrives, before the database. Texts are raw JSON as it came.

    `response_text` is the body as it came; where `response_is_json` is false it is no JSON.
    """

    endpoint: Endpoint
    request_text: str
    response_text: str | None = None
    response_is_json: bool = True
    chunks_text: str | None = None
    id: UUID | None = None
    source: str | None = None
    provider: str | None = None
    status: int | None = None
    error: str | None = None
    started_at: datetime | None = None
    latency_ms: int | None = None
    trace: str | None = None
    session: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    metadata_text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def read_interaction(text: str) -> Recorded:
    """The interaction that one JSON object describes."""
    try:
        found = quickjson.members(text)
    except InvalidJson as error:
        raise InvalidInteraction("", said("file_no_object", ours=text_of(error))) from None
    return read_members(found)


def read_interactions(text: str) -> list[Recorded | InvalidInteraction]:
    """The interactions of a JSON array, in order; an item that can't be recorded is its error."""
    return [_read_row(row) for row in _rows(text)]


def _rows(text: str) -> Sequence[Members | Member]:
    try:
        return quickjson.items_members(text)
    except InvalidJson as error:
        raise InvalidInteraction("", said("file_no_array", ours=text_of(error))) from None


def read_members(found: Members) -> Recorded:
    """The interaction whose members are these."""
    request = found.get("request")
    if request is None or request.text == "null":
        raise InvalidInteraction(
            "request", gettext_noop("is missing; send the request as it went to the provider.")
        )
    if not isinstance(request.value, dict):
        raise InvalidInteraction(
            "request", gettext_noop("must be a JSON object: the body that went to the provider.")
        )
    response = _raw(found, "response")
    chunks = _raw(found, "chunks")
    if chunks is not None and not chunks.text.startswith("["):
        raise InvalidInteraction(
            "chunks", gettext_noop("must be an array of the stream's chunk objects, in order.")
        )
    return Recorded(
        endpoint=_endpoint(found, request.value, response),
        request_text=request.text,
        response_text=response.text if response else None,
        chunks_text=chunks.text if chunks else None,
        id=_id(found),
        source=_name(found, "source"),
        provider=_name(found, "provider"),
        status=_status(found),
        error=_text(found, "error", limit=ERROR_LIMIT),
        started_at=_time(found, "started_at"),
        latency_ms=_latency(found),
        trace=_text(found, "trace", limit=CONTEXT_LIMIT),
        session=_text(found, "session", limit=CONTEXT_LIMIT),
        user=_text(found, "user", limit=CONTEXT_LIMIT),
        tags=_tags(found),
        metadata_text=_metadata(found),
        headers=_headers(found),
    )


def write_interaction(recorded: Recorded, *, derived: Mapping[str, str] | None = None) -> str:
    """The interaction as one line of JSON; `derived` adds members, given as raw JSON.

    The texts of request, response, chunks and metadata stand in it as they came, but for line
    breaks between their parts, which become spaces so that the whole can be a line of a file.
    """
    written = {
        "id": _written(str(recorded.id) if recorded.id else None),
        "source": _written(recorded.source),
        "provider": _written(recorded.provider),
        "endpoint": _written(recorded.endpoint),
        "request": recorded.request_text,
        "response": response_json(recorded),
        "status": _written(recorded.status),
        "error": _written(recorded.error),
        "started_at": _written(_written_time(recorded.started_at)),
        "latency_ms": _written(recorded.latency_ms),
        "trace": _written(recorded.trace),
        "session": _written(recorded.session),
        "user": _written(recorded.user),
        "tags": _written(list(recorded.tags)),
        "metadata": recorded.metadata_text or "{}",
    }
    if recorded.chunks_text is not None:
        written["chunks"] = recorded.chunks_text
    if recorded.headers:
        written["headers"] = _written(recorded.headers)
    written.update(derived or {})
    return one_line("{" + ", ".join(f'"{name}": {text}' for name, text in written.items()) + "}")


def response_json(recorded: Recorded) -> str:
    """The response as JSON: as it came, or as a JSON string where the body was no JSON, or null."""
    if recorded.response_text is None:
        return "null"
    return recorded.response_text if recorded.response_is_json else json.dumps(recorded.response_text)


def one_line(text: str) -> str:
    """A JSON text without line breaks: outside of strings they are space, within they are escaped."""
    return text.replace("\n", " ").replace("\r", " ")


def read_recorded(recorded: Recorded) -> Exchange:
    """The request and its reply as values; chunks are merged where there is no response."""
    response: Any = recorded.response_text
    if response is not None and recorded.response_is_json:
        response = rawjson.parse(response)
    return read_exchange(
        endpoint=recorded.endpoint,
        request=rawjson.parse(recorded.request_text),
        response=response,
        chunks=rawjson.parse(recorded.chunks_text) if response is None and recorded.chunks_text else None,
        status=recorded.status,
        error=recorded.error,
    )


def _read_row(row: Members | Member) -> Recorded | InvalidInteraction:
    if not isinstance(row, dict):
        return InvalidInteraction("", gettext_noop("An interaction must be a JSON object."))
    try:
        return read_members(row)
    except InvalidInteraction as error:
        return error


def _raw(found: Members, name: str) -> Member | None:
    """The member, unless it is absent or null, which mean the same here."""
    member = found.get(name)
    return None if member is None or member.text == "null" else member


def _endpoint(found: Members, request: dict[str, Any], response: Member | None) -> Endpoint:
    member = _raw(found, "endpoint")
    if member is None:
        # The value of a response is looked at only where the request does not tell: it may be long.
        told = response is None or "messages" in request
        # Only the request is required, and it may hold nothing that tells.
        answer = None if told or response is None else response.value
        return infer_endpoint(request, answer) or "chat.completions"
    for endpoint in ENDPOINTS:
        if member.value == endpoint:
            return endpoint
    raise InvalidInteraction("endpoint", said("file_one_of", choices=", ".join(ENDPOINTS)))


_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def _id(found: Members) -> UUID | None:
    member = _raw(found, "id")
    if member is None:
        return None
    if not isinstance(member.value, str) or not _UUID.fullmatch(member.value):
        raise InvalidInteraction("id", gettext_noop("must be a UUID, or absent to be given one."))
    return UUID(member.value)


def _text(found: Members, name: str, *, limit: int) -> str | None:
    member = _raw(found, name)
    if member is None:
        return None
    return _checked(member.value, name, limit=limit) or None


def _name(found: Members, name: str) -> str | None:
    text = _text(found, name, limit=NAME_LIMIT)
    return text.strip() or None if text else None


# PostgreSQL's text holds neither.
_unstorable: Final = re.compile("[\x00\ud800-\udfff]").search


def _checked(value: Any, name: str, *, limit: int) -> str:
    if not isinstance(value, str):
        raise InvalidInteraction(name, gettext_noop("must be a string."))
    if len(value) > limit:
        raise InvalidInteraction(
            name, said("file_text_too_long", characters=figure(len(value)), most=figure(limit))
        )
    if _unstorable(value):
        raise InvalidInteraction(name, gettext_noop("holds a NUL or half a surrogate pair; leave it out."))
    return value


def _status(found: Members) -> int | None:
    member = _raw(found, "status")
    if member is None:
        return None
    if type(member.value) is not int or not 100 <= member.value <= 599:
        raise InvalidInteraction(
            "status", gettext_noop("must be the HTTP status, an integer from 100 to 599.")
        )
    return int(member.value)


def _latency(found: Members) -> int | None:
    member = _raw(found, "latency_ms")
    if member is None:
        return None
    # Not NaN and not a boolean; a fraction of a millisecond is rounded.
    if type(member.value) not in (int, float) or not 0 <= member.value <= LATENCY_LIMIT:
        raise InvalidInteraction("latency_ms", said("file_latency", most=figure(LATENCY_LIMIT)))
    latency: float = member.value
    return round(latency)


def _time(found: Members, name: str) -> datetime | None:
    member = _raw(found, name)
    if member is None:
        return None
    mend = gettext_noop(
        "must be a time as in ISO 8601, such as 2026-11-22T10:00:00Z (without a zone it is UTC)."
    )
    if not isinstance(member.value, str):
        raise InvalidInteraction(name, mend)
    try:
        time = datetime.fromisoformat(member.value.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInteraction(name, mend) from None


def _written_time(time: datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written(value: Any) -> str:
    return json.dumps(value)


def _tags(found: Members) -> tuple[str, ...]:
    member = _raw(found, "tags")
    if member is None:
        return ()
    if not isinstance(member.value, list):
        raise InvalidInteraction(
            "tags", gettext_noop('must be an array of strings, such as ["billing", "beta"].')
        )
    tags = [_checked(tag, "tags", limit=TAG_LIMIT).strip() for tag in member.value]
    distinct = tuple(dict.fromkeys(tag for tag in tags if tag))
    if len(distinct) > TAGS_LIMIT:
        raise InvalidInteraction(
            "tags", said("file_tags", number=figure(len(distinct)), most=figure(TAGS_LIMIT))
        )
    return distinct


def _headers(found: Members) -> dict[str, str]:
    member = _raw(found, "headers")
    if member is None:
        return {}
    if not isinstance(member.value, dict):
        raise InvalidInteraction(
            "headers", gettext_noop("must be an object of response headers and their values.")
        )
    if len(member.value) > HEADERS_LIMIT:
        raise InvalidInteraction(
            "headers", said("file_headers", number=figure(len(member.value)), most=figure(HEADERS_LIMIT))
        )
    return {
        _checked(name, "headers", limit=CONTEXT_LIMIT).lower(): _checked(value, "headers", limit=HEADER_LIMIT)
        for name, value in member.value.items()
    }


def _metadata(found: Members) -> str | None:
    """The metadata with the members that nobody knows spliced in."""
    member = _raw(found, "metadata")
    if member is not None and not isinstance(member.value, dict):
        raise InvalidInteraction("metadata", gettext_noop("must be a JSON object."))
    # An empty object says no more than none.
    text = member.text if member and member.value else None
    present = member.value if member else {}
    unknown = {
        (f"interaction.{name}" if name in present else name): raw.text
        for name, raw in found.items()
        if name not in SENT and name not in DERIVED
    }
    if unknown:
        more = ", ".join(f"{json.dumps(name)}: {raw}" for name, raw in unknown.items())
        text = rawjson.splice(text, set=unknown) if text else f"{{{more}}}"
        try:
            rawjson.parse(text)
        except InvalidJson:
            # Each was read by itself, and inside the metadata stands one level deeper.
            raise InvalidInteraction(
                "metadata", gettext_noop("with the unknown members is nested too deeply.")
            ) from None
    if text is not None and len(text) > METADATA_LIMIT:
        raise InvalidInteraction(
            "metadata",
            said("file_metadata", characters=figure(len(text)), most=figure(METADATA_LIMIT)),
        )
    return text
