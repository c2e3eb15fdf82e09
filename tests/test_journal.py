"""The journal: what is acknowledged is kept, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reviewapp.journal import (
    FrameTooLarge,
    Journal,
    JournalFull,
    JournalUnavailable,
    Place,
    lag,
    read_place,
    segments,
)
from reviewapp.journal.commit import GROUP_BYTES
from reviewapp.journal.segments import MAGIC, Folder, Position
from reviewapp.journal.shipping import BATCH_FRAMES

ROOT = Path(__file__).resolve().parent.parent


class Broker:
    """Takes frames; may be away, and may be slow to come back."""

    def __init__(self, *, away: bool = False, loses: bool = False) -> None:
        self.loses = loses
        self.frames: list[bytes] = []
        self.batches: list[int] = []
        self.places: list[Place | None] = []
        self.away = away

    def send(self, frames: list[bytes], place: Place | None) -> None:
        if self.away:
            raise ConnectionError("away")
        self.frames += frames
        self.batches.append(len(frames))
        self.places.append(place)

    def settled(self, frames: list[bytes]) -> bool:
        return not self.loses and set(frames) <= set(self.frames)

    def nothing_waits(self) -> bool:
        return True


@contextmanager
def opened(path: Path, broker: Broker, *, segment_bytes: int = 1024 * 1024) -> Iterator[Journal]:
    journal = Journal(path, delivery=broker, segment_bytes=segment_bytes)
    try:
        yield journal
    finally:
        journal.close()


def test_what_is_appended_reaches_the_broker_in_order(tmp_path):
    broker = Broker()

    with opened(tmp_path, broker) as journal:
        for number in range(1000):
            journal.append_sync([b"%d" % number])
        assert journal.wait_until_shipped(seconds=60)

    assert broker.frames == [b"%d" % number for number in range(1000)]


async def test_many_appends_share_a_sync_and_all_are_kept(tmp_path):
    broker = Broker()

    with opened(tmp_path, broker) as journal:
        await asyncio.gather(*(journal.append(b"%d" % number) for number in range(2000)))
        assert journal.wait_until_shipped(seconds=60)

    assert sorted(broker.frames) == sorted(b"%d" % number for number in range(2000))


def test_a_journal_that_was_emptied_leaves_nothing_behind(tmp_path):
    with opened(tmp_path, Broker()) as journal:
        journal.append_sync([b"x"])
        assert journal.wait_until_shipped(seconds=60)

    assert list(tmp_path.iterdir()) == []


def test_a_full_segment_is_followed_by_another_and_removed_when_it_is_shipped(tmp_path):
    broker = Broker(away=True)

    with opened(tmp_path, broker, segment_bytes=10_000) as journal:
        for number in range(50):
            journal.append_sync([b"%03d" % number + b"x" * 997])
        kept = len(segments.segments_of(segments.writers(tmp_path)[0]))
        broker.away = False
        assert journal.wait_until_shipped(seconds=60)
        _until(lambda: lag(tmp_path).frames == 0)
        left = len(segments.segments_of(segments.writers(tmp_path)[0]))

    assert (kept, left) == (6, 1)
    assert [frame[:3] for frame in broker.frames] == [b"%03d" % number for number in range(50)]


def test_a_frame_larger_than_a_segment_has_one_of_its_own(tmp_path):
    broker = Broker()
    large = os.urandom(300_000)

    with opened(tmp_path, broker, segment_bytes=10_000) as journal:
        journal.append_sync([b"small", large, b"small"])
        assert journal.wait_until_shipped(seconds=60)

    assert broker.frames == [b"small", large, b"small"]


def test_groups_larger_than_are_synced_at_once_are_all_kept(tmp_path):
    broker = Broker()
    big = b"x" * (GROUP_BYTES // 3)

    with opened(tmp_path, broker) as journal:
        threads = [threading.Thread(target=journal.append_sync, args=([big],)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.wait_until_shipped(seconds=60)

    assert broker.frames == [big] * 8


def test_while_the_broker_is_away_frames_wait_and_nothing_is_lost(tmp_path):
    broker = Broker(away=True)

    with opened(tmp_path, broker) as journal:
        journal.append_sync([b"one", b"two"])
        assert not journal.wait_until_shipped(seconds=0.3)
        _until(lambda: journal.problem == "away")
        waiting = lag(tmp_path)
        broker.away = False
        assert journal.wait_until_shipped(seconds=60)
        assert journal.problem is None

    assert (waiting.frames, waiting.bytes) == (2, 6)
    assert waiting.oldest_seconds > 0.2
    assert broker.frames == [b"one", b"two"]


def test_what_is_shipped_does_not_lag(tmp_path):
    with opened(tmp_path, Broker()) as journal:
        journal.append_sync([b"x"] * 10)
        assert journal.wait_until_shipped(seconds=60)

        _until(lambda: lag(tmp_path).frames == 0)


def test_batches_are_bounded_by_count_and_bytes(tmp_path):
    broker = Broker(away=True)

    with opened(tmp_path, broker, segment_bytes=32 * 1024 * 1024) as journal:
        journal.append_sync([b"s"] * (2 * BATCH_FRAMES + 100))
        journal.append_sync([b"l" * 3_000_000] * 2)
        broker.away = False
        assert journal.wait_until_shipped(seconds=60)

    assert max(broker.batches) == BATCH_FRAMES
    assert broker.batches[-1] == 1


def test_the_next_process_ships_what_a_dead_one_left(tmp_path):
    first = Broker(away=True)
    with opened(tmp_path, first) as journal:
        journal.append_sync([b"left", b"behind"])
    second = Broker()

    with opened(tmp_path, second) as journal:
        assert journal.wait_until_shipped(seconds=60)
        _until(lambda: len(segments.writers(tmp_path)) == 1)

    assert second.frames == [b"left", b"behind"]


def test_the_folder_of_a_living_process_is_left_alone(tmp_path):
    one, two = Broker(away=True), Broker()

    with opened(tmp_path, one) as first, opened(tmp_path, two) as second:
        first.append_sync([b"mine"])
        second.append_sync([b"yours"])
        assert second.wait_until_shipped(seconds=60)
        one.away = False
        assert first.wait_until_shipped(seconds=60)

    assert (one.frames, two.frames) == ([b"mine"], [b"yours"])


def test_what_was_shipped_before_a_crash_is_not_shipped_again(tmp_path):
    script = f"""
