"""One request to a language model and its reply, whichever endpoint it came from.

These are the values that everything else is decided from: the formats make them, the
comparison and the verdicts read them. They are read-only and hold no reference to a
database row. What a vendor did not report is None, which is never equal to anything and
never different from anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

Endpoint: TypeAlias = Literal["chat.completions", "responses", "completions", "embeddings"]
ENDPOINTS: tuple[Endpoint, ...] = ("chat.completions", "responses", "completions", "embeddings")


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have stood at a position. `logprob` is in nats."""

    token: str
    logprob: float | None
    bytes: bytes | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token with its log probability (nats) and the most likely alternatives.

    `alternatives` is in the vendor's order and may or may not hold the token itself.
    """

    text: str
    logprob: float | None
    alternatives: tuple[Alternative, ...] = ()
    bytes: bytes | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for. `arguments` is the text as the model wrote it (JSON, or not)."""

    name: str
    arguments: str
    id: str | None = None
    kind: str = "function"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the n answers of a reply."""

    index: int = 0
    role: str | None = None
    text: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as reported; None where the vendor did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. For an error, `error` is the vendor's message and `choices` is empty."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    fingerprint: str | None = None
    service_tier: str | None = None
    echoed_seed: int | None = None
    choices: tuple[Choice, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str | None = None

    @property
    def text(self) -> str:
        """The first choice's text, or its refusal; empty when there is neither."""
        if not self.choices:
            return ""
        first = self.choices[0]
        return first.text or first.refusal or ""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The first choice's tokens; empty where no log probabilities were reported."""
        return self.choices[0].tokens if self.choices else ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as it was sent, and its reply. `status` is the HTTP status, None when none came."""

    endpoint: Endpoint
    request: JsonObject
    reply: Reply
    status: int | None = 200
