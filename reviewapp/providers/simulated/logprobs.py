"""Log probabilities as responses show them.

They are the model's own at temperature 1, before the sampler's temperature and cuts, as OpenAI reports
them. A replica's numeric noise is added here unless it has reached the sampler already. The noise of a
replica never makes a shown list contradict a greedy choice: where it would, the two values change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log
from typing import Any

from reviewapp.providers.simulated.chance import normals, step
from reviewapp.providers.simulated.language import Layer, Position, token_bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown for one position: the token, and the alternatives in their order."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


def shown(
    position: Position,
    *,
    layers: Sequence[Layer],
    noise: Layer | None,
    top: int,
    greedy: bool,
    sampled_first: bool = False,
) -> Shown:
    """The log probabilities of one position. `layers` are those of the weights that wrote it."""
    tokens, logits = position.complete(layers)
    chosen = tokens.index(position.token)
    if noise is not None:
        highest = logits[chosen] == max(logits)
        moved = normals(step(noise.key, position.context), len(logits))
        logits = [logit + noise.size * each for logit, each in zip(logits, moved, strict=True)]
        best = logits.index(max(logits))
        if greedy and highest and best != chosen:
            logits[best], logits[chosen] = logits[chosen], logits[best]
    most = max(logits)
    total = most + log(sum([exp(logit - most) for logit in logits]))
    order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top]
    if sampled_first and top:
        order = [chosen, *(index for index in order if index != chosen)][:top]
    return Shown(
        position.token,
        _rounded(logits[chosen] - total),
        tuple((tokens[index], _rounded(logits[index] - total)) for index in order),
    )


def _rounded(logprob: float) -> float:
    return min(0.0, round(logprob, 8)) + 0.0


@lru_cache(maxsize=20_000)
def _entry(token: str) -> tuple[str, list[int]]:
    data = token_bytes(token)
    return displayed(token), list(data)


def displayed(token: str) -> str:
    """A token as text; a part of a character as the escapes of its bytes."""
    data = token_bytes(token)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)


def chat_entry(each: Shown) -> dict[str, Any]:
    """One position in the shape of chat completions and responses."""
    token, data = _entry(each.token)
    top = []
    for other, logprob in each.top:
        name, other_data = _entry(other)
        top.append({"token": name, "logprob": logprob, "bytes": other_data})
    return {"token": token, "logprob": each.logprob, "bytes": data, "top_logprobs": top}


def completion_logprobs(positions: Sequence[Shown], offsets: Sequence[int], *, top: int) -> dict[str, Any]:
    """All positions in the shape of the older completions endpoint."""
    return {
        "tokens": [displayed(each.token) for each in positions],
        "token_logprobs": [each.logprob for each in positions],
        "top_logprobs": [
            {displayed(token): logprob for token, logprob in (*each.top, (each.token, each.logprob))}
            for each in positions
        ]
        if top
        else None,
        "text_offset": list(offsets),
    }
