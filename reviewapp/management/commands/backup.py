"""`manage.py backup FILE`: everything an installation would miss, in one file, while it runs or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reviewapp.management import backups


class Command(BaseCommand):
    help = "Writes database, journal, exports and secrets into one file. Keep it as you keep the secrets."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            size = backups.back_up(target=file.absolute(), now=timezone.now())
        except (backups.BackupFailed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {size / 1024**2:.1f} MB. It holds the secrets: keep it as you keep them.")
