"""Replay runs over the API: started, watched, read, cancelled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import Attempt, AttemptState, Permission, ReplayRun, RunState, VerdictName
from reviewapp.models.interaction import InteractionBody
from reviewapp.models.pages import page_of
from reviewapp.models.replaying import RunRow, attempts_in_order, run_rows
from reviewapp.pure.rawjson import from_bytes
from reviewapp.stages import replay
from reviewapp.tasks import replay_nudge
from reviewapp.web.api import lists
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem

router = Router(tags=["replays"])
_STARTS = KeyAuth(Permission.REPLAY)
_WATCHES = KeyAuth(Permission.READ, Permission.REPLAY)


class NewRun(Schema):
    """Which interactions (ids or a filter), how often, and what to ask otherwise."""

    model_config = ConfigDict(extra="forbid")

    interactions: list[str] | None = None
    filter: dict[str, Any] | None = None
    attempts: int = Field(1, strict=True, description="how often each is asked, 1 to 50")
    overrides: dict[str, Any] = Field(
        default={}, description="provider, model, seed, or any request parameter; null leaves one out"
    )
    note: str = ""


class Run(Schema):
    """A replay run with its counts. It is done when every answer has its verdict."""

    id: UUID
    state: str
    total: int
    done: int
    failed: int
    cancelled: int
    verdicts: dict[str, int]
    note: str
    attempts: int
    overrides: dict[str, Any]
    selection: dict[str, Any]
    estimate: dict[str, Any]
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    url: str


@router.post("", auth=_STARTS, response={202: Run}, summary="Start a replay run")
def start(request: ApiRequest, body: NewRun) -> Status[dict[str, Any]]:
    """Ask interactions again, each with its own seed; the background does it, and compares the answers."""
    if (body.interactions is None) == (body.filter is None):
        raise Problem(422, "Say which interactions: either “interactions”, a list of ids, or “filter”.")
    selection: dict[str, Any] = (
        {"filter": body.filter} if body.interactions is None else {"interactions": body.interactions}
    )
    with transaction.atomic():
        run = replay.start_run(
            actor=request.auth,
            selection=selection,
            attempts=body.attempts,
            overrides=body.overrides,
            note=body.note,
            now=timezone.now(),
        )
        transaction.on_commit(lambda: replay_nudge.delay(run_id=str(run.pk)))
    return Status(202, _value(request, run))


@router.get(
    "",
    auth=_WATCHES,
    response=dict[str, Any],
    openapi_extra={"parameters": lists.PARAMETERS},
    summary="List replay runs",
)
def runs(request: ApiRequest) -> dict[str, Any]:
    """Newest first."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    rows = ReplayRun.objects.filter(project=request.auth.project)
    rows = rows.select_related("created_by", "created_by_key")
    page = page_of(rows, limit=limit, cursor=request.GET.get("cursor", ""), by="created_at")
    return {"items": [_row_value(request, row) for row in run_rows(page.items)], "next": page.next}


