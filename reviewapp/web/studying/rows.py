"""A study's answers as rows: for the files that people take home, and for the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from reviewapp.models.studying import Condition

FIELDS: Final = (
    "attempt",
    "interaction",
    "condition",
    "edit",
    "size",
    "seed",
    "temperature",
    "provider",
    "model",
    "repeat",
    "identical",
    "equivalent",
    "similarity",
    "answer_group",
    "fingerprint",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "prompt",
    "system",
    "answer_preview",
)


def row_values(conditions: Sequence[Condition]) -> Iterator[dict[str, Any]]:
    """One row an answer, in the order of the conditions. What does not apply is null."""
    for one in conditions:
        about = one.variant.about
        for point in one.points:
            yield {
                "attempt": str(point.attempt),
                "interaction": str(point.original),
                "condition": one.variant.position,
                "edit": about.get("kind"),
                "size": about.get("size"),
                "seed": about.get("seed", one.variant.overrides.get("seed")),
                "temperature": about.get("temperature"),
                "provider": about.get("provider"),
                "model": point.model,
                "repeat": point.repeat,
                "identical": point.identical,
                "equivalent": point.equivalent,
                "similarity": round(point.similarity, 4),
                "answer_group": point.digest.hex()[:12],
                "fingerprint": point.fingerprint,
                "latency_ms": point.latency_ms,
                "input_tokens": point.input_tokens,
                "output_tokens": point.output_tokens,
                "prompt": about.get("text"),
                "system": about.get("system"),
                "answer_preview": point.preview,
            }
