"""Time-ordered ids (UUID version 7, RFC 9562): rows made later sort later, on every machine.

Python 3.11 has no uuid7 of its own; this is the RFC's layout with 74 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_RANDOM_BITS = 74
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_lock = threading.Lock()
_last_ms, _last_random = -1, 0


def uuid7(*, at_ms: int | None = None) -> UUID:
    """A new id; `at_ms` is the Unix time in milliseconds it should carry.

    Without it, the time is now, and each id sorts after those that this process made before it in the same
    millisecond (the RFC's section 6.2, method 2): what one deed writes reads in the order it was written.
    """
    if at_ms is not None:
        return _laid_out(at_ms, secrets.randbits(_RANDOM_BITS))
    global _last_ms, _last_random
    with _lock:
        milliseconds = time.time_ns() // 1_000_000
        random = _last_random + 1 + secrets.randbits(32)
        if milliseconds != _last_ms or random >> _RANDOM_BITS:
            random = secrets.randbits(_RANDOM_BITS)
        _last_ms, _last_random = milliseconds, random
    return _laid_out(milliseconds, random)


def _laid_out(milliseconds: int, random: int) -> UUID:
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


def least_id(at: datetime) -> UUID:
    """What no version 7 id made at this moment or later sorts before; itself the id of nothing."""
    return UUID(int=(at - _EPOCH) // timedelta(milliseconds=1) << 80)


def renamed_id(own: UUID, *, project: UUID) -> UUID:
    """The id that something gets in a project when another project has its own; known from that alone."""
    return named_id(f"renamed {own}", project=project, at_ms=own.int >> 80 if own.version == 7 else 0)
