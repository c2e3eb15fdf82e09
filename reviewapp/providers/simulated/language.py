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
from math import log

from reviewapp.providers.simulated.chance import normals, step, uniform
from reviewapp.providers.simulated.grammar import END, Grammar, Sequence_
from reviewapp.providers.simulated.sampling import Drawn, Sampling, draw, two_best
from reviewapp.providers.simulated.words import fillers_from

_SITE_NOISE = 1.1  # nats; what a choice of words owes to the prompt and the place
_CONTEXT_NOISE = 0.8  # nats; what it owes to every word before
_TIE_SHARE = 0.08  # of the branching positions where two tokens are alike anyway
_TIE_WITHIN = 1.5  # nats
_TAIL_DROP = 9.7  # nats below the best token; about 4e-4 of the probability in all
_TAIL_SLOPE = 0.3
_SHOWN = 24  # tokens with a logit at each position, at least


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
class Position:
    """One position of an answer: the tokens that make sense there, their logits, and the token that was
    taken.

    `anchor` is the largest logit before the layers; the tail hangs from it.
    """

    token: str
    tokens: tuple[str, ...]
    logits: tuple[float, ...]
    context: bytes
    anchor: float

    def complete(self, layers: Sequence[Layer]) -> tuple[list[str], list[float]]:
        """All tokens with their logits, the tail's too. They are made here: few readers want them."""
        return _with_tail(list(self.tokens), list(self.logits), self.context, self.anchor, layers)


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
        logits = [log(sum(weight for weight, _ in frontier[token])) for token in tokens]
        if len(tokens) > 1:
            _add_noise(logits, tokens, root, context)
        anchor = max(logits)
        logits = _moved(logits, context, weights.layers, 0)

        noise_key = step(prompt.key, sampling.seed_key + number.to_bytes(4, "little"))
        drawn = draw(
            logits,
            tokens,
            complete=lambda: _with_tail(list(tokens), list(logits), context, anchor, weights.layers),  # noqa: B023
            sampling=sampling,
            top_p=top_p,
            counts=counts,
            with_tail=not prompt.constrained,
            key=noise_key,
        )
        best, second = two_best(logits)
        if drawn.index is None:
            states = frontier[tokens[best]]
        else:
            chosen = drawn.index
            if second >= 0 and logits[best] - logits[second] <= tie_margin and chosen in (best, second):
                ties.append(number)
                if flip_at == number:
                    logits[best], logits[second] = logits[second], logits[best]
                    drawn = Drawn(tokens[second if chosen == best else best], chosen)
            states = frontier[drawn.token]
        token = drawn.token
        if token == END:
            finish_reason = "stop"
            break
        if len(states) == 1:
            states = [(1.0, states[0][1])]
        positions.append(Position(token, tuple(tokens), tuple(logits), context, anchor))
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
        best, second = two_best(logits)
        if logits[best] - logits[second] < _TIE_WITHIN:
            # 0.001 to 0.021 nats apart: above the noise of equal replicas, below a change worth a mail.
            logits[second] = max(logits[second], logits[best] - 0.001 - 0.02 * tied / _TIE_SHARE)


def _moved(logits: list[float], context: bytes, layers: Sequence[Layer], start: int) -> list[float]:
    """Logits as the layers move them; the first of them is the one with the number `start` of its
    position."""
    for layer in layers:
        noise = normals(step(layer.key, context), start + len(logits))
        size = layer.size
        logits = [logit + size * each for logit, each in zip(logits, noise[start:], strict=True)]
    return logits


def _with_tail(
    tokens: list[str], logits: list[float], context: bytes, anchor: float, layers: Sequence[Layer]
) -> tuple[list[str], list[float]]:
    """Adds the tokens that make no sense here, far below the ones that do."""
    likeliest = tokens[two_best(logits)[0]]
    bare = likeliest.lstrip(" ")
    kind = "mark" if not bare[:1].isalpha() else "in" if likeliest != bare else "start"
    wanted = max(_SHOWN - len(tokens), 4)
    fillers = fillers_from(kind, context[0] | context[1] << 8, context[2] % 7)
    tail = [token for token in fillers if token not in tokens][:wanted]
    noise = normals(step(context, b"tail"), wanted)
    drop = anchor - _TAIL_DROP
    below = [drop - _TAIL_SLOPE * rank + 0.5 * each for rank, each in enumerate(noise[: len(tail)])]
    return tokens + tail, logits + _moved(below, context, layers, len(tokens))


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
