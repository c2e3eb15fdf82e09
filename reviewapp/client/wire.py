"""One HTTP exchange as an interaction in the app's JSON, bodies byte for byte; done in the background."""

from __future__ import annotations

import json
import secrets
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

# Chat completions come first: they end in completions too.
_ENDPOINTS: Final = (
    ("/chat/completions", "chat.completions"),
    ("/responses", "responses"),
    ("/completions", "completions"),
    ("/embeddings", "embeddings"),
)
# What tells which backend answered; nothing of accounts, limits or cookies.
_HEADERS: Final = frozenset(
    ["openai-version", "openai-model", "x-request-id", "request-id", "apim-request-id", "x-ms-region", "date",
     "server", "via", "content-type", "openai-processing-ms", "x-groq-region", "retry-after"]
)  # fmt: skip
BODY_LIMIT: Final = 15 * 1024 * 1024
BROKEN_OFF: Final = "The answer was broken off by the caller."
# After these a client closes the stream without waiting for its end.
_LAST: Final = (b"[DONE]", b"response.completed", b"response.incomplete", b"response.failed")


@dataclass(slots=True)
class Exchange:
    """What the caller's thread saw of one call: references only, so that it costs nothing."""

    endpoint: str
    request: bytes
    started: float
    took: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    error: str | None = None
    # The body's bytes are as they came over the wire, packed.
    packed: bool = False
    context: dict[str, Any] = field(default_factory=dict)


def endpoint_of(path: str) -> str | None:
    """The endpoint that a path ends in."""
    return next((endpoint for end, endpoint in _ENDPOINTS if path.rstrip("/").endswith(end)), None)


def encode(exchange: Exchange) -> bytes:
    """The interaction as one line of JSON. Raises ValueError for a request that is no JSON object."""
    request = _one_line(exchange.request)
    body = _unpacked(b"".join(exchange.pieces), exchange)
    if exchange.error == BROKEN_OFF and any(mark in body[-200_000:] for mark in _LAST):
        exchange.error = None
    told: dict[str, Any] = {
        "id": str(_uuid7(exchange.started)),
        "endpoint": exchange.endpoint,
        "status": exchange.status,
        "error": exchange.error,
        "started_at": datetime.fromtimestamp(exchange.started, UTC).isoformat().replace("+00:00", "Z"),
        "latency_ms": round(exchange.took * 1000),
        "headers": {name: text for name, text in exchange.headers.items() if name in _HEADERS},
        **exchange.context,
    }
    parts = [b'"request": ' + request]
    if body:
        if "event-stream" in exchange.headers.get("content-type", ""):
            chunks = [_json_or_text(chunk) for chunk in _events(body)]
            parts.append(b'"chunks": [' + b", ".join(chunks) + b"]")
        else:
            parts.append(b'"response": ' + _json_or_text(body))
    elif exchange.status is not None and exchange.error is None:
        told["error"] = "The response had no body, or was not read."
    head = json.dumps({name: value for name, value in told.items() if value not in (None, {}, [], ())})
    return head[:-1].encode() + b", " + b", ".join(parts) + b"}"


def _one_line(data: bytes) -> bytes:
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("the request is no JSON object")
    # Line breaks stand only between the parts of JSON, never in its strings.
    return data.decode().strip().replace("\n", " ").replace("\r", " ").encode()


def _json_or_text(data: bytes) -> bytes:
    try:
        json.loads(data)
    except ValueError:
        return json.dumps(data.decode("utf-8", "replace")).encode()
    return data.strip().replace(b"\n", b" ").replace(b"\r", b" ")


def _events(body: bytes) -> list[bytes]:
    """The data of a stream's events, without the mark of its end."""
    found: list[bytes] = []
    for event in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
        data = b"\n".join(lines)
        if data and data != b"[DONE]":
            found.append(data)
    return found


def _unpacked(data: bytes, exchange: Exchange) -> bytes:
    encoding = exchange.headers.get("content-encoding", "").strip().lower()
    if not exchange.packed or encoding in ("", "identity") or not data:
        return data
    try:
        if encoding in ("gzip", "deflate"):
            unpacker = zlib.decompressobj(wbits=47 if encoding == "gzip" else 15)
            return unpacker.decompress(data, BODY_LIMIT)
        if encoding == "br":
            import brotli  # type: ignore[import-not-found,unused-ignore]  # there, if the client asked for it

            return bytes(brotli.decompress(data))
        if encoding == "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except Exception as error:  # an answer that was cut off can't be unpacked to its end
        exchange.error = f"The answer can't be unpacked: {error}"
        return b""
    exchange.error = f"The answer is packed with {encoding}, which the recorder can't read."
    return b""


def _uuid7(at: float) -> UUID:
    value = (int(at * 1000) & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return UUID(int=value | 0b10 << 62 | secrets.randbits(62))


def now() -> float:
    """The time of day."""
    return time.time()
