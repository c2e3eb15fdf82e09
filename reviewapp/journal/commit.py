"""Group commit: a thread that writes what many callers append and syncs once for all of them.

While one sync runs, the next callers' frames gather; so the busier it is, the more frames share
a sync, and a lone one waits for nothing but its own.

A segment's space is reserved when it is begun. A full disk therefore shows when a segment is
begun, with nothing half-written; where the file system can't reserve, it shows at the write,
and the segment is cut back to its last whole group.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from reviewapp.journal.segments import FRAME_LIMIT, MAGIC, Folder, Position, frame, sync_folder

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 32 * 1024 * 1024
# So much at most is written before one sync, so that a burst does not hold up those before it.
GROUP_BYTES: Final = 16 * 1024 * 1024
_FULL: Final = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
_sync = getattr(os, "fdatasync", os.fsync)


class JournalError(Exception):
    """It could not be kept, so it must not be acknowledged; the message is a sentence for the sender."""


class JournalFull(JournalError):
    """There is no room left on the journal's disk."""

    def __init__(self) -> None:
        super().__init__(
            "The disk of reviewapp's journal is full, so nothing more can be recorded until there is room."
        )


class JournalUnavailable(JournalError):
    """The journal can't be written for another reason than a full disk."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"reviewapp's journal can't be written: {reason}.")


class FrameTooLarge(JournalError):
    """More than one frame may hold."""

    def __init__(self, size: int) -> None:
        super().__init__(f"A record of {size:,} bytes is too large; at most {FRAME_LIMIT:,} fit.")


Done = Callable[[JournalError | None], None]


class Committer:
    """Appends to one writer's folder."""

    def __init__(
        self, folder: Folder, *, on_commit: Callable[[], None], segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._on_commit = on_commit
        self._segment_bytes = segment_bytes
        self._condition = threading.Condition()
        self._waiting: list[tuple[Sequence[bytes], Done]] = []
        self._closing = False
        self._file: int | None = None
        self._room = 0
        self._end = Position()
        # Read by the shipper: everything before `durable` is on the disk; so many frames are.
        self.durable: Position | None = None
        self.frames = 0
        self._thread = threading.Thread(target=self._run, name="journal-commit", daemon=True)
        self._thread.start()

    def submit(self, payloads: Sequence[bytes], done: Done) -> None:
        """Have the payloads appended; `done` is called in the committer's thread, once they are durable."""
        for payload in payloads:
            if len(payload) > FRAME_LIMIT:
                raise FrameTooLarge(len(payload))
        with self._condition:
            if self._closing:
                raise JournalUnavailable("it is closed")
            self._waiting.append((payloads, done))
            self._condition.notify()

    def close(self) -> None:
        """Write what was submitted, then end the thread."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()
        self._leave_segment()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closing:
                    self._condition.wait()
                if not self._waiting:
                    return
                group = self._take_group()
            problem = self._commit([payload for payloads, _ in group for payload in payloads])
            for _, done in group:
                done(problem)
            if problem is None:
                self._on_commit()

    def _take_group(self) -> list[tuple[Sequence[bytes], Done]]:
        size = 0
        for count, (payloads, _) in enumerate(self._waiting):
            size += sum(map(len, payloads))
            if size > GROUP_BYTES and count:
                group, self._waiting = self._waiting[:count], self._waiting[count:]
                return group
        group, self._waiting = self._waiting, []
        return group

    def _commit(self, payloads: list[bytes]) -> JournalError | None:
        if not payloads:
            return None
        now_ms = time.time_ns() // 1_000_000
        data = b"".join([frame(payload, now_ms=now_ms) for payload in payloads])
        try:
            file = self._segment_for(len(data))
            _write(file, data, self._end.offset)
            _sync(file)
        except OSError as error:
            self._leave_segment()
            log.error("The journal can't be written: %s", error)
            return (
                JournalFull() if error.errno in _FULL else JournalUnavailable(os.strerror(error.errno or 0))
            )
        self._end = Position(self._end.segment, self._end.offset + len(data))
        self._room -= len(data)
        self.frames += len(payloads)
        self.durable = self._end
        return None

    def _segment_for(self, size: int) -> int:
        """The segment to write to, with room for `size` bytes and a zero length behind them."""
        if self._file is not None and self._room >= size:
            return self._file
        self._leave_segment()
        number = self._end.segment + 1
        path = self._folder.segment_path(number)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            room = max(self._segment_bytes, size)
            _reserve(file, len(MAGIC) + room)
            _write(file, MAGIC, 0)
            _sync(file)
            sync_folder(self._folder.path)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file, self._room, self._end = file, room, Position(number)
        return file

    def _leave_segment(self) -> None:
        """End the segment behind its last good frame; what a failed write left there is cut off."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._end.offset)
        os.close(self._file)
        self._file, self._room = None, 0


def _reserve(file: int, size: int) -> None:
    """Take the space now, where the file system can; a write within it can't run out of space later."""
    try:
        os.posix_fallocate(file, 0, size)
    except AttributeError:
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def _write(file: int, data: bytes, offset: int) -> None:
    written = os.pwrite(file, data, offset)
    while written < len(data):
        written += os.pwrite(file, data[written:], offset + written)


class AsyncDone:
    """Sets a future of an event loop from the committer's thread."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def __call__(self, problem: JournalError | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed; nobody waits any more
            self._loop.call_soon_threadsafe(self._settle, problem)

    def _settle(self, problem: JournalError | None) -> None:
        if self._future.done():
            return
        if problem is None:
            self._future.set_result(None)
        else:
            self._future.set_exception(problem)

    async def wait(self) -> None:
        await self._future


class SyncDone:
    """Lets another thread wait for the committer's."""

    __slots__ = ("_done", "_problem")

    def __init__(self) -> None:
        self._done = threading.Event()
        self._problem: JournalError | None = None

    def __call__(self, problem: JournalError | None) -> None:
        self._problem = problem
        self._done.set()

    def wait(self) -> None:
        self._done.wait()
        if self._problem is not None:
            raise self._problem
