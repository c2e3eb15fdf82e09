"""The journal's files: a writer's folder, its segments, the frames in them, and how far it was shipped.

    REVIEWAPP_DATA/journal/<writer>/lock            held (flock) as long as the writer lives
                                    0000000001.seg  MAGIC, then frames, then zeros
                                    position        how far everything is known to be recorded

A frame is a header (length, CRC-32, time of appending) and its payload; the CRC covers time and
payload. A length of zero ends a segment. A frame whose CRC is wrong ends it too: that is what a
crash within a write leaves, and no such frame was ever acknowledged. What stands behind it is
kept aside in `damaged/`, in case it was the disk that lost a frame in the middle.

The position is written without a sync: one that is too old means that frames are sent twice, and
recording is idempotent. A folder appears under its name only when it is locked, so whoever can
lock one knows that its writer is dead, and may adopt it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

MAGIC: Final = b"RAJ1\r\n\x1a\n"
HEADER: Final = struct.Struct("<IIQ")  # length of the payload, CRC-32, milliseconds since 1970
# What one frame may hold; a bigger length in a header can only be damage.
FRAME_LIMIT: Final = 256 * 1024 * 1024

_TIME = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_POSITION = struct.Struct("<QQ")
_name = re.compile(r"(\d{10})\.seg").fullmatch
# As `Journal` names them; nothing that could lead to another folder.
_writer = re.compile(r"[0-9a-z-]{1,40}").fullmatch


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a writer's folder."""

    segment: int = 0
    offset: int = len(MAGIC)


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that follow each other in one segment, where they begin, and the place behind them."""

    payloads: list[bytes]
    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch stands in the journal, for who has the journal's disk as well."""

    writer: str
    segment: int
    start: int
    end: int


def frame(payload: bytes, *, now_ms: int) -> bytes:
    """The bytes of a frame."""
    time = _TIME.pack(now_ms)
    return HEADER.pack(len(payload), zlib.crc32(payload, zlib.crc32(time)), now_ms) + payload


def read_frames(
    file: int, start: int, *, until: int | None, most_frames: int, most_bytes: int
) -> tuple[list[bytes], int]:
    """The payloads of the whole frames from `start` on (one at least, if any), and where the last ends."""
    payloads: list[bytes] = []
    size = 0
    while len(payloads) < most_frames and (until is None or start < until):
        header = os.pread(file, HEADER.size, start)
        if len(header) < HEADER.size:
            break
        length, crc, time = HEADER.unpack(header)
        if not 0 < length <= FRAME_LIMIT or (payloads and size + length > most_bytes):
            break
        payload = os.pread(file, length, start + HEADER.size)
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(_TIME.pack(time))) != crc:
            break
        payloads.append(payload)
        size += length
        start += HEADER.size + length
    return payloads, start


def read_place(journal: Path, place: Place) -> list[bytes] | None:
    """The payloads that stand there; None when they are not all there (any more)."""
    if not _writer(place.writer):
        return None
    try:
        with opened(journal / place.writer / segment_name(place.segment)) as file:
            data = os.pread(file, place.end - place.start, place.start)
    except (OSError, OverflowError, ValueError):
        return None
    payloads, end = _frames_in(data)
    return payloads if end == place.end - place.start else None


def _frames_in(data: bytes) -> tuple[list[bytes], int]:
    """The payloads of the whole frames in these bytes, and where the last ends."""
    payloads: list[bytes] = []
    at = 0
    while at + HEADER.size <= len(data):
        length, crc, time = HEADER.unpack_from(data, at)
        payload = data[at + HEADER.size : at + HEADER.size + length]
        if not length or len(payload) < length or zlib.crc32(payload, zlib.crc32(_TIME.pack(time))) != crc:
            break
        payloads.append(payload)
        at += HEADER.size + length
    return payloads, at


