"""The sampler: draws one token by its logits, with noise that depends on a key alone.

It takes the largest of (logit / temperature + Gumbel noise), which is a sample of exactly the distribution
at that temperature. The tail, tokens that make no sense at a place, has less than a thousandth of the
probability up to temperature 1, so it is looked at only in the hundredth of the draws that can fall on it;
the mixture is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp

from reviewapp.providers.simulated.chance import gumbels, step, uniform

GREEDY_BELOW = 1e-3
_TAIL_LOOKED_AT = 0.01


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; `seed_key` is the key of the seed and of the choice's number."""

    seed_key: bytes
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 4096
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()

    @property
    def greedy(self) -> bool:
        """Whether the best token is always taken."""
        return self.temperature < GREEDY_BELOW


@dataclass(frozen=True, slots=True)
class Drawn:
    """The token that was drawn, and its number among those that make sense; None for one of the tail."""

    token: str
    index: int | None


def two_best(logits: Sequence[float]) -> tuple[int, int]:
    """The numbers of the largest and the second largest; -1 for a second that is not there."""
    best = second = -1
    for index, logit in enumerate(logits):
        if best < 0 or logit > logits[best]:
            best, second = index, best
        elif second < 0 or logit > logits[second]:
            second = index
    return best, second


def draw(
    logits: list[float],
    tokens: list[str],
    *,
    complete: Callable[[], tuple[list[str], list[float]]],
    sampling: Sampling,
    top_p: float,
    counts: Mapping[str, int],
    with_tail: bool,
    key: bytes,
) -> Drawn:
    """Draws a token. `complete` gives the tokens and logits with the tail's."""
    real = len(logits)
    penalised = bool(sampling.frequency_penalty or sampling.presence_penalty)
    if with_tail and (penalised or sampling.temperature > 1 or 0.99 <= top_p < 1):
        tokens, logits = complete()
    elif with_tail and not sampling.greedy and top_p == 1:
        left = uniform(step(key, b"tail")) - (1 - _TAIL_LOOKED_AT)
        if left >= 0 and (token := _of_tail(*complete(), real, 1 / sampling.temperature, left)):
            return Drawn(token, None)
    if penalised:
        logits = _penalised(logits, tokens, counts, sampling)
    scores = logits
    if not sampling.greedy and len(logits) > 1:
        scale = 1 / sampling.temperature
        scores = [logit * scale + each for logit, each in zip(logits, gumbels(key, len(logits)), strict=True)]
        if top_p < 1:
            _cut(scores, logits, scale, top_p)
    chosen = scores.index(max(scores))
    return Drawn(tokens[chosen], chosen if chosen < real else None)


def _of_tail(tokens: list[str], logits: list[float], real: int, scale: float, left: float) -> str | None:
    best = max(logits)
    mass = [exp((logit - best) * scale) for logit in logits]
    total = sum(mass)
    for token, each in zip(tokens[real:], mass[real:], strict=True):
        if left < each / total:
            return token
        left -= each / total
    return None


def _penalised(
    logits: list[float], tokens: list[str], counts: Mapping[str, int], sampling: Sampling
) -> list[float]:
    return [
        logit - sampling.frequency_penalty * counts[token] - sampling.presence_penalty
        if token in counts
        else logit
        for logit, token in zip(logits, tokens, strict=True)
    ]


def _cut(scores: list[float], logits: list[float], scale: float, top_p: float) -> None:
    """Leaves the fewest tokens that have this share of the probability together."""
    best = max(logits)
    mass = [exp((logit - best) * scale) for logit in logits]
    left = top_p * sum(mass)
    for index in sorted(range(len(logits)), key=mass.__getitem__, reverse=True):
        if left <= 0:
            scores[index] = -1e9
        left -= mass[index]
