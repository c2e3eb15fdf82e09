"""A product of two small programs under the real supervisor, for tests to kill and stop.

    python -m tests.embedded.small_product FOLDER [late] [stubborn] [patient] [broken]

Each program writes its process number to FOLDER/<name>.pid, and a helper that it starts to
FOLDER/<name>.helper.pid; it says "at work" as soon as there is FOLDER/say. `late`: "second" is not
ready as long as a test may take. `stubborn`: "second" ignores polite signals, but for the note
FOLDER/second.asked. `patient`: it is given long to end. `broken`: it prints a reason and ends at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from reviewapp.embedded.console import Console
from reviewapp.embedded.supervisor import Service, StartFailed, StopRequested, supervising

PROGRAM = """
import os, pathlib, signal, subprocess, sys, time
folder, name, wishes = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
if "broken" in wishes:
    sys.exit("no luck today")
helper = subprocess.Popen(["sleep", "600"])
(folder / f"{name}.helper.pid").write_text(str(helper.pid))
if "stubborn" in wishes:
    signal.signal(signal.SIGTERM, lambda *_: (folder / f"{name}.asked").touch())
if "late" in wishes:
    time.sleep(600)
print("chatter of the start", flush=True)
(folder / f"{name}.tmp").write_text(str(os.getpid()))
(folder / f"{name}.tmp").rename(folder / f"{name}.pid")
while not (folder / "say").exists():
    time.sleep(0.05)
print("at work", flush=True)
time.sleep(600)
"""


def service(folder: Path, name: str, wishes: Sequence[str] = ()) -> Service:
    ready = folder / f"{name}.pid"

    def command() -> Sequence[str]:
        ready.unlink(missing_ok=True)
        return [sys.executable, "-c", PROGRAM, str(folder), name, *wishes]

    return Service(
        name=name,
        command=command,
        is_ready=ready.exists,
        stop_signal=signal.SIGTERM,
        stop_seconds=1.0 if "patient" not in wishes else 300.0,
        start_seconds=300.0,
    )


def main() -> None:
    folder, wishes = Path(sys.argv[1]), sys.argv[2:]
    console = Console(colour=False)
    try:
        with supervising(console=console) as supervisor:
            supervisor.start(service(folder, "first"))
            console.say("first is ready")
            supervisor.start(service(folder, "second", wishes))
            console.say("all ready")
            supervisor.watch()
    except StartFailed as error:
        console.problem(str(error))
        sys.exit(1)
    except StopRequested:
        console.say("asked to stop during the start")
    finally:
        console.close()


if __name__ == "__main__":
    main()
