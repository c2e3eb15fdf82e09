"""Starts services in order, keeps them running, stops them in order.

One thread, one loop: it reads what the children print, notices when one ends, starts it
again after a pause that grows with each failure, and leaves when asked to. What a child
prints before it is ready is shown only if its start fails, so that a good start is a few
lines and a bad one shows its reason.

Nothing of the app is imported here: this process lives as long as the product and should
cost next to nothing.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from reviewapp.embedded import processes
from reviewapp.embedded.console import Console
from reviewapp.embedded.guard import Guard

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A child that ran this long before it ended has earned a fresh count of failures.
GOOD_RUN = 60.0
LONGEST_LINE = 64 * 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(Exception):
    """A service did not come up. The message is for a person."""


class StopRequested(Exception):
    """Somebody asked to stop while a start was under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One program of the product."""

    name: str
    command: Callable[[], Sequence[str]]
    """Makes the ground ready and gives the command; asked again at each restart."""
    is_ready: Callable[[], bool] = lambda: False
    """Never, for a program that ends by itself when its work is done."""
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    hurry_signal: int = signal.SIGKILL
    """What ends it at once, when the person who stops does not want to wait."""
    stop_seconds: float = 10.0
    start_seconds: float = 60.0
    repair: Callable[[], str | None] | None = None
    """Tried once when the start fails; says what it mended, or None."""
    quiet: bool = False
    """What it prints in its first second and while it stops is not worth showing."""
    once: bool = False
    """Ends by itself when its work is done; it is not started again."""


@dataclass(slots=True, eq=False)
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    ready: bool = False
    failures: int = 0
    restart_at: float | None = None
    early: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    rest: bytes = b""

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def alive(self) -> bool:
        return self.process is not None


class Supervisor:
    def __init__(self, *, console: Console) -> None:
        self.console = console
        self.on_ready: Callable[[str], None] = lambda name: None
        """Told the name of each service that has become ready for the first time."""
        self.stop_requests = 0
        self._last_request = -1.0
        self._children: list[_Child] = []
        self._stopping = False
        self._guard = Guard()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake the loop
        processes.adopt_orphans()

    # --- What the caller does ---------------------------------------------------------------

    def start(self, *services: Service) -> None:
        """Start services side by side and return when all are ready."""
        begun = [self._add(service) for service in services]
        for child in begun:
            self._wait_for(child)

    def start_in_background(self, service: Service) -> None:
        """Start a service and do not wait for it."""
        self._add(service).ready = True

    def run(self, service: Service) -> str:
        """Run a program to its end and give what it printed; its last lines explain a failure."""
        child = self._add(service)
        told = time.monotonic()
        while child.alive:
            self._turn(seconds=1.0)
            self._leave_if_asked()
            if time.monotonic() - told > 10:
                told = time.monotonic()
                last = child.early[-1].strip() if child.early else "still at work"
                self.console.say(f"  {last} ({told - child.since:.0f} s)")
        self._children.remove(child)
        printed = "\n".join(child.early)
        if child.failures:
            raise StartFailed(f"{service.name} failed:\n{printed}")
        return printed

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Give something a moment to come true while everything is kept running."""
        end_of_wait = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end_of_wait:
                return False
            self._turn(seconds=0.1)
            self._leave_if_asked()
        return True

    def watch(self) -> None:
        """Keep everything running until somebody asks to stop."""
        while not self.stop_requests:
            self._turn(seconds=60.0)

    def stop(self) -> None:
        """Stop everything, what was started last first, and make sure that nothing is left."""
        self._stopping = True
        already = self.stop_requests
        for child in reversed(self._children):
            self._stop_child(child, already=already)
        self._end_orphans()
        self._guard.close()
        signal.set_wakeup_fd(-1)

    # --- Starting -----------------------------------------------------------------------------

    def _add(self, service: Service) -> _Child:
        self._leave_if_asked()
        child = _Child(service)
        self._children.append(child)
        self._spawn(child)
        return child

    def _spawn(self, child: _Child) -> None:
        service = child.service
        child.restart_at = None
        child.ready = False
        child.early.clear()
        child.rest = b""
        child.since = time.monotonic()
        try:
            command = service.command()
            process = processes.spawn(
                command,
                stop_signal=service.stop_signal,
                env={**os.environ, **service.env},
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise StartFailed(f"{service.name} can't be started: {error}") from error
        child.process = process
        self._guard.watch(process.pid)
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def _wait_for(self, child: _Child) -> None:
        service = child.service
        mended = False
        told = time.monotonic()
        while not child.ready:
            self._turn(seconds=0.05)
            self._leave_if_asked()
            now = time.monotonic()
            if not child.alive:
                said = None if mended or service.repair is None else service.repair()
                if said is None:
                    raise StartFailed(_why(child, "ended while it started"))
                mended = True
                self.console.say(f"  {said}")
                self._spawn(child)
            elif now - child.since > service.start_seconds:
                raise StartFailed(_why(child, f"is not ready after {service.start_seconds:.0f} s"))
            elif now - told > 10:
                told = now
                self.console.say(f"  still waiting for {service.name} ({now - child.since:.0f} s)")

    def _leave_if_asked(self) -> None:
        if self.stop_requests:
            raise StopRequested

    # --- The loop -----------------------------------------------------------------------------

    def _turn(self, *, seconds: float) -> None:
        """Wait for something to happen, at most so long, and see to it."""
        due = [child.restart_at for child in self._children if child.restart_at is not None]
        if due:
            seconds = min(seconds, max(0.0, min(due) - time.monotonic()))
        if any(child.alive and not child.ready for child in self._children):
            seconds = min(seconds, 0.05)
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            else:
                self._read(key.data)
        self._reap()
        if self._stopping:
            return
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and not child.ready:
                self._look_at(child, child.process, now=now)
            elif child.restart_at is not None and child.restart_at <= now:
                self._restart(child)

    def _look_at(self, child: _Child, process: subprocess.Popen[bytes], *, now: float) -> None:
        """See whether a starting child is ready, or hangs in a restart."""
        if child.service.is_ready():
            child.ready = True
            child.early.clear()
            if child.failures:
                self.console.say(f"{child.name} is back.")
            else:
                self.on_ready(child.name)
        elif child.failures and now - child.since > child.service.start_seconds:
            processes.signal_group(process.pid, signal.SIGKILL)

    def _restart(self, child: _Child) -> None:
        try:
            self._spawn(child)
        except Exception as error:
            # Whatever it is (a full disk, a folder that was moved), the next try may find it mended.
            self._pause(child)
            self.console.problem(f"{child.name}: {error}")

    def _pause(self, child: _Child) -> float:
        """Have it start again after a pause, and tell how long that is, in seconds."""
        child.failures += 1
        pause = min(FIRST_PAUSE * 2.0 ** (child.failures - 1), LONGEST_PAUSE)
        child.restart_at = time.monotonic() + pause
        return pause

    def _read(self, child: _Child) -> None:
        if child.process is None or child.process.stdout is None:
            return
        try:
            data = os.read(child.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(child.process.stdout)
            return
        *lines, child.rest = (child.rest + data).split(b"\n")
        if len(child.rest) > LONGEST_LINE:
            lines.append(child.rest)
            child.rest = b""
        for line in lines:
            self._show(child, line)

    def _show(self, child: _Child, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        settling = child.service.quiet and (self._stopping or time.monotonic() - child.since < 1.0)
        if not child.ready:
            child.early.append(text)
        elif text and not settling:
            self.console.child(child.name, text)

    def _reap(self) -> None:
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._ended(child, child.process)
        if sys.platform == "linux":
            self._reap_orphans()

    def _reap_orphans(self) -> None:
        """As the parent of what our children left behind we must collect it, or it stays as a zombie."""
        known = {child.process.pid for child in self._children if child.process is not None}
        known.add(self._guard.pid)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid in known:
                    return  # it has just ended; its own turn comes in the next round
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _ended(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        self._drain(child, process)
        # A worker process that lost its master may hold the port or a task: it goes too.
        processes.signal_group(process.pid, signal.SIGKILL)
        self._guard.forget(process.pid)
        child.process = None
        ran = time.monotonic() - child.since
        if self._stopping:
            return
        if child.service.once:
            if process.returncode:
                child.failures += 1
                if child.ready:
                    self.console.problem(f"{child.name} {_ending(process.returncode)}.")
            return
        if not child.ready and not child.failures:
            return  # its first start failed: who waits for it says so
        if ran > GOOD_RUN:
            child.failures = 0
        if not child.ready:
            for line in list(child.early)[-15:]:
                self.console.child(child.name, line)
        ending = f"{child.name} {_ending(process.returncode)} after {ran:.0f} s"
        self.console.problem(f"{ending}; starting it again in {self._pause(child):.1f} s.")

    def _drain(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        if process.stdout in self._selector.get_map():
            with contextlib.suppress(OSError):
                while data := os.read(process.stdout.fileno(), 65536):
                    child.rest += data
            self._selector.unregister(process.stdout)
        for line in child.rest.split(b"\n"):
            if line:
                self._show(child, line)
        child.rest = b""
        process.stdout.close()

    # --- Stopping -----------------------------------------------------------------------------

    def _stop_child(self, child: _Child, *, already: int) -> None:
        child.restart_at = None
        if child.process is None:
            return
        process = child.process
        politely = (child.service.stop_signal, child.service.stop_seconds)
        at_once = (child.service.hurry_signal, 3.0)
        # What is not ready yet has nothing to finish.
        steps = [politely] if child.ready and not self._in_a_hurry(already) else []
        for number, seconds in (*steps, at_once, (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            end_of_wait = time.monotonic() + seconds
            patient = not self._in_a_hurry(already)
            while child.alive and time.monotonic() < end_of_wait:
                self._turn(seconds=0.1)
                if patient and self._in_a_hurry(already):
                    break
            if not child.alive:
                return

    def _in_a_hurry(self, already: int) -> bool:
        """Whether somebody asked a second time, after the request that `stop` began with."""
        return self.stop_requests > max(already, 1)

    def _end_orphans(self) -> None:
        """What left its session (a daemon, a browser) is ours since its parent ended."""
        own = os.getpid()
        for _ in range(3):
            left = [pid for pid in processes.children_of(own) if pid != self._guard.pid]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left or not processes.wait_until(lambda: self._none_left(own), seconds=2):
                return

    def _none_left(self, own: int) -> bool:
        self._reap_orphans()
        return all(pid == self._guard.pid for pid in processes.children_of(own))

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        # One Ctrl-C may arrive twice: from the terminal and passed on by whoever started us.
        now = time.monotonic()
        if now - self._last_request > 0.5:
            self.stop_requests += 1
        self._last_request = now


def _ending(status: int) -> str:
    """How a process ended, in words, from its exit status."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _why(child: _Child, what: str) -> str:
    shown = "\n".join(f"  {line}" for line in list(child.early)[-15:])
    return f"{child.name} {what}." + (f" It said:\n{shown}" if shown else "")


@contextlib.contextmanager
def supervising(*, console: Console) -> Iterator[Supervisor]:
    """A supervisor that has stopped everything when the block is left, in whatever way."""
    supervisor = Supervisor(console=console)
    try:
        yield supervisor
    finally:
        supervisor.stop()
