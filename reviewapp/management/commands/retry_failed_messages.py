"""`manage.py retry_failed_messages`: tries again what recording set aside, or lists it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from reviewapp.management.projects import the_project
from reviewapp.models import FailedMessage
from reviewapp.stages.record import second_try


class Command(BaseCommand):
    help = "Tries to record again what was set aside, of one project or all, also what names no project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="only this project: slug or name")
        parser.add_argument("--list", action="store_true", help="only list them, with the reason of each")

    def handle(self, *args: Any, project: str | None, **options: Any) -> None:
        rows = FailedMessage.objects.filter(recorded_at=None).select_related("project").order_by("id")
        if project:
            rows = rows.filter(project=the_project(project))
        if options["list"]:
            for row in rows.iterator(chunk_size=100):
                of = row.project.slug if row.project else "(no project)"
                self.stdout.write(f"{row.pk}  {row.created_at:%Y-%m-%d %H:%M:%S}  {of}  {row.error}")
                self.stdout.write(f"    {second_try.content_of(message=row)[:200]}")
            return
        done = second_try.try_again(messages=list(rows.values_list("pk", flat=True)), now=timezone.now())
        self.stdout.write(f"{done.recorded:,} recorded, {done.still:,} still set aside.")
