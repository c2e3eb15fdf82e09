"""Deterministic interactions that look like traffic: number i is the same on every machine.

About 400 tokens of prompt, 250 of answer, a seed, one of three models, one of five fingerprints,
and for a fifth of them log probabilities with the five likeliest tokens.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
from typing import Any
from uuid import UUID

MODELS = ("gpt-4.1-mini", "gpt-4.1", "llama-3.3-70b")
FINGERPRINTS = ("fp_4a7c1e9b02", "fp_9d20f3a7c5", "fp_1be86d40f1", "fp_c3f5a2817e", "fp_70e94b6dd3")
RARE = "zymurgist"
COMMON = "release"
BEGIN = 1_795_132_800.0
SYSTEM = "You are a careful assistant for the support desk. Answer from the given notes only."


@functools.lru_cache(1)
def vocabulary() -> tuple[list[str], list[float]]:
    """Twelve thousand pronounceable words with the frequencies of prose (Zipf, its head flattened)."""
    rng = random.Random(6)
    syllables = [c + v + e for c in "bdfgklmnprstvw" for v in "aeiou" for e in ("", "n", "r", "s", "l")]
    words = {COMMON: None}
    while len(words) < 12_000:
        words["".join(rng.choice(syllables) for _ in range(rng.choice((1, 2, 2, 3))))] = None
    weights = [1 / (rank + 2) ** 0.85 for rank in range(len(words))]
    return list(words), list(itertools.accumulate(weights))


def _prose(rng: random.Random, length: int, extra: str | None = None) -> str:
    words, cumulative = vocabulary()
    chosen = rng.choices(words, cum_weights=cumulative, k=length)
    if extra:
        chosen[length // 3] = extra
    sentences, at = [], 0
    while at < length:
        size = 7 + int(rng.random() * 14)
        sentences.append(" ".join(chosen[at : at + size]).capitalize() + ".")
        at += size
    return " ".join(sentences)


def _logprobs(rng: random.Random, answer: str) -> dict[str, Any]:
    words, cumulative = vocabulary()
    content = []
    for word in itertools.islice(itertools.cycle(answer.split(" ")), 250):
        low = own = -round(rng.random() ** 3 * 2.5, 6)
        top = [{"token": f" {word}", "logprob": own}]
        for other in rng.choices(words, cum_weights=cumulative, k=4):
            low = round(low - 0.2 - rng.random() * 2, 6)
            top.append({"token": f" {other}", "logprob": low})
        content.append({"token": f" {word}", "logprob": own, "top_logprobs": top})
    return {"content": content}


def interaction(index: int) -> dict[str, Any]:
    """Interaction number `index`, in the shape of `POST /interactions`."""
    rng = random.Random(f"20261122:{index}")
    prompt = _prose(rng, 296 + rng.randint(-60, 60), RARE if index % 2000 == 777 else None)
    answer = _prose(rng, 190 + rng.randint(-40, 40))
    model = rng.choices(MODELS, weights=(6, 3, 1))[0]
    with_logprobs = rng.random() < 0.2
    request = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}],
        "temperature": rng.choice((0, 0.2, 0.7, 1.0)),
        "top_p": 1.0,
        "max_tokens": 512,
        "seed": rng.randint(1, 2**31 - 1),
        **({"logprobs": True, "top_logprobs": 5} if with_logprobs else {}),
    }
    response = {
        "id": f"chatcmpl-{index:012d}",
        "object": "chat.completion",
        "created": int(BEGIN + index),
        "model": model,
        "system_fingerprint": FINGERPRINTS[rng.choices(range(5), weights=(40, 30, 20, 8, 2))[0]],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer},
                "logprobs": _logprobs(rng, answer) if with_logprobs else None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 400, "completion_tokens": 250, "total_tokens": 650},
    }
    return {
        "id": str(UUID(int=rng.getrandbits(128), version=4)),
        "source": f"bot-{index % 7}",
        "provider": "openai",
        "request": request,
        "response": response,
        "status": 200,
        "latency_ms": 400 + int(rng.expovariate(1 / 900)),
    }


def texts(count: int, *, start: int = 0) -> list[str]:
    """So many interactions as JSON texts."""
    return [json.dumps(interaction(index)) for index in range(start, start + count)]
