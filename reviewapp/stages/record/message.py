"""Frames of the journal as what one broker message carries.

A message is a list of frames. Their bodies are packed already; only a frame with a very long body is
compressed here, for which the broker's memory would be too dear. Messages of earlier versions, all frames
in one text, are read too: a broker may hold some when a new version is installed.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from typing import Any, Final

import zstandard

from reviewapp.formats.packed import compress, decompress
from reviewapp.stages.record.arrival import PACKED_LIMIT

_LENGTH = struct.Struct("<I")
# No frame begins so: the first byte of a frame is its version.
_COMPRESSED: Final = zstandard.FRAME_HEADER


class UnreadableMessage(Exception):
    """The message is none that `pack` wrote."""


def pack(frames: Sequence[bytes]) -> list[bytes]:
    """What the message carries."""
    return [compress(frame) if len(frame) > PACKED_LIMIT else frame for frame in frames]


def unpack(message: Any) -> list[bytes]:
    """The frames of a message. Raises UnreadableMessage."""
    try:
        if isinstance(message, str):
            return _split(decompress(base64.b64decode(message, validate=True)))
        if not isinstance(message, list) or not all(isinstance(frame, bytes) for frame in message):
            raise UnreadableMessage("The message is no list of frames.")
        return [decompress(frame) if frame.startswith(_COMPRESSED) else frame for frame in message]
    except (ValueError, binascii.Error, zstandard.ZstdError) as error:
        raise UnreadableMessage(f"The message can't be unpacked: {error}") from None


def _split(joined: bytes) -> list[bytes]:
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
