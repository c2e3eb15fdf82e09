"""Studies: all of them, and one of them with its plots, its figures and its answers to take home."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from reviewapp.models import Permission, Study, StudyKind
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.models.probing import probed_of
from reviewapp.models.replaying import run_rows
from reviewapp.models.studying import (
    Condition,
    conditions_of,
    deviation_of,
    fingerprints_of,
    temperatures_of,
)
from reviewapp.stages import study as stage
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.replays import shown_runs
from reviewapp.web.studying.drawing import draw_range, draw_seeds, draw_shares, draw_similarities, face_of
from reviewapp.web.studying.rows import FIELDS, row_values
from reviewapp.web.studying.telling import condition_words, sentences, temperature_words

STUDIES_SHOWN = 30
# What is drawn anew with every look is looked at less often where there is more of it.
LARGE_STUDY = 1_000


@needs(Permission.READ)
@require_safe
def studies(request: AppRequest) -> HttpResponse:
    """All studies, newest first; htmx gets the list alone."""
    rows = Study.objects.visible_to(request.actor).select_related("run", "created_by", "created_by_key")
    try:
        page = page_of(rows, limit=STUDIES_SHOWN, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        return redirect("studies")
    runs = run_rows([found.run for found in page.items])
    here = reverse("studies")
    return vary_on_htmx(
        render(
            request,
            "pages/studies.html" + ("#list" if is_fragment(request) else ""),
            {
                "studies": list(zip(page.items, runs, strict=True)),
                "active": any(run.active for run in runs),
                "newer": f"{here}?cursor={page.newer}" if page.newer else "",
                "older": f"{here}?cursor={page.older}" if page.older else "",
                "now": timezone.now(),
            },
        )
    )


@needs(Permission.READ)
@require_safe
def study(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One study: what it shows so far; htmx gets what changes."""
    found = _load(request, id)
    (shown,) = shown_runs([found.run], now=timezone.now())
    conditions = conditions_of(found)
    measured = sum(len(one.points) for one in conditions)
    context: dict[str, Any] = {
        "study": found,
        "one": shown,
        "row": shown.row,
        # Answers are measured a moment after they were compared.
        "active": shown.row.active or measured < shown.row.done,
        "pace": 5 if shown.row.total > LARGE_STUDY else 2,
        "measured": measured,
        "sentences": sentences(found, conditions),
        "conditions": [(one, condition_words(one), draw_range(one.came_back)) for one in conditions],
        "other_reference": bool(found.reference),
        **_figures(found, conditions),
        **_probed(found),
    }
    template = "pages/study.html" + ("#live" if is_fragment(request) else "")
    return vary_on_htmx(render(request, template, context))


def _figures(found: Study, conditions: Sequence[Condition]) -> dict[str, Any]:
    """What is drawn of this kind of study."""
    if found.kind == StudyKind.DEVIATION:
        shown = deviation_of(conditions)
        return {
            "is_deviation": True,
            "deviation": shown,
            "plots": [
                (_("How often the answer came back"), "shares", draw_shares(conditions)),
                (_("How much of the answer stayed"), "words", draw_similarities(conditions)),
            ],
            "kinds": [(face_of(one.kind), one, draw_range(one.came_back)) for one in shown.kinds],
        }
    if found.kind == StudyKind.SEEDS:
        return {
            "is_seeds": True,
            "temperatures": [
                (
                    temperature_words(one.temperature),
                    one.shown,
                    draw_range(one.shown.within),
                    draw_range(one.shown.between),
                    draw_seeds(one.conditions),
                )
                for one in temperatures_of(conditions)
            ],
        }
    return {
        "is_providers": True,
        "by_fingerprint": [
            (one, condition_words(one.condition), draw_range(one.came_back))
            for one in fingerprints_of(conditions)
        ],
    }


def _probed(found: Study) -> dict[str, Any]:
    """Whether the seed of whom this study asks counts for anything."""
    if found.interaction is None:
        return {"probed": []}
    return {"probed": probed_of(pairs=[(found.interaction.provider_id, found.interaction.model)])}


@needs(Permission.REPLAY)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Ask nothing more; what was answered stays."""
    found = _load(request, id)
    if stage.cancel(actor=request.actor, study=found, now=timezone.now()):
        messages.success(request, _("Cancelled. What was answered already is kept."))
    else:
        messages.info(request, _("It had ended already."))
    return redirect("study", id=found.pk)


@needs(Permission.EXPORT)
@require_safe
def points(request: AppRequest, id: UUID, format: str) -> HttpResponseBase:  # noqa: A002
    """Every answer of the study as a row of CSV or JSONL; taking it leaves an audit entry."""
    found = _load(request, id)
    if format not in {"csv", "jsonl"}:
        raise Http404
    rows = list(row_values(conditions_of(found)))
    stage.audit_export(actor=request.actor, study=found, now=timezone.now(), format=format, rows=len(rows))
    lines = _csv(rows) if format == "csv" else (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson"
    response = StreamingHttpResponse((line.encode() for line in lines), content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="study-{found.pk}.{format}"'
    return response


class _Echo:
    """What the CSV writer writes to: gives the line back."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(FIELDS)
    for row in rows:
        yield writer.writerow([_cell(row[name]) for name in FIELDS])


def _cell(value: Any) -> Any:
    # A text that begins like a formula would be computed by the program that opens the file.
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value


def _load(request: AppRequest, id_: UUID) -> Study:
    found: Study = find_or_404(
        request,
        Study.objects.select_related("run", "interaction", "created_by", "created_by_key"),
        id=id_,
    )
    return found
