"""`manage.py recompute_verdicts`: judges answers again after the method improved; people's decisions stay."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reviewapp.management.projects import the_project
from reviewapp.models import Comparison, ReplayRun
from reviewapp.pure.verdicts import METHOD_VERSION
from reviewapp.stages import compare


class Command(BaseCommand):
    help = (
        "Judges replays again by the present method, those of an earlier one or all. People's decisions stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--run", metavar="ID", help="only this run")
        parser.add_argument("--project", help="only this project: slug or name")
        parser.add_argument("--all", action="store_true", help="also what the present method has judged")

    def handle(self, *args: Any, run: str | None, project: str | None, **options: Any) -> None:
        runs = ReplayRun.objects.order_by("created_at")
        if project:
            runs = runs.filter(project=the_project(project))
        if run:
            try:
                runs = runs.filter(pk=UUID(run))
            except ValueError:
                raise CommandError(f"--run: {run} is no run's id.") from None
        if not options["all"]:
            earlier = Comparison.objects.filter(method__lt=METHOD_VERSION)
            runs = runs.filter(pk__in=earlier.order_by().values("run"))
        found = list(runs.values_list("pk", flat=True))
        changed = 0
        for done, run_id in enumerate(found, start=1):
            changed += compare.recompute(run_id=run_id, now=timezone.now())
            if self.stderr.isatty():
                self.stderr.write(f"\r\x1b[2K{done:,} of {len(found):,} runs", ending="")
                self.stderr.flush()
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[2K", ending="")
        self.stdout.write(
            f"{len(found):,} runs judged by method {METHOD_VERSION}; {changed:,} verdicts changed."
        )
