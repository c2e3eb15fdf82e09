"""What the supervisor says, and the children's lines between it, each with its name in front.

A thread writes, because a reader that pauses (a terminal held with Ctrl-S, a pipe nobody
empties) must never keep the supervisor from restarting or stopping a child. When the
reader stays away, the oldest lines are dropped.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from typing import IO

PALETTE = (36, 33, 35, 32, 34, 91, 96)
WIDTH = 8
KEPT_LINES = 5000


class Console:
    def __init__(self, *, out: IO[str] | None = None, colour: bool | None = None) -> None:
        self._out = out or sys.stdout
        if colour is None:
            colour = (
                self._out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
            )
        self._colour = colour
        self._palette: dict[str, int] = {}
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._filled = threading.Condition()
        self._writing = False
        threading.Thread(target=self._write, name="console", daemon=True).start()

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self._put(text)

    def problem(self, text: str) -> None:
        self._put(f"\x1b[31m{text}\x1b[0m" if self._colour else text)

    def child(self, name: str, text: str) -> None:
        """A line that a child wrote."""
        label = f"{name:<{WIDTH}} │"
        if self._colour:
            number = self._palette.setdefault(name, PALETTE[len(self._palette) % len(PALETTE)])
            label = f"\x1b[{number}m{label}\x1b[0m"
        self._put(f"{label} {text}")

    def close(self, *, seconds: float = 2.0) -> None:
        """Wait until everything is written, but not for a reader who has gone."""
        with self._filled:
            self._filled.wait_for(lambda: not self._lines and not self._writing, timeout=seconds)

    def _put(self, line: str) -> None:
        with self._filled:
            self._lines.append(line)
            self._filled.notify_all()

    def _write(self) -> None:
        while True:
            with self._filled:
                self._writing = False
                self._filled.notify_all()
                self._filled.wait_for(lambda: bool(self._lines))
                batch = "".join(f"{line}\n" for line in self._lines)
                self._lines.clear()
                self._writing = True
            try:
                self._out.write(batch)
                self._out.flush()
            except (OSError, ValueError):
                pass  # nobody reads any more; the product runs on