import sys, os, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from reviewapp.journal import Journal, lag
sent = []
class Broker:
    def send(self, frames, place):
        if len(sent) == 1:
            raise ConnectionError
        sent.append(frames)
    def settled(self, frames):
        return True
    def nothing_waits(self):
        return True
journal = Journal(Path({str(tmp_path)!r}), delivery=Broker())
journal.append_sync([b"first"])
while lag(Path({str(tmp_path)!r})).frames:
    time.sleep(0.05)
journal.append_sync([b"second"])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    broker = Broker()

    with opened(tmp_path, broker) as journal:
        assert journal.wait_until_shipped(seconds=60)

    assert broker.frames == [b"second"]


def test_every_acknowledged_frame_survives_kill_9(tmp_path):
    script = f"""
import sys, threading
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from reviewapp.journal import Journal
class Broker:
    def send(self, frames, place):
        raise ConnectionError
journal = Journal(Path({str(tmp_path / "journal")!r}), delivery=Broker(), segment_bytes=50_000)
def write(name):
    number = 0
    while True:
        text = b"%d-%d" % (name, number)
        journal.append_sync([text + b" " * 500])
        sys.stdout.buffer.write(text + b"\\n")
        sys.stdout.buffer.flush()
        number += 1
for name in range(4):
    threading.Thread(target=write, args=(name,)).start()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines(keepends=True)
    broker = Broker()

    with opened(tmp_path / "journal", broker) as journal:
        assert journal.wait_until_shipped(seconds=60)

    kept = {frame.rstrip() for frame in broker.frames}
    acknowledged = {line.strip() for line in said if line.endswith(b"\n")}
    assert len(acknowledged) >= 200
    assert acknowledged <= kept


def _left_behind(tmp_path: Path) -> Path:
    """A dead writer's only segment, with three frames."""
    with opened(tmp_path, Broker(away=True)) as journal:
        journal.append_sync([b"one", b"two", b"three"])
    return next(tmp_path.glob("*/*.seg"))


def _shipped(tmp_path: Path) -> list[bytes]:
    broker = Broker()
    with opened(tmp_path, broker) as journal:
        assert journal.wait_until_shipped(seconds=60)
        _until(lambda: len(segments.writers(tmp_path)) == 1)
    return broker.frames


@pytest.mark.parametrize("cut", [1, 4, 10, 20])
def test_a_torn_tail_is_left_out(tmp_path, cut):
    segment = _left_behind(tmp_path)
    size = segment.stat().st_size
    os.truncate(segment, size - cut)

    assert _shipped(tmp_path) == [b"one", b"two"]


