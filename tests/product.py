"""The whole product as a person runs it: `manage.py up` in a process of its own, with data of its own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reviewapp.embedded import processes
from tests.embedded.processes import ROOT, Program, python, started


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def environment(data: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REVIEWAPP_", "MAKE"))}
    return kept | {"REVIEWAPP_DATA": str(data), "REVIEWAPP_PORT": str(port)} | more


class Running:
    """A product that was started."""

    def __init__(self, program: Program, data: Path, port: int) -> None:
        self.program = program
        self.data = data
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sign_in_link(self) -> str:
        """The link that it printed; works once."""
        found = re.search(r"http\S+/accounts/link/\S+", self.program.output)
        assert found, f"no sign-in link was printed:\n{self.program.output}"
        return found[0]

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def manage(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """A command typed into a second terminal, which knows nothing but the data folder."""
        return subprocess.run(
            python("manage.py", *arguments),
            cwd=ROOT,
            env=environment(self.data, self.port),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def leaders(self, text: str) -> list[int]:
        """The supervisor's own children whose command line has `text`."""
        found = []
        for pid in processes.children_of(self.program.process.pid):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if text in command:
                    found.append(pid)
        return found


@contextmanager
def product(
    folder: Path, *, data: Path | None = None, wait: bool = True, demo: bool = False
) -> Iterator[Running]:
    """Start it, and leave none of it behind."""
    data, port = data or folder / "data", free_port()
    more = {"REVIEWAPP_DEMO": "1"} if demo else {}
    with started(
        python("manage.py", "up"), log=folder / "up.log", env=environment(data, port, **more), clean=True
    ) as program:
        running = Running(program, data, port)
        if wait:
            program.wait_for("  Ready\n", seconds=600)
        yield running
