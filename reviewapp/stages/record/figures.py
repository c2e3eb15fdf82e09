"""The figures of an answer's log probabilities, without making a value of each of its tokens.

Answers with log probabilities are ten times as long as others, and lists need two numbers of them.
What counts as a token is what formats/openai reads as one.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from reviewapp.formats import quickjson
from reviewapp.formats.openai import read_reply
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Endpoint


@dataclass(frozen=True, slots=True)
class TokenFigures:
    """Whether log probabilities were reported, and of the first choice their mean and the least of them.

    `rest` is the response without them, which is quickly read.
    """

    reported: bool
    mean: float | None
    least: float | None
    rest: Any


class _Token(msgspec.Struct, gc=False):
    logprob: float | None = None


class _Logprobs(msgspec.Struct):
    """Log probabilities in either shape; of a token only its chance is read."""

    content: list[_Token] | None = None
    refusal: list[_Token] | None = None
    tokens: list[msgspec.Raw] | None = None
    token_logprobs: list[float | None] | None = None


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_objects: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_logprobs: Final = msgspec.json.Decoder(_Logprobs | None)


def quick_figures(endpoint: Endpoint, text: str) -> TokenFigures | None:
    """The figures of the response with this text, of which only the rest becomes values.

    None where the text or its shape is unusual: then `token_figures` tells, of its value. What is
    accepted is JSON; how deep it is nested is not looked at.
    """
    if endpoint not in ("chat.completions", "completions"):
        return None
    try:
        found = _object.decode(text)
        choices = _objects.decode(found.pop("choices", b"[]"))
        tokens = [_chances(_logprobs.decode(choice.pop("logprobs", b"null"))) for choice in choices]
        rest = {name: orjson.loads(memoryview(raw)) for name, raw in found.items()}
        rest["choices"] = [
            {name: orjson.loads(memoryview(raw)) for name, raw in choice.items()} for choice in choices
        ]
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeError, RecursionError):
        return None
    return _figures(tokens, rest)


def rest_of(endpoint: Endpoint, text: str) -> Any:
    """The value of a response but for its log probabilities. Raises rawjson.InvalidJson."""
    figures = quick_figures(endpoint, text) if quickjson.is_plain(text) else None
    return (figures or token_figures(endpoint, rawjson.parse(text))).rest


def _chances(logprobs: _Logprobs | None) -> list[float | None]:
    if logprobs is None:
        return []
    if logprobs.tokens is not None:
        count = len(logprobs.tokens)
        chances = (logprobs.token_logprobs or [])[:count]
        return [*chances, *[None] * (count - len(chances))]
    return [token.logprob for token in logprobs.content or logprobs.refusal or ()]


def token_figures(endpoint: Endpoint, response: Any) -> TokenFigures:
    """The figures of this response, as parsed JSON."""
    choices = response.get("choices") if isinstance(response, dict) else None
    if endpoint not in ("chat.completions", "completions") or not isinstance(choices, list):
        tokens = [
            [token.logprob for token in choice.tokens] for choice in read_reply(endpoint, response).choices
        ]
        return _figures(tokens, response)
    objects = [choice for choice in choices if isinstance(choice, dict)]
    if not any(choice.get("logprobs") for choice in objects):
        return TokenFigures(False, None, None, response)
    light = [{name: value for name, value in choice.items() if name != "logprobs"} for choice in objects]
    return _figures(
        [_of_choice(choice.get("logprobs")) for choice in objects], {**response, "choices": light}
    )


def _of_choice(logprobs: Any) -> list[Any]:
    if not isinstance(logprobs, dict):
        return []
    tokens = logprobs.get("tokens")
    if isinstance(tokens, list):
        chances = logprobs.get("token_logprobs")
        chances = chances if isinstance(chances, list) else []
        return [*chances[: len(tokens)], *[None] * (len(tokens) - len(chances))]
    for name in ("content", "refusal"):
        items = logprobs.get(name)
        found = (
            [item.get("logprob") for item in items if isinstance(item, dict)]
            if isinstance(items, list)
            else []
        )
        if found:
            return found
    return []


def _figures(tokens: list[list[Any]], rest: Any) -> TokenFigures:
    first = tokens[0] if tokens else []
    numbers = first if _are_numbers(first) else _numbers(first)
    return TokenFigures(
        reported=any(tokens),
        mean=math.fsum(numbers) / len(numbers) if numbers else None,
        least=float(min(numbers)) if numbers else None,
        rest=rest,
    )


def _are_numbers(values: list[Any]) -> bool:
    """Whether they are finite numbers, all of them: told by their sum, without looking at each."""
    try:
        return math.isfinite(math.fsum(values)) and bool not in set(map(type, values))
    except (TypeError, ValueError, OverflowError):
        return False


def _numbers(values: list[Any]) -> list[float]:
    found: list[float] = []
    for value in values:
        with suppress(OverflowError):
            if type(value) in (float, int) and math.isfinite(value):
                found.append(float(value))
    return found
