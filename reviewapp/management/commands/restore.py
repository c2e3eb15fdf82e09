"""`manage.py restore FILE`: puts a backup into an empty installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reviewapp.management import backups


class Command(BaseCommand):
    help = "Puts a backup into an empty data folder and database. Stop the app before, start it after."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            manifest = backups.restore(source=file)
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored what was backed up at {manifest['made_at']}. Start the app again.")
