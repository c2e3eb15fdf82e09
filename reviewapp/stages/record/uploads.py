"""Files that people bring in by the browser.

A file is kept in the data folder until it was recorded or thrown away. It is looked through first, and the
person sees what would come in; then it is recorded here and now, by the worker that has it, without the
journal: the file itself is what outlives a process. One that stopped is taken up by another, from the
beginning; every interaction has the same id again, so nothing is recorded twice.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import zstandard
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from reviewapp.formats.imports import AUTO, FORMATS, Line, NotImportable, Tally, read_file
from reviewapp.formats.said import Said
from reviewapp.models import Actor, FileImport, FileImportState, Permission, Project, system_actor
from reviewapp.pure import said as wording
from reviewapp.pure.words import storable
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.record import DatabaseAway, frames_of, ids_of, known_among, record_frames, scope_of

FILE_LIMIT: Final = 256 * 1024 * 1024
BATCH: Final = 200
Pairs = Sequence[tuple[UUID | None, Said]]
HEARTBEAT_LOST: Final = timedelta(seconds=60)
_BEAT_SECONDS: Final = 2.0
_REASONS_KEPT: Final = 50


log = logging.getLogger(__name__)


class Counts(Protocol):
    """What became of what people said, counted."""

    def add(self, other: Any) -> None: ...

    def values(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Saying:
    """What tells of, and keeps, what people said of interactions in a file. A stage to the right does it."""

    foresee: Callable[..., Counts]
    bring: Callable[..., Counts]


class _Lost(Exception):
    """Somebody threw the file away meanwhile, or another worker has it."""


def folder_of(file: FileImport) -> Path:
    """Where the file stands."""
    return Path(settings.DATA_DIR) / "imports" / str(file.project_id) / str(file.pk)


def bring_file(
    *,
    actor: Actor,
    name: str,
    size: int,
    pieces: Iterable[bytes],
    format: str = AUTO,  # noqa: A002
    source: str = "",
    provider: str = "",
    now: datetime,
) -> FileImport:
    """Keep a file; the caller enqueues `record_file` on commit. Raises Refused."""
    actor.check(Permission.ADMIN)
    if size > FILE_LIMIT:
        raise Refused(_("The file is larger than 256 MiB; use the command line for it."), field="file")
    if size == 0:
        raise Refused(_("The file is empty."), field="file")
    if format != AUTO and format not in FORMATS:
        raise Refused(_("“%(format)s” is no format.") % {"format": format}, field="format")
    with transaction.atomic():
        made: FileImport = FileImport.objects.create(
            project=actor.project,
            file_name=_plain(name),
            bytes=size,
            format=format,
            source=source,
            provider=provider,
            created_by=actor.person,
            created_by_key=actor.key,
            created_at=now,
        )
        write_audit(actor=actor, action="import.bring", target=made, now=now, file=made.file_name, bytes=size)
        folder = folder_of(made)
        folder.mkdir(parents=True, mode=0o700)
        with (folder / "file").open("wb") as kept:
            for piece in pieces:
                kept.write(piece)
    return made


def start_file(*, actor: Actor, file: FileImport, now: datetime) -> bool:
    """Record what was found; the caller enqueues. False when somebody was first, which is no error."""
    actor.check(Permission.ADMIN)
    with transaction.atomic():
        moved = FileImport.objects.filter(pk=file.pk, state=FileImportState.CHECKED).update(
            state=FileImportState.RUNNING, heartbeat_at=None, worker=None
        )
        if moved:
            write_audit(actor=actor, action="import.start", target=file, now=now, expected=file.expected)
    return bool(moved)


def cancel_file(*, actor: Actor, file: FileImport, now: datetime) -> bool:
    """Throw the file away; what was recorded of it stays. False when it had ended already."""
    actor.check(Permission.ADMIN)
    open_states = [FileImportState.CHECKING, FileImportState.CHECKED, FileImportState.RUNNING]
    with transaction.atomic():
        moved = FileImport.objects.filter(pk=file.pk, state__in=open_states).update(
            state=FileImportState.CANCELLED, finished_at=now
        )
        if moved:
            write_audit(actor=actor, action="import.cancel", target=file, now=now)
    if moved:
        _drop(file)
    return bool(moved)


def files_naming(*, project: Project, names: Sequence[str]) -> list[FileImport]:
    """Files that wait or are being recorded, and say one of these names as a whole value."""
    needles = {
        written.encode()
        for name in names
        for written in (json.dumps(name), json.dumps(name, ensure_ascii=False), f"'{name}'")
    }
    open_states = [FileImportState.CHECKING, FileImportState.CHECKED, FileImportState.RUNNING]
    found = []
    for file in FileImport.objects.filter(project=project, state__in=open_states):
        try:
            with _opened(folder_of(file) / "file") as lines:
                if any(
                    needle in way for line in lines for way in (line, _unescaped(line)) for needle in needles
                ):
                    found.append(file)
        except FileNotFoundError:
            continue
        except (OSError, EOFError, zlib.error, zstandard.ZstdError, NotImportable):
            # What can't be read can't be searched; nothing of it can be recorded either.
            found.append(file)
    return found


# JSON may write any character as an escape, and some writers do for `+`, `/` or `é`.
_ESCAPES: Final = re.compile(rb"(?:\\u[0-9a-fA-F]{4})+|\\/")


def _unescaped(line: bytes) -> bytes:
    """The line with JSON's escapes undone; behind an escaped backslash too, which finds more."""
    return _ESCAPES.sub(_character, line)


