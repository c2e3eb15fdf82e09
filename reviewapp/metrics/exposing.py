"""Adding up the files of a host's processes, and a small server for hosts that have no web process.

A process that ends leaves its files: its counts stay true. Those that say what a process is at do
not, and a folder that nobody wrote to for a week belongs to a host that is gone.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

ADDRESS: Final = "/metrics"
_FORGOTTEN_SECONDS: Final = 7 * 86_400
_live_file = re.compile(r"gauge_live\w*_(\d+)\.db").fullmatch


def add_up(registry: CollectorRegistry) -> None:
    """Have `registry` tell what the processes of this host have counted."""
    if not settings.METRICS_DIR:
        for collector in set(REGISTRY._names_to_collectors.values()):
            registry.register(collector)
        return
    forget_the_dead(Path(settings.METRICS_DIR))
    adding: Any = MultiProcessCollector
    adding(registry, path=settings.METRICS_DIR)


def forget_the_dead(folder: Path) -> None:
    """Remove what processes said of their present, where they have none any more."""
    with contextlib.suppress(FileNotFoundError):
        for file in folder.iterdir():
            match = _live_file(file.name)
            if match and not _lives(int(match[1])):
                file.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tidy(*, now: float) -> None:
    """Forget hosts (often: containers) that have not counted for a week."""
    if not settings.METRICS_DIR:
        return
    own = Path(settings.METRICS_DIR)
    for folder in own.parent.iterdir():
        if folder == own or not folder.is_dir():
            continue
        latest = max((file.stat().st_mtime for file in folder.iterdir()), default=folder.stat().st_mtime)
        if now - latest > _FORGOTTEN_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def may_scrape(*, authorization: str, client: str) -> bool:
    """With a token, who has it; without, who asks from this machine (production wants a token)."""
    if settings.METRICS_TOKEN:
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), settings.METRICS_TOKEN.encode()
        )
    return client in {"127.0.0.1", "::1"}


# --- Where no web process runs -------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: a scrape every few seconds is no news."""


def serve_host(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application: what this host's processes have counted."""
    allowed = may_scrape(
        authorization=environ.get("HTTP_AUTHORIZATION", ""), client=environ.get("REMOTE_ADDR", "")
    )
    if (
        environ.get("PATH_INFO") != ADDRESS
        or environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}
        or not allowed
    ):
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Not found.\n"]
    registry = CollectorRegistry()
    add_up(registry)
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])
    return [generate_latest(registry)]


def start_server(*, host: str, port: int) -> _Server:
    """Serve `/metrics` of this host from a thread of this process."""
    server: _Server = make_server(host, port, serve_host, server_class=_Server, handler_class=_Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def started(*, host: str, port: int) -> None:
    """What a worker does once, in its main process."""
    tidy(now=time.time())
    if port:
        start_server(host=host, port=port)