def test_a_tail_that_was_not_written_to_its_end_is_left_out_and_kept_aside(tmp_path):
    segment = _left_behind(tmp_path)
    data = segment.read_bytes()
    segment.write_bytes(data[:-2] + b"\0\0" + b"\0" * 1000)

    assert _shipped(tmp_path) == [b"one", b"two"]
    (aside,) = (tmp_path / "damaged").iterdir()
    assert b"thr" in aside.read_bytes()


@pytest.mark.parametrize("rest", [b"", MAGIC[:3], MAGIC])
def test_a_segment_that_was_only_begun_is_no_obstacle(tmp_path, rest):
    segment = _left_behind(tmp_path)
    segment.with_name("0000000002.seg").write_bytes(rest)

    assert _shipped(tmp_path) == [b"one", b"two", b"three"]


def test_a_damaged_position_ships_again_rather_than_leaving_out(tmp_path):
    segment = _left_behind(tmp_path)
    (segment.parent / "position").write_bytes(b"\xff" * 20)

    assert _shipped(tmp_path) == [b"one", b"two", b"three"]


def test_a_folder_can_be_adopted_once(tmp_path):
    _left_behind(tmp_path)
    (path,) = segments.writers(tmp_path)

    first = Folder.adopt(path)

    assert first is not None
    assert Folder.adopt(path) is None
    first.release()


def test_positions_are_ordered():
    assert Position(1, 500) < Position(2, 8) < Position(2, 9)


