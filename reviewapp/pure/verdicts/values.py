"""What a verdict is given, and what it is.

`Evidence` holds what is known beside the two exchanges; all of it may be missing, and what is
missing weakens a verdict, never strengthens one. Two things are told by the exchanges
themselves and not repeated here: the fingerprints, and whether log probabilities came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias

from reviewapp.pure.differences.equivalence import DEFAULT_EQUIVALENCE, Equivalence
from reviewapp.pure.differences.tokens import Divergence
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.said import ENGLISH, Language, Message

# Stored with each comparison. Raise it when the same two answers may get another verdict.
METHOD_VERSION: Final = 3

# How well the provider's fingerprint tells backends apart, as learnt from data.
Grade: TypeAlias = Literal["informative", "rotating", "constant", "random", "none", "unknown"]
FingerprintState: TypeAlias = Literal["new", "accepted", "overlap", "retired"]
# What the canaries of this provider and model say about the time from the original to the replay. Steady so
# far: up to the last check before the replay; what changed after that check, no canary was asked about.
CanaryState: TypeAlias = Literal["changed", "steady", "steady_so_far", "unknown"]
Figure: TypeAlias = float | int | str | bool | None

# Which rule decided, see `single` and `sets`.
Rule: TypeAlias = Literal[
    "missing",
    "same",
    "settings",
    "cut",
    "vectors",
    "model",
    "probabilities",
    "replays",
    "earlier",
    "canaries",
    "none",
]

# Confidence in a verdict that says something. Steps in order of strength, not measured frequencies.
CERTAIN: Final = 1.0
STRONG: Final = 0.95
GOOD: Final = 0.85
FAIR: Final = 0.7


class VerdictKind(StrEnum):
    """What a comparison, or a set of them, shows."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    NONDETERMINISTIC = "nondeterministic"
    BACKEND_CHANGED = "backend_changed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAnswer:
    """What the same request, with the same seed, was answered before these replays."""

    # Everything asked together: of one run, or within a few minutes.
    session: str
    # Whether it is the original's answer.
    same: bool
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known beside the two exchanges."""

    grade: Grade = "unknown"
    # The states of this provider's and model's fingerprints, by value.
    states: Mapping[str, FingerprintState] = field(default_factory=dict)
    # None: as the original's request says.
    seeded: bool | None = None
    # What probing the provider showed; None when nobody probed it.
    seed_honoured: bool | None = None
    # What was changed on purpose, by name; the provider included.
    overrides: Mapping[str, Any] = field(default_factory=dict)
    # Other replays of the same interaction with the same seed and settings.
    others: tuple[Exchange, ...] = ()
    # Answers to the same request from before the replays, oldest first.
    earlier: tuple[EarlierAnswer, ...] = ()
    canary: CanaryState = "unknown"
    equivalence: Equivalence = DEFAULT_EQUIVALENCE


NO_EVIDENCE: Final = Evidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one comparison shows. `confidence` is None where the verdict claims nothing."""

    kind: VerdictKind
    confidence: float | None
    parts: tuple[Message, ...]
    rule: Rule
    reasons: tuple[Message, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    divergence: Divergence | None = None
    method: int = METHOD_VERSION

    @property
    def sentence(self) -> str:
        """What happened and why we think so, in English."""
        return self.render()

    def render(self, language: Language = ENGLISH) -> str:
        """The sentence in another language."""
        return _rendered(self.parts, language)

    def as_json(self) -> dict[str, Any]:
        """What is stored behind the sentence."""
        return {
            "parts": [part.as_json() for part in self.parts],
            "reasons": [reason.as_json() for reason in self.reasons],
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class AnswerGroup:
    """Attempts with the same answer, by their places; the first is shown for all."""

    kind: Literal["identical", "equivalent", "different"]
    members: tuple[int, ...]
    fingerprints: tuple[tuple[str | None, int], ...]

    @property
    def representative(self) -> int:
        return self.members[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVerdict:
    """What several attempts of one interaction show together.

    `verdicts` has each attempt's own verdict, in order. `groups` has the answers, the original's
    first and then by size. `share_same` is the share of answers that are the original's (e), and
    `agreement` the share of pairs of replays that agree with each other; `all_agree` says whether
    all raw answers, the original's included, are one text (TARr of this request).
    """

    kind: VerdictKind
    confidence: float | None
    parts: tuple[Message, ...]
    rule: Rule
    groups: tuple[AnswerGroup, ...]
    failed: tuple[int, ...]
    verdicts: tuple[Verdict, ...]
    share_same: float | None
    agreement: float | None
    all_agree: bool
    reasons: tuple[Message, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    method: int = METHOD_VERSION

    @property
    def sentence(self) -> str:
        """What happened and why we think so, in English."""
        return self.render()

    def render(self, language: Language = ENGLISH) -> str:
        """The sentence in another language."""
        return _rendered(self.parts, language)

    @property
    def partings(self) -> tuple[tuple[int, int], ...]:
        """For each attempt that parts from the original: its place, and the position (from 1)."""
        return tuple(
            (place, verdict.divergence.position)
            for place, verdict in enumerate(self.verdicts)
            if verdict.divergence is not None
        )


def _rendered(parts: tuple[Message, ...], language: Language) -> str:
    return " ".join(part.render(language) for part in parts)
