"""Studies over the API: begun, watched, read, cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from reviewapp.models import Permission, RunState, Study
from reviewapp.models.pages import page_of
from reviewapp.models.replaying import RunRow, run_rows
from reviewapp.models.studying import Condition, conditions_of, deviation_of, temperatures_of
from reviewapp.pure.edits import EditKind
from reviewapp.pure.studies import Share
from reviewapp.stages import study as stage
from reviewapp.stages.replay import selected
from reviewapp.stages.study.planning import MOST_INTERACTIONS
from reviewapp.tasks import replay_nudge
from reviewapp.web.api import lists
from reviewapp.web.api.access import ApiRequest, KeyAuth
from reviewapp.web.api.problems import Problem
from reviewapp.web.studying.rows import row_values
from reviewapp.web.studying.telling import sentences

router = Router(tags=["studies"])
_STARTS = KeyAuth(Permission.REPLAY)
_WATCHES = KeyAuth(Permission.READ, Permission.REPLAY)


class NewEdit(Schema):
    """One edited prompt; `system` takes the place of the system prompt."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[
        "white_space",
        "case",
        "punctuation",
        "typo",
        "synonym",
        "paraphrase",
        "reorder",
        "append",
        "system",
    ]
    text: str
    system: str | None = None


class NewArm(Schema):
    """One provider and model; left out, the recorded one."""

    model_config = ConfigDict(extra="forbid")

    provider: str = ""
    model: str = ""


class NewStudy(Schema):
    """What to find out. `deviation` and `seeds` take one interaction, `providers` takes a set of them."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["deviation", "seeds", "providers"]
    name: str = Field(description="what the study is called, at most 200 characters")
    repeats: int = Field(3, strict=True, description="how often each way is asked, 1 to 50")
    interaction: UUID | None = None
    edits: list[NewEdit] | None = Field(None, description="deviation: left out, the app proposes them")
    seed: int | None = Field(None, strict=True, description="deviation: left out, the recorded one")
    seeds: list[int] = Field(default=[], description="seeds: which ones, at least two")
    temperatures: list[float | None] = Field(default=[None], description="seeds: null is the recorded one")
    interactions: list[UUID] | None = None
    filter: dict[str, Any] | None = None
    providers: list[NewArm] = Field(
        default=[], description="providers: whom and which models to ask, at least two; {} asks as recorded"
    )


class StudyValue(Schema):
    """A study with what it shows so far."""

    id: UUID
    kind: str
    name: str
    state: str
    total: int
    done: int
    failed: int
    sentences: list[str]
    conditions: list[dict[str, Any]]
    figures: dict[str, Any]
    estimate: dict[str, Any]
    run: UUID
    created_by: str
    created_at: datetime
    url: str


@router.post("", auth=_STARTS, response={202: StudyValue}, summary="Begin a study")
def start(request: ApiRequest, body: NewStudy) -> Status[dict[str, Any]]:
    """Ask in all the ways; the background does it, and measures the answers."""
    with transaction.atomic():
        found = stage.start(
            actor=request.auth,
            plan=_plan(request, body),
            repeats=body.repeats,
            name=body.name,
            now=timezone.now(),
        )
        transaction.on_commit(lambda: replay_nudge.delay(run_id=str(found.run_id)))
    return Status(202, _value(request, found))


@router.get(
    "",
    auth=_WATCHES,
    response=dict[str, Any],
    openapi_extra={"parameters": lists.PARAMETERS},
    summary="List studies",
)
def studies(request: ApiRequest) -> dict[str, Any]:
    """Newest first, without their figures."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    rows = Study.objects.filter(project=request.auth.project)
    rows = rows.select_related("run", "created_by", "created_by_key")
    page = page_of(rows, limit=limit, cursor=request.GET.get("cursor", ""), by="created_at")
    runs = run_rows([found.run for found in page.items])
    return {
        "items": [_facts(request, found, run) for found, run in zip(page.items, runs, strict=True)],
        "next": page.next,
    }


@router.get("/{uuid:id}", auth=_WATCHES, response=StudyValue, summary="A study and what it shows")
def read(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """Progress, the answer in sentences, and the figures of each way of asking."""
    return _value(request, _find(request, id))


@router.get(
    "/{uuid:id}/points",
    auth=KeyAuth(Permission.READ),
    response=dict[str, Any],
    openapi_extra={"parameters": lists.PARAMETERS},
    summary="A study's answers",
)
def points(request: ApiRequest, id: UUID) -> dict[str, Any]:  # noqa: A002
    """Each answer with how it compares, in the order of the ways of asking."""
    limit = lists.read_limit(request.GET.get("limit", ""))
    cursor = request.GET.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdigit()):
        raise Problem(422, "“cursor” is not one that this list gave.")
    start_at = int(cursor or 0)
    rows = list(row_values(conditions_of(_find(request, id))))
    more = start_at + limit < len(rows)
    return {"items": rows[start_at : start_at + limit], "next": str(start_at + limit) if more else None}