def test_a_full_disk_is_told_and_nothing_is_acknowledged_that_is_not_kept(tmp_path):
    script = f"""
import sys, resource
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from reviewapp.journal import Journal, JournalFull
class Broker:
    def send(self, frames, place):
        raise ConnectionError
journal = Journal(Path({str(tmp_path / "journal")!r}), delivery=Broker(), segment_bytes=100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
kept = 0
for number in range(20):
    journal.append_sync([b"x%d" % number + b"x" * 10_000])
    kept += 1
try:
    journal.append_sync([b"y" * 200_000])
except JournalFull as error:
    print(kept, str(error))
journal.append_sync([b"z" * 10_000])
print("goes on")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    said = done.stdout.splitlines()
    broker = Broker()

    with opened(tmp_path / "journal", broker) as journal:
        assert journal.wait_until_shipped(seconds=60)

    assert said[0].startswith("20 The disk of reviewapp's journal is full")
    assert said[1] == "goes on"
    assert [frame[:1] for frame in broker.frames] == [b"x"] * 20 + [b"z"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte; needs a kernel that lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a small file system, to fill it")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def test_on_a_full_file_system_appends_fail_until_there_is_room_again(small_disk):
    broker = Broker(away=True)
    filler = small_disk / "filler"
    with opened(small_disk / "journal", broker, segment_bytes=100_000) as journal:
        journal.append_sync([b"a" * 90_000])
        filler.write_bytes(b"x" * 900_000)
        with pytest.raises(JournalFull):
            journal.append_sync([b"b" * 90_000])

        filler.unlink()
        journal.append_sync([b"c" * 90_000])
        broker.away = False
        assert journal.wait_until_shipped(seconds=60)

    assert [frame[:1] for frame in broker.frames] == [b"a", b"c"]


async def test_an_append_that_fails_raises_where_it_is_awaited(small_disk):
    with (
        opened(small_disk / "journal", Broker(), segment_bytes=100_000) as journal,
        pytest.raises(JournalFull),
    ):
        await journal.append(b"x" * 2_000_000)


def test_a_frame_beyond_the_limit_is_refused_at_once(tmp_path):
    class Long(bytes):
        def __len__(self) -> int:
            return 2**30

    with opened(tmp_path, Broker()) as journal, pytest.raises(FrameTooLarge):
        journal.append_sync([Long()])


def test_a_closed_journal_takes_nothing(tmp_path):
    journal = Journal(tmp_path, delivery=Broker())
    journal.close()

    with pytest.raises(JournalUnavailable, match="closed"):
        journal.append_sync([b"x"])


def test_a_journal_that_can_not_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalUnavailable, match=r"Not a directory|File exists"):
        Journal(tmp_path / "file", delivery=Broker())


def test_a_fault_in_sending_is_told_and_survived(tmp_path, caplog):
    class Stumbling(Broker):
        def send(self, frames: list[bytes], place: Place | None) -> None:
            self.batches.append(len(frames))
            if len(self.batches) == 1:
                raise ValueError("a fault")
            self.frames += frames

    broker = Stumbling()
    with opened(tmp_path, broker) as journal:
        journal.append_sync([b"x"])
        assert journal.wait_until_shipped(seconds=60)

    assert (broker.batches, broker.frames) == ([1, 1], [b"x"])
    assert "a fault" in caplog.text


def test_what_got_lost_behind_the_broker_is_sent_again(tmp_path):
    broker = Broker(loses=True)
    journal = Journal(tmp_path, delivery=broker, resend_seconds=0.1)
    journal.append_sync([b"x"])
    assert journal.wait_until_shipped(seconds=60)

    _until(lambda: len(broker.frames) >= 2)
    still = lag(tmp_path).frames
    broker.loses = False
    _until(lambda: lag(tmp_path).frames == 0)
    journal.close()

    assert still == 1
    assert set(broker.frames) == {b"x"}


def test_a_batch_can_be_read_at_its_place_until_it_is_recorded(tmp_path):
    broker = Broker(loses=True)
    with opened(tmp_path, broker, segment_bytes=64) as journal:
        for number in range(20):
            journal.append_sync([b"frame %d" % number])
        assert journal.wait_until_shipped(seconds=60)

        standing = [read_place(tmp_path, place) for place in broker.places if place]
        broker.loses = False
        _until(lambda: lag(tmp_path).frames == 0)

        assert [frame for frames in standing for frame in frames or ()] == broker.frames
    assert [read_place(tmp_path, place) for place in broker.places if place] == [None] * len(standing)


@pytest.mark.parametrize(
    "place",
    [Place("../elsewhere", 1, 8, 40), Place("nobody", 1, 8, 40), Place("nobody", -1, -8, -40)],
    ids=["another folder", "no such writer", "no numbers"],
)
def test_a_place_that_is_none_holds_nothing(tmp_path, place):
    (tmp_path / "elsewhere").mkdir()

    assert read_place(tmp_path / "journal", place) is None


def test_a_place_whose_frames_are_damaged_holds_nothing(tmp_path):
    broker = Broker(loses=True)
    with opened(tmp_path, broker) as journal:
        journal.append_sync([b"whole", b"broken"])
        assert journal.wait_until_shipped(seconds=60)
        [place] = [place for place in broker.places if place]
        segment = tmp_path / place.writer / segments.segment_name(place.segment)
        with segment.open("r+b") as file:
            file.seek(place.end - 1)
            file.write(b"!")

        assert read_place(tmp_path, place) is None


def test_what_led_to_nothing_is_sent_again_without_a_place(tmp_path):
    broker = Broker(loses=True)
    journal = Journal(tmp_path, delivery=broker, resend_seconds=0.1)
    journal.append_sync([b"x"])
    _until(lambda: len(broker.places) >= 2)
    broker.loses = False
    journal.close()

    assert [place is None for place in broker.places[:2]] == [False, True]


def test_all_that_got_lost_is_sent_again_not_one_batch_at_a_time(tmp_path):
    broker = Broker(loses=True)
    journal = Journal(tmp_path, delivery=broker, resend_seconds=0.1)
    for number in range(8):
        journal.append_sync([b"%d" % number])
        assert journal.wait_until_shipped(seconds=60)

    # The first batch is never settled here; those behind it must not wait for it.
    _until(lambda: all(broker.frames.count(b"%d" % number) >= 2 for number in range(8)))
    broker.loses = False
    journal.close()


def test_what_is_sent_but_not_recorded_is_sent_by_the_next_process(tmp_path):
    with opened(tmp_path, Broker(loses=True)) as journal:
        journal.append_sync([b"x"])
        assert journal.wait_until_shipped(seconds=60)

    assert _shipped(tmp_path) == [b"x"]


def test_what_a_dead_process_sent_and_was_recorded_is_not_sent_again(tmp_path):
    with opened(tmp_path, Broker(loses=True)) as journal:
        journal.append_sync([b"x"])
        assert journal.wait_until_shipped(seconds=60)
    broker = Broker()
    broker.frames = [b"x"]

    with opened(tmp_path, broker) as journal:
        assert journal.wait_until_shipped(seconds=60)
        _until(lambda: len(segments.writers(tmp_path)) == 1)

    assert broker.batches == []


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
