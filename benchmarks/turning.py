"""One worker's turn on a run of replays, in a process of its own: `python -m benchmarks.turning RUN`.

Prints the seconds that it took and the megabytes that the process held at the most. What is measured beside
it, and what was measured before, shares neither its interpreter nor its memory.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from uuid import UUID


def main(run: str) -> None:
    import django

    django.setup()
    from reviewapp.stages.replay import working  # a worker has loaded it before a run comes

    started = time.perf_counter()
    working.work(run_id=UUID(run), worker="bench", seconds=120, most_workers=None, on_stored=lambda: None)
    print(time.perf_counter() - started, _most_memory())


def _most_memory() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main(sys.argv[1])
