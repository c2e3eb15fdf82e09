"""An interaction as the interfaces show it: as it came, with what was derived, judged and replayed.

The API's single interaction and every export are made here, a batch at a time, so that a
thousand rows cost a handful of queries.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reviewapp.formats.exports import ExportRow
from reviewapp.formats.openai import output_text, prompt_text
from reviewapp.models import Annotation, Attempt, Flag, FlagState, Interaction
from reviewapp.models.bodies import recorded_of

_RELATED = ("source", "provider", "body")


def rows_of(interactions: Sequence[Interaction]) -> list[ExportRow]:
    """The rows of these interactions, in their order, with flags, annotations and replays."""
    ids = [interaction.pk for interaction in interactions]
    flags = _flags(ids)
    annotations = _annotations(ids)
    replays = _replays(ids)
    return [
        _row(
            interaction,
            flags=flags.get(interaction.pk, []),
            annotations=annotations.get(interaction.pk, []),
            replays=replays.get(interaction.pk, []),
        )
        for interaction in interactions
    ]


def with_bodies(queryset: Any) -> Any:
    """The queryset with all that `rows_of` reads joined in."""
    return queryset.select_related(*_RELATED)


def _row(
    interaction: Interaction,
    *,
    flags: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    replays: list[dict[str, Any]],
) -> ExportRow:
    row = ExportRow(recorded=recorded_of(interaction), derived={}, columns={})
    answer = output_text(row.reply) or (interaction.error or "")
    corrections = tuple(
        annotation["correction"] for annotation in annotations if annotation["correction"] is not None
    )
    derived = {
        "model": interaction.model,
        "response_model": interaction.response_model,
        "seed": row.view.seed,
        "system_fingerprint": interaction.fingerprint,
        "output_text": answer,
        "finish_reason": interaction.finish_reason,
        "usage": {
            "input_tokens": interaction.input_tokens,
            "output_tokens": interaction.output_tokens,
        },
        "has_logprobs": interaction.has_logprobs,
        "request_hash": interaction.request_digest,
        "created_at": _time(interaction.created_at),
        "replay_of": str(interaction.replay_of_id) if interaction.replay_of_id else None,
        "flags": flags,
        "annotations": annotations,
        "replays": replays,
    }
    columns: dict[str, Any] = {
        "id": str(interaction.pk),
        "started_at": interaction.started_at,
        "source": interaction.source.name,
        "provider": interaction.provider.name,
        "endpoint": interaction.endpoint,
        "model": interaction.model,
        "response_model": interaction.response_model,
        "seed": interaction.seed,
        "system_fingerprint": interaction.fingerprint,
        "status": interaction.status,
        "error": interaction.error or row.reply.error,
        "finish_reason": interaction.finish_reason,
        "input_tokens": interaction.input_tokens,
        "output_tokens": interaction.output_tokens,
        "latency_ms": interaction.latency_ms,
        "has_logprobs": interaction.has_logprobs,
        "mean_logprob": interaction.mean_logprob,
        "min_logprob": interaction.min_logprob,
        "request_hash": interaction.request_digest,
        "trace": interaction.trace,
        "session": interaction.session,
        "user": interaction.end_user,
        "tags": ", ".join(interaction.tags),
        "prompt": prompt_text(row.recorded.endpoint, row.request),
        "answer": answer,
        "flags": "; ".join(f"{flag['severity']}: {flag['reason']}" for flag in flags),
        "annotations": json.dumps([a["scores"] for a in annotations]) if annotations else "",
        "correction": corrections[-1] if corrections else None,
        "replays": len(replays),
        "last_verdict": next((r["verdict"] for r in reversed(replays) if r["verdict"]), None),
    }
    return ExportRow(
        recorded=row.recorded,
        derived={name: json.dumps(value) for name, value in derived.items()},
        columns=columns,
        corrections=corrections,
        flagged=any(flag["state"] == FlagState.OPEN for flag in flags),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _who(row: Any) -> str | None:
    if row.created_by is not None:
        return str(row.created_by.email)
    return f"key {row.created_by_key.name}" if row.created_by_key is not None else None


def flag_value(flag: Flag) -> dict[str, Any]:
    """A flag as the interfaces show it."""
    return {
        "id": str(flag.pk),
        "reason": flag.reason,
        "severity": flag.severity,
        "note": flag.note,
        "state": flag.state,
        "created_by": _who(flag),
        "created_at": _time(flag.created_at),
    }


def annotation_value(annotation: Annotation) -> dict[str, Any]:
    """An annotation as the interfaces show it."""
    rubric = annotation.rubric
    return {
        "id": str(annotation.pk),
        "rubric": {"name": rubric.name, "version": rubric.version} if rubric else None,
        "scores": annotation.scores,
        "spans": annotation.spans,
        "correction": annotation.correction,
        "comment": annotation.comment,
        "version": annotation.version,
        "created_by": _who(annotation),
        "created_at": _time(annotation.created_at),
        "updated_at": _time(annotation.updated_at),
    }


def _flags(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Flag.objects.filter(interaction__in=ids).exclude(state=FlagState.REMOVED)
    for flag in rows.select_related("created_by", "created_by_key").order_by("created_at", "id"):
        found[flag.interaction_id].append(flag_value(flag))
    return found


def _annotations(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Annotation.objects.filter(interaction__in=ids, removed_at__isnull=True)
    for annotation in rows.select_related("created_by", "created_by_key", "rubric").order_by(
        "created_at", "id"
    ):
        found[annotation.interaction_id].append(annotation_value(annotation))
    return found


def _replays(ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = Attempt.objects.filter(original__in=ids).select_related("answer", "comparison", "run")
    for attempt in rows.order_by("created_at", "id"):
        comparison = getattr(attempt, "comparison", None)
        answer = attempt.answer
        found[attempt.original_id].append(
            {
                "run": str(attempt.run_id),
                "attempt": str(attempt.pk),
                "number": attempt.number,
                "state": attempt.state,
                "interaction": str(attempt.answer_id) if attempt.answer_id else None,
                "model": answer.response_model if answer else None,
                "system_fingerprint": answer.fingerprint if answer else None,
                "output_preview": answer.answer_preview if answer else None,
                "overrides": attempt.run.overrides,
                "verdict": comparison.verdict if comparison else None,
                "sentence": comparison.sentence if comparison else None,
                "error": attempt.error,
                "finished_at": _time(attempt.finished_at),
            }
        )
    return found
