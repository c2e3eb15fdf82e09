"""Running a program that a test will talk to, and looking at what is alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reviewapp.embedded import processes

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A started program whose output goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, *, seconds: float = 300.0, times: int = 1) -> None:
        def seen() -> bool:
            return self.output.count(text) >= times or self.process.poll() is not None

        processes.wait_until(seen, seconds=seconds, every=0.05)
        assert self.output.count(text) >= times, f"{text!r} was not printed {times} times:\n{self.output}"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, *, seconds: float = 120.0) -> int:
        return self.process.wait(timeout=seconds)


@contextmanager
def started(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, clean: bool = False
) -> Iterator[Program]:
    """Start a program in a session of its own, as a terminal would, and leave none of it behind.

    `env` is added to ours, or with `clean` stands in its place.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**({} if clean else os.environ), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Program(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def eventually(condition: Callable[[], bool], *, seconds: float = 60.0) -> bool:
    return processes.wait_until(condition, seconds=seconds, every=0.05)


def gone(*pids: int) -> bool:
    return not any(processes.is_alive(pid) for pid in pids)


def pid_in(file: Path, *, other_than: int | None = None, seconds: float = 60.0) -> int:
    """The process number that a program wrote to a file."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.exists() and file.read_text() and int(file.read_text()) != other_than:
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{file} was not written")


def processes_of(text: str) -> list[int]:
    """All processes on this machine with `text` in their command line or environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        if place.name == str(os.getpid()):
            continue
        try:
            told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in told and processes.is_alive(int(place.name)):
            found.append(int(place.name))
    return found
