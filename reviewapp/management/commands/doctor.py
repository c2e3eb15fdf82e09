"""`manage.py doctor`: what is wrong, in plain words, and the mend. Exit status 1 when something is.

It asks what the app itself depends on, in the order in which one failure explains the next,
and changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from reviewapp import health
from reviewapp.health import Finding
from reviewapp.journal import lag
from reviewapp.models import AlertChannel, Provider, UnreadableSecret, unsearchable
from reviewapp.providers.addresses import check_host
from reviewapp.stages import administer
from reviewapp.stages.administer import breached

GIGABYTE = 1024**3
LITTLE_SPACE = 2 * GIGABYTE
CLOCK_TOLERANCE = timedelta(seconds=5)
# The oldest that all of the database's tests run on (`make test-postgresql`), and that its makers still mend.
OLDEST_POSTGRESQL = 15
# Behind a burst the words come after all of it.
SEARCH_PATIENCE_SECONDS = 600.0
JOURNAL_PATIENCE_SECONDS = 60
PROVIDER_SECONDS = 5


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key is meant for the address that an admin entered, and for no other."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


class Command(BaseCommand):
    help = "Checks database, broker, worker, scheduler, providers, clock and disk, and says how to mend them."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        sick = 0
        for finding in examine():
            mark = self.style.SUCCESS("ok   ") if finding.ok else self.style.ERROR("WRONG")
            detail = f" ({finding.detail})" if finding.detail else ""
            self.stdout.write(f"{mark}  {finding.part:<10} {finding.sentence}{detail}")
            if not finding.ok:
                sick += 1
                if finding.mend:
                    self.stdout.write(f"       {'':<10} → {finding.mend}")
        self.stdout.write("")
        if sick:
            things = "1 thing is" if sick == 1 else f"{sick} things are"
            self.stdout.write(f"{things} wrong.")
            raise SystemExit(1)
        self.stdout.write("All is well.")


def examine() -> Iterator[Finding]:
    """Everything that is looked at, one after the other."""
    yield from disk()
    parts = asyncio.run(health.findings(optional=True))
    yield from parts
    if next(part.ok for part in parts if part.part == "database"):
        yield server()
        yield migrations()
        yield searching()
        yield from partitioned()
        yield clock()
        yield from secrets()
        yield second_factors()
        yield from passwords()
        yield from providers()
    yield journal()


# --- This machine ---------------------------------------------------------------------------------


def disk() -> Iterator[Finding]:
    data = Path(settings.DATA_DIR)
    if not data.is_dir() or not os.access(data, os.W_OK | os.X_OK):
        yield Finding(
            part="disk",
            ok=False,
            sentence=f"The data folder {data} is missing or can't be written.",
            mend="Create it for this user, or set REVIEWAPP_DATA to another folder.",
        )
        return
    free = shutil.disk_usage(data).free
    yield Finding(
        part="disk",
        ok=free >= LITTLE_SPACE,
        sentence=f"{free / GIGABYTE:.1f} GB are free for {data}.",
        mend="Make room, or move the data folder (REVIEWAPP_DATA). When the disk is full, recording stops.",
    )
    for name in ("secret_key", "encryption_keys"):
        file = data / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding(
                part="disk",
                ok=False,
                sentence=f"Others on this machine can read {file}.",
                mend=f"chmod 600 {file}",
            )


def journal() -> Finding:
    """What was received and is not with the broker yet."""
    waiting = lag(settings.DATA_DIR / "journal")
    if not waiting.frames:
        return Finding(part="journal", ok=True, sentence="Nothing waits to be recorded.")
    age = waiting.oldest_seconds
    return Finding(
        part="journal",
        ok=age <= JOURNAL_PATIENCE_SECONDS,
        sentence=f"{waiting.frames} items wait to be recorded, the oldest for {age:.0f} s.",
        detail=f"{waiting.bytes / 1024**2:.1f} MB",
        mend="They are safe on the disk and go on by themselves once broker and web server run.",
    )


# --- The database's side --------------------------------------------------------------------------


def server(*, version: int | None = None) -> Finding:
    """Whether PostgreSQL is new enough; `version` is its major one, where it is not to be asked."""
    if version is None:
        connection.ensure_connection()
        version = connection.pg_version // 10_000  # type: ignore[attr-defined]  # PostgreSQL's
    enough = version >= OLDEST_POSTGRESQL
    return Finding(
        part="version",
        ok=enough,
        sentence=f"PostgreSQL {version} is supported."
        if enough
        else f"PostgreSQL {version} is too old: this needs {OLDEST_POSTGRESQL} or later.",
        mend="Upgrade the server (pg_upgrade), or take a backup and restore it on a newer one.",
    )


def searching() -> Finding:
    """What is recorded and can't be searched by its words yet."""
    waiting = unsearchable()
    if waiting.since is None:
        return Finding(part="search", ok=True, sentence="All that is recorded can be searched.")
    age = max((timezone.now() - waiting.since).total_seconds(), 0)
    return Finding(
        part="search",
        ok=age <= SEARCH_PATIENCE_SECONDS,
        sentence=f"{waiting.interactions} recorded interactions can't be searched by words yet, "
        f"the oldest for {age:.0f} s.",
        mend="They become searchable by themselves once a worker has time: start one, or another.",
    )


