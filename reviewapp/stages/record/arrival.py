"""What arrives, as a frame of the journal.

An interaction comes either as `Recorded` (API, importers: already in the app's own shape) or as
`Wire` (gateway, replays: the bytes that went out and came back). Telling streams from bodies,
merging chunks and reading replies is left to the worker, so that receiving stays cheap.

A frame is a JSON header and, behind it, the bodies: packed as they will be stored, so that they are
compressed once on their way and the journal writes a quarter of the bytes. A very long body stays as it
came, and the worker packs it: compressing it would hold up who receives.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import zstandard

from reviewapp.formats.interchange import Recorded
from reviewapp.formats.packed import compress, decompress
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint

_VERSION: Final = 2
# Its bodies are as they came. A journal or a broker may hold such frames when a new version is installed.
_UNPACKED_VERSION: Final = 1
# A body beyond this is not packed by who receives it.
PACKED_LIMIT: Final = 512 * 1024
# Version, length of the header, and the id once more, where it can be had without reading the header.
PREFIX = struct.Struct("<BI16s")
# How every header begins that `encode` writes.
_UUID: Final = rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_head: Final = re.compile(rb'\{"id":"' + _UUID + rb'","project":"' + _UUID + rb'"').match


class UnreadableFrame(Exception):
    """The bytes are no frame that this version wrote."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One call as bytes: the request that was sent, and what came back.

    `response` is the body (a stream's: all of its events) without content encoding; None when
    no answer began. `error` says what kept it from beginning or from ending.
    """

    endpoint: Endpoint
    request: bytes
    started_at: datetime
    response: bytes | None = None
    content_type: str = ""
    status: int | None = None
    error: str | None = None
    latency_ms: int | None = None
    source: str | None = None
    provider: str | None = None
    trace: str | None = None
    session: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One interaction on its way to the tables.

    Source and provider go by id where the receiver knew them, else by the names in `content`.
    """

    id: UUID
    project_id: UUID
    received_at: datetime
    content: Recorded | Wire
    source_id: UUID | None = None
    provider_id: UUID | None = None
    replay_of: UUID | None = None
    # The bodies as the frame has them, where it has them packed: they can be stored so.
    packed: tuple[bytes | None, ...] = field(default=(), compare=False, repr=False)


_CONTEXT = ("status", "error", "latency_ms", "source", "provider", "trace", "session", "user")


def encode(arrival: Arrival) -> bytes:
    """The arrival as a journal frame's payload."""
    content = arrival.content
    header: dict[str, Any] = {
        "id": str(arrival.id),
        "project": str(arrival.project_id),
        "received_at": arrival.received_at.isoformat(),
        "endpoint": content.endpoint,
    }
    for name, id_ in (
        ("source_id", arrival.source_id),
        ("provider_id", arrival.provider_id),
        ("replay_of", arrival.replay_of),
    ):
        if id_ is not None:
            header[name] = str(id_)
    for name in _CONTEXT:
        value = getattr(content, name)
        if value is not None:
            header[name] = value
    if content.started_at is not None:
        header["started_at"] = content.started_at.isoformat()
    if content.tags:
        header["tags"] = content.tags
    if content.headers:
        header["headers"] = content.headers
    if isinstance(content, Wire):
        header["content_type"] = content.content_type
        parts = [content.request, content.response]
    else:
        header["response_is_json"] = content.response_is_json
        texts = (content.request_text, content.response_text, content.chunks_text, content.metadata_text)
        parts = [None if text is None else rawjson.to_bytes(text) for text in texts]
    short = [part is not None and len(part) <= PACKED_LIMIT for part in parts]
    parts = [
        compress(part) if part is not None and pack else part for part, pack in zip(parts, short, strict=True)
    ]
    header["packed"] = short
    header["parts"] = [None if part is None else len(part) for part in parts]
    head = _dump(header)
    prefix = PREFIX.pack(_VERSION, len(head), arrival.id.bytes)
    return b"".join((prefix, head, *(part for part in parts if part)))


def id_of(frame: bytes) -> UUID | None:
    """The id of the arrival in a frame, quickly; None for what is no frame."""
    if len(frame) < PREFIX.size:
        return None
    return UUID(bytes=PREFIX.unpack_from(frame)[2])


def glance(frame: bytes) -> tuple[str, str] | None:
    """The ids of the arrival in a frame and of its project, without reading it; None: it must be read."""
    found = _head(frame, PREFIX.size)
    return (found[1].decode(), found[2].decode()) if found else None


def project_of(frame: bytes) -> UUID | None:
    """The project of the arrival in a frame, without its bodies; None for what is no frame."""
    try:
        length = PREFIX.unpack_from(frame)[1]
        return UUID(json.loads(frame[PREFIX.size : PREFIX.size + length])["project"])
    except (struct.error, ValueError, KeyError, TypeError):
        return None


def _dump(header: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(header)
    except orjson.JSONEncodeError:
        # Lone surrogates, which only the standard library writes.
        return json.dumps(header).encode()


def _load(head: bytes) -> Any:
    try:
        return orjson.loads(head)
    except orjson.JSONDecodeError:
        return json.loads(head)


def decode(frame: bytes) -> Arrival:
    """The arrival that `encode` wrote. Raises UnreadableFrame."""
    try:
        version, length, _ = PREFIX.unpack_from(frame)
        if version not in (_VERSION, _UNPACKED_VERSION):
            raise UnreadableFrame(f"The frame is of version {version}, this worker reads {_VERSION}.")
        start = PREFIX.size + length
        header = _load(frame[PREFIX.size : start])
        parts: list[bytes | None] = []
        for size in header["parts"]:
            parts.append(None if size is None else frame[start : start + size])
            start += size or 0
        if start != len(frame):
            raise UnreadableFrame("The frame's parts don't add up to its length.")
        return _arrival(header, parts)
    except (KeyError, TypeError, ValueError, struct.error, zstandard.ZstdError) as error:
        raise UnreadableFrame(f"The frame can't be read: {error!r}") from None


def _arrival(header: dict[str, Any], kept: list[bytes | None]) -> Arrival:
    is_packed = header.get("packed") or [False] * len(kept)
    parts = [
        decompress(part) if part is not None and pack else part
        for part, pack in zip(kept, is_packed, strict=True)
    ]
    started_at = header.get("started_at")
    context: dict[str, Any] = {name: header.get(name) for name in _CONTEXT}
    context["endpoint"] = header["endpoint"]
    context["tags"] = tuple(header.get("tags", ()))
    context["headers"] = header.get("headers", {})
    context["started_at"] = datetime.fromisoformat(started_at) if started_at else None
    content: Recorded | Wire
    if "content_type" in header:
        content = Wire(
            **context, content_type=header["content_type"], request=parts[0] or b"", response=parts[1]
        )
    else:
        texts = [None if part is None else rawjson.from_bytes(part) for part in parts]
        content = Recorded(
            **context,
            request_text=texts[0] or "",
            response_text=texts[1],
            response_is_json=header["response_is_json"],
            chunks_text=texts[2],
            metadata_text=texts[3],
        )
    return Arrival(
        id=UUID(header["id"]),
        project_id=UUID(header["project"]),
        received_at=datetime.fromisoformat(header["received_at"]),
        content=content,
        source_id=_id(header, "source_id"),
        provider_id=_id(header, "provider_id"),
        replay_of=_id(header, "replay_of"),
        packed=tuple(part if pack else None for part, pack in zip(kept, is_packed, strict=True)),
    )


def _id(header: dict[str, Any], name: str) -> UUID | None:
    value = header.get(name)
    return UUID(value) if value else None
