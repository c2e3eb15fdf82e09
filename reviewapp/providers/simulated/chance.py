"""Numbers from keys.

Everything that looks random here is a function of a key: weights of a model from (configuration, model,
context), the sampler's noise from (seed, position), which replica answers from (configuration, model,
number of the request). So the simulator is deterministic by its configuration, whatever the order and the
concurrency of requests, and a seed means the same as on a real backend with a counter-based generator.
"""

from __future__ import annotations

import struct
from functools import cache
from hashlib import blake2b, shake_128
from math import log
from statistics import NormalDist

_LEVELS = 1 << 16
# Sixteen bits for each normal number: two bytes of digest and one look-up, a tenth of the cost of computing
# it.
_QUANTILES = [NormalDist().inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS)]


@cache
def _shorts(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H")


@cache
def _ints(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def key_of(*parts: object) -> bytes:
    """A sixteen-byte key for these parts; each part's text is told apart from its neighbours'."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little"))
        digest.update(data)
    return digest.digest()


def step(key: bytes, data: bytes) -> bytes:
    """The key that follows `key` when `data` is appended: a rolling hash of a context."""
    return blake2b(data, key=key, digest_size=16).digest()


def normals(key: bytes, count: int) -> list[float]:
    """`count` standard normal numbers."""
    quantiles = _QUANTILES
    return [quantiles[level] for level in _shorts(count).unpack(shake_128(key).digest(2 * count))]


def gumbels(key: bytes, count: int) -> list[float]:
    """`count` standard Gumbel numbers: the largest of (log probability + Gumbel) is a sample."""
    return [
        -log(-log((level + 0.5) / 4294967296.0))
        for level in _ints(count).unpack(shake_128(key).digest(4 * count))
    ]


def uniform(key: bytes) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(shake_128(key).digest(7), "little") / (1 << 56)


def uniforms(key: bytes, count: int) -> list[float]:
    """`count` numbers in [0, 1)."""
    return [level / 4294967296.0 for level in _ints(count).unpack(shake_128(key).digest(4 * count))]


def whole(key: bytes, *, bits: int) -> int:
    """A whole number of `bits` bits."""
    return int.from_bytes(shake_128(key).digest((bits + 7) // 8), "little") >> (-bits % 8)
