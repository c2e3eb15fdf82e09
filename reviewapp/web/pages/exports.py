"""Exports: ask for a file, watch it being made, take it."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.models import Export, ExportFormat, ExportState, Permission
from reviewapp.models.filters import Filter, InvalidFilter, read_filter
from reviewapp.models.pages import InvalidCursor, page_of
from reviewapp.stages import export as stage
from reviewapp.stages.administer import Refused
from reviewapp.tasks import export_make
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.interactions import chips
from reviewapp.web.pages.listing import filter_values
from reviewapp.web.reauthenticating import asks_who_is_there

WORDS = {
    ExportFormat.JSONL: gettext_lazy(
        "Everything, one JSON object a line, with all judgements by person. Can be imported again."
    ),
    ExportFormat.CSV: gettext_lazy("For spreadsheets: one line an interaction. Cells can't run as formulas."),
    ExportFormat.PARQUET: gettext_lazy("For data tools: typed columns and the whole bodies."),
    ExportFormat.OPENAI_BATCH: gettext_lazy("The requests, as input for OpenAI's Batch API. Runs as it is."),
    ExportFormat.FINE_TUNING: gettext_lazy("Conversations that end with the corrected answer."),
    ExportFormat.PREFERENCES: gettext_lazy("Pairs: the corrected answer preferred to the recorded one."),
    ExportFormat.LABEL_STUDIO: gettext_lazy(
        "Tasks with everybody's judgements, and the labeling configuration. Can be brought back."
    ),
    ExportFormat.ARGILLA: gettext_lazy(
        "A dataset with its settings and everybody's responses. Can be brought back."
    ),
    ExportFormat.OTLP_EVALUATIONS: gettext_lazy(
        "Judgements as gen_ai.evaluation.result events, linked to trace and response. Can be brought back."
    ),
    ExportFormat.BUNDLE: gettext_lazy(
        "A zip with the data, a manifest and a script that asks everything again."
    ),
}


@needs(Permission.READ)
@require_safe
def exports(request: AppRequest) -> HttpResponse:
    """The project's exports, newest first."""
    rows = Export.objects.visible_to(request.actor).select_related("created_by", "created_by_key")
    try:
        page = page_of(rows, limit=30, cursor=request.GET.get("cursor", ""), by="created_at")
    except InvalidCursor:
        return redirect("exports")
    here = reverse("exports")
    template = "pages/exports.html" + ("#list" if is_fragment(request) else "")
    return vary_on_htmx(
        render(
            request,
            template,
            {
                "exports": page.items,
                "active": any(row.state in {ExportState.QUEUED, ExportState.RUNNING} for row in page.items),
                "newer": f"{here}?cursor={page.newer}" if page.newer else "",
                "older": f"{here}?cursor={page.older}" if page.older else "",
            },
        )
    )


@needs(Permission.EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
@asks_who_is_there
def new_export(request: AppRequest) -> HttpResponse:
    """Choose a format for what the filter matches."""
    values = filter_values(request.GET)
    problem = ""
    wanted = Filter()
    expected = None
    try:
        wanted = read_filter(values)
        expected = stage.expected_rows(project=request.actor.project, wanted=wanted)
        if request.method == "POST":
            with transaction.atomic():
                made = stage.start_export(
                    actor=request.actor,
                    format=request.POST.get("format", ""),
                    wanted=wanted,
                    now=timezone.now(),
                )
                transaction.on_commit(lambda: export_make.delay(export_id=str(made.pk)))
            return redirect("export", id=made.pk)
    except (InvalidFilter, Refused) as error:
        problem = str(error)
    return render(
        request,
        "pages/export-new.html",
        {
            "chips": chips(wanted),
            "expected": expected,
            "formats": [(value, label, WORDS[ExportFormat(value)]) for value, label in ExportFormat.choices],
            "problem": problem,
            "chosen": request.POST.get("format") or request.GET.get("format") or ExportFormat.JSONL,
            "filter_query": urlencode(wanted.values()),
        },
        status=422 if problem else 200,
    )


@needs(Permission.READ)
@require_safe
def export(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """One export: its progress, then its file and manifest."""
    found = _load(request, id)
    template = "pages/export.html" + ("#state" if is_fragment(request) else "")
    return vary_on_htmx(render(request, template, {"export": found, "active": _active(found)}))


@needs(Permission.EXPORT)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Stop making it."""
    found = _load(request, id)
    stage.cancel_export(actor=request.actor, export=found, now=timezone.now())
    return redirect("export", id=found.pk)


@needs(Permission.EXPORT)
@require_safe
def download(request: AppRequest, id: UUID) -> HttpResponseBase:  # noqa: A002
    """The file itself; taking it leaves an audit entry."""
    found = _load(request, id)
    try:
        file = stage.open_file(export=found) if found.state == ExportState.DONE else None
    except stage.StorageAway as away:
        messages.error(request, str(away.strerror))
        return redirect("export", id=found.pk)
    if file is None:
        raise Http404
    stage.audit_download(actor=request.actor, export=found, now=timezone.now())
    return FileResponse(file, as_attachment=True, filename=found.file_name)


def _load(request: AppRequest, id_: UUID) -> Export:
    found: Export = find_or_404(
        request, Export.objects.select_related("created_by", "created_by_key"), id=id_
    )
    return found


def _active(export: Export) -> bool:
    return export.state in {ExportState.QUEUED, ExportState.RUNNING}
