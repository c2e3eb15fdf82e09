"""The whole product as a person runs it, in processes of its own, and what processor time each kind takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# A machine that is busy with tests takes minutes.
_START_SECONDS: Final = 300
KINDS: Final = ("granian", "celery", "valkey", "postgres")
_PROVIDER: Final = """
from django.utils import timezone
from reviewapp.models import Project, system_actor
from reviewapp.stages.administer import ProviderValues, make_default_provider, save_provider
actor = system_actor(project=Project.objects.get(slug="demo"))
values = ProviderValues(name={url!r}, base_url={url!r})
provider = save_provider(actor=actor, values=values, now=timezone.now())
make_default_provider(actor=actor, provider=provider, now=timezone.now())
"""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@dataclass(frozen=True)
class Product:
    """A product that was started."""

    process: subprocess.Popen[bytes]
    data: Path
    port: int
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:1])}: {done.stderr}")
        return done.stdout.strip()

    def make_key(self) -> str:
        return self.manage(
            "create_api_key", "--project", "demo", "--name", "bench", "--scopes", "ingest,review"
        )

    def make_provider(self, url: str) -> None:
        """The project's default provider, at this base URL."""
        self.manage("shell", "-c", _PROVIDER.format(url=url))

    def processor_seconds(self) -> Counter[str]:
        """What each kind of its processes has used, this far."""
        used: Counter[str] = Counter()
        tick = os.sysconf("SC_CLK_TCK")
        for pid in _descendants(self.process.pid):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            kind = next((kind for kind in KINDS if kind in command), "other")
            # Its own, and that of children which ended: PostgreSQL has a process for each connection.
            used[kind] += sum(map(int, fields[11:15])) / tick
        return used

    def memory(self, kind: str) -> float:
        """The largest private and shared memory (proportionally) of a process of that kind, in MB."""
        largest = 0.0
        for pid in _descendants(self.process.pid):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            if kind in command:
                pss = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
                largest = max(largest, pss / 1024)
        return largest


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(path.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


@contextmanager
def running(folder: Path) -> Iterator[Product]:
    """`manage.py up` with data of its own in the folder; ended with the block."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REVIEWAPP_")}
    environment = kept | {"REVIEWAPP_DATA": str(folder / "product"), "REVIEWAPP_PORT": str(port)}
    log = folder / "up.log"
    command = [sys.executable, "manage.py", "up"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_ready(process, log)
            yield Product(process, folder / "product", port, environment)
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while "  Ready\n" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the product does not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
