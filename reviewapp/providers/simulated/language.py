"""The language model of the simulated provider.

At each position the model knows which tokens may come next (the grammar says so) and gives each a logit:
the log of the phrases' weights, plus noise that depends on the weights of the model and on the context,
plus one small perturbation for each *layer*, which is how a changed backend differs from what it was. About
a score of tokens that make no sense there follow far below, as in a real model, so that `top_logprobs: 20`
is always full and a high temperature writes nonsense now and then.

The sampler adds Gumbel noise that depends on the seed, the prompt and the position. So the sampled token
follows the distribution exactly, equal requests give equal texts, and a small change of the logits changes
few tokens.

A share of the branching positions is *nearly tied*: the two best tokens differ by a hundredth of a nat.
That is where real backends part under numeric noise; here a flip (`flip_at`) exchanges the two logits, so
the log probabilities that are shown agree with the token that was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log

from reviewapp.providers.simulated.chance import gumbels, normals, step, uniform
from reviewapp.providers.simulated.grammar import END, Grammar, Sequence_
from reviewapp.providers.simulated.words import FILLERS_IN, FILLERS_MARK, FILLERS_START

_SITE_NOISE = 1.1  # nats; what a choice of words owes to the prompt and the place
_CONTEXT_NOISE = 0.8  # nats; what it owes to every word before
_TIE_SHARE = 0.08  # of the branching positions where two tokens are alike anyway
_TIE_WITHIN = 1.5  # nats
_TAIL_DROP = 9.7  # nats below the best token; about 4e-4 of the probability in all
_TAIL_SLOPE = 0.3
_SHOWN = 24  # tokens with a logit at each position, at least
_GREEDY_BELOW = 1e-3


@dataclass(frozen=True, slots=True)
class Layer:
    """A perturbation of every logit, normal with this standard deviation in nats."""

    key: bytes
    size: float


@dataclass(frozen=True, slots=True)
class Weights:
    """A model as one backend serves it. `top_p` is the server's own cut, whatever the request asks for."""

    key: bytes
    layers: tuple[Layer, ...] = ()
    top_p: float = 1.0


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


@dataclass(frozen=True, slots=True)
class Position:
    """One position of an answer: every token that had a logit, and which was taken."""

    tokens: tuple[str, ...]
    logits: tuple[float, ...]
    chosen: int
    context: bytes

    @property
    def token(self) -> str:
        """The token that was taken."""
        return self.tokens[self.chosen]


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as the model wrote it; at `ties` another numeric state might have parted from it."""

    positions: tuple[Position, ...]
    finish_reason: str
    text: str
    ties: tuple[int, ...] = ()
    emitted: tuple[str, ...] = field(default=())


def token_bytes(token: str) -> bytes:
    """The bytes of a token; some tokens are a part of a character only."""
    return token.encode("utf-8", "surrogateescape")


def text_of(tokens: Sequence[str]) -> str:
    """The text that tokens make together."""
    text = "".join(tokens)
    return text if text.isascii() else token_bytes(text).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is asked to go on from."""

    key: bytes
    grammar: Grammar
    start: Sequence_
    constrained: bool = False


def write(
    *, prompt: Prompt, weights: Weights, sampling: Sampling, tie_margin: float, flip_at: int | None = None
) -> Written:
    """Writes one answer."""
    grammar = prompt.grammar
    root = context = step(weights.key, prompt.key)
    states = grammar.start(prompt.start)
    positions: list[Position] = []
    ties: list[int] = []
    counts: dict[str, int] = {}
    top_p = min(sampling.top_p, weights.top_p)
    finish_reason = "length"
    text = b""
    stops = [stop.encode("utf-8", "surrogatepass") for stop in sampling.stop]
    longest_stop = max(map(len, stops), default=0)

    for number in range(sampling.max_tokens):
        frontier = grammar.frontier(states)
        tokens = sorted(frontier)
        real = len(tokens)
        logits = [log(sum(weight for weight, _ in frontier[token])) for token in tokens]
        if real > 1:
            _add_noise(logits, tokens, root, context)
        _add_tail(tokens, logits, context, number)
        for layer in weights.layers:
            noise = normals(step(layer.key, context), len(logits))
            logits = [logit + layer.size * each for logit, each in zip(logits, noise, strict=True)]

        noise_key = step(prompt.key, sampling.seed_key + number.to_bytes(4, "little"))
        scores = _scores(
            logits, tokens, counts, sampling, top_p, real if prompt.constrained else len(tokens), noise_key
        )
        chosen = scores.index(max(scores))
        if real > 1:
            best, second = sorted(range(real), key=logits.__getitem__, reverse=True)[:2]
            if logits[best] - logits[second] <= tie_margin and chosen in (best, second):
                ties.append(number)
                if flip_at == number:
                    logits[best], logits[second] = logits[second], logits[best]
                    chosen = second if chosen == best else best

        token = tokens[chosen]
        if chosen < real:
            states = frontier[token]
        else:
            likeliest = max(range(real), key=logits.__getitem__)
            states = frontier[tokens[likeliest]]
        if token == END:
            finish_reason = "stop"
            break
        if len(states) == 1:
            states = [(1.0, states[0][1])]
        positions.append(Position(tuple(tokens), tuple(logits), chosen, context))
        counts[token] = counts.get(token, 0) + 1
        data = token_bytes(token)
        context = step(context, data)
        if stops:
            text += data
            if any(stop in text[-longest_stop - len(data) :] for stop in stops):
                finish_reason = "stop"
                break

    return _finished(positions, finish_reason, sampling.stop, ties)


