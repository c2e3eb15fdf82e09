"""The whole product on one machine: which services there are, in which order, and what a person sees.

`manage.py up` reads the settings, then becomes this program by exec: what stays in memory
beside the services is a plain Python of some ten megabytes.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from reviewapp.embedded import broker, paths, postgres, processes
from reviewapp.embedded.console import Console
from reviewapp.embedded.supervisor import Service, StartFailed, StopRequested, Supervisor, supervising

# The prefix of the line in which `manage.py prepare` hands over the sign-in link.
LINK_MARK = "sign-in: "
QUEUES = "default,record,replay,watch,export"
# Bodies of megabytes come and go in several threads of the web process. By glibc's own rule each thread keeps
# what it has freed, and after the first large one even those are kept: 40 MB that nobody uses any more.
GIVING_MEMORY_BACK = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}


class CannotStart(Exception):
    """Something outside the product is in the way. The message names it and the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `manage.py up` found in the settings."""

    root: str
    data: str
    host: str
    port: int
    sim_port: int | None
    own_database: bool
    own_broker: bool
    demo: bool
    simulator: bool

    @property
    def address(self) -> str:
        return address(host=self.host, port=self.port)


def reach(host: str) -> str:
    """The host under which this machine itself reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def address(*, host: str, port: int) -> str:
    """What a browser on this machine opens."""
    name = reach(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def become(plan: Plan) -> NoReturn:
    """Turn this process into the supervisor."""
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_python_path(plan))}
    os.execve(sys.executable, [sys.executable, "-m", __name__, json.dumps(asdict(plan))], environment)


def _python_path(plan: Plan) -> list[str]:
    rest = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return list(dict.fromkeys([plan.root, *rest]))


# --- One at a time, and the port ----------------------------------------------------------------


@contextlib.contextmanager
def only_one(plan: Plan) -> Iterator[bool]:
    """Hold the data folder's lock; gives whether the last holder ended without cleaning up.

    The kernel lets go of the lock with the process, so a lock file that a crash left is no obstacle.
    """
    places = paths.layout(plan.data)
    places.data.mkdir(parents=True, exist_ok=True)
    with places.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "another process"
            raise CannotStart(
                f"reviewapp already runs on {places.data} ({who}). Stop it there with Ctrl-C, "
                "or set REVIEWAPP_DATA to another folder."
            ) from None
        file.seek(0)
        crashed = bool(file.read().strip())
        file.truncate(0)
        file.write(f"process {os.getpid()}, {plan.address}\n")
        file.flush()
        yield crashed
        file.truncate(0)


def running_at(data: str | Path) -> str | None:
    """Where the product that runs on this data folder is reached; None where none does."""
    try:
        holder = paths.layout(data).lock.read_text()
    except OSError:
        return None
    found = re.fullmatch(r"process (\d+), (\S+)\n", holder)
    # Not by trying the lock: who starts in that moment would be refused.
    return found[2] if found and processes.is_alive(int(found[1])) else None


