"""Embeddings: texts that share words and parts of words lie near each other.

Each word and each of its three-letter parts has a direction of its own, which depends on the weights of the
model; a text is the sum of them, at length 1. A changed backend turns every direction a little.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reviewapp.providers.simulated import refusals
from reviewapp.providers.simulated.asking import find_model, read_texts
from reviewapp.providers.simulated.behaviour import Serving
from reviewapp.providers.simulated.chance import step
from reviewapp.providers.simulated.config import Config, Model
from reviewapp.providers.simulated.grammar import count_tokens
from reviewapp.providers.simulated.refusals import integer, invalid, missing

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class EmbeddingAsk:
    """What a request for embeddings wants."""

    model: Model
    texts: tuple[str, ...]
    tokens: int
    dimensions: int
    base64: bool


def read_embeddings(body: Mapping[str, Any], config: Config) -> EmbeddingAsk:
    """Reads a request to /v1/embeddings."""
    model = find_model(body, config, kind="embedding")
    if body.get("input") is None:
        raise missing("input")
    texts = read_texts(body["input"], "input")
    if len(texts) > 2048:
        raise invalid(
            "Invalid 'input': an array may hold at most 2048 items.", "input", "array_above_max_length"
        )
    if any(not text for text in texts):
        raise invalid("Invalid 'input': input cannot be an empty string.", "input", "invalid_value")
    form = refusals.supported(body.get("encoding_format") or "float", ("float", "base64"), "encoding_format")
    dimensions = integer(body, "dimensions", model.dimensions, low=1, high=model.dimensions)
    assert dimensions is not None
    return EmbeddingAsk(model, tuple(texts), sum(map(count_tokens, texts)), dimensions, form == "base64")


@lru_cache(maxsize=20_000)
def _direction(key: bytes, dimensions: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"))).standard_normal(
        dimensions
    )


def embedding(text: str, serving: Serving, *, dimensions: int, full: int) -> NDArray[np.float64]:
    """The embedding of one text, at length 1; fewer dimensions are the first ones of the full vector."""
    words = _WORD.findall(text.lower())[:4000] or [text]
    parts = [word[start : start + 3] for word in words for start in range(max(0, len(word) - 2))]
    layers = (*serving.weights.layers, *([serving.noise] if serving.noise else []))
    total = np.zeros(full)
    for weight, pieces in ((1.0, words), (0.35, parts)):
        for piece in pieces:
            data = piece.encode("utf-8", "surrogatepass")
            total += weight * _direction(step(serving.weights.key, data), full)
            for layer in layers:
                total += weight * layer.size * _direction(step(layer.key, data), full)
    total = total[:dimensions]
    length = float(np.linalg.norm(total))
    return total / length if length else total + dimensions**-0.5


def embeddings_reply(ask: EmbeddingAsk, serving: Serving) -> dict[str, Any]:
    """The response of /v1/embeddings."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, ask.base64)}
            for index, vector in enumerate(_vectors(ask, serving))
        ],
        "model": ask.model.served_name,
        "usage": {"prompt_tokens": ask.tokens, "total_tokens": ask.tokens},
    }


def _vectors(ask: EmbeddingAsk, serving: Serving) -> Sequence[NDArray[np.float64]]:
    return [
        embedding(text, serving, dimensions=ask.dimensions, full=ask.model.dimensions) for text in ask.texts
    ]


def _encoded(vector: NDArray[np.float64], as_base64: bool) -> str | list[float]:
    small = vector.astype("<f4")
    if as_base64:
        return base64.b64encode(small.tobytes()).decode("ascii")
    return [float(f"{value:.8g}") for value in small]
