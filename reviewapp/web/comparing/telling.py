"""What a verdict says, in the reader's language: the sentence for a page, and a line for lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reviewapp.models import Comparison
from reviewapp.pure.verdicts import Message, Verdict, VerdictKind
from reviewapp.templatetags.faces import VERDICTS, readable
from reviewapp.templatetags.said import READER, in_words


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict as the compare page tells it: the words that one reads first, the rest, and the evidence."""

    kind: str
    lead: str
    rest: str
    confidence: float | None
    method: int
    reasons: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def told_of(comparison: Comparison) -> Told:
    """A kept comparison."""
    try:
        parts = [tidy(message.render(READER)) for message in _messages(comparison, "parts")]
        reasons = [tidy(message.render(READER)) for message in _messages(comparison, "reasons")]
    except (KeyError, TypeError, ValueError):
        # Messages of a method that is no more; the sentence as it was written then stays.
        parts, reasons = [], []
    told = _told(
        comparison.verdict,
        parts,
        comparison.confidence,
        comparison.method,
        reasons,
        comparison.figures.get("figures") or {},
    )
    return told if parts else replace(told, rest=in_words(tidy(comparison.sentence)))


def told_now(verdict: Verdict) -> Told:
    """A verdict that nobody has kept yet."""
    return _told(
        verdict.kind.value,
        [tidy(part.render(READER)) for part in verdict.parts],
        verdict.confidence,
        verdict.method,
        [tidy(reason.render(READER)) for reason in verdict.reasons],
        verdict.figures,
    )


def _told(
    kind: str,
    parts: list[str],
    confidence: float | None,
    method: int,
    reasons: list[str],
    figures: Mapping[str, Any],
) -> Told:
    lead = str(VERDICTS[kind][0]).capitalize() + "."
    if kind == VerdictKind.BACKEND_CHANGED and len(parts) > 1:
        # Its first clause says as much, and which backends.
        lead, *parts = parts
    shown = {name: value for name, value in figures.items() if value is not None}
    return Told(kind, lead, readable(" ".join(parts)), confidence, method, reasons, shown)


def what_happened(comparison: Comparison) -> str:
    """The sentence without its clauses on fingerprints, for lists where those have a column of their own."""
    try:
        messages = list(_messages(comparison, "parts"))
        told = [message for message in messages if not message.key.startswith(("fp_", "changed"))]
        words = " ".join(message.render(READER) for message in told or messages)
        return readable(words) or in_words(comparison.sentence)
    except (KeyError, TypeError, ValueError):
        return in_words(comparison.sentence)


def _messages(comparison: Comparison, name: str) -> Iterable[Message]:
    return [Message.from_json(stored) for stored in comparison.figures.get(name) or []]


def tidy(sentence: str) -> str:
    """A shortened fingerprint at a sentence's end brings dots enough."""
    return sentence.replace("….", "…")
