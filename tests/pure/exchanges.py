"""Answers to compare, in one line each."""

from __future__ import annotations

import math
from typing import Any

from reviewapp.pure.exchange import Alternative, Choice, Exchange, Reply, Token, ToolCall, Usage


def token(text: str, share: float | None = None, **others: float) -> Token:
    """A token with its probability; `others` are the other listed tokens with theirs."""
    if share is None:
        return Token(text, None)
    listed = {text: share} | others
    alternatives = tuple(Alternative(name, math.log(value)) for name, value in listed.items())
    return Token(text, math.log(share), alternatives)


def sure(*words: str, share: float = 0.99) -> tuple[Token, ...]:
    """Tokens whose choice was clear."""
    return tuple(token(word, share, other=(1 - share) / 2) for word in words)


def answer(
    text: str | None = None,
    *,
    tokens: tuple[Token, ...] = (),
    fingerprint: str | None = "fp_44709d6fcb",
    calls: tuple[ToolCall, ...] = (),
    refusal: str | None = None,
    finish: str | None = "stop",
    model: str | None = "gpt-4o-mini-2024-07-18",
    status: int | None = 200,
    error: str | None = None,
    request: dict[str, Any] | None = None,
    echoed_seed: int | None = None,
    reasoning: str | None = None,
) -> Exchange:
    """An exchange at temperature 0 with seed 123, unless `request` says otherwise."""
    if text is None and tokens:
        text = "".join(one.text for one in tokens)
    choice = Choice(
        text=text,
        refusal=refusal,
        tool_calls=calls,
        finish_reason=finish,
        tokens=tokens,
        reasoning=reasoning,
    )
    asked = {"model": "gpt-4o-mini", "messages": [], "seed": 123, "temperature": 0} | (request or {})
    return Exchange(
        endpoint="chat.completions",
        request={name: value for name, value in asked.items() if value is not None},
        reply=Reply(
            model=model,
            fingerprint=fingerprint,
            choices=() if error else (choice,),
            usage=Usage(),
            error=error,
            echoed_seed=echoed_seed,
        ),
        status=status,
    )


SHARED_WORDS = ("The", " capital", " of", " the", " country", " is", " the", " city", " of")


def parting(*, chosen: str, share: float, other: str, other_share: float, **settings: Any) -> Exchange:
    """An answer that shares nine words with others of its kind, then chooses between two tokens."""
    tokens = (*sure(*SHARED_WORDS), token(chosen, share, **{other: other_share}), *sure(".", " Really"))
    return answer(tokens=tokens, **settings)
