"""`manage.py add_member`: makes somebody a member of a project, for who can use this machine's shell.

A project that a command made has no member who could invite the first one in the browser.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from reviewapp.management.commands.sign_in_link import address
from reviewapp.management.projects import the_project
from reviewapp.models import Role, system_actor
from reviewapp.stages import administer


class Command(BaseCommand):
    help = "Makes somebody a member of a project; who is new gets a link to sign in with once."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", help="slug or name (default: the only one)")
        parser.add_argument("--email", required=True, help="whom")
        parser.add_argument("--role", default=Role.ADMIN.value, choices=Role.values, help="(default: admin)")

    def handle(self, *args: Any, project: str | None, email: str, role: str, **options: Any) -> None:
        found = the_project(project)
        try:
            member, token = administer.invite(
                actor=system_actor(project=found), email=email, role=role, now=timezone.now()
            )
        except administer.Refused as error:
            raise CommandError(str(error)) from None
        self.stderr.write(f"{member.person.email} is a member of {found.name}: {member.role}.")
        if token is not None:
            self.stdout.write(f"{address()}{reverse('sign-in-link', args=[token])}")