class Folder:
    """One writer's folder, locked by this process."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        # Before `position` all is done with; from `cursor` on nothing was read yet.
        self.position = position_of(path)
        self.cursor = self.position
        self._position_file = os.open(path / "position", os.O_RDWR | os.O_CREAT, 0o600)
        self._reading: tuple[int, int] | None = None  # the open segment: its number and descriptor

    @classmethod
    def create(cls, journal: Path, name: str) -> Folder:
        """A new folder, locked before anybody can see it."""
        unfinished = journal / f".{name}"
        unfinished.mkdir(parents=True, mode=0o700)
        lock = os.open(unfinished / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.rename(journal / name)
        sync_folder(journal)
        return cls(journal / name, lock)

    @classmethod
    def adopt(cls, path: Path) -> Folder | None:
        """The folder of a writer that is gone; None while it lives or when somebody else was first."""
        try:
            lock = os.open(path / "lock", os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:
                return cls(path, lock)
        except OSError:
            pass
        os.close(lock)
        return None

    def segment_path(self, number: int) -> Path:
        return self.path / segment_name(number)

    def segments(self) -> list[int]:
        return segments_of(self.path)

    def next_batch(self, *, until: Position | None, most_frames: int, most_bytes: int) -> Batch | None:
        """What follows the cursor, which moves behind it; None when nothing does (yet)."""
        while True:
            number = self._open_segment()
            if number is None or self._reading is None:
                return None
            own_end = until.offset if until is not None and until.segment == number else None
            if until is not None and number > until.segment:
                return None
            payloads, end = read_frames(
                self._reading[1],
                self.cursor.offset,
                until=own_end,
                most_frames=most_frames,
                most_bytes=most_bytes,
            )
            if payloads:
                batch = Batch(payloads, self.cursor, Position(number, end))
                self.cursor = batch.end
                return batch
            if own_end is not None or not self._next_segment(number):
                return None

    def read_again(self, start: Position, end: Position) -> list[bytes]:
        """The payloads from one place to another of the same segment."""
        with opened(self.segment_path(start.segment)) as file:
            return _frames_in(os.pread(file, end.offset - start.offset, start.offset))[0]

    def mark(self, position: Position) -> None:
        """Everything before this place is done with; a crash of this process does not forget it."""
        for number in self.segments():
            if number < position.segment:
                self.segment_path(number).unlink(missing_ok=True)
        self.position = position
        numbers = _POSITION.pack(position.segment, position.offset)
        os.pwrite(self._position_file, numbers + _CRC.pack(zlib.crc32(numbers)), 0)

    def finish(self) -> None:
        """Keep aside what could not be read, then remove the folder: everything else is shipped."""
        number = self._open_segment()
        if number is not None and self._reading is not None:
            self._keep_damaged(number, self._reading[1])
        self.close()
        for path in sorted(self.path.iterdir(), key=lambda path: path.name == "lock"):
            path.unlink()
        self.path.rmdir()
        os.close(self._lock)

    def release(self) -> None:
        """Leave the folder as it is, for whoever adopts it."""
        self.close()
        os.close(self._lock)

    def close(self) -> None:
        """Let go of the files, not of the lock."""
        if self._reading is not None:
            os.close(self._reading[1])
            self._reading = None
        os.close(self._position_file)

    def _open_segment(self) -> int | None:
        """The number of the segment at the cursor, opened."""
        wanted = next((number for number in self.segments() if number >= self.cursor.segment), None)
        if wanted is None:
            return None
        if wanted != self.cursor.segment:
            self.cursor = Position(wanted)
        if self._reading is None or self._reading[0] != wanted:
            if self._reading is not None:
                os.close(self._reading[1])
            self._reading = (wanted, os.open(self.segment_path(wanted), os.O_RDONLY))
        return wanted

    def _next_segment(self, number: int) -> bool:
        """Go on behind this segment, if another was begun."""
        later = [other for other in self.segments() if other > number]
        if not later:
            return False
        if self._reading is not None:
            self._keep_damaged(number, self._reading[1])
        self.cursor = Position(later[0])
        return True

    def _keep_damaged(self, number: int, file: int) -> None:
        rest = os.pread(file, max(os.fstat(file).st_size - self.cursor.offset, 0), self.cursor.offset)
        rest = rest.rstrip(b"\0")
        if not rest:
            return
        aside = self.path.parent / "damaged"
        aside.mkdir(mode=0o700, exist_ok=True)
        copy = aside / f"{self.path.name}-{number:010}-{self.cursor.offset}"
        copy.write_bytes(rest)
        log.warning("A journal segment ends in %d unreadable bytes; they are kept in %s", len(rest), copy)


def segment_name(number: int) -> str:
    return f"{number:010}.seg"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file's descriptor, to read."""
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def read_headers(file: int, start: int) -> Iterator[tuple[int, int]]:
    """Length and time of each frame from `start` on, unchecked: for figures, not for shipping."""
    while True:
        header = os.pread(file, HEADER.size, start)
        if len(header) < HEADER.size:
            return
        length, _, time = HEADER.unpack(header)
        if not 0 < length <= FRAME_LIMIT:
            return
        yield length, time
        start += HEADER.size + length


def segments_of(folder: Path) -> list[int]:
    """The numbers of the folder's segments, oldest first."""
    try:
        matches = [_name(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(match.group(1)) for match in matches if match)


def writers(journal: Path) -> list[Path]:
    """The folders of all writers, the living and the dead, oldest first."""
    try:
        found = [path for path in journal.iterdir() if (path / "lock").exists()]
    except FileNotFoundError:
        return []
    return sorted(path for path in found if not path.name.startswith("."))


def position_of(folder: Path) -> Position:
    """How far the folder's frames were shipped, as its owner last wrote it."""
    with contextlib.suppress(OSError):
        data = (folder / "position").read_bytes()
        numbers, crc = data[: _POSITION.size], data[_POSITION.size :]
        if crc == _CRC.pack(zlib.crc32(numbers)):
            return Position(*_POSITION.unpack(numbers))
    return Position()


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
