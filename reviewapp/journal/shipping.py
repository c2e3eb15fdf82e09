"""The shipper: a thread that hands durable frames to the broker, and forgets them once they are recorded.

A batch is at most so many frames and bytes, and waits a moment to fill: a short one when it was quiet,
a longer one when batch follows batch, since each costs the broker and the worker as much as many frames
do. While the broker is away the same batch is tried again for ever, ever more slowly.

That the broker took a message does not make it safe: a worker that is killed between taking one from
Redis and noting that it has it loses it. So a batch is done with only when it is `settled`: its frames
are recorded, or set aside. What is not settled although nothing waits with the broker any more is sent
again, then always whole. Recording is idempotent, so a crash in between may send a batch twice and never
leaves one out.

Folders of writers that died are adopted when the thread starts and every few seconds after.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from reviewapp.journal.commit import Committer
from reviewapp.journal.segments import Batch, Folder, Place, Position, writers

log = logging.getLogger(__name__)

BATCH_FRAMES: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024
# Who sends now and then sees it recorded at once. In a stream of them waiting makes batches, each of which
# costs the worker and the database a transaction and a dozen queries.
QUIET_SECONDS: Final = 0.02
BUSY_SECONDS: Final = 0.25
ADOPT_SECONDS: Final = 5.0
# So long after it was sent, a batch is first looked for among what is recorded; so long, it is sent again.
SETTLE_SECONDS: Final = 1.0
RESEND_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Waiting(Exception):
    """Raised by `send` when the broker is there but should not be given more now; says why."""


class Delivery(Protocol):
    """Where frames go. Each may raise, which means: not now."""

    def send(self, frames: list[bytes], place: Place | None) -> None:
        """Hand them to the broker; returns when it has confirmed.

        Who records them may read them at their place instead, if it can: they stand there until they are
        settled. None: they are sent again, since the first time led to nothing.
        """

    def settled(self, frames: list[bytes]) -> bool:
        """Whether each of them is recorded, or set aside."""

    def nothing_waits(self) -> bool:
        """Whether the broker has no message left that could settle them."""


@dataclass(slots=True)
class _Sent:
    """A batch that the broker has, or had."""

    start: Position
    end: Position
    at: float


@dataclass(slots=True)
class _Shipment:
    """A folder and what of it is under way, oldest first."""

    folder: Folder
    sent: deque[_Sent] = field(default_factory=deque)
    # When the oldest was looked for in vain: in a burst it waits its turn, and asking costs the database.
    missed_at: float = 0.0
    # Of a dead writer's folder: whether its end was reached.
    is_read: bool = False


class Shipper:
    """Ships one writer's folder, and those of writers that are gone."""

    def __init__(
        self, journal: Path, own: Folder, *, delivery: Delivery, resend_seconds: float = RESEND_SECONDS
    ) -> None:
        self._resend_seconds = resend_seconds
        self._journal = journal
        self._own = _Shipment(own)
        self._delivery = delivery
        self._committer: Committer | None = None
        self._adopted: list[_Shipment] = []
        self._condition = threading.Condition()
        self._closing = False
        self._idle = False
        self._looked_at = 0.0
        self._shipped_at = 0.0
        self.problem: str | None = None
        # Of the own folder, what the broker took; the committer counts what came in.
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

    def wait_until_shipped(self, *, seconds: float | None) -> bool:
        """Wait until the broker took everything that was appended before; False when the time is up."""
        assert self._committer is not None
        wanted = self._committer.frames
        with self._condition:
            return self._condition.wait_for(
                lambda: (
                    self.shipped >= wanted
                    and self._looked_at > 0
                    and all(shipment.is_read for shipment in self._adopted)
                ),
                seconds,
            )

    def close(self) -> bool:
        """End the thread after the batch it is at; whether all that was appended is done with."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()
        return self._behind() == 0 and not self._own.sent

    def _run(self) -> None:
        while not self._closing:
            try:
                if not self._ship():
                    self._pause_until_news()
            except Exception:
                # A fault in the journal's own files or in this code: told, and tried again; never given up.
                log.exception("The journal's shipper stumbled")
                self._sleep(_LONGEST_PAUSE)
        self._settle_quietly(self._own, now=True)

    def _ship(self) -> bool:
        """Hand over what there is, a batch from each folder; whether there was any."""
        if time.monotonic() - self._looked_at > ADOPT_SECONDS or not self._looked_at:
            self._adopt()
        found = self._ship_own()
        for shipment in list(self._adopted):
            found = self._ship_adopted(shipment) or found
        for shipment in (self._own, *self._adopted):
            self._settle_quietly(shipment)
        return found

    def _ship_own(self) -> bool:
        assert self._committer is not None
        if self._behind() == 0:
            return False
        if self._behind() < BATCH_FRAMES:
            busy = time.monotonic() - self._shipped_at < BUSY_SECONDS
            self._gather(BUSY_SECONDS if busy else QUIET_SECONDS)
        batch = self._next(self._own.folder, until=self._committer.durable)
        if batch is None or not self._hand_over(batch, self._own.folder):
            return False
        self._own.sent.append(_Sent(batch.start, batch.end, time.monotonic()))
        self._shipped_at = time.monotonic()
        with self._condition:
            self.shipped += len(batch.payloads)
            self._condition.notify_all()
        return True

    def _ship_adopted(self, shipment: _Shipment) -> bool:
        """What another process appended: it may have sent it already, and it may be recorded."""
        if self._closing:
            return False
        batch = self._next(shipment.folder, until=None)
        if batch is not None:
            if self._is_settled(batch.payloads) or self._hand_over(batch, shipment.folder):
                shipment.sent.append(_Sent(batch.start, batch.end, time.monotonic()))
            return True
        shipment.is_read = True
        if not shipment.sent:
            shipment.folder.finish()
            self._adopted.remove(shipment)
        with self._condition:
            self._condition.notify_all()
        return False

    def _next(self, folder: Folder, *, until: Position | None) -> Batch | None:
        return folder.next_batch(until=until, most_frames=BATCH_FRAMES, most_bytes=BATCH_BYTES)

    def _settle_quietly(self, shipment: _Shipment, *, now: bool = False) -> None:
        try:
            self._settle(shipment, now=now)
        except Exception as error:
            # The database is away, say. Nothing is forgotten meanwhile.
            log.debug("What was sent can't be looked for: %s", error)

    def _settle(self, shipment: _Shipment, *, now: bool) -> None:
        """Forget what is recorded; send again what got lost on the way."""
        while shipment.sent:
            oldest = shipment.sent[0]
            age = time.monotonic() - oldest.at
            if not now and min(age, time.monotonic() - shipment.missed_at) < SETTLE_SECONDS:
                return
            payloads = shipment.folder.read_again(oldest.start, oldest.end)
            if self._delivery.settled(payloads):
                shipment.folder.mark(oldest.end)
                shipment.sent.popleft()
                continue
            shipment.missed_at = time.monotonic()
            if age > self._resend_seconds and not self._closing and self._delivery.nothing_waits():
                self._send_again(shipment)
            return

    def _send_again(self, shipment: _Shipment) -> None:
        """All that is overdue at once: what lost one batch has often lost many."""
        lost = 0
        try:
            for sent in shipment.sent:
                if self._closing:
                    break
                if time.monotonic() - sent.at <= self._resend_seconds:
                    continue
                payloads = shipment.folder.read_again(sent.start, sent.end)
                if not self._delivery.settled(payloads):
                    self._delivery.send(payloads, None)
                    sent.at = time.monotonic()
                    lost += len(payloads)
        finally:
            if lost:
                log.warning("%d frames were lost on the way to the worker; they are sent again", lost)

    def _is_settled(self, payloads: list[bytes]) -> bool:
        try:
            return self._delivery.settled(payloads)
        except Exception:
            return False  # then it is sent, which does no harm

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

    def _hand_over(self, batch: Batch, folder: Folder) -> bool:
        """Send until it is taken; False when the thread is to end first."""
        place = Place(folder.path.name, batch.start.segment, batch.start.offset, batch.end.offset)
        pause = _FIRST_PAUSE
        refused: type[Exception] | None = None
        while not self._closing:
            try:
                self._delivery.send(batch.payloads, place)
            except Exception as error:
                problem = str(error) or type(error).__name__
                if self.problem is None or type(error) is not refused:
                    log.warning("The broker does not take frames, they wait in the journal: %s", problem)
                self.problem, refused = problem, type(error)
                self._sleep(pause if isinstance(error, Waiting) else random.uniform(0.5, 1) * pause)  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if self.problem is not None:
                log.warning("The broker takes frames again")
                self.problem = None
            return True
        return False

    def _adopt(self) -> None:
        known = {shipment.folder.path for shipment in (self._own, *self._adopted)}
        for path in writers(self._journal):
            folder = Folder.adopt(path) if path not in known else None
            if folder is not None:
                log.info("Shipping what the writer %s left", path.name)
                self._adopted.append(_Shipment(folder))
        with self._condition:
            self._looked_at = time.monotonic()
            self._condition.notify_all()

    def _pause_until_news(self) -> None:
        under_way = self._own.sent or self._adopted
        self._idle = True
        self._sleep(SETTLE_SECONDS / 2 if under_way else ADOPT_SECONDS, until=lambda: self._behind() > 0)
        self._idle = False

    def _sleep(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._closing or until(), seconds)