@router.post("/{uuid:id}/cancel", auth=_STARTS, response={202: StudyValue}, summary="Cancel a study")
def cancel(request: ApiRequest, id: UUID) -> Status[dict[str, Any]]:  # noqa: A002
    """What waits is not asked any more; one that has ended stays as it is."""
    found = _find(request, id)
    stage.cancel(actor=request.auth, study=found, now=timezone.now())
    found.run.refresh_from_db()
    return Status(202, _value(request, found))


def _plan(request: ApiRequest, body: NewStudy) -> stage.Plan:
    if body.kind == "providers":
        if (body.interactions is None) == (body.filter is None):
            raise Problem(422, "Say which interactions: either “interactions”, a list of ids, or “filter”.")
        if not body.providers:
            raise Problem(422, "“providers” is missing: name at least one provider or model.")
        selection: dict[str, Any] = (
            {"filter": body.filter} if body.interactions is None else {"interactions": body.interactions}
        )
        rows = selected(actor=request.auth, selection=selection).order_by("-started_at", "-id")
        ids = list(rows.values_list("pk", flat=True)[: MOST_INTERACTIONS + 1])
        return stage.Providers(ids, [stage.Arm(arm.provider, arm.model) for arm in body.providers])
    if body.interaction is None:
        raise Problem(422, "“interaction” is missing: name the interaction to study.")
    if body.kind == "seeds":
        return stage.Seeds(body.interaction, body.seeds, body.temperatures)
    if body.edits is None:
        question = stage.question_of(actor=request.auth, interaction=body.interaction)
        return stage.Deviations(body.interaction, stage.previewed(question), body.seed)
    edits = [stage.Edited(EditKind(edit.kind), edit.text, edit.system) for edit in body.edits]
    return stage.Deviations(body.interaction, edits, body.seed)


def _find(request: ApiRequest, id_: UUID) -> Study:
    """A study of the key's project."""
    rows = Study.objects.select_related("run", "created_by", "created_by_key")
    found: Study | None = rows.filter(project=request.auth.project, pk=id_).first()
    if found is None:
        raise Http404
    return found


def _facts(request: ApiRequest, found: Study, row: RunRow) -> dict[str, Any]:
    # Who waits for "done" wants the figures, and the last answers may still be compared.
    comparing = found.run.state == RunState.DONE and row.comparing > 0
    return {
        "id": found.pk,
        "kind": found.kind,
        "name": found.name,
        "state": RunState.RUNNING.value if comparing else found.run.state,
        "total": row.total,
        "done": row.done,
        "failed": row.failed,
        "run": found.run_id,
        "estimate": found.run.estimate,
        "created_by": found.made_by,
        "created_at": found.created_at,
        "url": request.build_absolute_uri(f"/studies/{found.pk}/"),
    }


def _value(request: ApiRequest, found: Study) -> dict[str, Any]:
    conditions = conditions_of(found)
    value = _facts(request, found, run_rows([found.run])[0])
    measured = sum(len(one.points) for one in conditions)
    if value["state"] == RunState.DONE and measured < value["done"]:
        value["state"] = RunState.RUNNING.value
    return {
        **value,
        "sentences": sentences(found, conditions),
        "conditions": [_condition(one) for one in conditions],
        "figures": _figures(found, conditions),
    }


def _condition(one: Condition) -> dict[str, Any]:
    return {
        **one.variant.about,
        "asked": one.asked,
        "failed": one.failed,
        "identical": _share(one.came_back),
        "equivalent": _share(one.same),
        "similarity": one.similarity,
        "latency_ms": one.latency_ms,
        "cost": one.cost,
        "distinct": one.distinct,
        "fingerprints": [{"value": value, "count": n} for value, n in one.fingerprints.items()],
    }


def _share(share: Share) -> dict[str, Any]:
    return {"part": share.part, "whole": share.whole, "low": share.low, "high": share.high}


def _figures(found: Study, conditions: list[Condition]) -> dict[str, Any]:
    if found.kind == "deviation":
        shown = deviation_of(conditions)
        tolerance = shown.tolerance
        return {
            "floor": _share(shown.floor),
            "edited": _share(shown.edited),
            "tolerance": None
            if tolerance is None
            else {"at": tolerance.at, "low": tolerance.low, "high": tolerance.high},
            "kinds": [
                {"kind": one.kind, "identical": _share(one.came_back), "holds_to": one.holds_to}
                for one in shown.kinds
            ],
        }
    if found.kind == "seeds":
        return {
            "temperatures": [
                {
                    "temperature": one.temperature,
                    "determined": one.shown.determined,
                    "low": one.shown.low,
                    "high": one.shown.high,
                    "p": one.shown.p,
                    "within": _share(one.shown.within),
                    "between": _share(one.shown.between),
                    "answers": one.shown.answers,
                    "distinct": one.shown.distinct,
                }
                for one in temperatures_of(conditions)
            ]
        }
    return {}
