"""What is looked at before anything starts: the lock, the port, the host."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reviewapp.embedded import up


@pytest.fixture
def plan(tmp_path: Path) -> up.Plan:
    return up.Plan(
        root="/srv/app",
        data=str(tmp_path),
        host="127.0.0.1",
        port=8000,
        sim_port=None,
        own_database=True,
        own_broker=True,
        demo=False,
        simulator=True,
    )


def test_a_busy_port_is_named_with_the_variable_to_set(plan):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(up.CannotStart, match=rf"Port {port} .* is taken .* REVIEWAPP_PORT="):
            up.check_port(replace(plan, port=port))


def test_after_a_crash_a_port_may_still_be_taken_for_a_moment(plan):
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    other.close()

    up.check_port(replace(plan, port=port), patience=5.0)


def test_a_host_that_is_not_this_machines_is_named(plan):
    with pytest.raises(up.CannotStart, match=r"REVIEWAPP_HOST: 192\.0\.2\.1 is not an address"):
        up.check_port(replace(plan, host="192.0.2.1"))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REVIEWAPP_DATABASE_URL", "postgresql://somebody@127.0.0.1:{port}/name"),
        ("REVIEWAPP_BROKER_URL", "redis://127.0.0.1:{port}/0"),
    ],
)
def test_a_server_that_does_not_answer_is_named_by_its_variable(plan, monkeypatch, name, url):
    foreign = replace(plan, own_database=False, own_broker=False)

    # Bound, so that nobody else gets it meanwhile, and not listened at.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv(name, url.format(port=port))

        with pytest.raises(up.CannotStart, match=rf"{name}: nothing answers at 127.0.0.1:{port} \(.+\)"):
            up.check_servers(foreign, patience=0)


def test_a_server_that_answers_is_no_obstacle(plan, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("REVIEWAPP_BROKER_URL", f"redis://127.0.0.1:{server.getsockname()[1]}/0")

        up.check_servers(replace(plan, own_broker=False), patience=0)


def test_a_second_start_says_who_has_the_data_folder(plan):
    refusal = pytest.raises(up.CannotStart, match=r"already runs .*process \d+")

    with up.only_one(plan), refusal, up.only_one(plan):
        pass


def test_a_lock_file_that_a_crash_left_is_no_obstacle_but_is_noticed(plan):
    Path(plan.data, "up.lock").write_text("process 1, http://127.0.0.1:8000\n")

    with up.only_one(plan) as crashed:
        assert crashed


def test_a_clean_end_is_not_taken_for_a_crash(plan):
    with up.only_one(plan):
        pass

    with up.only_one(plan) as crashed:
        assert not crashed


def test_the_lock_is_held_as_long_as_the_product_runs(plan):
    with up.only_one(plan), Path(plan.data, "up.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_second_terminal_learns_where_the_product_is_reached(plan):
    assert up.running_at(plan.data) is None
    with up.only_one(replace(plan, port=8123)):
        assert up.running_at(plan.data) == "http://127.0.0.1:8123"
    assert up.running_at(plan.data) is None


def test_what_a_crash_left_in_the_lock_file_is_no_address(plan):
    with up.only_one(plan), subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
        up.paths.layout(plan.data).lock.write_text(f"process {gone.pid}, http://127.0.0.1:8123\n")
        assert up.running_at(plan.data) is None


def test_the_simulators_port_stays_the_same_from_start_to_start(plan):
    first = up.simulator_port(plan)

    assert up.simulator_port(plan) == first


def test_the_simulator_moves_when_its_port_was_taken_meanwhile(plan):
    first = up.simulator_port(plan)

    with socket.create_server(("127.0.0.1", first)):
        assert up.simulator_port(plan) != first


def test_the_simulators_port_can_be_chosen(plan):
    assert up.simulator_port(replace(plan, sim_port=4711)) == 4711


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("review.example", "http://review.example:8000"),
    ],
)
def test_the_address_shown_is_one_that_a_browser_here_can_open(plan, host, address):
    assert replace(plan, host=host).address == address


def test_the_web_process_gives_memory_back_unless_somebody_knows_better(plan, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")

    environment = up.Product(plan, sim_port=1).web().env

    assert environment["MALLOC_ARENA_MAX"] == "2"
    assert "MALLOC_TRIM_THRESHOLD_" not in environment
