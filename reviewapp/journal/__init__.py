"""The write-ahead journal of a process that receives: what it acknowledges is in here first.

    await journal.append(payload)     returns when the payload survives the loss of the process
    journal.append_sync(payloads)     the same for threads, several at once

Behind it two threads: one commits (many appends, one sync), one ships to the broker and forgets
what is recorded. It is the only way in, in calm and in storm. Every process that
receives has a folder of its own; one whose process died is shipped by whoever runs next.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reviewapp.journal import segments
from reviewapp.journal.commit import (
    SEGMENT_BYTES,
    AsyncDone,
    Committer,
    Done,
    FrameTooLarge,
    JournalError,
    JournalFull,
    JournalUnavailable,
    SyncDone,
)
from reviewapp.journal.segments import Folder, Place, Position, read_place
from reviewapp.journal.shipping import RESEND_SECONDS, Delivery, Shipper, Waiting

__all__ = [
    "Delivery",
    "FrameTooLarge",
    "Journal",
    "JournalError",
    "JournalFull",
    "JournalUnavailable",
    "Lag",
    "Place",
    "Waiting",
    "lag",
    "read_place",
]

# Enough to say "far behind"; counting a million frames would take the time that is short then.
_COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not known to be recorded: frames, their bytes, and how long the oldest has waited."""

    frames: int = 0
    bytes: int = 0
    oldest_seconds: float = 0.0
    # The files they stand in; each has its space reserved.
    segments: int = 0


class Journal:
    """This process's writer. Make it after forking: its threads don't survive a fork."""

    def __init__(
        self,
        path: Path,
        *,
        delivery: Delivery,
        segment_bytes: int = SEGMENT_BYTES,
        resend_seconds: float = RESEND_SECONDS,
    ) -> None:
        self.path = path
        self._pid = os.getpid()
        self._closed = False
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder = Folder.create(path, f"{time.time_ns() // 1_000_000:013}-{secrets.token_hex(3)}")
        except OSError as error:
            raise JournalUnavailable(error.strerror or str(error)) from error
        self._shipper = Shipper(path, self._folder, delivery=delivery, resend_seconds=resend_seconds)
        self._committer = Committer(self._folder, on_commit=self._shipper.wake, segment_bytes=segment_bytes)
        self._shipper.start(self._committer)

    @property
    def belongs_here(self) -> bool:
        """Whether this process made it, not the one that it was forked from."""
        return self._pid == os.getpid()

    @property
    def waiting_frames(self) -> int:
        """How many of this process's frames the broker does not have yet."""
        return self._committer.frames - self._shipper.shipped

    @property
    def problem(self) -> str | None:
        """Why the broker takes no frames at present."""
        return self._shipper.problem

    async def append(self, payload: bytes) -> None:
        """Return once the payload is durable; raises JournalError when it can't be kept."""
        done = AsyncDone()
        self._committer.submit((payload,), done)
        await done.wait()

    def begin(self, payload: bytes, done: Done) -> None:
        """Have the payload appended; `done` is called in another thread, once it is durable or can't be."""
        self._committer.submit((payload,), done)

    async def append_all(self, payloads: Sequence[bytes]) -> None:
        """Return once all of them are durable."""
        done = AsyncDone()
        self._committer.submit(payloads, done)
        await done.wait()

    def append_sync(self, payloads: Sequence[bytes]) -> None:
        """Return once all of them are durable; for threads and commands."""
        done = SyncDone()
        self._committer.submit(payloads, done)
        done.wait()

    def wait_until_shipped(self, *, seconds: float | None = None) -> bool:
        """Wait until the broker has all that is in the journal; False when the time is up."""
        with contextlib.suppress(JournalUnavailable):
            self.append_sync(())  # behind what others began to append
        return self._shipper.wait_until_shipped(seconds=seconds)

    def close(self) -> None:
        """End both threads. What is not known to be recorded stays on the disk, for the next process."""
        if self._closed:
            return
        self._closed = True
        self._committer.close()
        if self._shipper.close():
            with contextlib.suppress(OSError):
                self._folder.finish()
                return
        self._folder.release()


def lag(path: Path, *, now: float | None = None) -> Lag:
    """What waits in a journal's folder, whichever process writes it."""
    frames, size, files, oldest_ms = 0, 0, 0, None
    for writer in segments.writers(path):
        at = segments.position_of(writer)
        for number in segments.segments_of(writer):
            if number < at.segment:
                continue
            files += 1
            if frames >= _COUNTED:
                continue
            start = at.offset if number == at.segment else Position().offset
            with (
                contextlib.suppress(OSError),
                segments.opened(writer / segments.segment_name(number)) as file,
            ):
                for length, time_ms in segments.read_headers(file, start):
                    frames += 1
                    size += length
                    oldest_ms = time_ms if oldest_ms is None else min(oldest_ms, time_ms)
                    if frames >= _COUNTED:
                        break
    waited = 0.0 if oldest_ms is None else max((now or time.time()) - oldest_ms / 1000, 0.0)
    return Lag(frames=frames, bytes=size, oldest_seconds=waited, segments=files)
