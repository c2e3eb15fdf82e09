"""Celery tasks: each takes one thing by keyword, calls one stage, returns nothing.

Names carry the queue they run in: record_*, review_*, replay_*, watch_*, export_*.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from celery import shared_task
from celery.exceptions import Reject
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from reviewapp import metrics
from reviewapp.celery import app
from reviewapp.journal import Journal, Place, Waiting, read_place
from reviewapp.models import RetentionRule, unsearchable
from reviewapp.stages import compare, discuss, export, find, privacy, record, replay, review, study, watch
from reviewapp.stages.administer import counting, partitions, sealing
from reviewapp.stages.record import uploads
from reviewapp.stages.watch import delivering, probing, trouble

log = logging.getLogger(__name__)

# With so many messages waiting the rest stays in the journal, on the disk: the broker's memory is finite.
RECORD_QUEUE_LIMIT = 300
_LOOK_SECONDS = 0.5
# With the slowest calls of its end below the time after which the broker gives its message to another.
REPLAY_TURN_SECONDS = 150.0
_COMPARE_EVERY_SECONDS = 1.0
_WORDS_EVERY_SECONDS = 0.5
# So far may searching and counting stay behind recording before they no longer give way.
_PATIENCE_SECONDS = 30.0
# A large import is counted in many turns, between which others have theirs.
WATCH_TURN_SECONDS = 30.0
FIND_TURN_SECONDS = 20.0
PRIVACY_TURN_SECONDS = 60.0
_journals: dict[str, Journal] = {}
_journals_lock = threading.Lock()
_words_sent_at = 0.0


def journal() -> Journal:
    """This process's journal; what is appended reaches `record_batch`. Made at the first use.

    Raises JournalError when it can't be made.
    """
    # By the folder, which tests change; a string is the cheapest key, and every call comes by here.
    found = _journals.get(settings.JOURNAL_DIR)
    if found is None or not found.belongs_here:
        with _journals_lock:
            found = _journals.get(settings.JOURNAL_DIR)
            if found is None or not found.belongs_here:
                found = Journal(Path(settings.JOURNAL_DIR), delivery=_Delivery())
                _journals[settings.JOURNAL_DIR] = found
    return found


class _Delivery:
    """The journal's way to the tables: by the broker; that they arrived is seen in the tables."""

    def __init__(self) -> None:
        self._looked_at = 0.0

    def send(self, frames: list[bytes], place: Place | None) -> None:
        now = time.monotonic()
        if now - self._looked_at > _LOOK_SECONDS:
            waiting = _waiting("record")
            if waiting > RECORD_QUEUE_LIMIT:
                raise Waiting(f"{waiting} messages wait to be recorded")
            self._looked_at = now
        # Returns when the broker has confirmed it. The shipper has the one retry policy there is.
        # In binary, and not described in a header: Celery would look through megabytes for it.
        how: dict[str, Any] = {"serializer": "binary", "kwargsrepr": "frames", "retry": False}
        if place is not None and settings.JOURNAL_SHARED:
            record_batch.apply_async(kwargs={"place": astuple(place)}, **how)
        else:
            record_batch.apply_async(kwargs={"frames": record.pack(frames)}, **how)

    def settled(self, frames: list[bytes]) -> bool:
        try:
            return record.are_settled(frames=frames)
        finally:
            # The shipper's thread asks once in a while; it needs no connection of its own meanwhile.
            connection.close()

    def nothing_waits(self) -> bool:
        return _waiting("record") == 0


class _Looking(threading.local):
    """A thread's connection to look at the broker with; one that failed is not used again."""

    connection: Any = None


_looking = _Looking()


