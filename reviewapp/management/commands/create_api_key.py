"""`manage.py create_api_key`: a key for an application; printed once, alone on standard output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.text import slugify

from reviewapp.management.projects import find_project
from reviewapp.models import Scope
from reviewapp.stages import administer


class Command(BaseCommand):
    help = "Makes an API key and prints it, alone, on standard output. It is shown this once."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--project", required=True, help="slug or name; a project that does not exist is made"
        )
        parser.add_argument("--name", required=True, help="what uses the key")
        parser.add_argument(
            "--scopes",
            default=Scope.INGEST.value,
            help=f"separated by commas, of {', '.join(Scope.values)} (default: ingest)",
        )
        parser.add_argument("--source", help="the source of what is sent with this key and names none")

    def handle(
        self, *args: Any, project: str, name: str, scopes: str, source: str | None, **options: Any
    ) -> None:
        now = timezone.now()
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        unknown = [scope for scope in wanted if scope not in Scope.values]
        if unknown or not wanted:
            # Before a project is made for nothing.
            raise CommandError(
                f"Unknown scope {', '.join(unknown) or '(none)'}: choose from {', '.join(Scope.values)}."
            )
        found = find_project(project)
        if found is None:
            # Who runs the installation gets in first, and can let others in.
            admin = administer.first_operator()
            found = administer.create_project(name=project, slug=slugify(project)[:60], now=now, admin=admin)
            self.stderr.write(f"There was no project “{project}”; it is made.")
            self.stderr.write(
                f"Its only member is {admin.email}, as admin, who can add others under Settings, Members."
                if admin
                else "Nobody is a member of it yet, so nobody sees it in the browser. To let somebody in: "
                f"manage.py add_member --project {found.slug} --email ADDRESS"
            )
        try:
            _, secret = administer.create_api_key(
                project=found,
                name=name,
                scopes=wanted,
                now=now,
                source=administer.ensure_source(project=found, name=source, now=now) if source else None,
            )
        except administer.Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