def check_port(plan: Plan, *, patience: float = 0.0) -> None:
    """Find out before anything starts that the port can be had."""
    end_of_wait = time.monotonic() + patience
    while True:
        try:
            _bind(plan.host, plan.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < end_of_wait:
                time.sleep(0.2)
                continue
            raise CannotStart(_why_not(plan, error)) from None
        return


def _bind(host: str, port: int) -> int:
    """Take a port for a moment; gives its number (for port 0, one that is free)."""
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(place)
        taken: int = trial.getsockname()[1]
    return taken


def _why_not(plan: Plan, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"REVIEWAPP_HOST: {plan.host} is not an address of this machine."
    if error.errno == errno.EADDRINUSE:
        other = plan.port + 1 if plan.port < 65535 else 8000
        return (
            f"Port {plan.port} on {plan.host} is taken by another program. "
            f"Choose a free one: REVIEWAPP_PORT={other} make run"
        )
    if error.errno == errno.EACCES:
        return f"REVIEWAPP_PORT: an ordinary user may not listen on port {plan.port}; choose one above 1023."
    return f"REVIEWAPP_PORT: can't listen on port {plan.port} of {plan.host}: {error.strerror}"


# Ports of servers that are named without one.
_USUAL_PORTS = {
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
}


def check_servers(plan: Plan, *, patience: float) -> None:
    """Find out that the servers which run elsewhere answer, before anything waits for them."""
    foreign = (
        ("REVIEWAPP_DATABASE_URL", plan.own_database),
        ("REVIEWAPP_BROKER_URL", plan.own_broker),
    )
    for name, own in foreign:
        parts = urlsplit("" if own else os.environ.get(name, ""))
        port = parts.port or _USUAL_PORTS.get(parts.scheme)
        if not parts.hostname or port is None:
            continue  # the embedded one, or a socket, which says itself what is wrong
        end_of_wait = time.monotonic() + patience
        while (problem := _no_answer(parts.hostname, port)) and time.monotonic() < end_of_wait:
            time.sleep(0.5)
        if problem:
            raise CannotStart(
                f"{name}: nothing answers at {parts.hostname}:{port} ({problem}). Start that server, "
                "or leave the variable unset to use the embedded one."
            )


def _no_answer(host: str, port: int) -> str:
    """Why no connection can be made; nothing when one can."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def simulator_port(plan: Plan) -> int:
    """The port asked for; else the one of the last time, so that addresses in the database stay true."""
    if plan.sim_port is not None:
        return plan.sim_port
    kept = paths.layout(plan.data).data / "simulator_port"
    with contextlib.suppress(OSError, ValueError, OverflowError):
        return _bind("127.0.0.1", int(kept.read_text()))
    port = _bind("127.0.0.1", 0)
    kept.write_text(f"{port}\n")
    return port


# --- The services ---------------------------------------------------------------------------------


def _says(host: str, port: int, path: str) -> int:
    """The status of a small GET, 0 when nobody answers. (http.client would load the e-mail package.)"""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(request.encode())
            return int(connection.recv(64).split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def database_service(plan: Plan, console: Console) -> Service:
    told: list[str] = []

    def command() -> Sequence[str]:
        way = postgres.prepare(plan.data)
        if way.note and not told:
            told.append(way.note)
            console.say(f"  {way.note}")
        return postgres.command(plan.data, way)

    return Service(
        name="database",
        command=command,
        is_ready=lambda: postgres.is_ready(plan.data),
        stop_signal=postgres.STOP_SIGNAL,
        hurry_signal=signal.SIGQUIT,
        stop_seconds=30,
        # Recovery after a crash replays at most max_wal_size; slow disks need their time.
        start_seconds=300,
        quiet=True,
    )


def broker_service(plan: Plan) -> Service:
    def command() -> Sequence[str]:
        broker.prepare(plan.data)
        return broker.command(plan.data)

    return Service(
        name="broker",
        command=command,
        is_ready=lambda: broker.is_ready(plan.data),
        stop_signal=broker.STOP_SIGNAL,
        start_seconds=120,
        repair=lambda: broker.repair(plan.data),
        quiet=True,
    )


class Product:
    """The app's own processes, all with the same environment."""

    def __init__(self, plan: Plan, *, sim_port: int) -> None:
        self.plan = plan
        self.sim_port = sim_port
        self.env = {
            "DJANGO_SETTINGS_MODULE": "reviewapp.settings",
            "PYTHONUNBUFFERED": "1",
            "REVIEWAPP_DATA": plan.data,
            "REVIEWAPP_HOST": plan.host,
            "REVIEWAPP_PORT": str(plan.port),
            "REVIEWAPP_SIM_PORT": str(sim_port),
        }
        if plan.own_database:
            self.env["REVIEWAPP_DATABASE_URL"] = paths.database_url(plan.data)
        if plan.own_broker:
            self.env["REVIEWAPP_BROKER_URL"] = paths.broker_url(plan.data)
            self.env["REVIEWAPP_JOURNAL_SHARED"] = "1"

    def manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(Path(self.plan.root) / "manage.py"), *arguments]

    def prepare(self) -> Service:
        return Service(
            name="prepare",
            command=lambda: self.manage("prepare", "--link"),
            env=self.env | {"REVIEWAPP_ROLE": "prepare"},
            once=True,
        )

    def simulator(self) -> Service:
        # What `manage.py simulate_provider` runs, without Django: half the memory and a third of the start.
        code = f"from reviewapp.providers.simulated.server import serve; serve(port={self.sim_port})"
        return Service(
            name="provider",
            command=lambda: [sys.executable, "-c", code],
            is_ready=lambda: _says("127.0.0.1", self.sim_port, "/healthz") == 200,
            env=self.env,
            stop_seconds=3,
        )

    def web(self) -> Service:
        plan = self.plan
        options = ["--interface", "asginl", "--host", plan.host, "--port", str(plan.port)]
        # Streams that are still open when the product stops get these seconds to end.
        options += ["--workers", "1", "--workers-kill-timeout", "3", "--log-level", "warning"]
        return Service(
            name="web",
            command=lambda: [sys.executable, "-m", "granian", *options, "reviewapp.asgi:application"],
            # Under a name that production does not allow the answer is 400, which is an answer too.
            is_ready=lambda: 0 < _says(reach(plan.host), plan.port, "/healthz") < 500,
            start_seconds=180,
            # Who sets these for the whole product knows better.
            env=self.env
            | {"REVIEWAPP_ROLE": "web"}
            | {name: value for name, value in GIVING_MEMORY_BACK.items() if name not in os.environ},
        )

    def worker(self) -> Service:
        ready = paths.layout(self.plan.data).data / "worker.ready"
        several = str(min(max(os.cpu_count() or 1, 2), 4))
        options = ["worker", "--beat", "--queues", QUEUES, "--concurrency", several]
        # With one worker there is nobody to exchange news with, and asking costs a second of the start.
        options += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]

        def command() -> Sequence[str]:
            ready.unlink(missing_ok=True)
            return [sys.executable, "-m", "celery", "-A", "reviewapp", *options]

        return Service(
            name="worker",
            command=command,
            is_ready=ready.exists,
            env=self.env
            | {
                "REVIEWAPP_ROLE": "worker",
                "REVIEWAPP_READY_FILE": str(ready),
                "C_FORCE_ROOT": "1",
                # The pool has a process for each core already.
                "OPENBLAS_NUM_THREADS": "1",
            },
            # A busy machine takes minutes for what else takes seconds.
            start_seconds=180,
            # A task that is cut off is done again at the next start, so waiting long gains little.
            hurry_signal=signal.SIGQUIT,
            stop_seconds=10,
        )

    def demo(self) -> Service:
        return Service(name="demo", command=lambda: self.manage("seed_demo"), env=self.env, once=True)


