"""Keys, sources with their seeds, and providers as the gateway sees them: in memory, without a database.

A thread asks the database once a second whether one of the four tables changed (their row versions
are added up, which is one small query) and reads them again when they did. So a key that is revoked
stops working, and a provider that is changed is called by its new address, within `POLL_SECONDS` and the
time of the reading: about a second. What a caller names and the directory does not know (a key made
this moment) is looked up at once, but at most every `ASK_SECONDS`, however many wrong keys are tried.

While the database is away the last state serves on: nobody can revoke a key then either.

The same thread shares with the other web processes, once a second, how often who called.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from reviewapp.models import ApiKey, Provider, Scope, SeedRange, Source, UnreadableSecret
from reviewapp.stages import administer
from reviewapp.web.limiting import limits

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
ASK_SECONDS: Final = 0.05
USES_SECONDS: Final = 5.0
_INGEST: Final = frozenset([Scope.INGEST, Scope.ADMIN])
_REVIEW: Final = frozenset([Scope.REVIEW, Scope.ADMIN])


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key that is not revoked."""

    id: UUID
    project: UUID
    name: str
    may_ingest: bool
    may_review: bool
    expires_at: datetime | None
    source: str | None


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source, and what it has the gateway add."""

    id: UUID
    provider: UUID | None
    add_seed: bool
    add_logprobs: bool
    reuse: str = "off"
    # Open ones, in the order in which they are given.
    seed_ranges: tuple[SeedRange, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider. `problem` says why its key can't be used."""

    id: UUID
    project: UUID
    name: str
    base_url: str
    timeout_seconds: float
    api_key: str | None = field(default=None, repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The four tables at one moment."""

    keys: dict[bytes, KeyEntry]
    sources: dict[tuple[UUID, str], SourceEntry]
    providers: dict[UUID, ProviderEntry]
    provider_names: dict[tuple[UUID, str], UUID]
    default_providers: dict[UUID, UUID]


class Directory:
    """Serves the snapshot, and keeps it fresh in a thread of its own. Belongs to one event loop."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self._version: str | None = None
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._asking: list[asyncio.Future[None]] = []
        self._used: set[UUID] = set()
        self._problem: str | None = None
        self._write_next = 0.0
        self._share_next = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="gateway-directory", daemon=True)
        self._thread.start()

    def key(self, secret: str, *, now: datetime) -> KeyEntry | None:
        """The usable key that this secret opens, as far as is known."""
        if self.snapshot is None or not secret.startswith(administer.KEY_PREFIX):
            return None
        entry = self.snapshot.keys.get(hashlib.sha256(secret.encode()).digest())
        if entry is None or (entry.expires_at is not None and entry.expires_at <= now):
            return None
        self._used.add(entry.id)
        return entry

    async def refreshed(self) -> None:
        """Return when the snapshot is one that was read after this call (or the database is away)."""
        answer = self._loop.create_future()
        with self._condition:
            self._asking.append(answer)
            self._condition.notify()
        await answer

    def close(self) -> None:
        """End the thread, after what it is at."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._look()
        finally:
            connection.close()

    def _look(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._asking or self._closing, POLL_SECONDS)
            asking, self._asking = self._asking, []
        try:
            self._refresh()
            self._write_uses()
            self._share_counts()
            if self._problem is not None:
                log.warning("The gateway reads keys and providers again")
                self._problem = None
        except (DatabaseError, InterfaceError) as error:
            if self._problem is None:
                log.warning("The gateway serves the keys and providers it knew last: %s", error)
            self._problem = str(error)
            with contextlib.suppress(Exception):
                connection.close()
        except Exception:
            log.exception("The gateway's directory can't be read")
        if asking:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                self._loop.call_soon_threadsafe(_settle, asking)
            time.sleep(ASK_SECONDS)

    def _refresh(self) -> None:
        version = _version()
        if version != self._version or self.snapshot is None:
            self.snapshot = _read()
            self._version = version

    def _write_uses(self) -> None:
        if not self._used or time.monotonic() < self._write_next:
            return
        used, self._used = self._used, set()
        administer.note_key_use(keys=used, now=timezone.now())
        self._write_next = time.monotonic() + USES_SECONDS

    def _share_counts(self) -> None:
        if time.monotonic() >= self._share_next:
            self._share_next = time.monotonic() + POLL_SECONDS * 0.9
            limits.share()


def _settle(asking: list[asyncio.Future[None]]) -> None:
    for answer in asking:
        if not answer.done():
            answer.set_result(None)


def _version() -> str:
    """Changes whenever a row of the four tables is made, changed or removed."""
    parts = [
        f"(SELECT count(*) || '.' || coalesce(sum(xmin::text::bigint), 0) FROM {model._meta.db_table})"  # noqa: S608
        for model in (ApiKey, Source, Provider, SeedRange)
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {' || '.join(parts)}")
        return str(cursor.fetchone()[0])


def _read() -> Snapshot:
    keys = {
        bytes(key.digest): KeyEntry(
            id=key.id,
            project=key.project_id,
            name=key.name,
            may_review=not _REVIEW.isdisjoint(key.scopes),
            may_ingest=not _INGEST.isdisjoint(key.scopes),
            expires_at=key.expires_at,
            source=key.source.name if key.source is not None else None,
        )
        for key in ApiKey.objects.filter(revoked_at__isnull=True).select_related("source")
    }
    ranges: dict[UUID, list[SeedRange]] = {}
    for one in SeedRange.objects.filter(is_open=True).order_by("first"):
        ranges.setdefault(one.source_id, []).append(one)
    sources = {
        (source.project_id, source.name): SourceEntry(
            id=source.id,
            provider=source.provider_id,
            add_seed=source.add_seed,
            add_logprobs=source.add_logprobs,
            reuse=source.reuse,
            seed_ranges=tuple(ranges.get(source.id, ())),
        )
        for source in Source.objects.all()
    }
    rows = list(Provider.objects.all())
    providers = {row.id: _provider(row) for row in rows}
    return Snapshot(
        keys=keys,
        sources=sources,
        providers=providers,
        provider_names={(row.project_id, row.name): row.id for row in rows},
        default_providers={row.project_id: row.id for row in rows if row.is_default},
    )


def _provider(row: Provider) -> ProviderEntry:
    api_key: str | None = None
    problem: str | None = None
    try:
        api_key = row.api_key
    except UnreadableSecret as error:
        # One key that can't be decrypted must not take the others with it.
        problem = str(error)
    return ProviderEntry(
        id=row.id,
        project=row.project_id,
        name=row.name,
        base_url=row.base_url.rstrip("/"),
        timeout_seconds=float(row.timeout_seconds),
        api_key=api_key or None,
        problem=problem,
    )
