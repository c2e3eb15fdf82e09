"""Runs the simulated provider: for ever, or for the length of a test."""

from __future__ import annotations

import argparse
import logging
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from reviewapp.providers.simulated.control import create_app
from reviewapp.providers.simulated.fields import InvalidConfig

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8100
_BACKLOG = 4096
_PROJECT = Path(__file__).resolve().parents[3]


class _Truncations(logging.Filter):
    """Connections that the simulator breaks off on purpose are no news for the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage()


def _uvicorn(app: Any, *, host: str, port: int, grace: int) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_Truncations())
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=grace,
        server_header=False,
    )
    return uvicorn.Server(config)


def serve(*, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, config_path: Path | None = None) -> None:
    """Serves until it is told to stop. Raises InvalidConfig when the configuration is wrong."""
    app = create_app(config_path=config_path)
    _uvicorn(app, host=host, port=port, grace=2).run()


def _free_socket() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.bind((DEFAULT_HOST, 0))
    bound.listen(_BACKLOG)
    return bound


@contextmanager
def running(config: Mapping[str, Any] | None = None, *, process: bool = False) -> Iterator[str]:
    """A simulated provider on a free port; gives the base URL (with /v1) for an OpenAI client.

    Without a configuration it is the catalogue with all latencies at zero. By default it runs in a thread
    of its own; `process` gives it a process, for measurements that should not share an interpreter.
    """
    settings = dict(config) if config is not None else {"time_scale": 0}
    with _in_process(settings) if process else _in_thread(settings) as port:
        yield f"http://{DEFAULT_HOST}:{port}/v1"


@contextmanager
def _in_thread(settings: Mapping[str, Any]) -> Iterator[int]:
    app = create_app(settings=settings)
    with _free_socket() as bound:
        port = int(bound.getsockname()[1])
        server = _uvicorn(app, host=DEFAULT_HOST, port=port, grace=1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="simulated-provider")
        thread.daemon = True
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise RuntimeError("the simulated provider did not start")
                time.sleep(0.005)
            yield port
        finally:
            server.should_exit = True
            thread.join(30)
            if thread.is_alive():
                server.force_exit = True
                thread.join(30)


@contextmanager
def _in_process(settings: Mapping[str, Any]) -> Iterator[int]:
    with tempfile.TemporaryDirectory(prefix="simulated-provider-") as folder, _free_socket() as bound:
        port = int(bound.getsockname()[1])
        path = Path(folder) / "config.json"
        path.write_bytes(orjson.dumps(settings))
        command = [sys.executable, "-m", __name__, "--fd", str(bound.fileno()), "--config", str(path)]
        with subprocess.Popen(command, cwd=_PROJECT, pass_fds=[bound.fileno()]) as child:
            try:
                _wait_until_ready(port, child)
                yield port
            finally:
                child.terminate()
                try:
                    child.wait(10)
                except subprocess.TimeoutExpired:
                    child.kill()


def _wait_until_ready(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"the simulated provider ended with status {child.returncode}")
        try:
            with urllib.request.urlopen(f"http://{DEFAULT_HOST}:{port}/healthz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError("the simulated provider did not start")


def main() -> None:
    """Runs on a socket that the parent opened; see `running`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        app = create_app(config_path=arguments.config)
    except InvalidConfig as error:
        raise SystemExit(str(error)) from error
    with socket.socket(fileno=arguments.fd) as bound:
        port = int(bound.getsockname()[1])
        _uvicorn(app, host=DEFAULT_HOST, port=port, grace=1).run(sockets=[bound])


if __name__ == "__main__":
    main()