# --- What a person sees ---------------------------------------------------------------------------


def serve(plan: Plan, console: Console) -> int:
    """Start everything, watch it, stop it. Gives the exit status."""
    began = time.monotonic()
    with only_one(plan) as crashed:
        # What a killed supervisor left needs a moment to notice; anybody else's port stays taken.
        check_port(plan, patience=10.0 if crashed else 0.0)
        check_servers(plan, patience=10.0)
        product = Product(plan, sim_port=simulator_port(plan))
        status = 0
        try:
            with supervising(console=console) as supervisor:
                try:
                    _start(supervisor, product, began=began)
                    supervisor.watch()
                except StopRequested:
                    pass
                except (StartFailed, postgres.DatabaseUnavailable, broker.BrokerUnavailable) as error:
                    status = 1
                    console.problem(str(error))
                stopping = time.monotonic()
                console.say("Stopping… (Ctrl-C again to stop at once)")
        finally:
            paths.remove_empty_sockets_folder(paths.layout(plan.data))
        console.say(f"Stopped in {time.monotonic() - stopping:.1f} s. The data is kept in {plan.data}.")
    return status


def _start(supervisor: Supervisor, product: Product, *, began: float) -> None:
    plan, console = product.plan, supervisor.console

    def step(text: str) -> None:
        console.say(f"{time.monotonic() - began:5.1f} s  {text}")

    supervisor.on_ready = lambda name: step(f"  {name} is ready")
    own = [database_service(plan, console)] if plan.own_database else []
    own += [broker_service(plan)] if plan.own_broker else []
    if own:
        step(f"Starting {' and '.join(service.name for service in own)} in {plan.data}")
        supervisor.start(*own)
    step("Bringing the database up to date")
    printed = supervisor.run(product.prepare())
    step("Starting web, worker, scheduler" + (" and simulated provider" if plan.simulator else ""))
    simulator = [product.simulator()] if plan.simulator else []
    supervisor.start(*simulator, product.worker(), product.web())
    # All parts together: that the worker is reached through the broker, that the scheduler has begun.
    ready = supervisor.wait_until(lambda: _says(reach(plan.host), plan.port, "/readyz") == 200, seconds=10)
    step("Ready" if ready else "Started, but not all is well: .venv/bin/python manage.py doctor tells more")
    link = next(
        (line.removeprefix(LINK_MARK) for line in printed.splitlines() if line.startswith(LINK_MARK)), ""
    )
    _show_address(console, plan, link, simulator=product.sim_port if plan.simulator else None)
    if plan.demo:
        supervisor.start_in_background(product.demo())


def _show_address(console: Console, plan: Plan, link: str, *, simulator: int | None) -> None:
    rule = "─" * 78
    console.say(rule)
    console.say(f"  reviewapp is at  {plan.address}/")
    if link:
        console.say(f"  Sign in, once:   {link}")
    console.say("  A new link:      .venv/bin/python manage.py sign_in_link")
    if simulator is not None:
        console.say(f"  Its simulated provider, to change the backend:  http://127.0.0.1:{simulator}/")
    console.say("  Stop:            Ctrl-C")
    console.say(rule)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Runs the product; started by `manage.py up`.")
    parser.add_argument("plan", help="what `manage.py up` found in the settings, as JSON")
    plan = Plan(**json.loads(parser.parse_args(arguments).plan))
    # What the product keeps (answers, keys, exports) is nobody else's to read.
    os.umask(0o077)
    if os.environ.get("MAKELEVEL"):
        # `make` does not pass every signal on; when it goes, so do we.
        processes.signal_when_parent_dies(signal.SIGTERM)
    console = Console()
    try:
        return serve(plan, console)
    except (CannotStart, paths.FolderNotPrivate) as error:
        console.problem(str(error))
        return 1
    finally:
        console.close()


if __name__ == "__main__":
    sys.exit(main())
