"""Starting a program so that it never outlives us, and ending it for certain.

Each child is the leader of a session of its own, so that Ctrl-C in the terminal reaches
only the supervisor (which then stops the children in order), and so that everything a
child starts can be signalled as one group. On Linux the kernel also signals a child when
its parent dies, however that died.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Loaded before any fork: looking a library up between fork and exec is not safe.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def signal_when_parent_dies(number: int) -> None:
    """Ask the kernel to send this process a signal when its parent dies. Linux only."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of whatever our children leave behind, so that it can be found and ended."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(
    command: Sequence[str],
    *,
    stop_signal: int = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session; it gets `stop_signal` when we die.

    Call it from the main thread: the kernel watches the thread that forked, not the process.
    """
    parent = os.getpid()

    def before_exec() -> None:
        signal_when_parent_dies(stop_signal)
        if os.getppid() != parent:  # we died before the line above took effect
            os._exit(1)

    return subprocess.Popen(
        list(command),
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=before_exec,
    )


def signal_group(leader: int, number: int) -> bool:
    """Signal everything in the session that `leader` leads; False when nothing is left of it."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Some of the group runs as another user (only where a database was handed to one).
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(leader, number)
    return True


def end(child: subprocess.Popen[bytes], *, stop_signal: int, seconds: float) -> None:
    """Stop a child politely, then for certain, with all that it started."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=seconds)
    signal_group(child.pid, signal.SIGKILL)
    child.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    # A zombie answers signals but is gone.
    return state.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool], *, seconds: float, every: float = 0.02) -> bool:
    end_of_wait = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_of_wait:
            return False
        time.sleep(every)
    return True


def children_of(pid: int) -> list[int]:
    """The direct children of a process; empty where the system does not say."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def memory_bytes() -> int:
    """The memory this machine, or the container around us, may use."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(Path(name).read_text()))
    return min(limits)
