"""Files that people bring in by the browser: looked through first, then recorded in the background."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from reviewapp.models.people import Person
from reviewapp.models.project import ApiKey, MadeBy, Project
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id


class FileImportState(models.TextChoices):
    CHECKING = "checking", _("Looking through")
    CHECKED = "checked", _("Ready to record")
    RUNNING = "running", _("Recording")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Thrown away")


FILE_IMPORT_TRANSITIONS: dict[str, frozenset[str]] = {
    FileImportState.CHECKING: frozenset(
        {FileImportState.CHECKED, FileImportState.FAILED, FileImportState.CANCELLED}
    ),
    FileImportState.CHECKED: frozenset({FileImportState.RUNNING, FileImportState.CANCELLED}),
    FileImportState.RUNNING: frozenset(
        {FileImportState.DONE, FileImportState.FAILED, FileImportState.CANCELLED}
    ),
    FileImportState.DONE: frozenset(),
    FileImportState.FAILED: frozenset(),
    FileImportState.CANCELLED: frozenset(),
}


class FileImport(MadeBy, Scoped):
    """A file; what was found in it, and what became of that.

    A worker holds it while its heartbeat is fresh; another takes it up from the beginning when it is not,
    which records nothing twice.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    file_name = models.CharField(max_length=200)
    bytes = models.BigIntegerField()
    # What was asked for (`auto`), and after looking through what it is.
    format = models.CharField(max_length=30)
    # Names for what names none itself.
    source = models.CharField(max_length=120, blank=True)
    provider = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=10, choices=FileImportState.choices, default=FileImportState.CHECKING)
    # The tally of looking through: counts by endpoint, left out, wrong lines with their reasons.
    found = models.JSONField(default=dict)
    done = models.BigIntegerField(default=0)
    recorded = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    # What people said that came along: judgements, flags, who gave them. None: nothing was said.
    brought = models.JSONField(null=True)
    # What could be read but not stored, with the reason.
    set_aside = models.JSONField(default=list)
    error = models.TextField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    # Which worker has it: one that was slow finds that another took it up.
    worker = models.UUIDField(null=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=FileImportState.values), name="file_import_state_known"
            )
        ]
        # The list of a project's files, newest first.
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="file_import_newest")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def expected(self) -> int:
        """How many interactions were found in it."""
        return sum(self.found.get("taken", {}).values())

    @property
    def new(self) -> int:
        """How many of those were not here when the file was looked through."""
        return self.expected - int(self.found.get("known", 0))
