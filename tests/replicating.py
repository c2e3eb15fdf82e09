"""A real replica of this run's database server: streamed to, held up, stopped and started as a test wants.

It is made as an operator makes one, with pg_basebackup and a replication slot, beside the tests' own server.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from reviewapp.embedded import paths, postgres
from tests.embedded.processes import eventually
from tests.environment import DATA


class Replica:
    """The server, and what may happen to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running = contextlib.ExitStack()

    @property
    def host(self) -> str:
        """The folder of its socket."""
        return str(paths.layout(self.folder).database_sockets)

    def start(self) -> None:
        """It takes questions when this comes back."""
        self._running.enter_context(postgres.running(self.folder))

    def stop(self) -> None:
        """At once, as when its host is gone."""
        self._running.close()

    def hold(self) -> None:
        """It receives, and replays nothing of it, until `go_on`."""
        self._ask("SELECT pg_wal_replay_pause()")
        assert eventually(lambda: self._ask("SELECT pg_get_wal_replay_pause_state()") == "paused", seconds=60)

    def go_on(self) -> None:
        self._ask("SELECT pg_wal_replay_resume()")

    def last_statement_of(self, pid: int) -> str:
        """What one of its sessions asked last."""
        return str(self._ask("SELECT query FROM pg_stat_activity WHERE pid = %s", pid))

    def _ask(self, statement: str, *values: object) -> object:
        with psycopg.connect(paths.database_url(self.folder), autocommit=True) as connection:
            row = connection.execute(statement, values).fetchone()
        return row[0] if row else None


@contextmanager
def replica_of_the_tests_server(folder: Path) -> Iterator[Replica]:
    """Made, started, and gone again; skips where it can't be made."""
    if os.environ.get("REVIEWAPP_TEST_DATABASE_URL"):
        pytest.skip("copies this run's own server, and REVIEWAPP_TEST_DATABASE_URL names another")
    programs = postgres.find_programs()
    if not os.access(programs / "pg_basebackup", os.X_OK):
        pytest.skip(f"needs pg_basebackup, which is not among the programs in {programs}")
    made = Replica(folder)
    files, owns = paths.layout(folder).database, paths.layout(DATA)
    way = postgres.run_as(programs, folder)
    slot = f"replica_{secrets.token_hex(4)}"
    paths.private_folder(files, owner=way.owner)
    copy = ["--checkpoint=fast", "--no-sync", "--wal-method=stream", "--write-recovery-conf"]
    copy += ["--create-slot", f"--slot={slot}", f"--pgdata={files}", f"--username={paths.DATABASE_USER}"]
    copy += [f"--host={owns.database_sockets}", f"--port={paths.POSTGRES_PORT}"]
    try:
        subprocess.run([*way.prefix, programs / "pg_basebackup", *copy], check=True, cwd="/")
        # Copied along: it says that the first server runs.
        (files / "postmaster.pid").unlink(missing_ok=True)
        made.start()
        yield made
    finally:
        made.stop()
        with psycopg.connect(paths.database_url(DATA), autocommit=True) as connection:
            held = "SELECT pg_terminate_backend(active_pid, 60000) FROM pg_replication_slots"
            connection.execute(f"{held} WHERE slot_name = %s AND active_pid IS NOT NULL", [slot])
            # It may not have come as far as that.
            drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            connection.execute(f"{drop} WHERE slot_name = %s", [slot])
