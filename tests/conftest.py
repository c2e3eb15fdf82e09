"""Fixtures that every room of the tests shares. The servers come from tests/environment.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, settings

from reviewapp import tasks
from reviewapp.celery import app
from reviewapp.embedded.paths import DATABASE_NAME
from tests import emptying, factories, keeping, partitioned

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# A busy machine makes any example slow; how fast the code is, benchmarks tell. The examples are the same in
# every run: what fails, fails for who changed it.
settings.register_profile(
    "reviewapp",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("reviewapp")
emptying.install()
# The least work for a password that Argon2 allows: that it is asked for is tested, not how dear guessing is.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Make the tests' databases from the migrated one, where the run's own server has it."""
    if not os.environ.get("REVIEWAPP_TEST_DATABASE_URL"):
        connections["default"].settings_dict["TEST"]["TEMPLATE"] = DATABASE_NAME


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """With REVIEWAPP_TEST_PARTITIONED all tests run on interactions that are partitioned by month."""
    if os.environ.get("REVIEWAPP_TEST_PARTITIONED"):
        with django_db_blocker.unblock():
            partitioned.partitioned(now=datetime(2025, 12, 10, tzinfo=UTC), months=18)


@pytest.fixture
def shared() -> Path:
    """The folder of recorded data that stands beside the project; a user's clone has none."""
    if not SHARED.is_dir():
        pytest.skip(
            "needs ../shared (recorded data), which stands beside the project only where it is developed"
        )
    return SHARED


@pytest.fixture
def project(db):
    return factories.make_project(name="Demo")


@pytest.fixture
def admin(project):
    return factories.make_actor(project=project, role="admin")


@pytest.fixture
def reviewer(project):
    return factories.make_actor(project=project, role="reviewer")


@pytest.fixture
def viewer(project):
    return factories.make_actor(project=project, role="viewer")


@pytest.fixture(scope="session")
def taken_out(django_db_setup, django_db_blocker) -> Callable[[Callable[[], Any]], tuple[keeping.Rows, Any]]:
    """`keeping.taken_out` for fixtures that make rows for all tests of a module."""

    def taken_out(make: Callable[[], Any]) -> tuple[keeping.Rows, Any]:
        with django_db_blocker.unblock():
            return keeping.taken_out(make)

    return taken_out


@pytest.fixture
def still(monkeypatch) -> datetime:
    """The present moment, which lasts: what a page says of it does not depend on when the page is asked."""
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def journal(settings, tmp_path):
    """A journal of the test's own, and nothing of earlier tests with the broker."""
    settings.JOURNAL_DIR = str(tmp_path / "journal")
    with app.connection() as connection, connection.channel() as channel:
        channel.queue_declare("record", durable=True, auto_delete=False)
        channel.queue_purge("record")
    yield tasks.journal()
    tasks.journal().close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that are made of one, for each of the API's operations, get names of their own.

    By name they are handed to the processes of a run: of those that have the same, only one would run.
    """
    operation = getattr(item, "operation_label", None)
    if operation is not None and operation not in item.nodeid:
        item._id = type(item.id).parse(f"{item.nodeid}[{operation}]")
