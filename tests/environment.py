"""Loaded before everything else (`-p tests.environment`): a data folder and real servers for this run.

The settings find the embedded servers from the data folder alone, so it is enough to name one
here and to start PostgreSQL and the broker in it. With xdist the controller starts them and the
workers use them, each with a database of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from reviewapp.embedded import paths

for name in [name for name in os.environ if name.startswith("REVIEWAPP_") and "_TEST_" not in name]:
    # A developer's own settings must not reach into the tests.
    del os.environ[name]

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
_made_here = "REVIEWAPP_TEST_DATA" not in os.environ
if _made_here:
    os.environ["REVIEWAPP_TEST_DATA"] = tempfile.mkdtemp(prefix="ra-test-")
DATA = Path(os.environ["REVIEWAPP_TEST_DATA"])
os.environ["REVIEWAPP_DATA"] = str(DATA)
# What the start of the product makes; without it the static files' middleware warns.
(DATA / "static").mkdir(exist_ok=True)
os.environ["REVIEWAPP_LOG_LEVEL"] = "WARNING"
# Whole-system runs may point the suite at other servers (Debian's PostgreSQL, RabbitMQ, …).
for kind in ("DATABASE", "BROKER"):
    if os.environ.get(f"REVIEWAPP_TEST_{kind}_URL"):
        os.environ[f"REVIEWAPP_{kind}_URL"] = os.environ[f"REVIEWAPP_TEST_{kind}_URL"]

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker and "REVIEWAPP_BROKER_URL" not in os.environ:
    # Each has a database of its own, so it must have queues of its own.
    os.environ["REVIEWAPP_BROKER_URL"] = f"{paths.broker_url(DATA)}?virtual_host={_worker.removeprefix('gw')}"

_servers = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    from reviewapp.embedded import broker, postgres

    if not os.environ.get("REVIEWAPP_TEST_DATABASE_URL"):
        _servers.enter_context(postgres.running(DATA))
    if not os.environ.get("REVIEWAPP_TEST_BROKER_URL"):
        _servers.enter_context(broker.running(DATA))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    _servers.close()
    if _made_here:
        shutil.rmtree(DATA, ignore_errors=True)
