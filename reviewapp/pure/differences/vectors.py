"""Two embeddings compared: the cosine of the angle between them.

An embedding is a function of its input, without seed or draw, so that repeats differ only by
rounding: in the fourth digit of the cosine at most.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reviewapp.pure.differences.structure import read_structure
from reviewapp.pure.exchange import Choice

Vector = npt.NDArray[np.float64]


def cosine(left: Sequence[Choice], right: Sequence[Choice]) -> float | None:
    """The least cosine between vectors in the same place; None where they can't be compared."""
    if not left or len(left) != len(right):
        return None
    found = [_cosine(_vector(one.text), _vector(other.text)) for one, other in zip(left, right, strict=True)]
    known = [value for value in found if value is not None]
    return min(known) if len(known) == len(found) else None


def _vector(text: str | None) -> Vector | None:
    """Numbers as JSON, or as base64 of 32-bit floats, little-endian."""
    values = read_structure(text)
    try:
        if isinstance(values, list):
            return np.array(values, dtype=np.float64)
        return np.frombuffer(base64.b64decode(text or "", validate=True), dtype="<f4").astype(np.float64)
    except (TypeError, ValueError, OverflowError, binascii.Error):
        return None


def _cosine(left: Vector | None, right: Vector | None) -> float | None:
    if left is None or right is None or left.shape != right.shape or left.ndim != 1 or not left.size:
        return None
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return None
    # Scaled first, so that squares neither overflow nor vanish.
    scale = float(np.abs(left).max()), float(np.abs(right).max())
    if 0.0 in scale:
        return None
    a, b = left / scale[0], right / scale[1]
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
