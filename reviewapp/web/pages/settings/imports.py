"""Bring a file of interactions: it is looked through first, and recorded when somebody says so."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reviewapp.formats.imports import AUTO, FORMATS
from reviewapp.formats.interchange import NAME_LIMIT
from reviewapp.models import FileImport, FileImportState, Permission
from reviewapp.pure.said import stored
from reviewapp.stages.administer import Refused
from reviewapp.stages.record import uploads
from reviewapp.tasks import record_file
from reviewapp.templatetags.said import in_reader
from reviewapp.web.frame import AppRequest, find_or_404, is_fragment, needs, vary_on_htmx
from reviewapp.web.pages.settings import section

SHOWN = 30


class ImportForm(forms.Form):
    """A file, and what to take for what it doesn't say itself."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("Drop it here or choose it: at most 256 MiB, also packed with gzip or zstd."),
    )
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=[
            (AUTO, gettext_lazy("Recognise it")),
            *sorted(
                ((key, gettext_lazy(name)) for key, name in FORMATS.items()),
                key=lambda pair: FORMATS[pair[0]].lower(),
            ),
        ],
        initial=AUTO,
    )
    source = forms.CharField(
        label=gettext_lazy("Source"),
        required=False,
        max_length=NAME_LIMIT,
        help_text=gettext_lazy("For interactions that name none."),
    )
    provider = forms.CharField(
        label=gettext_lazy("Provider"),
        required=False,
        max_length=NAME_LIMIT,
        help_text=gettext_lazy("For interactions that name none."),
    )


@needs(Permission.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: AppRequest) -> HttpResponse:
    """The form, and the files that were brought before."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data.pop("file")
        try:
            with transaction.atomic():
                made = uploads.bring_file(
                    actor=request.actor,
                    name=file.name or "",
                    size=file.size,
                    pieces=file.chunks(),
                    now=timezone.now(),
                    **form.cleaned_data,
                )
                transaction.on_commit(lambda: record_file.delay(import_id=str(made.pk)))
            return redirect("settings-import-file", id=made.pk)
        except Refused as error:
            form.add_error(error.field or None, str(error))
    rows = FileImport.objects.visible_to(request.actor).select_related("created_by", "created_by_key")
    return section(
        request,
        "pages/settings/import.html",
        "settings-import",
        form=form,
        rows=rows.order_by("-created_at", "-id")[:SHOWN],
        status=422 if form.errors else 200,
    )


@needs(Permission.ADMIN)
@require_safe
def found(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """What is in a file, and what became of it."""
    file = _load(request, id)
    wrong, composed = file.found.get("wrong", []), file.found.get("messages", {})
    template = "pages/settings/import-file.html" + ("#state" if is_fragment(request) else "")
    return vary_on_htmx(
        section(
            request,
            template,
            "settings-import",
            file=file,
            format=_(FORMATS[file.format]) if file.format in FORMATS else "",
            active=file.state in {FileImportState.CHECKING, FileImportState.RUNNING},
            taken=sorted(file.found.get("taken", {}).items()),
            replays_left=file.found.get("not_brought", {}).get("replays", 0),
            # Foreseen, and once it is done what came of it.
            said=file.brought or file.found.get("said"),
            left_out=sorted(
                (in_reader(stored(what, composed.get("left_out", {}).get(what))), n)
                for what, n in file.found.get("left_out", {}).items()
            ),
            wrong=[
                (number, stored(reason, parts))
                for (number, reason), parts in zip(
                    wrong, composed.get("wrong") or [None] * len(wrong), strict=False
                )
            ],
            error=stored(file.error or "", composed.get("error")),
            more_wrong=file.found.get("wrong_count", 0) - len(file.found.get("wrong", [])),
        )
    )


@needs(Permission.ADMIN)
@require_POST
def start(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Record what was found."""
    file = _load(request, id)
    with transaction.atomic():
        if uploads.start_file(actor=request.actor, file=file, now=timezone.now()):
            transaction.on_commit(lambda: record_file.delay(import_id=str(file.pk)))
    return redirect("settings-import-file", id=file.pk)


@needs(Permission.ADMIN)
@require_POST
def cancel(request: AppRequest, id: UUID) -> HttpResponse:  # noqa: A002
    """Throw the file away."""
    file = _load(request, id)
    if uploads.cancel_file(actor=request.actor, file=file, now=timezone.now()):
        messages.success(request, _("%(file)s was thrown away.") % {"file": file.file_name})
    return redirect("settings-import")


def _load(request: AppRequest, id_: UUID) -> Any:
    return find_or_404(request, FileImport.objects.select_related("created_by", "created_by_key"), id=id_)
