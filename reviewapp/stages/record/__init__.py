"""Record: arrivals become interactions, in bulk, each exactly once.

    encode(arrival)                  what a receiver appends to the journal
    encode_serving(serving)          the same for a stored answer that was served again
    record_frames(frames, now)       what the worker does with them
    record_now(arrivals, now)        the same in the caller's process (replays)
    fill_costs()                     gives costs to what was recorded before its price was known
    index_words()                    makes what was recorded searchable by its words

An arrival whose id is there already changes nothing: a message may come twice, a client may send
twice. What can't be recorded is set aside in FailedMessage with the reason, and never stops its
neighbours: it is left out when it can't be read, and found by halving the batch when it is the
database that refuses it. A database that is away is not its fault: that error goes to the caller.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection

from reviewapp.models import FailedMessage, Interaction, Project
from reviewapp.models.privacy import opened, seal
from reviewapp.pure.redaction import Hider
from reviewapp.pure.said.templates.marking import gettext_noop
from reviewapp.stages.record import hiding
from reviewapp.stages.record.arrival import (
    Arrival,
    UnreadableFrame,
    Wire,
    decode,
    encode,
    glance,
    id_of,
    project_of,
)
from reviewapp.stages.record.files import frames_of, ids_of, known_among, scope_of
from reviewapp.stages.record.message import UnreadableMessage, pack, unpack
from reviewapp.stages.record.places import DEFAULT_SOURCE, UNKNOWN_PROVIDER
from reviewapp.stages.record.pricing import fill_costs
from reviewapp.stages.record.reading import NO_RESPONSE, Reading, UnreadableArrival, read
from reviewapp.stages.record.serving import (
    Serving,
    are_noted,
    decode_serving,
    encode_serving,
    is_serving,
    note_servings,
)
from reviewapp.stages.record.wording import index_words
from reviewapp.stages.record.writing import Written, write

__all__ = [
    "DEFAULT_SOURCE",
    "ID_TAKEN",
    "NO_RESPONSE",
    "PROJECT_GONE",
    "UNKNOWN_PROVIDER",
    "Arrival",
    "DatabaseAway",
    "Outcome",
    "Serving",
    "UnreadableFrame",
    "UnreadableMessage",
    "Wire",
    "are_settled",
    "decode",
    "encode",
    "encode_serving",
    "fill_costs",
    "frames_of",
    "ids_of",
    "index_words",
    "known_among",
    "note_servings",
    "pack",
    "record_frames",
    "record_message",
    "record_now",
    "scope_of",
    "unpack",
]

log = logging.getLogger(__name__)


class DatabaseAway(Exception):
    """The database can't be reached or can't work now; nothing is lost when it is tried again."""


ID_TAKEN = gettext_noop(
    "The id is taken by an interaction of another project; send it with an id of its own, or without."
)
PROJECT_GONE = gettext_noop("The project does not exist any more.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ids that are new in the tables, ids that were there before, and what was set aside and why."""

    recorded: tuple[UUID, ...] = ()
    known: tuple[UUID, ...] = ()
    set_aside: tuple[str, ...] = ()


@dataclass(slots=True)
class _Batch:
    """A batch under way. A reading's frame is kept beside it, for when it must be set aside."""

    now: datetime
    frames: dict[int, bytes] = field(default_factory=dict)
    recorded: list[UUID] = field(default_factory=list)
    known: list[UUID] = field(default_factory=list)
    failures: list[tuple[bytes, UUID | None, str]] = field(default_factory=list)

    def fail_frame(self, frame: bytes, project: UUID, reason: str, hider: Hider | None) -> None:
        self.failures.append((frame if hider is None else seal(frame), project, reason))

    def fail(self, reading: Reading, reason: str) -> None:
        self.failures.append((self.frames[id(reading)], reading.project_id, reason))

    def add(self, written: Written) -> None:
        self.recorded += written.new
        self.known += written.known
        for reading in written.taken:
            self.fail(reading, ID_TAKEN)
        for reading in written.homeless:
            self.fail(reading, PROJECT_GONE)