def partitioned() -> Iterator[Finding]:
    """Each partition with its rows, as PostgreSQL estimates them; nothing where the tables are plain."""
    parts, finding = health.partitioned()
    if finding is None:
        return
    told = (f"{one.name} {one.rows:,} rows {one.size / GIGABYTE:.2f} GB" for one in parts)
    yield replace(finding, detail=", ".join(told))


def migrations() -> Finding:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return Finding(part="tables", ok=False, sentence="The tables can't be looked at.", detail=str(error))
    known = set(executor.loader.disk_migrations)
    ahead = [key for key in executor.loader.applied_migrations if key[0] == "reviewapp" and key not in known]
    if ahead:
        return Finding(
            part="tables",
            ok=False,
            sentence="The database was used by a newer version of the app.",
            detail=", ".join(name for _, name in sorted(ahead)),
            mend="Run that version, or restore a backup from before.",
        )
    return Finding(
        part="tables",
        ok=not missing,
        sentence="The tables are up to date." if not missing else f"{len(missing)} migrations are missing.",
        mend=".venv/bin/python manage.py prepare",
    )


def clock() -> Finding:
    """Ids carry the time and canaries compare days, so clocks that differ mix up what came first."""
    with connection.cursor() as cursor:
        asked = time.time()
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
        ours = datetime.fromtimestamp((asked + time.time()) / 2, tz=UTC)
    off = abs(theirs - ours)
    return Finding(
        part="clock",
        ok=off <= CLOCK_TOLERANCE,
        sentence=f"This machine's clock and the database's differ by {off.total_seconds():.1f} s.",
        mend="Let both machines set their clocks from the network (timedatectl set-ntp true).",
    )


def second_factors() -> Finding:
    """Who must have a second factor by the operator's rule, and who has none yet."""
    if settings.REQUIRE_SECOND_FACTOR == "off":
        advice = "; REVIEWAPP_REQUIRE_SECOND_FACTOR=admins is advised here" if settings.PRODUCTION else ""
        return Finding(part="accounts", ok=True, sentence=f"Second factors are up to each person{advice}.")
    bound, without = administer.bound_to_a_factor().count(), administer.without_factor().count()
    return Finding(
        part="accounts",
        ok=True,
        sentence=f"{bound} people must have a second factor; {without} of them have to set one up yet.",
    )


def passwords() -> Iterator[Finding]:
    """Whether the operator's file of breached passwords can be searched."""
    if path := settings.BREACHED_PASSWORDS:
        problem = breached.problem_of(path)
        yield Finding(
            part="accounts",
            ok=problem is None,
            sentence=f"New passwords are looked for in {path}."
            if problem is None
            else f"New passwords can't be looked for in {path}: {problem}.",
            mend="Have it written anew, sorted by SHA-1 (haveibeenpwned-downloader does).",
        )


