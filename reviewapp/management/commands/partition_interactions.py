"""`manage.py partition_interactions`: a table of some hundred million interactions becomes one a month."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from reviewapp.stages.administer import partitions


class Command(BaseCommand):
    help = (
        "Partitions the interactions by month while everybody goes on working, or makes months ahead where "
        "they are partitioned. For installations with some hundred million (docs/growing.md). "
        "After an interruption run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, default=3, help="how many months ahead; default: 3")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        months = options["months"]
        if not 1 <= months <= 24:
            raise CommandError("--months: choose from 1 to 24.")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("Migrations are missing: run manage.py prepare first.")
        try:
            foreseen = partitions.foresee(now=timezone.now(), months=months)
            for number, step in enumerate(foreseen.steps, 1):
                self.stdout.write(f"{number}. {step}")
            if not foreseen.steps:
                self.stdout.write(f"The interactions are partitioned, and {months} months ahead are there.")
            if options["dry_run"] or not foreseen.steps:
                return
            partitions.partition(now=timezone.now(), months=months, tell=self._tell)
        except (partitions.CannotPartition, partitions.Busy) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Done.")

    def _tell(self, sentence: str) -> None:
        self.stdout.write(f"{timezone.now():%H:%M:%S} {sentence}")
        self.stdout.flush()