def record_now(*, arrivals: Sequence[Arrival], now: datetime) -> Outcome:
    """Record at once, in this process. Raises DatabaseAway when the database is."""
    return record_frames(frames=[encode(arrival) for arrival in arrivals], now=now)


def record_frames(*, frames: Sequence[bytes], now: datetime) -> Outcome:
    """Record frames of the journal. Raises DatabaseAway when the database is."""
    batch = _Batch(now)
    readings: list[Reading] = []
    arrivals: list[tuple[bytes, Arrival]] = []
    servings: list[tuple[bytes, Serving]] = []
    unreadable: list[tuple[bytes, str]] = []
    for frame in frames:
        try:
            if is_serving(frame):
                servings.append((frame, decode_serving(frame)))
                continue
            arrivals.append((frame, decode(frame)))
        except UnreadableFrame as error:
            unreadable.append((frame, str(error)))
    try:
        # Of what can't be read nobody knows whose it is.
        sealing = bool(unreadable) and hiding.any_hides()
        hiders = hiding.hiders_of([arrival for _, arrival in arrivals])
    except (OperationalError, InterfaceError) as error:
        raise DatabaseAway(str(error)) from error
    batch.failures += [(seal(frame) if sealing else frame, None, why) for frame, why in unreadable]
    for (frame, arrival), hider in zip(arrivals, hiders, strict=True):
        try:
            reading = read(arrival, hider=hider)
        except UnreadableArrival as error:
            batch.fail_frame(frame, arrival.project_id, str(error), hider)
        except Exception as error:  # whatever the content, its neighbours are recorded
            what = type(error).__name__
            if hider is None:
                log.exception("A frame can't be read")
                what = f"{what}: {error}"
            else:
                # Its message may hold what must not be kept.
                log.error("A frame of a source that hides values can't be read: %s", what)
            batch.fail_frame(frame, arrival.project_id, what, hider)
        else:
            batch.frames[id(reading)] = frame if hider is None else seal(frame)
            readings.append(reading)
    _write_or_halve(readings, batch)
    _note(servings, batch)
    _set_aside(batch)
    return Outcome(tuple(batch.recorded), tuple(batch.known), tuple(why for _, _, why in batch.failures))


def are_settled(*, frames: Sequence[bytes]) -> bool:
    """Whether each frame is recorded or set aside: nothing more will or need become of it."""
    arrivals: list[bytes] = []
    servings: list[tuple[bytes, Serving]] = []
    for frame in frames:
        try:
            if is_serving(frame):
                servings.append((frame, decode_serving(frame)))
                continue
        except UnreadableFrame:
            pass  # it is set aside like an arrival that can't be read
        arrivals.append(frame)
    return (not servings or _are_noted(servings)) and (not arrivals or _are_recorded(arrivals))


def _are_noted(servings: Sequence[tuple[bytes, Serving]]) -> bool:
    if are_noted([serving for _, serving in servings]):
        return True
    return _are_set_aside([frame for frame, serving in servings if not are_noted([serving])])


def _are_set_aside(frames: Sequence[bytes]) -> bool:
    digests = {hashlib.sha256(frame).digest() for frame in frames}
    return FailedMessage.objects.filter(digest__in=digests).count() == len(digests)


def _are_recorded(frames: Sequence[bytes]) -> bool:
    glances = [glance(frame) for frame in frames]
    if all(glances) and _are_there([ids for ids in glances if ids]):
        return True
    # Some are missing, or set aside, or not told at a glance.
    ids = {id_ for frame in frames if (id_ := id_of(frame)) is not None}
    there = dict(Interaction.objects.filter(id__in=ids).values_list("id", "project"))
    # Another project's interaction may have the id: then this one was not recorded, and must be set aside.
    missing = [
        frame for frame in frames if (id_ := id_of(frame)) not in there or there[id_] != project_of(frame)
    ]
    return not missing or _are_set_aside(missing)


