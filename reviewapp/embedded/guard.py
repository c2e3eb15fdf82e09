"""What ends the children when the supervisor is killed without a chance to do it.

The kernel tells each child that its parent died, but a child may take its time, and
what it started itself is not told at all. The guard is a small shell that reads from a
pipe which sessions are alive; when the pipe closes, the supervisor is gone: it gives the
sessions a few seconds and then kills what is left of them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("guard.sh")


class Guard:
    def __init__(self) -> None:
        # No signal at our death for this one: it is there to outlive us for a moment.
        self._shell = subprocess.Popen(
            ["/bin/sh", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        return self._shell.pid

    def watch(self, leader: int) -> None:
        self._tell(f"watch {leader}\n")

    def forget(self, leader: int) -> None:
        self._tell(f"forget {leader}\n")

    def close(self) -> None:
        """Call it when nothing is left to guard."""
        with contextlib.suppress(OSError):
            if self._shell.stdin is not None:
                self._shell.stdin.close()
        self._shell.wait()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # somebody ended the guard; the kernel's signal remains
            if self._shell.stdin is not None:
                os.write(self._shell.stdin.fileno(), line.encode())
