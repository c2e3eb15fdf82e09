"""A database of a test's own, in which the interactions may be partitioned: what changes tables for good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from reviewapp.embedded.paths import DATABASE_NAME
from reviewapp.stages.administer import partitions
from reviewapp.stages.administer.partitions import Patience
from reviewapp.stages.administer.partitions.converting import OLDEST_VERSION

# A test has nobody to wait for.
AT_ONCE = Patience(wait_ms=60_000, tries=1, pause=0, locked_ms=60_000)


@contextmanager
def database_of_its_own(name: str) -> Iterator[str]:
    """The default connection, on a migrated database that nobody else uses; gives its name."""
    shared = connection.settings_dict["NAME"]
    connection.close()
    own = f"{shared}_{name}"
    is_ours = not os.environ.get("REVIEWAPP_TEST_DATABASE_URL")
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)')
        # The migrated one, where there is one that nobody is connected with.
        cursor.execute(f'CREATE DATABASE "{own}" TEMPLATE "{DATABASE_NAME if is_ours else "template0"}"')
    _connect(own)
    try:
        if not is_ours:
            call_command("migrate", verbosity=0)
        yield own
    finally:
        _connect(shared)
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{own}" WITH (FORCE)')


def _connect(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def skip_where_too_old() -> None:
    """Partitioning refuses older servers, which `make test-postgresql` may have."""
    connection.ensure_connection()
    version = connection.pg_version // 10_000  # type: ignore[attr-defined]  # PostgreSQL's
    if version < OLDEST_VERSION:
        pytest.skip(f"needs PostgreSQL {OLDEST_VERSION}, as partitioning by month does; this is {version}")


def partitioned(*, now: datetime, months: int = 3) -> list[str]:
    """Partition the interactions of the database as an operator would have at that time; what was told."""
    skip_where_too_old()
    told: list[Any] = []
    partitions.partition(now=now, months=months, tell=told.append, patience=AT_ONCE)
    return told
