"""Exports: a frozen selection written to a file, with a manifest that says how it was made."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class ExportFormat(models.TextChoices):
    JSONL = "jsonl", _("JSON lines")
    CSV = "csv", _("CSV")
    PARQUET = "parquet", _("Parquet")
    OPENAI_BATCH = "openai-batch", _("OpenAI Batch input")
    FINE_TUNING = "fine-tuning", "OpenAI fine-tuning"
    PREFERENCES = "preferences", _("Preference pairs")
    LABEL_STUDIO = "label-studio", _("Label Studio import")
    ARGILLA = "argilla", _("Argilla import")
    OTLP_EVALUATIONS = "otlp-evaluations", _("OpenTelemetry evaluation events")
    BUNDLE = "bundle", _("Reproducibility bundle")


class ExportState(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


EXPORT_TRANSITIONS: dict[str, frozenset[str]] = {
    ExportState.QUEUED: frozenset({ExportState.RUNNING, ExportState.CANCELLED}),
    # A worker that died leaves it running; the sweeper queues it again.
    ExportState.RUNNING: frozenset(
        {ExportState.DONE, ExportState.FAILED, ExportState.CANCELLED, ExportState.QUEUED}
    ),
    # Its file was removed, because it held what was erased since.
    ExportState.DONE: frozenset({ExportState.FAILED}),
    ExportState.FAILED: frozenset({ExportState.QUEUED}),
    ExportState.CANCELLED: frozenset(),
}


class Export(MadeBy, Scoped):
    """A file made in the background, kept with its manifest."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    format = models.CharField(max_length=20, choices=ExportFormat.choices)
    filter = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=ExportState.choices, default=ExportState.QUEUED)
    rows = models.BigIntegerField(null=True)
    # How many rows the filter is expected to give; an estimate for the progress bar.
    expected = models.BigIntegerField(null=True)
    bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    manifest = models.JSONField(default=dict)
    error = models.TextField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=ExportState.values), name="export_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(format__in=ExportFormat.values), name="export_format_known"
            ),
        ]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="export_newest")]

    def __str__(self) -> str:
        return f"{self.format} export {self.id}"
