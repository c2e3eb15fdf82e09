"""The shipper: a thread that hands durable frames to the broker, in order, until it has them all.

A batch is at most so many frames and bytes, and waits a moment to fill: a short one when it was quiet,
a longer one when batch follows batch, since each costs the broker and the worker as much as many frames
do. The position is marked only when `send` has returned, which means that the broker confirmed: a crash
between the two sends a batch twice and never leaves one out. While the broker is away the same batch is
tried again for ever, ever more slowly; the frames wait on the disk meanwhile.

Folders of writers that died are adopted when the thread starts and every few seconds after.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reviewapp.journal.commit import Committer
from reviewapp.journal.segments import Folder, writers

log = logging.getLogger(__name__)

Send = Callable[[list[bytes]], None]

BATCH_FRAMES: Final = 200
BATCH_BYTES: Final = 4 * 1024 * 1024
QUIET_SECONDS: Final = 0.02
BUSY_SECONDS: Final = 0.1
ADOPT_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Waiting(Exception):
    """Raised by `send` when the broker is there but should not be given more now; says why."""


class Shipper:
    """Ships one writer's folder, and those of writers that are gone."""

    def __init__(self, journal: Path, own: Folder, *, send: Send) -> None:
        self._journal = journal
        self._own = own
        self._send = send
        self._committer: Committer | None = None
        self._adopted: list[Folder] = []
        self._condition = threading.Condition()
        self._closing = False
        self._idle = False
        self._looked_at = 0.0
        self._shipped_at = 0.0
        self.problem: str | None = None
        # Of the own folder; the committer counts what came in.
        self.shipped = 0
        self._thread = threading.Thread(target=self._run, name="journal-ship", daemon=True)

    def start(self, committer: Committer) -> None:
        self._committer = committer
        self._thread.start()

    def wake(self) -> None:
        """There is something new; called by the committer. Waking a thread that gathers would only cost."""
        if self._idle:
            with self._condition:
                self._condition.notify_all()

    def wait_until_empty(self, *, seconds: float | None) -> bool:
        """Wait until the broker has everything that was appended before; False when the time is up."""
        assert self._committer is not None
        wanted = self._committer.frames
        with self._condition:
            return self._condition.wait_for(
                lambda: self.shipped >= wanted and self._looked_at > 0 and not self._adopted, seconds
            )

    def close(self) -> None:
        """End the thread after the batch it is at; what is left stays on the disk for the next process."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()

    @property
    def is_empty(self) -> bool:
        assert self._committer is not None
        return self.shipped >= self._committer.frames

    def _run(self) -> None:
        while not self._closing:
            try:
                if not self._ship():
                    self._pause_until_news()
            except Exception:
                # A fault in the journal's own files or in this code: told, and tried again; never given up.
                log.exception("The journal's shipper stumbled")
                self._sleep(_LONGEST_PAUSE)

    def _ship(self) -> bool:
        """Hand over what there is, a batch from each folder; whether there was any."""
        if time.monotonic() - self._looked_at > ADOPT_SECONDS or not self._looked_at:
            self._adopt()
        found = self._ship_own()
        for folder in list(self._adopted):
            if self._closing:
                break
            found = True
            if self._ship_from(folder) == 0:
                folder.finish()
                with self._condition:
                    self._adopted.remove(folder)
                    self._condition.notify_all()
        return found

    def _ship_own(self) -> bool:
        assert self._committer is not None
        if self.is_empty:
            return False
        if self._behind() < BATCH_FRAMES:
            busy = time.monotonic() - self._shipped_at < 2 * BUSY_SECONDS
            self._gather(BUSY_SECONDS if busy else QUIET_SECONDS)
        count = self._ship_from(self._own)
        self._shipped_at = time.monotonic()
        with self._condition:
            self.shipped += count
            self._condition.notify_all()
        return count > 0

    def _gather(self, seconds: float) -> None:
        """Let frames come together for so long, or until the batch is full."""
        step = QUIET_SECONDS
        for _ in range(round(seconds / step)):
            if self._closing or self._behind() >= BATCH_FRAMES:
                return
            time.sleep(step)

    def _behind(self) -> int:
        assert self._committer is not None
        return self._committer.frames - self.shipped

    def _ship_from(self, folder: Folder) -> int:
        assert self._committer is not None
        until = self._committer.durable if folder is self._own else None
        batch = folder.next_batch(until=until, most_frames=BATCH_FRAMES, most_bytes=BATCH_BYTES)
        if batch is None or not self._hand_over(batch.payloads):
            return 0
        folder.mark(batch.end)
        return len(batch.payloads)

    def _hand_over(self, payloads: list[bytes]) -> bool:
        """Send until it is taken; False when the thread is to end first."""
        pause = _FIRST_PAUSE
        while not self._closing:
            try:
                self._send(payloads)
            except Exception as error:
                if self.problem is None:
                    log.warning("The broker does not take frames, they wait in the journal: %s", error)
                self.problem = str(error) or type(error).__name__
                self._sleep(pause if isinstance(error, Waiting) else random.uniform(0.5, 1) * pause)  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if self.problem is not None:
                log.warning("The broker takes frames again")
                self.problem = None
            return True
        return False

    def _adopt(self) -> None:
        for path in writers(self._journal):
            if path == self._own.path or any(path == folder.path for folder in self._adopted):
                continue
            folder = Folder.adopt(path)
            if folder is not None:
                log.info("Shipping what the writer %s left", path.name)
                self._adopted.append(folder)
        with self._condition:
            self._looked_at = time.monotonic()
            self._condition.notify_all()

    def _pause_until_news(self) -> None:
        self._idle = True
        self._sleep(ADOPT_SECONDS, until=lambda: not self.is_empty)
        self._idle = False

    def _sleep(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._closing or until(), seconds)
