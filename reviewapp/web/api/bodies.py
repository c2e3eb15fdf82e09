"""The bodies of ingest: one object, an array, or lines of JSON; plain, gzip or zstd.

The bounds count after decompression, and decompression stops at them: a small body that would
unpack to gigabytes costs no more than the largest that is allowed.
"""

from __future__ import annotations

import io
import zlib
from typing import Final

import zstandard

from reviewapp.formats.interchange import InvalidInteraction, Recorded, read_interaction, read_interactions
from reviewapp.pure import rawjson
from reviewapp.web.api.problems import Problem

BYTES_LIMIT: Final = 16 * 1024 * 1024
ITEMS_LIMIT: Final = 1_000
_LINES: Final = frozenset(["application/x-ndjson", "application/ndjson", "application/jsonl"])


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its content encoding. Raises Problem."""
    name = encoding.strip().lower()
    try:
        if name in ("", "identity"):
            data = body
        elif name in ("gzip", "x-gzip"):
            data = _gunzipped(body)
        elif name == "zstd":
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True)
            data = reader.read(BYTES_LIMIT + 1)
        else:
            raise Problem(415, f"The content encoding {name!r} is unknown here; send gzip, zstd or none.")
    except (zlib.error, zstandard.ZstdError) as error:
        raise Problem(400, f"The body is no {name}: {error}.") from None
    if len(data) > BYTES_LIMIT:
        raise too_large()
    return data


def too_large() -> Problem:
    """The body, as it came or unpacked, is beyond the bound."""
    return Problem(413, "The body is larger than 16 MiB; send it in several requests.")


def _gunzipped(body: bytes) -> bytes:
    data = b""
    while body and len(data) <= BYTES_LIMIT:
        member = zlib.decompressobj(wbits=31)
        data += member.decompress(body, BYTES_LIMIT + 1 - len(data))
        if not member.eof and len(data) <= BYTES_LIMIT:
            raise zlib.error("it ends too early")
        body = member.unused_data
    return data


def items_of(data: bytes, content_type: str) -> list[Recorded | InvalidInteraction]:
    """The interactions of a body, in order; an item that can't be recorded is its error. Raises Problem."""
    try:
        text = rawjson.decode(data)
        if content_type.partition(";")[0].strip().lower() in _LINES:
            lines = [line for line in text.split("\n") if line.strip()]
            _check_count(len(lines))
            items = [_line(line) for line in lines]
        elif text.lstrip().startswith("["):
            items = read_interactions(text)
            _check_count(len(items))
        else:
            items = [_line(text)]
    except rawjson.InvalidJson as error:
        raise Problem(422, f"The body is no JSON. {error}") from None
    except InvalidInteraction as error:
        raise Problem(422, str(error)) from None
    if not items:
        raise Problem(422, "The body holds no interaction.")
    return items


def _check_count(count: int) -> None:
    if count > ITEMS_LIMIT:
        raise Problem(
            413, f"The body holds {count:,} interactions, at most {ITEMS_LIMIT:,} are taken at once."
        )


def _line(text: str) -> Recorded | InvalidInteraction:
    try:
        return read_interaction(text)
    except InvalidInteraction as error:
        return error
