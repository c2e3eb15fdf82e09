"""How much a protobuf export request unfolds to, counted on its bytes before it is parsed.

Two bytes on the wire can become hundreds in memory (an empty span), so a body within the bound of
bytes may still be far beyond what a receiver should hold. The counting stops at the first bound that is
crossed, so that a hostile body costs no more than the largest honest one.
"""

from __future__ import annotations

from typing import Final, TypeAlias

# Exporters send 512 spans at once unless told otherwise, each with at most 128 attributes by default.
PARTS_LIMIT: Final = 200_000

# Where parts lie within parts, by field number: request, resource spans, scope spans, span, event.
_Parts: TypeAlias = "dict[int, _Parts]"
_SPAN: Final[_Parts] = {9: {}, 11: {3: {}}, 13: {}}
_REQUEST: Final[_Parts] = {1: {1: {1: {}}, 2: {2: _SPAN}}}


class InvalidWire(Exception):
    """The bytes are no protobuf, or unfold to too much; the message is a sentence."""


def check_size(data: bytes) -> None:
    """Raise InvalidWire for a request of more parts than one may have."""
    _count(data, 0, len(data), _REQUEST, 0)


def _count(data: bytes, at: int, end: int, within: _Parts, seen: int) -> int:
    while at < end:
        tag, at = _varint(data, at, end)
        kind, number = tag & 7, tag >> 3
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        elif kind == 2:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise InvalidWire("The body is no protobuf: it ends within a field.")
            if number in within:
                seen += 1
                if seen > PARTS_LIMIT:
                    raise InvalidWire(
                        f"The body holds more than {PARTS_LIMIT:,} spans and attributes; send fewer at once."
                    )
                if parts := within[number]:
                    seen = _count(data, at, at + length, parts, seen)
            at += length
        else:
            raise InvalidWire("The body is no protobuf: it has a field of an unknown kind.")
    if at > end:
        raise InvalidWire("The body is no protobuf: it ends within a field.")
    return seen


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise InvalidWire("The body is no protobuf: it ends within a number.")