def _add_noise(logits: list[float], tokens: list[str], root: bytes, context: bytes) -> None:
    """The noise that makes the choice between the phrases; sometimes it leaves the two best nearly tied."""
    real = len(tokens)
    site = normals(step(root, "\0".join(tokens).encode("utf-8", "surrogatepass")[-900:]), real)
    here = normals(context, real)
    for index in range(real):
        logits[index] += _SITE_NOISE * site[index] + _CONTEXT_NOISE * here[index]
    tied = uniform(step(context, b"tie"))
    if tied < _TIE_SHARE:
        best, second = sorted(range(real), key=logits.__getitem__, reverse=True)[:2]
        if logits[best] - logits[second] < _TIE_WITHIN:
            # 0.001 to 0.021 nats apart: above the noise of equal replicas, below a change worth a mail.
            logits[second] = max(logits[second], logits[best] - 0.001 - 0.02 * tied / _TIE_SHARE)


def _add_tail(tokens: list[str], logits: list[float], context: bytes, number: int) -> None:
    """Tokens that make no sense here, far below the ones that do."""
    best = max(logits)
    likeliest = tokens[logits.index(best)]
    bare = likeliest.lstrip(" ")
    if not bare[:1].isalpha():
        fillers = FILLERS_MARK
    elif likeliest != bare:
        fillers = FILLERS_IN
    else:
        fillers = FILLERS_START
    wanted = max(_SHOWN - len(tokens), 4)
    noise = normals(step(context, b"tail"), wanted)
    at = int.from_bytes(context[:4], "little")
    stride = 1 + context[5] % 7
    taken = set(tokens)
    drop = best - _TAIL_DROP
    for rank in range(wanted):
        filler = ""
        while not filler or filler in taken:
            filler = fillers[at % len(fillers)]
            at += stride
        taken.add(filler)
        tokens.append(filler)
        logits.append(drop - _TAIL_SLOPE * rank + 0.5 * noise[rank])


def _scores(
    logits: list[float],
    tokens: list[str],
    counts: dict[str, int],
    sampling: Sampling,
    top_p: float,
    allowed: int,
    noise_key: bytes,
) -> list[float]:
    """What the sampler takes the largest of."""
    scores = logits[:allowed]
    if sampling.frequency_penalty or sampling.presence_penalty:
        for index in range(allowed):
            if seen := counts.get(tokens[index]):
                scores[index] -= sampling.frequency_penalty * seen + sampling.presence_penalty
    if sampling.temperature < _GREEDY_BELOW:
        return scores
    noise = gumbels(noise_key, allowed)
    scale = 1 / sampling.temperature
    drawn = [score * scale + each for score, each in zip(scores, noise, strict=True)]
    if top_p < 1:
        best = max(scores)
        mass = [exp((score - best) * scale) for score in scores]
        left = top_p * sum(mass)
        for index in sorted(range(allowed), key=mass.__getitem__, reverse=True):
            if left <= 0:
                drawn[index] = -1e9
            left -= mass[index]
    return drawn


def _finished(
    positions: list[Position], finish_reason: str, stops: tuple[str, ...], ties: list[int]
) -> Written:
    """Cuts the text at a stop sequence, and lays what each token shows beside it.

    `emitted` is what a stream sends for each token: nothing for the first part of a character, the whole
    character with its last part.
    """
    whole = text_of([position.token for position in positions])
    cut = min((at for stop in stops if (at := whole.find(stop)) >= 0), default=len(whole))
    emitted: list[str] = []
    kept: list[Position] = []
    held = b""
    length = 0
    for position in positions:
        if length >= cut and cut < len(whole):
            break
        held += token_bytes(position.token)
        try:
            text, held = held.decode(), b""
        except UnicodeDecodeError:
            text = ""
        text = text[: cut - length]
        length += len(text)
        emitted.append(text)
        kept.append(position)
    if held and cut == len(whole):
        # The answer ended, at its largest length, inside a character.
        emitted[-1] += held.decode("utf-8", "replace")
    return Written(
        tuple(kept), finish_reason, whole[:cut], tuple(t for t in ties if t < len(kept)), tuple(emitted)
    )
