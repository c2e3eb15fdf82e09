"""Nothing acknowledged is lost and nothing is recorded twice, whichever process is killed meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest

from reviewapp.embedded import paths
from reviewapp.pure.ids import new_id
from tests.embedded.processes import eventually
from tests.product import Running, product

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

SENDERS = 4


class Sender(threading.Thread):
    """Sends interactions with ids of its own, again until each is acknowledged."""

    def __init__(self, running: Running, key: str) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.acknowledged: list[UUID] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            id_ = new_id()
            while not self._send(id_) and not self.enough.is_set():
                time.sleep(0.05)

    def _send(self, id_: UUID) -> bool:
        request = {"model": "m", "messages": [{"role": "user", "content": "Is it kept? " * 50}]}
        body = json.dumps(
            {"id": str(id_), "source": "faults", "request": request, "response": {"choices": []}}
        )
        connection = http.client.HTTPConnection("127.0.0.1", self._running.port, timeout=120)
        try:
            connection.request("POST", "/api/v1/interactions", body, self._headers)
            response = connection.getresponse()
            taken = response.status == 202 and json.load(response)["accepted"] == [str(id_)]
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        if taken:
            self.acknowledged.append(id_)
        return taken


@contextmanager
def sending(running: Running, key: str, *, at_once: int = SENDERS) -> Iterator[list[Sender]]:
    senders = [Sender(running, key) for _ in range(at_once)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join(150)


def recorded(running: Running) -> list[UUID]:
    """The ids that have all their rows; none while the database starts again."""
    try:
        with psycopg.connect(paths.database_url(running.data)) as connection:
            rows = connection.execute(
                "SELECT i.id FROM reviewapp_interaction i JOIN reviewapp_source s ON s.id = i.source_id"
                " JOIN reviewapp_interactionbody b ON b.interaction_id = i.id WHERE s.name = 'faults'"
            ).fetchall()
    except psycopg.OperationalError:
        return []
    return [row[0] for row in rows]


def count(senders: list[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def test_what_was_acknowledged_survives_kill_9_of_every_process(tmp_path, capsys):
    with product(tmp_path) as running:
        made = running.manage("create_api_key", "--project", "demo", "--name", "f")
        with sending(running, made.stdout.strip()) as senders:
            for victim in ("granian", "celery", "valkey", "postgres"):
                wanted = count(senders) + 50
                (pid, *_) = running.leaders(victim)
                os.kill(pid, signal.SIGKILL)
                assert eventually(lambda wanted=wanted: count(senders) > wanted, seconds=300)
        acknowledged = {id_ for sender in senders for id_ in sender.acknowledged}

        assert eventually(lambda: acknowledged <= set(recorded(running)), seconds=300)

        rows = recorded(running)
        assert len(rows) == len(set(rows))
    with capsys.disabled():
        sys.stdout.write(f"\n    {len(acknowledged):,} acknowledged under fire, {len(rows):,} recorded\n")
