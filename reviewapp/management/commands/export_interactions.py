"""`manage.py export_interactions`: the same exports as the app makes, written to a file of one's own."""

from __future__ import annotations

import shutil
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils import timezone

from reviewapp.management.projects import the_project
from reviewapp.models import Export, ExportFormat, ExportState, system_actor
from reviewapp.models.filters import FILTER_NAMES, InvalidFilter, read_filter
from reviewapp.stages import export
from reviewapp.stages.administer import Refused


class Command(BaseCommand):
    help = "Writes the interactions that a filter matches to a file: JSON lines, CSV, Parquet and others."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", required=True, choices=ExportFormat.values)
        parser.add_argument("--out", required=True, help="the file to write; - is standard output")
        parser.add_argument("--project", help="slug or name; may be left out where there is one project")
        for name in FILTER_NAMES:
            parser.add_argument(f"--{name.replace('_', '-')}", dest=f"filter_{name}", metavar="VALUE")

    def handle(self, *args: Any, **options: Any) -> None:
        project = the_project(options["project"])
        values = {name: options[f"filter_{name}"] for name in FILTER_NAMES if options[f"filter_{name}"]}
        out = options["out"]
        if out != "-" and not Path(out).absolute().parent.is_dir():
            raise CommandError(f"--out: there is no folder {Path(out).absolute().parent}")
        try:
            asked = export.start_export(
                actor=system_actor(project=project),
                format=options["format"],
                wanted=read_filter(values),
                now=timezone.now(),
            )
        except (Refused, InvalidFilter) as error:
            raise CommandError(str(error)) from error
        made = self._make(asked)
        if made.state != ExportState.DONE:
            raise CommandError(made.error or f"The export is {made.state}.")
        file = export.open_file(export=made)
        if file is None:
            raise CommandError("The file was made and is gone again.")
        with file, nullcontext(sys.stdout.buffer) if out == "-" else Path(out).open("wb") as there:
            shutil.copyfileobj(file, there)
        self.stderr.write(f"{made.rows} rows, {made.bytes} bytes, SHA-256 {made.sha256}")

    def _make(self, asked: Export) -> Export:
        """Make it here and now, telling how far it is where somebody watches."""

        def make() -> None:
            try:
                export.make_export(export_id=asked.pk)
            finally:
                connections.close_all()

        worker = threading.Thread(target=make)
        worker.start()
        while worker.is_alive():
            worker.join(0.5)
            if sys.stderr.isatty():
                rows = Export.objects.values_list("rows", flat=True).get(pk=asked.pk)
                self.stderr.write(f"\r{rows or 0} of about {asked.expected} rows", ending="")
        if sys.stderr.isatty():
            self.stderr.write("\r", ending="")
        return Export.objects.get(pk=asked.pk)