def _character(escape: re.Match[bytes]) -> bytes:
    if escape[0] == b"\\/":
        return b"/"
    units = bytes.fromhex(escape[0].replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "surrogatepass").encode(errors="surrogatepass")


def waiting_files(*, now: datetime) -> list[UUID]:
    """Those that a worker should take up."""
    return list(_unheld(now).values_list("pk", flat=True))


def work_on_file(*, import_id: UUID, saying: Saying) -> None:
    """Look through the file, or record it. Nothing happens when another worker has it, or nobody wants it."""
    now, worker = timezone.now(), uuid4()
    if not _unheld(now).filter(pk=import_id).update(heartbeat_at=now, worker=worker):
        return
    file: FileImport | None = (
        FileImport.objects.select_related("project", "created_by", "created_by_key")
        .filter(pk=import_id, worker=worker, state__in=[FileImportState.CHECKING, FileImportState.RUNNING])
        .first()
    )
    if file is None:
        return
    try:
        if file.state == FileImportState.CHECKING:
            _look_through(file, saying)
        else:
            _record(file, saying)
    except _Lost:
        _drop_if_cancelled(file)
    except NotImportable as error:
        _end(file, state=FileImportState.FAILED, error=wording.text_of(error))
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        _end(file, state=FileImportState.FAILED, error=wording.said("file_unreadable", why=str(error)))
    except (DatabaseAway, OperationalError, InterfaceError) as error:
        # Not the file's fault, and it passes: once the heartbeat is cold a worker takes the file up again.
        log.warning("file import %s goes on when the database works again: %s", file.pk, error)
        with contextlib.suppress(DatabaseError, InterfaceError):
            _held(file).update(heartbeat_at=None, worker=None)
    except Exception as error:
        # Left as it is, the file would be taken up again every minute for ever.
        log.exception("file import %s failed", file.pk)
        reason = wording.said("file_unforeseen", name=type(error).__name__)
        _end(file, state=FileImportState.FAILED, error=reason)


def _unheld(now: datetime) -> Any:
    free = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - HEARTBEAT_LOST)
    return FileImport.objects.filter(free, state__in=[FileImportState.CHECKING, FileImportState.RUNNING])


def _look_through(file: FileImport, saying: Saying) -> None:
    with _opened(folder_of(file) / "file") as content:
        pulse = _Pulse(file)
        format_, lines = read_file(pulse.along(content), format=file.format)
        tally = Tally(format_)
        scope = _scope(file, format_)
        said: Counts | None = None
        for batch in _batches(lines, tally, pulse):
            recorded = [line for line in batch if line.recorded is not None]
            ids = ids_of(recorded, project=file.project_id, scope=scope)
            tally.known += known_among(lines=recorded, project=file.project_id, scope=scope)
            pairs = _pairs(batch, ids)
            if pairs:
                counts = saying.foresee(project=file.project, said=pairs, coming=ids)
                said = _sum(said, counts)
    found = _storable(tally.values() | ({"said": said.values()} if said is not None else {}))
    if not tally.total and said is None:
        _end(file, state=FileImportState.FAILED, error=_nothing(tally), found=found, format=format_)
        return
    _beat(
        file,
        state=FileImportState.CHECKED,
        found=found,
        format=format_,
        done=0,
        worker=None,
        heartbeat_at=None,
    )


def _batches(lines: Iterator[Line], tally: Tally, pulse: _Pulse) -> Iterator[list[Line]]:
    """The lines that hold something, counted, a batch at a time."""
    batch: list[Line] = []
    for line in lines:
        tally.add(line, look_inside=True)
        pulse.beat_when_due(done=tally.total)
        if line.recorded is not None or line.said is not None:
            batch.append(line)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _pairs(batch: Sequence[Line], ids: Sequence[UUID]) -> list[tuple[UUID | None, Said]]:
    """What is said, each with the id of its interaction where the line has one."""
    own = iter(ids)
    pairs = [(next(own) if line.recorded is not None else None, line.said) for line in batch]
    return [(id_, said) for id_, said in pairs if said is not None]


def _sum(before: Counts | None, more: Counts) -> Counts:
    if before is None:
        return more
    before.add(more)
    return before


def _nothing(tally: Tally) -> str:
    """Why nothing of a file can be recorded."""
    if tally.wrong:
        return tally.wrong[0][1]
    if tally.left_out:
        what, count = tally.left_out.most_common(1)[0]
        told = what if isinstance(what, wording.Said) else wording.say("ours", ours=what)
        return wording.said("file_no_call", count=count, what=told)
    return _("There is no call of a model in it.")


