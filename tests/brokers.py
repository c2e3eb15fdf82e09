"""`make test-brokers`: recording, journal and replays on this machine's brokers, beside the embedded one.

usage: python -m tests.brokers [redis] [rabbitmq] [pytest's arguments]

Redis and RabbitMQ are what people run in production; each that is installed is started on a port of its
own with data of its own, and the tests that depend on what a broker does run on it. One that is not
installed is named and left out (`apt-get install redis-server rabbitmq-server`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.embedded.processes import ROOT
from tests.product import free_port

# What a broker may do otherwise than the embedded one: confirm, redeliver, count, restore, fall away.
TESTS = (
    "tests/test_journal.py",
    "tests/test_celery.py",
    "tests/faults/test_deliveries.py",
    "tests/stages/test_record.py",
    "tests/stages/test_replay_working.py",
    "tests/web/test_gateway.py",
    "tests/web/test_receiving.py",
    "tests/web/test_health.py",
)
_START_SECONDS = 120


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Set up as docs/deploying.md asks for."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
    ]
    with _running(command, folder, port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A node of its own name, so that one which runs on this machine is left alone."""
    port, distribution = free_port(), free_port()
    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"reviewapp-{os.getpid()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    # Not Debian's wrapper, which would become another user and use its folders.
    with _running(["/usr/lib/rabbitmq/bin/rabbitmq-server"], folder, port, environment):
        yield f"amqp://guest:guest@127.0.0.1:{port}//"


BROKERS = {"redis": ("redis-server", redis), "rabbitmq": ("/usr/lib/rabbitmq/bin/rabbitmq-server", rabbitmq)}


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, port: int, environment: dict[str, str] | None = None
) -> Iterator[None]:
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} does not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> int:
    chosen = [name for name in arguments if name in BROKERS] or list(BROKERS)
    rest = [argument for argument in arguments if argument not in BROKERS]
    failed: list[str] = []
    for name in chosen:
        program, start = BROKERS[name]
        if shutil.which(program) is None:
            sys.stdout.write(f"{name}: not installed here, left out (apt-get install {name}-server)\n")
            continue
        with tempfile.TemporaryDirectory(prefix=f"ra-{name}-") as folder, start(Path(folder)) as url:
            sys.stdout.write(f"{name}: {url}\n")
            sys.stdout.flush()
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(rest or TESTS)],
                cwd=ROOT,
                env=os.environ | {"REVIEWAPP_TEST_BROKER_URL": url},
                check=False,
            )
        if done.returncode:
            failed.append(name)
    if failed:
        sys.stdout.write(f"Failed on: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
