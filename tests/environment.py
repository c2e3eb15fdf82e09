"""Loaded before everything else (`-p tests.environment`): a data folder and real servers for this run.

The settings find the embedded servers from the data folder alone, so it is enough to name one
here and to start PostgreSQL and the broker in it. With xdist the controller starts them and the
workers use them, each with a database of its own.

To migrate an empty database takes many seconds, so it is done once for a set of migrations: the
server's files are kept in `.cache/test-database`, each run starts on a copy of them, and its
databases are made from the migrated one as their template (see `django_db_modify_db_settings`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
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
# So many of the broker's databases belong to each worker: one for its tests, and corners for programs that
# tests start, which must not take each other's messages, nor the tests' own.
EACH = 4
# The broker has enough of them for more workers than any machine has processors; an empty one costs nothing.
BROKER_DATABASES = 4096
_first = EACH * int(_worker.removeprefix("gw") or 0)
if _worker and "REVIEWAPP_BROKER_URL" not in os.environ:
    # Each has a database of its own, so it must have queues of its own.
    os.environ["REVIEWAPP_BROKER_URL"] = f"{paths.broker_url(DATA)}?virtual_host={_first}"


def corner(number: int) -> int:
    """The broker's database (`virtual_host`) that nobody uses but who names this number, of 1 to 3, here."""
    assert 0 < number < EACH
    return _first + number


_servers = contextlib.ExitStack()

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".cache" / "test-database"
# What a migrated database depends on: our migrations, and the versions of the packages with theirs.
MANIFEST = "migrated-by.json"
MIGRATED_BY = [*sorted((ROOT / "reviewapp" / "migrations").glob("*.py")), ROOT / "uv.lock"]


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are processors: at any time some test waits for a server, a frame or a lease."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable + 1


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    from reviewapp.embedded import broker, postgres

    if not os.environ.get("REVIEWAPP_TEST_DATABASE_URL"):
        _lay_migrated_files()
        _servers.enter_context(postgres.running(DATA))
    if not os.environ.get("REVIEWAPP_TEST_BROKER_URL"):
        _servers.enter_context(broker.running(DATA, databases=BROKER_DATABASES))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    _servers.close()
    if _made_here:
        shutil.rmtree(DATA, ignore_errors=True)


def _lay_migrated_files() -> None:
    """Put the files of a server whose database is migrated where this run's server looks for its own."""
    from reviewapp.embedded import postgres

    wanted = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in MIGRATED_BY}
    kept = KEPT / hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]
    files = paths.layout(DATA).database
    if kept.is_dir():
        _copy(kept / "files", files)
        return
    if (nearest := _nearest(wanted)) is not None:
        _copy(nearest / "files", files)
    with postgres.running(DATA):
        migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=os.environ | {"REVIEWAPP_DATA": str(DATA)}, check=True)
    for old in sorted(KEPT.glob("*/"), key=lambda path: path.stat().st_mtime)[:-2]:
        shutil.rmtree(old, ignore_errors=True)
    # Under a name of its own first: a run beside this one must not find half of it.
    half = KEPT / f"{kept.name}-{os.getpid()}"
    half.mkdir(parents=True)
    _copy(files, half / "files")
    (half / MANIFEST).write_text(json.dumps(wanted))
    with contextlib.suppress(OSError):
        half.rename(kept)


def _nearest(wanted: dict[str, str]) -> Path | None:
    """The kept files with most of these migrations and no others: only what is new since is left to do."""
    found = {
        path.parent: json.loads(path.read_text()).items()
        for path in KEPT.glob(f"*/{MANIFEST}")
        if "-" not in path.parent.name
    }
    usable = {kept: migrated for kept, migrated in found.items() if migrated <= wanted.items()}
    return max(usable, key=lambda kept: len(usable[kept]), default=None)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
