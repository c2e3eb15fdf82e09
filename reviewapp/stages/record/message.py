"""Frames of the journal as the text of one broker message: packed together, compressed, base64."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence

import zstandard

_LENGTH = struct.Struct("<I")
# Fast rather than small: the broker holds it for moments.
_compressor = zstandard.ZstdCompressor(level=1)


class UnreadableMessage(Exception):
    """The message is none that `pack` wrote."""


def pack(frames: Sequence[bytes]) -> str:
    """The message's text."""
    joined = b"".join(part for frame in frames for part in (_LENGTH.pack(len(frame)), frame))
    return base64.b64encode(_compressor.compress(joined)).decode("ascii")


def unpack(text: str) -> list[bytes]:
    """The frames of a message. Raises UnreadableMessage."""
    try:
        joined = zstandard.ZstdDecompressor().decompress(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, zstandard.ZstdError) as error:
        raise UnreadableMessage(f"The message can't be unpacked: {error}") from None
    frames: list[bytes] = []
    at = 0
    while at < len(joined):
        if at + _LENGTH.size > len(joined):
            raise UnreadableMessage("The message ends within a frame.")
        (length,) = _LENGTH.unpack_from(joined, at)
        at += _LENGTH.size
        frames.append(joined[at : at + length])
        if len(frames[-1]) != length:
            raise UnreadableMessage("The message ends within a frame.")
        at += length
    return frames
