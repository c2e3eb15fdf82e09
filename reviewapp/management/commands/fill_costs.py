"""`manage.py fill_costs`: what was recorded before its price was known gets a cost by the present prices."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reviewapp.management.projects import the_project
from reviewapp.stages import record


class Command(BaseCommand):
    help = "Gives interactions without a cost one by the present prices. Costs that are there stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="only this project: slug or name")

    def handle(self, *args: Any, project: str | None, **options: Any) -> None:
        filled = 0
        for written in record.fill_costs(project_id=the_project(project).pk if project else None):
            filled += written
            if self.stderr.isatty():
                self.stderr.write(f"\r\x1b[2K{filled:,} filled", ending="")
                self.stderr.flush()
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[2K", ending="")
        self.stdout.write(f"{filled:,} interactions have a cost now that had none.")
