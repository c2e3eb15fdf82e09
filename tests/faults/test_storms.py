"""Under traffic every part dies or falls silent; then what was acknowledged is there, once, as it was sent.

The short form of `python -m benchmarks storms`, which takes minutes.
"""

from __future__ import annotations

import sys

import pytest

from benchmarks.storms import blowing_over
from tests.product import product

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


def test_what_was_acknowledged_survives_a_storm(tmp_path, capsys):
    with product(tmp_path) as running:
        key = running.manage("create_api_key", "--project", "demo", "--name", "storm").stdout.strip()

        def manage(code: str) -> str:
            done = running.manage("shell", "--no-imports", "-c", code, seconds=180)
            assert done.returncode == 0, done.stderr
            return done.stdout

        leader = running.program.process.pid
        with blowing_over(running, leader=leader, key=key, manage=manage, rate=60, batches=1) as storm:
            storm.begin_replays(attempts=2)
            storm.kill("granian")
            storm.kill_worker_while_it_inserts()
            storm.kill("valkey")
            storm.kill("bin/postgres")
            storm.freeze("valkey", seconds=3)
            storm.freeze("bin/postgres", seconds=3)
            outcome = storm.calm()

    with capsys.disabled():
        sys.stdout.write(f"\n    storm: {outcome.sentence}\n")
    assert (outcome.lost, outcome.altered, outcome.doubled) == (0, 0, 0), outcome
    assert outcome.acknowledged > 300
    assert (outcome.run_state, outcome.answers) == ("done", outcome.attempts)
    assert outcome.attempts > 0
    # The message that nobody can read was kept, and stopped nothing behind it.
    assert outcome.set_aside == 1
