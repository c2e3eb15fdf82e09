"""`python -m reviewapp.embedded.health web|worker|beat`: the health check of a container.

It runs every few seconds beside the app, so it must not import it. The web process is
asked; worker and scheduler touch a file (reviewapp/celery.py), the worker with each of its
heartbeats, the scheduler with each task it sends.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

WORKER_SECONDS = 60
# The scheduler is quiet between two tasks; several are due each minute.
SCHEDULER_SECONDS = 180


def problem_of_web(port: int) -> str | None:
    # The app answers only under names it was given.
    host = os.environ.get("REVIEWAPP_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".") or "127.0.0.1"
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
            connection.sendall(request.encode())
            status = connection.recv(64).split()[1]
    except (OSError, IndexError) as error:
        return f"nothing answers on port {port}: {error}"
    return None if status == b"200" else f"/healthz answered {status.decode(errors='replace')}"


def problem_of_file(*, now: float, seconds: int) -> str | None:
    name = os.environ.get("REVIEWAPP_READY_FILE", "")
    if not name:
        return "REVIEWAPP_READY_FILE is not set"
    try:
        age = now - Path(name).stat().st_mtime
    except OSError:
        return f"{name} is not there: not ready yet"
    return None if age <= seconds else f"no sign of life for {age:.0f} s"


def main(arguments: list[str]) -> int:
    kind = arguments[0] if len(arguments) == 1 else ""
    if kind == "web":
        problem = problem_of_web(int(os.environ.get("REVIEWAPP_PORT") or "8000"))
    elif kind in {"worker", "beat"}:
        seconds = WORKER_SECONDS if kind == "worker" else SCHEDULER_SECONDS
        problem = problem_of_file(now=time.time(), seconds=seconds)
    else:
        problem = "say which: web, worker or beat"
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