def _waiting(queue: str) -> int:
    """How many messages wait there."""
    if _looking.connection is None:
        _looking.connection = app.connection_for_write()
    try:
        return int(_looking.connection.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        _forget_looking()
        return 0  # nothing was ever sent to it
    except Exception:
        _forget_looking()
        raise


def _forget_looking() -> None:
    connection, _looking.connection = _looking.connection, None
    with contextlib.suppress(Exception):
        connection.release()


@shared_task
def record_batch(*, frames: Any = None, place: Any = None) -> None:
    """Record what the journal shipped. While the database is away the message goes back to the broker."""
    if frames is None:
        frames = _frames_at(place)
        if frames is None:
            # They are recorded and gone; or else the journal misses them, and sends them whole.
            log.info("Nothing stands any more where a message says")
            return
    try:
        outcome = record.record_message(message=frames, now=timezone.now())
        metrics.RECORDED.inc(len(outcome.recorded))
        metrics.KNOWN.inc(len(outcome.known))
        metrics.SET_ASIDE.inc(len(outcome.set_aside))
    except Exception as error:
        # Whatever it is, the message must outlive it. Not Celery's retry: that acknowledges this message
        # in favour of a copy, and a broker that goes away between the two would have neither.
        if not isinstance(error, record.DatabaseAway):
            log.exception("A batch can't be recorded; it goes back to the broker")
        close_old_connections()
        time.sleep(random.uniform(0.5, 2.0))  # noqa: S311
        raise Reject(str(error), requeue=True) from error
    _words_soon()


def _frames_at(place: Any) -> list[bytes] | None:
    try:
        writer, segment, start, end = place
        return read_place(Path(settings.JOURNAL_DIR), Place(str(writer), int(segment), int(start), int(end)))
    except (TypeError, ValueError):
        return None


def _words_soon() -> None:
    """Send somebody for the words; at most twice a second from each process, and the sweep finds the rest."""
    global _words_sent_at
    now = time.monotonic()
    if now - _words_sent_at >= _WORDS_EVERY_SECONDS:
        _words_sent_at = now
        # The batch is recorded, whether the broker takes this or not; the scheduler sends somebody anyway.
        with contextlib.suppress(OperationalError):
            record_words.apply_async(expires=_PATIENCE_SECONDS, retry=False)


@shared_task
def record_words() -> None:
    """Make searchable what was recorded. In a burst recording goes first, until searching is far behind."""
    while (since := unsearchable().since) is not None:
        waited = (timezone.now() - since).total_seconds()
        if waited < _PATIENCE_SECONDS and _waiting("record"):
            return  # the sweep comes again in a moment
        if not record.index_words():
            return  # others are at all of it


@shared_task
def record_file(*, import_id: str) -> None:
    """Look through a file that somebody brought, or record it, as its state says."""
    saying = uploads.Saying(foresee=review.foresee, bring=review.bring)
    uploads.work_on_file(import_id=UUID(import_id), saying=saying)


@shared_task
def record_sweep_files() -> None:
    """Finds files whose message was lost or whose worker died."""
    for import_id in uploads.waiting_files(now=timezone.now()):
        record_file.delay(import_id=str(import_id))


@shared_task
def export_make(*, export_id: str) -> None:
    export.make_export(export_id=UUID(export_id))


@shared_task
def export_sweep() -> None:
    """Finds exports whose message was lost or whose worker died."""
    for export_id in export.sweep_exports(now=timezone.now()):
        export_make.delay(export_id=str(export_id))


@shared_task
def find_bulk(*, work_id: str) -> None:
    """One turn on a deed that is done to many; others have theirs between."""
    until = time.monotonic() + FIND_TURN_SECONDS
    while find.step(work_id=UUID(work_id), now=timezone.now()):
        if time.monotonic() > until:
            find_bulk.delay(work_id=work_id)
            return


@shared_task
def find_sweep() -> None:
    """Finds bulk work whose message was lost or whose worker died."""
    for work_id in find.waiting_bulk():
        find_bulk.delay(work_id=str(work_id))


@shared_task
def find_learn() -> None:
    """Learn how answers go on from what was recorded since."""
    until = time.monotonic() + FIND_TURN_SECONDS
    while find.learn(now=timezone.now()) and time.monotonic() < until:
        pass


@shared_task
def replay_nudge(*, run_id: str) -> None:
    """Send workers for a run: one turn each, as many as may share it."""
    for _ in range(settings.REPLAY_WORKERS):
        replay_work.delay(run_id=run_id)


@shared_task
def replay_work(*, run_id: str) -> None:
    """One worker's turn on a run. At its end the run that waits longest gets the worker, maybe this one."""
    had_turn = replay.work(
        run_id=UUID(run_id),
        worker=f"{os.getpid()}-{uuid4().hex[:8]}",
        seconds=REPLAY_TURN_SECONDS,
        most_workers=settings.REPLAY_WORKERS,
        on_stored=_CompareSoon(run_id),
    )
    if had_turn:
        replay_compare.delay(run_id=run_id)
        for waiting in replay.runs_in_need(now=timezone.now())[:1]:
            replay_work.delay(run_id=str(waiting))


class _CompareSoon:
    """Has answers compared while the turn goes on, at most once a second."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._sent_at = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._sent_at >= _COMPARE_EVERY_SECONDS:
            self._sent_at = now
            replay_compare.delay(run_id=self._run_id)


@shared_task
def replay_compare(*, run_id: str) -> None:
    """Compare what is done and not compared yet: one batch, so that others get their turn between."""
    if compare.compare_new(now=timezone.now(), run_id=UUID(run_id)):
        replay_compare.delay(run_id=run_id)
    # Of a run that is no study's there is nothing to measure, which one look at an index tells.
    study.measure(run_id=UUID(run_id))


@shared_task
def replay_sweep() -> None:
    """Finds runs whose message was lost or whose worker died, and attempts left uncompared."""
    for run_id in replay.sweep(now=timezone.now())[: settings.REPLAY_WORKERS]:
        replay_work.delay(run_id=str(run_id))
    for run_id in {*compare.runs_to_compare(), *study.unmeasured(now=timezone.now())}:
        replay_compare.delay(run_id=str(run_id))


@shared_task
def watch_sweep_alerts() -> None:
    """Finds alerts that are due to be sent, also those whose worker died; and trouble nobody was told of."""
    trouble.notice_failed_messages(now=timezone.now())
    trouble.notice_seeds_running_out(now=timezone.now())
    for channel_id in delivering.sweep(now=timezone.now()):
        watch_deliver_alerts.delay(channel_id=str(channel_id))


@shared_task
def watch_deliver_alerts(*, channel_id: str) -> None:
    delivering.deliver(
        channel_id=UUID(channel_id), worker=f"{os.getpid()}-{uuid4().hex[:8]}", clock=timezone.now
    )


@shared_task
def watch_pull() -> None:
    """Count the fingerprints of what was recorded since, tell what they show, end overlaps that passed."""
    until = time.monotonic() + WATCH_TURN_SECONDS
    while not _count_later() and watch.pull(now=timezone.now()) and time.monotonic() < until:
        pass
    # Once in any case: what was counted is told of also while a burst goes on.
    while watch.walk(now=timezone.now()) and time.monotonic() < until and not _count_later():
        pass
    watch.settle(now=timezone.now())


def _count_later() -> bool:
    """In a burst recording goes first, until counting is far behind."""
    since = watch.uncounted_since()
    if since is None or (timezone.now() - since).total_seconds() >= _PATIENCE_SECONDS:
        return False
    return _waiting("record") > 0


@shared_task
def watch_canaries(*, set_id: str) -> None:
    """The schedule's nudge: begin what is due of a canary set."""
    run = watch.begin(set_id=UUID(set_id), now=timezone.now())
    if run is not None:
        replay_nudge.delay(run_id=str(run))


@shared_task
def watch_prepare_canaries(*, set_id: str) -> None:
    if watch.prepare(set_id=UUID(set_id), clock=timezone.now):
        watch_canaries.delay(set_id=set_id)


@shared_task
def watch_sweep_canaries() -> None:
    """Read what was answered, decide, and find what a lost message or a dead worker left behind."""
    runs = watch.advance(now=timezone.now())
    watch.renew_accepted(now=timezone.now())
    runs += watch.begin_due(now=timezone.now())
    for run in runs:
        replay_nudge.delay(run_id=str(run))
    for set_id in watch.waiting(now=timezone.now()):
        watch_prepare_canaries.delay(set_id=str(set_id))


@shared_task
def watch_probe_seeds(*, provider_id: str) -> None:
    """The schedule's nudge: do the provider's models still heed their seeds?"""
    probing.probe_seeds(provider_id=UUID(provider_id), now=timezone.now())


@shared_task
def watch_verify() -> None:
    """Start the verifications that providers want by themselves, and conclude those whose run has ended."""
    for run_id in watch.verify_by_policy(now=timezone.now()):
        replay_nudge.delay(run_id=str(run_id))
    watch.settle_verifications(now=timezone.now())


@shared_task
def review_route() -> None:
    """Send what was recorded and compared since to the queues whose rules want it."""
    review.route(now=timezone.now())


@shared_task
def review_sweep() -> None:
    """Give back the places at items whose leases ran out."""
    review.return_expired(now=timezone.now())


@shared_task
def discuss_sweep() -> None:
    """Tell people what concerns them of what others did, and have mailed what is due."""
    discuss.notice(now=timezone.now())
    if discuss.sweep(now=timezone.now()):
        discuss_mail.delay()


@shared_task
def discuss_mail() -> None:
    discuss.send_due(worker=f"{os.getpid()}-{uuid4().hex[:8]}", clock=timezone.now)


@shared_task
def review_seal_audit() -> None:
    """Put what was written into the audit trail since into its chains."""
    while sealing.seal_audit(now=timezone.now()):
        pass


@shared_task
def review_make_room() -> None:
    """Sessions, limits and wrong tries that are over go."""
    counting.make_room(now=timezone.now())


@shared_task
def privacy_retain() -> None:
    """The night's nudge: a turn for each rule of retention."""
    for rule_id in RetentionRule.objects.values_list("pk", flat=True):
        privacy_retain_by.delay(rule_id=str(rule_id))


@shared_task
def privacy_retain_by(*, rule_id: str) -> None:
    """One turn on what a rule wants gone; others have theirs between."""
    until = time.monotonic() + PRIVACY_TURN_SECONDS
    while privacy.retain(rule_id=UUID(rule_id), now=timezone.now()):
        if time.monotonic() > until:
            privacy_retain_by.delay(rule_id=rule_id)
            return


@shared_task
def privacy_keep_months() -> None:
    """Where an operator has partitioned the interactions: months ahead, and the room of empty ones."""
    try:
        partitions.keep(now=timezone.now())
    except partitions.Busy as busy:
        log.warning("Partitions are looked after tomorrow: %s", busy)


@shared_task
def privacy_erase(*, erasure_id: str) -> None:
    privacy.erase(erasure_id=UUID(erasure_id), clock=timezone.now)


@shared_task
def privacy_sweep() -> None:
    """Finds erasures whose message was lost or whose worker died."""
    for erasure_id in privacy.sweep_erasures(now=timezone.now()):
        privacy_erase.delay(erasure_id=str(erasure_id))
