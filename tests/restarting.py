"""A web process that a test kills and starts again at the same address.

    python -m tests.restarting PORT

The app is imported once, by a process that serves nothing; each start is a fork of it, and so takes a moment
instead of the seconds of an import. What is said on standard input (`start`, `kill`) is done, and answered by
a line. A kill is a kill: nothing is asked to end, as when memory or power is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.embedded.processes import ROOT


class Restarting:
    """The process, from the test's side."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """It listens when this comes back."""
        self._say("start")

    def kill(self) -> None:
        """Nothing of it is left when this comes back."""
        self._say("kill")

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{word}\n"


@contextmanager
def restarting(*, port: int, log: Path, env: Mapping[str, str]) -> Iterator[Restarting]:
    """Started, and ended with all that it made."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.restarting", str(port)],
            cwd=ROOT,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    with process:
        server = Restarting(process, port)
        server.start()
        yield server
        # The end of its input is the end of it.


def main(port: int) -> None:
    # Once, for all that are forked.
    import reviewapp.asgi  # noqa: F401

    child = 0
    for line in sys.stdin:
        if line == "start\n":
            child = os.fork() or serve(port)
            wait_for(port)
        elif child:
            child = end(child)
        sys.stdout.write(line)
        sys.stdout.flush()
    if child:
        end(child)


def serve(port: int) -> int:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    from reviewapp.asgi import application

    server = Server(application, port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False)
    asyncio.run(server.serve())
    os._exit(0)


def end(child: int) -> int:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 0


def wait_for(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the app does not listen")


if __name__ == "__main__":
    main(int(sys.argv[1]))
