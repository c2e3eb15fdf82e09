"""Settings of two requests, and figures of two replies, side by side.

A setting that is absent and one that is null are the same: both leave the choice to the vendor.
A figure that one side did not report is unreported: never a difference, never equality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.exchange import Exchange

# What is asked rather than how: shown as text elsewhere, listed here by name alone.
CONTENT_SETTINGS: Final = frozenset(
    ("messages", "input", "prompt", "instructions", "tools", "functions", "suffix", "prefix")
)
# What changes how an answer is carried, labelled or reported, but not what is answered.
NEUTRAL_SETTINGS: Final = frozenset(
    (
        *("stream", "stream_options", "logprobs", "top_logprobs", "include", "user", "metadata", "store"),
        *("safety_identifier", "prompt_cache_key", "cache_prompt", "background", "timings_per_token"),
        *("return_tokens", "return_progress", "encoding_format"),
    )
)

FigureName: TypeAlias = Literal[
    "model",
    "fingerprint",
    "service_tier",
    "finish_reason",
    "choices",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "latency_ms",
]


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting with another value; None stands for one that was not sent."""

    name: str
    left: Any
    right: Any

    @property
    def neutral(self) -> bool:
        """Whether the answer can't depend on it."""
        return self.name in NEUTRAL_SETTINGS

    @property
    def content(self) -> bool:
        """Whether it is part of what was asked."""
        return self.name in CONTENT_SETTINGS


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both replies. `state` is unreported when either side said nothing."""

    name: FigureName
    left: str | int | None
    right: str | int | None

    @property
    def state(self) -> Literal["same", "differs", "unreported"]:
        if self.left is None or self.right is None:
            return "unreported"
        return "same" if self.left == self.right else "differs"

    @property
    def change(self) -> int | None:
        """How much more the right side has; None for what is no number or was not reported."""
        if isinstance(self.left, int) and isinstance(self.right, int):
            return self.right - self.left
        return None


def setting_differences(
    left: Mapping[str, Any], right: Mapping[str, Any], *, given: Mapping[str, Any] | None = None
) -> tuple[SettingDifference, ...]:
    """The settings that differ between two requests, in the left one's order.

    `given` are settings known to have been changed on purpose, which the requests may not show,
    such as the provider.
    """
    names = dict.fromkeys((*left, *right))
    found = [
        SettingDifference(name, left.get(name), right.get(name))
        for name in names
        if canonical_json(left.get(name)) != canonical_json(right.get(name))
    ]
    seen = {difference.name for difference in found}
    found += [
        SettingDifference(name, left.get(name), value)
        for name, value in (given or {}).items()
        if name not in seen and name not in names
    ]
    return tuple(found)


def figures(
    original: Exchange, attempt: Exchange, *, latency_ms: tuple[int | None, int | None] = (None, None)
) -> tuple[Figure, ...]:
    """What both replies report beside the answer."""
    a, b = original.reply, attempt.reply
    return (
        Figure("model", a.model, b.model),
        Figure("fingerprint", a.fingerprint or None, b.fingerprint or None),
        Figure("service_tier", a.service_tier, b.service_tier),
        Figure("finish_reason", a.finish_reason, b.finish_reason),
        Figure("choices", len(a.choices), len(b.choices)),
        Figure("input_tokens", a.usage.input_tokens, b.usage.input_tokens),
        Figure("output_tokens", a.usage.output_tokens, b.usage.output_tokens),
        Figure("cached_tokens", a.usage.cached_tokens, b.usage.cached_tokens),
        Figure("reasoning_tokens", a.usage.reasoning_tokens, b.usage.reasoning_tokens),
        Figure("latency_ms", *latency_ms),
    )