def _record(file: FileImport, saying: Saying) -> None:
    _beat(file, done=0, recorded=0, known=0, set_aside=[], brought=None)
    scope = _scope(file, file.format)
    with _opened(folder_of(file) / "file") as content:
        pulse = _Pulse(file)
        _format, lines = read_file(pulse.along(content), format=file.format)
        batch: list[Line] = []
        said: Counts | None = None
        for line in lines:
            pulse.beat_when_due()
            if line.recorded is not None or line.said is not None:
                batch.append(line)
            if len(batch) >= BATCH:
                said = _record_batch(file, batch, scope, saying, said)
                batch = []
        if batch:
            _record_batch(file, batch, scope, saying, said)
    _end(file, state=FileImportState.DONE)


def _scope(file: FileImport, format: str) -> str:  # noqa: A002
    return scope_of(project=file.project_id, format=format, source=file.source, provider=file.provider)


def _record_batch(
    file: FileImport, batch: list[Line], scope: str, saying: Saying, said: Counts | None
) -> Counts | None:
    now = timezone.now()
    recorded = [line for line in batch if line.recorded is not None]
    found = frames_of(
        lines=recorded,
        project=file.project_id,
        scope=scope,
        now=now,
        source=file.source or None,
        provider=file.provider or None,
    )
    outcome = record_frames(frames=found.frames, now=now)
    kept = FileImport.objects.only("set_aside").get(pk=file.pk).set_aside
    pairs = _pairs(batch, found.ids)
    if pairs:
        said = _sum(said, saying.bring(actor=_actor(file), said=pairs, now=now))
    _beat(
        file,
        brought=None if said is None else _storable(said.values()),
        done=F("done") + len(recorded),
        recorded=F("recorded") + len(outcome.recorded),
        known=F("known") + len(outcome.known),
        set_aside=_storable([*kept, *outcome.set_aside][:_REASONS_KEPT]),
    )
    return said


def _actor(file: FileImport) -> Actor:
    """Who brought the file, who was an admin when they said that it shall be recorded."""
    return replace(system_actor(project=file.project), person=file.created_by, key=file.created_by_key)


class _Pulse:
    """Beats by time, while the file is read as well as while its lines are worked on."""

    def __init__(self, file: FileImport) -> None:
        self._file = file
        self._last = time.monotonic()

    def beat_when_due(self, **values: Any) -> None:
        if time.monotonic() - self._last >= _BEAT_SECONDS:
            _beat(self._file, **values)
            self._last = time.monotonic()

    def along(self, content: Iterable[bytes]) -> Iterator[bytes]:
        """The same lines: a format may read all of them before it gives its first."""
        for line in content:
            self.beat_when_due()
            yield line


def _beat(file: FileImport, **values: Any) -> None:
    if not _held(file).update(**{"heartbeat_at": timezone.now(), **values}):
        raise _Lost


def _held(file: FileImport) -> Any:
    """The file's row, as long as this worker has it in the state it found it in."""
    return FileImport.objects.filter(pk=file.pk, state=file.state, worker=file.worker)


def _storable(value: Any) -> Any:
    """The value with texts as a column can hold them: a file may say NUL anywhere."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def _end(file: FileImport, *, state: str, error: str | None = None, **values: Any) -> None:
    reason = None if error is None else storable(error)
    if isinstance(error, wording.Said):
        found = values.get("found", file.found)
        messages = {**found.get("messages", {}), "error": (wording.to_store(error=error) or {}).get("error")}
        values["found"] = {**found, "messages": messages}
    if _held(file).update(state=state, finished_at=timezone.now(), error=reason, **values):
        _drop(file)
    else:
        _drop_if_cancelled(file)


def _drop_if_cancelled(file: FileImport) -> None:
    """Another worker may have the file, and need it."""
    if FileImport.objects.filter(pk=file.pk, state=FileImportState.CANCELLED).exists():
        _drop(file)


def _drop(file: FileImport) -> None:
    shutil.rmtree(folder_of(file), ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[Iterable[bytes]]:
    """The file's lines, unpacked where it is packed, up to a bound that no honest file reaches."""
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(raw) as unpacked:
                yield _bounded(unpacked.readline)
        elif start.startswith(b"\x28\xb5\x2f\xfd"):
            reader: Any = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            yield _bounded(io.BufferedReader(reader, 1024 * 1024).readline)
        else:
            yield _bounded(raw.readline)


def _bounded(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    left = 2 * FILE_LIMIT
    while line := readline(left + 1):
        left -= len(line)
        if left < 0:
            raise NotImportable(_("The file unpacks to more than 512 MiB."))
        yield line


_unprintable: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def _plain(name: str) -> str:
    """The file's name to show; it is never used as a path."""
    return _unprintable.sub("", name.replace("\\", "/").rpartition("/")[2])[:200] or "file"