def secrets() -> Iterator[Finding]:
    """Stored secrets that nobody can read with the present keys, each by its name."""
    try:
        owners = [
            *Provider.objects.filter(api_key__isnull=False).select_related("project").order_by("name"),
            *AlertChannel.objects.standing().select_related("project").order_by("name"),
        ]
    except DatabaseError as error:
        yield Finding(part="secrets", ok=False, sentence="Secrets can't be looked at.", detail=str(error))
        return
    lost = [one for one in owners if (one.key_problem if isinstance(one, Provider) else one.secret_problem)]
    for one in lost:
        kind = "provider" if isinstance(one, Provider) else "alert channel"
        yield Finding(
            part="secrets",
            ok=False,
            sentence=f"The secret of the {kind} “{one.name}” (project {one.project.name}) can't be read.",
            mend=f"Restore the file {Path(settings.DATA_DIR) / 'encryption_keys'} from a backup, or put the "
            "earlier key back into REVIEWAPP_ENCRYPTION_KEYS; or enter the secret again in the settings.",
        )
    if not lost:
        yield Finding(part="secrets", ok=True, sentence=f"All {len(owners)} stored secrets can be read.")


def providers() -> Iterator[Finding]:
    rows = Provider.objects.exclude(base_url="").select_related("project")
    try:
        callable_ones = list(rows.order_by("project__name", "name"))
    except DatabaseError as error:
        yield Finding(part="provider", ok=False, sentence="Providers can't be read.", detail=str(error))
        return
    if not callable_ones:
        yield Finding(
            part="provider", ok=True, sentence="No provider has an address: nothing can be replayed."
        )
    for provider in callable_ones:
        yield ask_provider(provider)


def ask_provider(provider: Provider) -> Finding:
    """Whether it answers at all, takes the key, and has the same time. Listing models costs nothing."""
    name = f"{provider.name} (project {provider.project.name})"
    request = urllib.request.Request(f"{provider.base_url.rstrip('/')}/models")  # noqa: S310 - an admin's URL
    started = time.monotonic()
    try:
        check_host(host=urlsplit(provider.base_url).hostname or "")
        if provider.api_key:
            request.add_header("Authorization", f"Bearer {provider.api_key}")
        with _opener.open(request, timeout=PROVIDER_SECONDS) as answer:
            status, date = answer.status, answer.headers.get("Date")
    except UnreadableSecret as error:
        return Finding(part="provider", ok=False, sentence=f"{name}: {error}")
    except urllib.error.HTTPError as error:
        status, date = error.code, error.headers.get("Date")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Finding(
            part="provider",
            ok=False,
            sentence=f"{name} can't be reached.",
            detail=f"{provider.base_url}: {reason}",
            mend="Check the address in the project's settings, and this machine's way to it.",
        )
    took = (time.monotonic() - started) * 1000
    if status in {401, 403}:
        return Finding(
            part="provider",
            ok=False,
            sentence=f"{name} does not accept the stored key.",
            detail=f"status {status}",
            mend="Enter a valid key in the project's settings.",
        )
    if 300 <= status < 400:
        return Finding(
            part="provider",
            ok=False,
            sentence=f"{name} sends callers on to another address, which is not followed.",
            detail=f"status {status}",
            mend="Enter the address itself in the project's settings.",
        )
    if status >= 500:
        return Finding(
            part="provider",
            ok=False,
            sentence=f"{name} answers with an error of its own.",
            detail=f"status {status}",
            mend="Wait, and look at the provider's status page.",
        )
    off = _off_by(date)
    if off is not None and off > timedelta(minutes=1):
        return Finding(
            part="provider",
            ok=False,
            sentence=f"{name} has a time that differs by {off.total_seconds():.0f} s.",
            mend="Most likely this machine's clock is wrong: timedatectl set-ntp true.",
        )
    # 404: it has no list of models, but it answers.
    return Finding(
        part="provider", ok=True, sentence=f"{name} answers.", detail=f"status {status}, {took:.0f} ms"
    )


def _off_by(date: str | None) -> timedelta | None:
    if not date:
        return None
    try:
        return abs(parsedate_to_datetime(date) - timezone.now())
    except (ValueError, TypeError):
        return None