@router.get("/{uuid:id}", auth=_WATCHES, response=Run, summary="A run's progress and verdicts")
def read(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """State, counts, verdicts."""
    return _value(request, _find(request, id))


@router.get(
    "/{uuid:id}/attempts",
    auth=KeyAuth(Permission.READ),
    response=dict[str, Any],
    openapi_extra={"parameters": lists.PARAMETERS},
    summary="A run's attempts",
)
def attempts(request: ApiRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """By interaction and number; each with its response as it came, fingerprint, comparison and verdict."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    found, after = attempts_in_order(
        run=_find(request, id), limit=limit, cursor=request.GET.get("cursor", "")
    )
    return lists.list_of_texts(_texts(found), after)


@router.post("/{uuid:id}/cancel", auth=_STARTS, response={202: Run}, summary="Cancel a run")
def cancel(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """What waits is not asked any more; one that has ended stays as it is."""
    found = _find(request, id)
    replay.cancel_run(actor=request.auth, run=found, now=timezone.now())
    found.refresh_from_db()
    return Status(202, _value(request, found))


@router.post("/{uuid:id}/retry", auth=_STARTS, response={202: Run}, summary="Ask once more what failed")
def retry(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """Queue the failed attempts again; the run is then running again."""
    found = _find(request, id)
    with transaction.atomic():
        if replay.retry_failed(actor=request.auth, run=found, now=timezone.now()):
            transaction.on_commit(lambda: replay_nudge.delay(run_id=str(found.pk)))
    found.refresh_from_db()
    return Status(202, _value(request, found))


def _find(request: ApiRequest, id_: UUID) -> ReplayRun:
    """A run of the key's project."""
    rows = ReplayRun.objects.select_related("created_by", "created_by_key")
    found: ReplayRun | None = rows.filter(project=request.auth.project, pk=id_).first()
    if found is None:
        raise Http404
    return found


def _value(request: ApiRequest, run: ReplayRun) -> dict[str, Any]:
    return _row_value(request, run_rows([run])[0])


def _row_value(request: ApiRequest, row: RunRow) -> dict[str, Any]:
    run = row.run
    # Who waits for "done" wants the verdicts, and the last answers may still be compared.
    comparing = run.state == RunState.DONE and row.comparing > 0
    return {
        "id": run.pk,
        "state": RunState.RUNNING.value if comparing else run.state,
        "total": row.total,
        "done": row.done,
        "failed": row.failed,
        "cancelled": row.cancelled,
        "verdicts": row.verdicts,
        "note": run.note,
        "attempts": run.attempts,
        "overrides": run.overrides,
        "selection": run.selection,
        "estimate": run.estimate,
        "created_by": run.made_by,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": None if comparing else run.finished_at,
        "url": request.build_absolute_uri(f"/replays/{run.pk}/"),
    }


def _texts(found: Sequence[Attempt]) -> list[str]:
    """The attempts as JSON, their responses spliced in as they came."""
    texts = []
    for attempt in found:
        value = json.dumps(_attempt_value(attempt))
        texts.append(f'{value[:-1]}, "response": {_response(attempt)}}}')
    return texts


def _attempt_value(attempt: Attempt) -> dict[str, Any]:
    answer, comparison = attempt.answer, getattr(attempt, "comparison", None)
    verdict = comparison.verdict if comparison is not None else None
    if attempt.state == AttemptState.FAILED:
        verdict = VerdictName.FAILED.value
    fingerprint = answer.fingerprint if answer is not None else None
    return {
        "id": str(attempt.pk),
        "interaction": str(attempt.original_id),
        "number": attempt.number,
        "state": attempt.state,
        "tries": attempt.tries,
        "provider": attempt.provider.name,
        "answer": str(answer.pk) if answer is not None else None,
        "status": answer.status if answer is not None else (attempt.failure or {}).get("status"),
        "model": answer.response_model if answer is not None else None,
        "seed": answer.seed if answer is not None else None,
        "fingerprint": fingerprint,
        "system_fingerprint": fingerprint,
        "latency_ms": answer.latency_ms if answer is not None else None,
        "verdict": verdict,
        "comparison": None if comparison is None else _comparison_value(comparison),
        "error": attempt.error,
        "failure": attempt.failure,
        "finished_at": attempt.finished_at.isoformat() if attempt.finished_at else None,
    }


def _comparison_value(comparison: Any) -> dict[str, Any]:
    decided = comparison.decided_at
    return {
        "verdict": comparison.verdict,
        "confidence": comparison.confidence,
        "sentence": comparison.sentence,
        "figures": comparison.figures.get("figures", {}),
        "parts": comparison.figures.get("parts", []),
        "reasons": comparison.figures.get("reasons", []),
        "method": comparison.method,
        "decision": comparison.decision,
        "decision_note": comparison.decision_note or None,
        "decided_by": comparison.decided_by.email if comparison.decided_by is not None else None,
        "decided_at": decided.isoformat() if decided else None,
    }


def _response(attempt: Attempt) -> str:
    """The response's own text where it is JSON, else as a string; null where none came."""
    if attempt.answer is None:
        return "null"
    body: InteractionBody = attempt.answer.body
    if body.response_text is None:
        return "null"
    text = from_bytes(body.response_text)
    return text if body.response_is_json else json.dumps(text)
