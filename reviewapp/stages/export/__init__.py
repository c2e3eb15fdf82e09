"""Exports: a frozen selection written to a file, with a manifest that says how it was made.

The selection is everything that the filter matches up to the moment the export was asked for.
It is read oldest first by keyset, a batch at a time, so memory stays flat and a file of a
million rows shows its progress. The worker renews a heartbeat with each batch; one that stopped
is queued again by the sweeper and starts over, since half a file is no file.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from reviewapp import replica
from reviewapp.formats.exports import ExportRow, ParquetMissing, Stored, open_writer
from reviewapp.formats.exports.agreeing import AgreementTally
from reviewapp.models import (
    Actor,
    BackendChange,
    Export,
    ExportFormat,
    ExportState,
    Interaction,
    Permission,
    Person,
    Project,
    actor_for_person,
)
from reviewapp.models.bodies import recorded_of
from reviewapp.models.counting import about
from reviewapp.models.filters import Filter, apply, read_filter
from reviewapp.stages import watch
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.export import keeping
from reviewapp.stages.export.judged import annotation_value
from reviewapp.stages.export.keeping import StorageAway as StorageAway
from reviewapp.stages.export.keeping import file_of, folder_of
from reviewapp.stages.export.keeping import opened as open_file
from reviewapp.stages.export.shape import (
    StoredPages,
    export_rows,
    fetch_stored,
    flag_value,
    read_stored,
    rows_of,
    with_bodies,
)

BATCH = 1_000
# Packed bodies that are held at once, three times: being read, being written, and waiting for the disk.
BATCH_BYTES = 8 << 20
BEAT_SECONDS = 1.0
HEARTBEAT_LOST = timedelta(seconds=60)
SCHEMA_VERSION = 1


class Cancelled(Exception):
    """Somebody cancelled the export while it was being written."""


@transaction.atomic
def start_export(*, actor: Actor, format: str, wanted: Filter, now: datetime) -> Export:  # noqa: A002
    """Ask for an export; the caller enqueues `export_make` on commit. Raises Refused."""
    actor.check(Permission.EXPORT)
    if format not in ExportFormat.values:
        raise Refused(
            gettext("“%(format)s” is no export format; choose from %(choices)s.")
            % {"format": format, "choices": ", ".join(ExportFormat.values)},
            field="format",
        )
    made: Export = Export.objects.create(
        project=actor.project,
        format=format,
        filter=wanted.values(),
        expected=expected_rows(project=actor.project, wanted=wanted),
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    write_audit(
        actor=actor, action="export.create", target=made, now=now, format=format, filter=wanted.values()
    )
    return made


@transaction.atomic
def report_regressions(*, actor: Actor, change: BackendChange, note: str, now: datetime) -> Export | None:
    """Decide that a change's changed answers are regressions, and ask for the bundle that anybody can
    run again.

    The caller enqueues `export_make` on commit. None: somebody decided in the same moment. Raises Refused.
    """
    watch.check_can_report(actor=actor, change=change)
    made = start_export(
        actor=actor, format=ExportFormat.BUNDLE, wanted=Filter(regressions=str(change.pk)), now=now
    )
    if not watch.report_change(actor=actor, change=change, export=made, note=note, now=now):
        transaction.set_rollback(True)
        return None
    return made


def expected_rows(*, project: Project, wanted: Filter) -> int:
    """About how many rows will match."""
    return about(_selection(project=project, wanted=wanted)).n


def cancel_export(*, actor: Actor, export: Export, now: datetime) -> bool:
    """Stop it. False when it had ended already, which is no error."""
    actor.check(Permission.EXPORT)
    with transaction.atomic():
        moved = Export.objects.filter(
            pk=export.pk, state__in=[ExportState.QUEUED, ExportState.RUNNING]
        ).update(state=ExportState.CANCELLED, finished_at=now)
        if moved:
            write_audit(actor=actor, action="export.cancel", target=export, now=now)
    return bool(moved)


def audit_download(*, actor: Actor, export: Export, now: datetime) -> None:
    """Leave the trace that somebody took the file."""
    with transaction.atomic():
        write_audit(actor=actor, action="export.download", target=export, now=now, sha256=export.sha256)


def make_export(*, export_id: UUID) -> None:
    """Write the file of a queued export. Nothing happens when another worker has it, or nobody wants it."""
    now = timezone.now()
    taken = Export.objects.filter(pk=export_id, state=ExportState.QUEUED).update(
        state=ExportState.RUNNING, heartbeat_at=now, rows=0
    )
    if not taken:
        return
    export = Export.objects.select_related("project", "created_by", "created_by_key").get(pk=export_id)
    shutil.rmtree(folder_of(export), ignore_errors=True)
    try:
        _write(export)
    except Cancelled:
        shutil.rmtree(folder_of(export), ignore_errors=True)
    except (ParquetMissing, OSError) as error:
        shutil.rmtree(folder_of(export), ignore_errors=True)
        reason = f"The file can't be written: {error.strerror}." if isinstance(error, OSError) else str(error)
        Export.objects.filter(pk=export_id, state=ExportState.RUNNING).update(
            state=ExportState.FAILED, error=reason, finished_at=timezone.now()
        )


def sweep_exports(*, now: datetime) -> list[UUID]:
    """Queue again what a dead worker left; gives the ids of all that wait, for the caller to enqueue."""
    Export.objects.filter(state=ExportState.RUNNING, heartbeat_at__lt=now - HEARTBEAT_LOST).update(
        state=ExportState.QUEUED, rows=None
    )
    return list(Export.objects.filter(state=ExportState.QUEUED).values_list("pk", flat=True))


def preview(*, actor: Actor, wanted: Filter, limit: int = 5) -> list[ExportRow]:
    """The first rows that an export would hold."""
    actor.check(Permission.EXPORT)
    rows = with_bodies(_selection(project=actor.project, wanted=wanted)).order_by("started_at", "id")
    return rows_of(list(rows[:limit]))


def _selection(*, project: Project, wanted: Filter) -> Any:
    return apply(Interaction.objects.filter(project=project), wanted, project=project)


def _read(export: Export) -> Generator[Iterator[ExportRow], None, None]:
    """The rows of the selection in batches.

    From the replica, once it has all that the primary has; should it fail, the primary goes on from there.
    """
    last: Stored | None = None
    with replica.reading(wait_seconds=replica.EXPORT_SECONDS) as place:
        while True:
            try:
                with contextlib.closing(_batches(export, after=last)) as batches:
                    for end, batch in batches:
                        last = end
                        yield batch
                return
            except replica.LOST as error:
                if not place.leave(error):
                    raise
                # Finding out may have taken a while, in which nobody else shall take this worker for dead.
                _beat(export, None)


def _batches(
    export: Export, *, after: Stored | None
) -> Generator[tuple[Stored, Iterator[ExportRow]], None, None]:
    """Batches after a row, each with its last one; the next is read while one is written."""
    wanted = read_filter(export.filter)
    selected = _selection(project=export.project, wanted=wanted).filter(created_at__lte=export.created_at)
    pages = StoredPages(selected, rows=BATCH, most=BATCH_BYTES)
    blind = reader_of(export)
    source = replica.connection()
    with ThreadPoolExecutor(1, thread_name_prefix="export-read") as reader:

        def fetch(last: Stored | None) -> Future[list[Stored]]:
            return reader.submit(fetch_stored, pages.statement(after=last), over=source.connection)

        coming = fetch(after)
        while True:
            with source.wrap_database_errors:
                found = coming.result()
            if not found:
                return
            # Asks for what people said of these, so it stands before the connection is lent again.
            batch = export_rows(found, reader=blind)
            coming = fetch(found[-1])
            yield found[-1], batch


def _write(export: Export) -> None:
    folder = folder_of(export)
    folder.mkdir(parents=True, mode=0o700)
    part = folder / "part"
    writer = open_writer(format=export.format, path=part)
    rows, agreement = 0, AgreementTally()
    beaten = 0.0
    try:
        with contextlib.closing(_read(export)) as batches:
            for batch in batches:
                for row in batch:
                    rows += writer.add(row)
                    agreement.add(row.annotations, row.rubrics)
                if time.monotonic() - beaten > BEAT_SECONDS:
                    _beat(export, rows)
                    beaten = time.monotonic()
        manifest = _manifest(export, rows, dict(writer.skipped), agreement.values())
        writer.close(manifest)
    except BaseException:
        writer.abandon()
        raise
    size, digest = writer.file.size, writer.file.sha256
    name = (
        f"reviewapp-{export.project.slug}-{export.created_at:%Y%m%d-%H%M%S}-{export.format}.{writer.suffix}"
    )
    part.rename(folder / name)
    keeping.keep(export=export, file=folder / name)
    Export.objects.filter(pk=export.pk, state=ExportState.RUNNING).update(
        state=ExportState.DONE,
        rows=rows,
        bytes=size,
        sha256=digest,
        file_name=name,
        manifest={**manifest, "bytes": size, "sha256": digest},
        finished_at=timezone.now(),
    )


def _beat(export: Export, rows: int | None) -> None:
    """Say that the worker lives, and how many rows are written, where that is known."""
    news: dict[str, Any] = {} if rows is None else {"rows": rows}
    alive = Export.objects.filter(pk=export.pk, state=ExportState.RUNNING).update(
        heartbeat_at=timezone.now(), **news
    )
    if not alive:
        raise Cancelled


def reader_of(export: Export) -> Person | None:
    """From whom blind queues still hide what others said; an admin, and the app itself, see everything."""
    person = export.created_by
    if person is None:
        return None
    actor = actor_for_person(person=person, project=export.project)
    return None if actor is not None and actor.may(Permission.ADMIN) else person


def _manifest(
    export: Export, rows: int, skipped: dict[str, int], agreement: dict[str, Any]
) -> dict[str, Any]:
    by = export.created_by.email if export.created_by else None
    return {
        "made_by": "reviewapp",
        "version": _version(),
        "schema": SCHEMA_VERSION,
        "export": str(export.pk),
        "project": export.project.slug,
        "format": export.format,
        "filter": export.filter,
        "asked_for_at": export.created_at.isoformat(),
        "asked_for_by": by or (f"key {export.created_by_key.name}" if export.created_by_key else None),
        "rows": rows,
        "skipped": skipped,
        "agreement": agreement,
    }


def _version() -> str:
    try:
        return version("reviewapp")
    except PackageNotFoundError:
        return "0.1.0"


__all__ = [
    "annotation_value",
    "audit_download",
    "cancel_export",
    "expected_rows",
    "export_rows",
    "file_of",
    "flag_value",
    "folder_of",
    "make_export",
    "open_file",
    "preview",
    "read_stored",
    "recorded_of",
    "report_regressions",
    "rows_of",
    "start_export",
    "sweep_exports",
    "with_bodies",
]
