"""`manage.py prepare`: what has to be true before the app may serve, and nothing twice.

Migrates, collects the static files, makes the first admin. It runs at each start, so each
step first looks whether there is anything to do; a start with nothing to do costs half a
second. Several containers may run it at the same moment: one works, the others wait.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from reviewapp.embedded.up import LINK_MARK
from reviewapp.models import Project
from reviewapp.stages import administer

# Any number, as long as every version of the app takes the same.
LOCK_NUMBER = 7_205_759_403
# Nobody's mailbox: who starts the product on their own machine signs in by the link it prints.
LOCAL_ADMIN = "admin@localhost"


class Command(BaseCommand):
    help = "Migrates the database and collects static files, as far as needed. Safe to run at every start."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--link", action="store_true", help="also print a sign-in link for the first admin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            # A wrong name or password, mostly; the driver's last line says which.
            reason = str(error).strip().splitlines()[-1]
            raise CommandError(f"REVIEWAPP_DATABASE_URL: the database can't be used: {reason}") from None
        with one_at_a_time():
            self.migrate()
            self.collect_static_files()
            self.make_first_people(now=timezone.now())
        if options["link"]:
            self.print_link()

    def migrate(self) -> None:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if waiting:
            self.stdout.write(f"{len(waiting)} migrations to apply")
            call_command("migrate", interactive=False, verbosity=1, stdout=self.stdout)

    def collect_static_files(self) -> None:
        """Compressing and naming them takes seconds, so only when a file or its version changed."""
        stamp = Path(settings.STATIC_ROOT) / "stamp"
        present = digest_of_static_files()
        if stamp.exists() and stamp.read_text() == present:
            return
        self.stdout.write("Collecting static files")
        call_command("collectstatic", interactive=False, verbosity=0, clear=stamp.exists())
        stamp.write_text(present)

    def make_first_people(self, *, now: datetime) -> None:
        """The demo project, and an admin: the one that the settings name, else one who comes in by link."""
        try:
            if settings.DEMO:
                project = administer.ensure_project(slug="demo", name="Demo", now=now)
            elif settings.ADMIN_EMAIL or (administer.first_operator() is None and not settings.PRODUCTION):
                project = oldest_project() or administer.ensure_project(
                    slug="first", name="First project", now=now
                )
            else:
                return
            if settings.ADMIN_EMAIL:
                administer.ensure_admin(
                    project=project, email=settings.ADMIN_EMAIL, password=settings.ADMIN_PASSWORD, now=now
                )
            elif administer.first_operator() is None:
                administer.ensure_admin(project=project, email=LOCAL_ADMIN, now=now)
        except administer.Refused as error:
            raise CommandError(f"REVIEWAPP_ADMIN_EMAIL: {error}") from error
        if settings.DEMO:
            # Before anybody can ask: the demo itself comes later, in the background.
            from reviewapp.management.commands.seed_demo import connect_simulator, first_admin

            connect_simulator(first_admin(project))

    def print_link(self) -> None:
        printed = io.StringIO()
        try:
            call_command("sign_in_link", stdout=printed)
        except CommandError as error:
            self.stdout.write(f"No sign-in link: {error}")
        else:
            self.stdout.write(f"{LINK_MARK}{printed.getvalue().strip()}")


def oldest_project() -> Project | None:
    return Project.objects.order_by("created_at").first()


def digest_of_static_files() -> str:
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_NUMBER])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_NUMBER])
