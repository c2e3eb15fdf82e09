"""The whole product, started as `make run` starts it, and then mistreated."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reviewapp.embedded import paths, processes
from tests.embedded.processes import eventually, processes_of
from tests.product import Running, product

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


def schedulers_of(worker: int) -> list[int]:
    """The children of the worker that are not of its pool, which shares the worker's event loop."""
    return [pid for pid in processes.children_of(worker) if not waits_for_tasks(pid)]


def waits_for_tasks(pid: int) -> bool:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if "eventpoll" in str(file.readlink()):
                return True
    return False


def left_of(running: Running) -> list[int]:
    return processes_of(f"REVIEWAPP_DATA={running.data}")


@dataclass(frozen=True)
class Ended:
    """A product that was started for the first time, looked at and stopped."""

    running: Running
    status: int
    answered: bool
    # What a command in a second terminal said meanwhile.
    said: subprocess.CompletedProcess[str]
    # What was left of it when it had ended.
    left: list[int]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One for several tests to look at, in a folder with a long name, and with data for others to copy."""
    folder = tmp_path_factory.mktemp("first")
    with product(folder, data=folder / f"with space and {'x' * 90}") as running:
        answered = running.answers()
        said = running.manage("migrate", "--check")
        running.program.signal(signal.SIGINT)
        return Ended(running, running.program.end(), answered, said, left_of(running))


# --- One product, looked at and hurt -----------------------------------------------------------


@pytest.fixture(scope="module")
def running(ended: Ended, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("up")
    with product(folder, data=shutil.copytree(ended.running.data, folder / "data")) as running:
        yield running


def test_the_web_server_answers_when_the_address_is_shown(running):
    assert f"http://127.0.0.1:{running.port}/" in running.program.output
    assert running.answers()


def test_a_command_in_a_second_terminal_finds_the_database(running):
    said = running.manage("showmigrations", "--plan", "reviewapp")

    assert "[X]  reviewapp.0001_squashed_0027_audit_chain" in said.stdout, said.stderr


def test_a_second_start_on_the_same_data_is_refused_with_the_address(running):
    said = running.manage("up")

    assert said.returncode == 1
    assert f"already runs on {running.data}" in said.stdout
    assert f"http://127.0.0.1:{running.port}" in said.stdout


def test_one_scrape_tells_of_the_web_process_and_of_the_workers(running):
    def told() -> str:
        with urllib.request.urlopen(f"{running.url}/metrics", timeout=120) as answer:
            return answer.read().decode()

    wanted = [
        # The scheduler sends a task every few seconds; what a worker's fork counts, the web process tells.
        'reviewapp_tasks_total{outcome="done"',
        'reviewapp_http_requests_total{method="GET",route="/healthz",status="200"}',
        'reviewapp_worker_last_seen_timestamp_seconds{worker="celery@',
        'reviewapp_up{part="scheduler"} 1.0',
    ]
    text = ""

    def complete() -> bool:
        nonlocal text
        assert running.answers()
        text = told()
        return all(words in text for words in wanted)

    eventually(complete, seconds=180)
    assert [words for words in wanted if words not in text] == []


def test_the_supervisor_never_imports_django(running):
    maps = Path(f"/proc/{running.program.process.pid}/maps").read_text()
    memory = Path(f"/proc/{running.program.process.pid}/status").read_text()

    assert "psycopg" not in maps
    resident = int(next(line for line in memory.splitlines() if line.startswith("VmRSS")).split()[1])
    assert resident < 40_000


def test_a_killed_web_server_comes_back(running):
    [web] = running.leaders("granian")
    os.kill(web, signal.SIGKILL)
    running.program.wait_for("web is back.")

    assert running.answers()


def test_a_killed_database_comes_back_and_is_used_again(running):
    [database] = running.leaders("bin/postgres")
    os.kill(database, signal.SIGKILL)
    running.program.wait_for("database is back.")

    assert running.manage("migrate", "--check").returncode == 0


def test_a_killed_broker_comes_back(running):
    [broker] = running.leaders("valkey")
    os.kill(broker, signal.SIGKILL)

    running.program.wait_for("broker is back.")


def test_a_killed_worker_comes_back(running):
    [worker] = running.leaders("celery")
    os.kill(worker, signal.SIGKILL)

    running.program.wait_for("worker is back.")


def test_a_killed_scheduler_takes_its_worker_along_and_both_come_back(running):
    times = running.program.output.count("worker is back.")
    [worker] = running.leaders("celery")
    # As long as it starts it looks like one of the pool.
    assert eventually(lambda: len(schedulers_of(worker)) == 1)
    [scheduler] = schedulers_of(worker)
    os.kill(scheduler, signal.SIGKILL)

    running.program.wait_for("worker is back.", times=times + 1)
    assert "the scheduler died" in running.program.output


# --- Ends of the whole -------------------------------------------------------------------------


def test_a_killed_supervisor_leaves_nothing_and_the_next_start_works(running, tmp_path):
    # The last that looks at it.
    running.program.signal(signal.SIGKILL)
    running.program.end()

    # At once, while what was left is still on its way out.
    with product(tmp_path, data=running.data) as second:
        assert second.answers()
        second.program.signal(signal.SIGINT)
        second.program.end()
    assert eventually(lambda: left_of(running) == [], seconds=120)


def test_ctrl_c_stops_everything_and_says_where_the_data_is(ended):
    assert ended.status == 0
    assert "Stopped in" in ended.running.program.output
    assert str(ended.running.data) in ended.running.program.output.splitlines()[-1]
    assert ended.left == []


def test_a_start_that_was_killed_half_way_is_simply_done_again(tmp_path):
    data = tmp_path / "data"
    with product(tmp_path, data=data, wait=False) as first:
        # The half of a database; where we were not looking at that moment, the whole one.
        assert eventually(lambda: any(data.glob("postgres*")), seconds=120)
        first.program.signal(signal.SIGKILL)
        first.program.end()

    again = tmp_path / "again"
    again.mkdir()
    with product(again, data=data) as second:
        assert second.answers()


def test_a_long_data_path_works_from_both_terminals(ended):
    assert ended.answered
    assert ended.said.returncode == 0, ended.said.stderr
    assert not paths.layout(ended.running.data).database_sockets.parent.exists()
