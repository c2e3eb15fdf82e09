"""Brings recordings to the app: a bounded queue, a thread that sends, and a folder for what must wait.

What the app can't take now goes to the spill folder as lines of JSON, up to its bound. What is beyond that,
or finds the queue full, is lost and counted.

The thread shares Python's lock with the callers, so it works seldom and in small pieces: it gathers for a
moment before it encodes, and lets others go first between two recordings. Otherwise a caller that comes
back from its provider could wait for the lock for as long as five milliseconds.

Files in the folder are sent first, also those that a process left behind. Every recording has its id, so
that sending one twice records it once.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import json
import logging
import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reviewapp.client.wire import Exchange, encode

log = logging.getLogger("reviewapp.client")

BATCH_ITEMS: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
_GATHER_SECONDS: Final = 0.2
# Long enough for a thread that waits for Python's lock to take it.
_BREATH_SECONDS: Final = 0.00005
_LONGEST_PAUSE: Final = 30.0
_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the recordings."""

    sent: int = 0
    waiting: int = 0
    spilled: int = 0
    rejected: int = 0
    lost: int = 0


class _Away(Exception):
    """The app can't take recordings now."""


class Sender:
    """Sends in a thread of its own, which starts with the first recording."""

    def __init__(
        self, url: str, *, key: str, spill: Path | None, queue_items: int, queue_bytes: int, spill_bytes: int
    ) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/api/v1/interactions"
        self._key = key
        folder = spill if spill is not None else Path(tempfile.gettempdir()) / f"reviewapp-spill-{_user()}"
        # What was recorded for one app and key is never sent to another.
        self._spill = folder / hashlib.sha256(f"{self._url}\n{key}".encode()).hexdigest()[:16]
        self._queue_items = queue_items
        self._queue_bytes = queue_bytes
        self._spill_bytes = spill_bytes
        self._counts = Delivered()
        self._fresh()
        senders.add(self)

    def _fresh(self) -> None:
        """Empty, without a thread; also in a process that was forked, where the parent sends its own."""
        self._queue: deque[Exchange] = deque()
        self._size = 0
        self._busy = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        # The thread waits for more; to be woken by each recording would cost the callers.
        self._gathering = False
        self._hurried = False
        self._pause = 0.0
        self._retry_at = 0.0
        self._told = ""
        # What the thread is sending: lines of JSON that are neither sent nor on disk yet.
        self._in_hand: list[bytes] = []

    @property
    def delivered(self) -> Delivered:
        with self._changed:
            return replace(self._counts, waiting=len(self._queue) + self._busy)

    def put(self, exchange: Exchange) -> None:
        """Take a recording; never waits. The one that finds the queue full is lost to memory, not to disk."""
        size = len(exchange.request) + sum(map(len, exchange.pieces))
        with self._changed:
            if self._closing:
                return
            if len(self._queue) >= self._queue_items or self._size + size > self._queue_bytes:
                # Encoding it for the disk would take the caller's time; the thread is behind for a reason.
                self._counts = replace(self._counts, lost=self._counts.lost + 1)
                return
            self._queue.append(exchange)
            self._size += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reviewapp-recorder", daemon=True)
                self._thread.start()
            if not self._gathering or len(self._queue) >= BATCH_ITEMS:
                self._changed.notify_all()

    def flush(self, *, seconds: float) -> bool:
        end = time.monotonic() + seconds
        with self._changed:
            self._retry_at = 0.0
            self._hurried = True
            self._changed.notify_all()
            try:
                while self._queue or self._busy:
                    left = end - time.monotonic()
                    if left <= 0 or self._thread is None:
                        return False
                    self._changed.wait(left)
            finally:
                self._hurried = False
        try:
            self._send_files()
        except _Away:
            return False
        return not self._waiting_files()

    def close(self, *, seconds: float) -> None:
        with self._changed:
            unused = self._thread is None
        if unused:
            return
        self.flush(seconds=seconds)
        with self._changed:
            self._closing = True
            rest = list(self._queue)
            self._queue.clear()
            in_hand = list(self._in_hand)
            self._changed.notify_all()
        self._write(in_hand + self._encoded(rest))

    # ---- the thread ----

    def _run(self) -> None:
        while True:
            batch = self._next()
            if batch is None:
                return
            lines = self._encoded(batch, politely=True)
            with self._changed:
                self._in_hand = lines
            try:
                self._deliver(lines)
            except Exception:
                log.warning("Recordings were lost", exc_info=True)
                self._count(lost=len(batch))
            with self._changed:
                self._busy = 0
                self._in_hand = []
                self._changed.notify_all()

    def _next(self) -> list[Exchange] | None:
        with self._changed:
            while not self._queue:
                if self._closing:
                    return None
                self._changed.wait(self._pause or None)
                if not self._queue and self._pause and not self._closing:
                    # Nothing new, but what is on disk may be sent by now.
                    return []
            self._gather()
            batch: list[Exchange] = []
            size = 0
            while self._queue and len(batch) < BATCH_ITEMS and size < BATCH_BYTES:
                exchange = self._queue.popleft()
                weight = len(exchange.request) + sum(map(len, exchange.pieces))
                self._size -= weight
                size += weight
                batch.append(exchange)
            self._busy = len(batch)
            return batch

    def _gather(self) -> None:
        """Wait for more, so that many go at once; called with the lock, which it gives away meanwhile."""
        end = time.monotonic() + _GATHER_SECONDS
        self._gathering = True
        while len(self._queue) < BATCH_ITEMS and not (self._closing or self._hurried):
            left = end - time.monotonic()
            if left <= 0:
                break
            self._changed.wait(left)
        self._gathering = False

    def _encoded(self, batch: list[Exchange], *, politely: bool = False) -> list[bytes]:
        lines = []
        for exchange in batch:
            if politely and len(self._queue) < BATCH_ITEMS:
                time.sleep(_BREATH_SECONDS)
            try:
                lines.append(encode(exchange))
            except Exception:
                log.debug("A call can't be recorded", exc_info=True)
                self._count(rejected=1)
        return lines

    def _deliver(self, lines: list[bytes]) -> None:
        """Send, the oldest first: what is on disk, then these. What can't be sent goes there."""
        if time.monotonic() < self._retry_at:
            self._write(lines)
            return
        try:
            self._send_files()
            self._send(lines)
            self._pause = self._retry_at = 0.0
            self._told = ""
        except _Away as error:
            self._pause = min(max(self._pause * 2, 1.0), _LONGEST_PAUSE)
            self._retry_at = time.monotonic() + self._pause
            if str(error) != self._told:
                self._told = str(error)
                log.warning("The app takes no recordings now (%s); they wait in %s", error, self._spill)
            self._write(lines)

    def _send(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            accepted, rejected = self._post(lines)
        except _TooLarge:
            if len(lines) == 1:
                self._count(rejected=1)
                return
            half = len(lines) // 2
            self._send(lines[:half])
            self._send(lines[half:])
            return
        self._count(sent=accepted, rejected=rejected)

    def _post(self, lines: list[bytes]) -> tuple[int, int]:
        request = urllib.request.Request(  # noqa: S310  # the address that the caller gave
            self._url,
            data=gzip.compress(b"\n".join(lines), 1),
            headers={
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/x-ndjson",
                "Content-Encoding": "gzip",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
                told = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 413:
                    raise _TooLarge from None
                if error.code == 422:
                    log.warning("The app refused recordings: %s", error.read(500).decode("utf-8", "replace"))
                    return 0, len(lines)
                raise _Away(f"it answers {error.code}") from None
        except (OSError, ValueError) as error:
            raise _Away(str(error)) from None
        return len(told["accepted"]), len(told["rejected"])

    def _count(self, *, sent: int = 0, spilled: int = 0, rejected: int = 0, lost: int = 0) -> None:
        with self._changed:
            counts = self._counts
            self._counts = Delivered(
                sent=counts.sent + sent,
                spilled=counts.spilled + spilled,
                rejected=counts.rejected + rejected,
                lost=counts.lost + lost,
            )

    # ---- the folder ----

    def _waiting_files(self) -> list[Path]:
        try:
            return sorted(self._spill.glob("*.jsonl"))
        except OSError:
            return []

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            self._spill.mkdir(mode=0o700, parents=True, exist_ok=True)
            if hasattr(os, "getuid") and self._spill.stat().st_uid != os.getuid():
                raise PermissionError(f"{self._spill} belongs to somebody else")
            taken = sum(path.stat().st_size for path in self._waiting_files())
            if taken + sum(map(len, lines)) > self._spill_bytes:
                self._count(lost=len(lines))
                return
            name = f"{time.time_ns():020d}-{os.getpid()}-{threading.get_ident()}"
            unfinished = self._spill / f"{name}.part"
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(b"\n".join(lines))
            unfinished.rename(self._spill / f"{name}.jsonl")
            self._count(spilled=len(lines))
        except OSError:
            log.warning("Recordings can't be put on disk", exc_info=True)
            self._count(lost=len(lines))

    def _send_files(self) -> None:
        for path in self._waiting_files():
            try:
                lines = path.read_bytes().split(b"\n")
            except OSError:
                continue  # another process was first
            for start in range(0, len(lines), BATCH_ITEMS):
                self._send(lines[start : start + BATCH_ITEMS])
            path.unlink(missing_ok=True)


class _TooLarge(Exception):
    """The app takes no body so large."""


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "all"


senders: weakref.WeakSet[Sender] = weakref.WeakSet()


def _close_all() -> None:
    for sender in list(senders):
        try:
            sender.close(seconds=5.0)
        except Exception:
            log.debug("A recorder can't be closed", exc_info=True)


def _after_fork() -> None:
    for sender in list(senders):
        sender._fresh()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
