"""Time-ordered ids (UUID version 7, RFC 9562): rows made later sort later, on every machine.

Python 3.11 has no uuid7 of its own; this is the RFC's layout with 74 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID


def uuid7(*, at_ms: int | None = None) -> UUID:
    """A new id; `at_ms` is the Unix time in milliseconds it should carry (default: now)."""
    milliseconds = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    random = secrets.randbits(74)
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= (random >> 62) << 64
    value |= 0b10 << 62
    value |= random & 0x3FFFFFFFFFFFFFFF
    return UUID(int=value)


def derived_id(digest: bytes, *, at_ms: int) -> UUID:
    """The id that what has this digest, of ten bytes or more, always gets; in the order of `at_ms`."""
    value = (max(at_ms, 0) & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(digest[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)


def named_id(name: str, *, project: UUID, at_ms: int) -> UUID:
    """The id that what is called so elsewhere always gets in a project."""
    return derived_id(hashlib.sha256(f"{name}\n{project}".encode(errors="replace")).digest(), at_ms=at_ms)


def new_id() -> UUID:
    """A new id for now; a plain function so that migrations can name it as a default."""
    return uuid7()


def time_of(id_: UUID) -> datetime | None:
    """When a version 7 id was made; None for other versions, which carry no such time."""
    if id_.version != 7:
        return None
    return datetime.fromtimestamp((id_.int >> 80) / 1000, tz=UTC)


def renamed_id(own: UUID, *, project: UUID) -> UUID:
    """The id that something gets in a project when another project has its own; known from that alone."""
    return named_id(f"renamed {own}", project=project, at_ms=own.int >> 80 if own.version == 7 else 0)
