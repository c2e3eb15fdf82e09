"""How one endpoint wants to be asked, and what to give up when it refuses.

The first request carries everything: a seed, 20 alternatives, and three switches that only some servers
know (`top_k` 0 and `min_p` 0 open the sampler, `cache_prompt` false keeps an earlier request's cache out
of this answer). A server that refuses names what it does not like, in words of its own; what it names is
given up first, then the rest in the order of how often vendors refuse it. Both sides of a comparison are
asked in the dialect that both understand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reviewapp.pure.drift.panel import TEXT_TEMPERATURE, TEXT_TOKENS, TOKEN_ALTERNATIVES, Kind, Question
from reviewapp.pure.exchange import JsonObject

VENDOR_LEAST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an endpoint takes. Everything until it is refused."""

    alternatives: int = TOKEN_ALTERNATIVES[0]
    seed: bool = True
    cache_switch: bool = True
    sampler_switches: bool = True
    temperature: bool = True
    least_tokens: int = 1
    tokens_field: str = "max_tokens"

    def request(self, question: Question, *, model: str) -> JsonObject:
        """The body that asks this question."""
        body: JsonObject = {
            "model": model,
            "messages": [{"role": "user", "content": question.prompt}],
            self.tokens_field: self._tokens(question.kind),
        }
        if self.seed:
            body["seed"] = question.seed
        if self.cache_switch:
            body["cache_prompt"] = False
        if question.kind != "plain":
            if self.temperature:
                body["temperature"] = TEXT_TEMPERATURE if question.kind == "seeded" else 0
            if self.temperature and question.kind == "seeded":
                body["top_p"] = 1
            if self.sampler_switches:
                body |= {"top_k": 0, "min_p": 0}
        if question.kind == "token" and self.alternatives:
            body |= {"logprobs": True, "top_logprobs": self.alternatives}
        return body

    def _tokens(self, kind: Kind) -> int:
        return max(self.least_tokens, 1 if kind in {"token", "border"} else TEXT_TOKENS)

    def common(self, other: Dialect) -> Dialect:
        """What both take."""
        return Dialect(
            alternatives=min(self.alternatives, other.alternatives),
            seed=self.seed and other.seed,
            cache_switch=self.cache_switch and other.cache_switch,
            sampler_switches=self.sampler_switches and other.sampler_switches,
            temperature=self.temperature and other.temperature,
            least_tokens=max(self.least_tokens, other.least_tokens),
            tokens_field=self.tokens_field if self.tokens_field == other.tokens_field else "max_tokens",
        )

    def without(self, refusal: str) -> Dialect | None:
        """The dialect to try after this refusal; None when there is nothing left to give up."""
        said = refusal.lower()
        for words, give_up in _RULES:
            if any(word in said for word in words):
                weaker = give_up(self)
                if weaker != self:
                    return weaker
        return next((weaker for give_up in _UNNAMED if (weaker := give_up(self)) != self), None)

    @property
    def given_up(self) -> tuple[str, ...]:
        """What this endpoint does not take, in words."""
        told = {
            "seed": self.seed,
            "cache_prompt": self.cache_switch,
            "top_k, min_p": self.sampler_switches,
            "temperature": self.temperature,
            "log probabilities": self.alternatives > 0,
        }
        return tuple(name for name, taken in told.items() if not taken)


def _fewer_alternatives(dialect: Dialect) -> Dialect:
    left = [count for count in (*TOKEN_ALTERNATIVES, 0) if count < dialect.alternatives]
    return replace(dialect, alternatives=left[0] if left else 0)


def _no_switches(dialect: Dialect) -> Dialect:
    return replace(dialect, cache_switch=False, sampler_switches=False)


def _no_alternatives(dialect: Dialect) -> Dialect:
    return replace(dialect, alternatives=0)


def _no_seed(dialect: Dialect) -> Dialect:
    return replace(dialect, seed=False)


def _no_temperature(dialect: Dialect) -> Dialect:
    return replace(dialect, temperature=False)


def _new_tokens_field(dialect: Dialect) -> Dialect:
    return replace(dialect, tokens_field="max_completion_tokens")


def _more_tokens(dialect: Dialect) -> Dialect:
    return replace(dialect, least_tokens=VENDOR_LEAST_TOKENS)


# What a refusal may name, and what is then given up.
_RULES: tuple[tuple[tuple[str, ...], Callable[[Dialect], Dialect]], ...] = (
    (("max_completion_tokens",), _new_tokens_field),
    (("cache_prompt",), lambda one: replace(one, cache_switch=False)),
    (("top_k", "min_p"), lambda one: replace(one, sampler_switches=False)),
    (("top_logprobs",), _fewer_alternatives),
    (("logprobs",), _no_alternatives),
    (("seed",), _no_seed),
    (("temperature", "top_p"), _no_temperature),
    (("max_tokens", "max_output_tokens", "minimum"), _more_tokens),
)
# Where the refusal names nothing: in the order in which vendors refuse.
_UNNAMED = (_no_switches, _no_alternatives, _new_tokens_field, _no_temperature, _no_seed, _more_tokens)