def _are_there(ids: Sequence[tuple[str, str]]) -> bool:
    """Whether each interaction is there, in its project; counted in one query, since there are hundreds."""
    interactions, projects = zip(*ids, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM unnest(%s::uuid[], %s::uuid[]) AS sent(id, project) "  # noqa: S608
            f"JOIN {Interaction._meta.db_table} AS there "
            "ON there.id = sent.id AND there.project_id = sent.project",
            ["{" + ",".join(interactions) + "}", "{" + ",".join(projects) + "}"],
        )
        return bool(cursor.fetchone()[0] == len(ids))


def record_message(*, message: Any, now: datetime) -> Outcome:
    """Record what `pack` put into a message; a message that can't be read is set aside whole."""
    try:
        frames = unpack(message)
    except UnreadableMessage as error:
        log.error("A message of the broker can't be read: %s", error)
        whole = message if isinstance(message, str) else repr(message)
        try:
            sealing = hiding.any_hides()
        except (OperationalError, InterfaceError) as away:
            raise DatabaseAway(str(away)) from away
        kept = whole.encode("utf-8", "replace")
        _set_aside(_Batch(now, failures=[(seal(kept) if sealing else kept, None, str(error))]))
        return Outcome(set_aside=(str(error),))
    return record_frames(frames=frames, now=now)


def _write_or_halve(readings: list[Reading], batch: _Batch) -> None:
    if not readings:
        return
    problem: DatabaseError | InterfaceError
    for last_try in (False, True):
        try:
            batch.add(write(readings, now=batch.now))
        except (OperationalError, InterfaceError) as error:
            if not _is_too_much(error):
                raise DatabaseAway(str(error)) from error
            problem = error
        except IntegrityError as error:
            # Once more: another worker may just have inserted the same ids, which are found now.
            if not last_try:
                continue
            problem = error
        except DatabaseError as error:
            problem = error
        else:
            return
        break
    if len(readings) == 1:
        log.error("An interaction can't be inserted: %s", problem)
        batch.fail(readings[0], f"The database refuses it: {problem}")
        return
    middle = len(readings) // 2
    _write_or_halve(readings[:middle], batch)
    _write_or_halve(readings[middle:], batch)


def _note(servings: Sequence[tuple[bytes, Serving]], batch: _Batch) -> None:
    """Those of interactions that are gone have nothing to be noted at."""
    if not servings:
        return
    try:
        note_servings([serving for _, serving in servings])
    except (OperationalError, InterfaceError) as error:
        raise DatabaseAway(str(error)) from error
    except DatabaseError as error:
        if len(servings) > 1:
            for one in servings:
                _note([one], batch)
            return
        log.error("A serving can't be noted: %s", type(error).__name__)
        [(frame, serving)] = servings
        # Who asked may be what its source hides.
        batch.failures.append((seal(frame), serving.project, gettext_noop("The database refuses it.")))


def _is_too_much(error: Exception) -> bool:
    """Whether a row is beyond what the database holds, which psycopg calls operational like an outage."""
    return (getattr(error.__cause__, "sqlstate", None) or "").startswith("54")


def _set_aside(batch: _Batch) -> None:
    if not batch.failures:
        return
    try:
        _insert_failures(batch)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseAway(str(error)) from error


def _insert_failures(batch: _Batch) -> None:
    projects = {project for _, project, _ in batch.failures if project is not None}
    there = set(Project.objects.filter(id__in=projects).values_list("id", flat=True))
    # A message that comes twice fails twice, and is kept once.
    FailedMessage.objects.bulk_create(
        [
            FailedMessage(
                project_id=project if project in there else None,
                payload=frame,
                digest=hashlib.sha256(opened(frame)).digest(),
                error=reason.replace("\x00", "\ufffd"),
                created_at=batch.now,
            )
            for frame, project, reason in batch.failures
        ],
        ignore_conflicts=True,
    )
