"""One export in a process of its own: made when told to, and what that took."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from uuid import UUID

import django


def main(export_id: UUID) -> None:
    """Says `ready`, waits for a line, and prints seconds and the process's most memory in MB."""
    django.setup()
    from reviewapp.stages import export

    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    export.make_export(export_id=export_id)
    seconds = time.perf_counter() - started
    print(seconds, _memory(), flush=True)


def _memory() -> float:
    """The most that this program had in memory; getrusage would tell of the one that started it, too."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(UUID(sys.argv[1]))
