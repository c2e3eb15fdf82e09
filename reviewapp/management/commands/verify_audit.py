"""`manage.py verify_audit`: whether the audit log is what was written. Exit status 1 when it is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reviewapp.management.projects import the_project
from reviewapp.models import Project
from reviewapp.stages.administer import sealing


class Command(BaseCommand):
    help = "Verifies the hash chains of the audit log, or of an exported one. Exit status 1: it was changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="only this project's; default: all")
        parser.add_argument("--head", help="a digest written down earlier, which must still be in the chain")
        parser.add_argument("--file", help="an exported log (JSON Lines) instead; - is standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"]:
            self._verify_file(options["file"])
            return
        now = timezone.now()
        while sealing.seal_audit(now=now):
            pass
        projects: list[Project | None]
        if options["project"]:
            projects = [the_project(options["project"])]
        else:
            projects = [None, *Project.objects.order_by("slug")]
        sound = True
        for project in projects:
            chain = sealing.verify_audit(project=project, now=now)
            name = project.slug if project else "(no project)"
            sound = sound and chain.is_whole
            if chain.broken is not None:
                self.stdout.write(self.style.ERROR(f"BROKEN  {name}: {chain.broken.sentence}"))
            elif chain.unsealed:
                self.stdout.write(
                    self.style.ERROR(f"BROKEN  {name}: {chain.unsealed} entries were never sealed.")
                )
            else:
                self.stdout.write(f"whole   {name}: {chain.entries} entries, head {chain.head.hex()}")
        if options["head"]:
            try:
                digest = bytes.fromhex(options["head"])
            except ValueError:
                raise CommandError(
                    "--head: is no digest; write the 64 characters that were printed"
                ) from None
            if not any(sealing.knows_head(project=project, digest=digest) for project in projects):
                self.stdout.write(
                    self.style.ERROR(f"BROKEN  the head {options['head'][:16]}… is in no chain any more.")
                )
                sound = False
        if not sound:
            raise SystemExit(1)

    def _verify_file(self, name: str) -> None:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
            broken, entries, head = sealing.verify_lines(text.splitlines())
        except OSError as error:
            raise CommandError(f"--file: can't read {name}: {error.strerror}") from error
        except ValueError as error:
            raise CommandError(f"--file: {error}") from error
        if broken is not None:
            self.stdout.write(self.style.ERROR(f"BROKEN  {broken.sentence}"))
            raise SystemExit(1)
        self.stdout.write(f"whole   {entries} entries, head {head.hex()}")
