"""Other models out of one: a GGUF file read, changed and written with numpy alone.

The bench needs fleets of replicas that differ by a little noise, and the same change applied to each of
them. No trainer or quantiser is installed for that, so the four block formats of llama.cpp that matter
here are written by hand. Only what the tiny llama-architecture model holds is read: F32, F16, BF16.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; blocks as in ggml-quants.c
(`quantize_row_q8_0_ref`, `quantize_row_q4_0_ref`, `quantize_row_q5_0_ref`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32, F16, Q4_0, Q5_0, Q8_0, BF16 = 0, 1, 2, 6, 8, 30
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
_BLOCK = 32

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """The tensors of one model as float32, with the header text that is copied as it came."""

    header: bytes
    tensors: dict[str, Floats]
    kinds: dict[str, int]


def _skip_value(data: bytes, at: int, kind: int) -> int:
    if kind == _STRING:
        (length,) = struct.unpack_from("<Q", data, at)
        return int(at + 8 + length)
    if kind == _ARRAY:
        item, count = struct.unpack_from("<IQ", data, at)
        at += 12
        if item in _SCALARS:
            return int(at + count * struct.calcsize("<" + _SCALARS[item]))
        for _ in range(count):
            at = _skip_value(data, at, item)
        return at
    return at + struct.calcsize("<" + _SCALARS[kind])


def _padded(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def read_weights(path: Path) -> Weights:
    """Every tensor of a GGUF file whose tensors are F32, F16 or BF16."""
    data = path.read_bytes()
    magic, _version, tensor_count, key_count = struct.unpack_from("<4sIQQ", data, 0)
    if magic != b"GGUF":
        raise ValueError(f"{path} is no GGUF file.")
    at = 24
    for _ in range(key_count):
        (length,) = struct.unpack_from("<Q", data, at)
        at += 8 + length
        (kind,) = struct.unpack_from("<I", data, at)
        at = _skip_value(data, at + 4, kind)
    header = data[24:at]
    infos: list[tuple[str, tuple[int, ...], int, int]] = []
    for _ in range(tensor_count):
        (length,) = struct.unpack_from("<Q", data, at)
        name = data[at + 8 : at + 8 + length].decode()
        at += 8 + length
        (dimensions,) = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
        at += 4 + 8 * dimensions + 12
        infos.append((name, shape, kind, offset))
    start = _padded(at)
    tensors: dict[str, Floats] = {}
    kinds: dict[str, int] = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        if kind == F32:
            flat = np.frombuffer(data, "<f4", count, start + offset).astype(np.float32)
        elif kind == F16:
            flat = np.frombuffer(data, "<f2", count, start + offset).astype(np.float32)
        elif kind == BF16:
            halves = np.frombuffer(data, "<u2", count, start + offset).astype(np.uint32)
            flat = (halves << 16).view(np.float32)
        else:
            raise ValueError(f"{path}: tensor {name} has the unread type {kind}.")
        tensors[name] = flat.reshape(shape[::-1])
        kinds[name] = kind
    return Weights(header=header, tensors=tensors, kinds=kinds)


def _packed(values: Floats, kind: int) -> bytes:
    if kind == F32:
        return values.astype("<f4").tobytes()
    if kind == F16:
        return values.astype("<f2").tobytes()
    if kind == BF16:
        bits = values.astype("<f4").view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    blocks = values.astype(np.float32).reshape(-1, _BLOCK)
    count = len(blocks)
    if kind == Q8_0:
        scale = np.abs(blocks).max(axis=1) / 127
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        levels = np.rint(blocks * inverse[:, None]).astype(np.int8)
        return np.concatenate(
            [scale.astype("<f2").view(np.uint8).reshape(count, 2), levels.view(np.uint8)], axis=1
        ).tobytes()
    steps = 8 if kind == Q4_0 else 16
    extreme = blocks[np.arange(count), np.abs(blocks).argmax(axis=1)]
    scale = extreme / -steps
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    levels = np.clip(np.floor(blocks * inverse[:, None] + steps + 0.5), 0, 2 * steps - 1).astype(np.uint8)
    low = (levels[:, :16] & 15) | ((levels[:, 16:] & 15) << 4)
    parts = [scale.astype("<f2").view(np.uint8).reshape(count, 2)]
    if kind == Q5_0:
        fifth = np.packbits(levels >> 4, axis=1, bitorder="little")
        parts.append(fifth)
    return np.concatenate([*parts, low], axis=1).tobytes()


def write_weights(path: Path, weights: Weights) -> None:
    """Write the tensors in the type each is marked with."""
    infos, bodies, offset = [], [], 0
    for name, values in weights.tensors.items():
        body = _packed(values, weights.kinds[name])
        shape = values.shape[::-1]
        encoded = name.encode()
        infos.append(
            struct.pack("<Q", len(encoded))
            + encoded
            + struct.pack(
                f"<I{len(shape)}QIQ", len(shape), *(int(n) for n in shape), weights.kinds[name], offset
            )
        )
        bodies.append(body.ljust(_padded(len(body)), b"\0"))
        offset += len(bodies[-1])
    keys = _count_keys(weights.header)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(infos), keys) + weights.header + b"".join(infos)
    path.write_bytes(head.ljust(_padded(len(head)), b"\0") + b"".join(bodies))


def _count_keys(header: bytes) -> int:
    at, count = 0, 0
    while at < len(header):
        (length,) = struct.unpack_from("<Q", header, at)
        at += 8 + length
        (kind,) = struct.unpack_from("<I", header, at)
        at = _skip_value(header, at + 4, kind)
        count += 1
    return count


def _matrices(weights: Weights) -> list[str]:
    return [name for name, values in weights.tensors.items() if values.ndim == 2]


def with_noise(weights: Weights, *, share: float, rng: np.random.Generator) -> Weights:
    """Gaussian noise on every matrix, as a share of that matrix' own root mean square."""
    changed = dict(weights.tensors)
    for name in _matrices(weights):
        values = changed[name]
        size = float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))
        changed[name] = values + (share * size * rng.standard_normal(values.shape)).astype(np.float32)
    return replace(weights, tensors=changed)


def with_type(weights: Weights, *, kind: int) -> Weights:
    """Every matrix stored in another type: rounded or quantised as that type does."""
    kinds = weights.kinds | dict.fromkeys(_matrices(weights), kind)
    return replace(weights, kinds=kinds)


def with_step(weights: Weights, *, start: Weights, end: Weights, factor: float) -> Weights:
    """Moved along the way from `start` to `end`: the same fine-tuning, or a part of it, applied here."""
    changed: dict[str, Any] = {
        name: values + np.float32(factor) * (end.tensors[name] - start.tensors[name])
        for name, values in weights.tensors.items()
    }
    return replace(weights, tensors=changed)
