"""The supervisor, with small programs in the place of the product's."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reviewapp.embedded import processes
from tests.embedded.processes import Program, eventually, gone, pid_in, python, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@contextmanager
def small_product(folder: Path, *wishes: str) -> Iterator[Program]:
    command = python("-m", "tests.embedded.small_product", str(folder), *wishes)
    with started(command, log=folder / "log") as program:
        yield program


def all_pids(folder: Path) -> list[int]:
    return [int(file.read_text()) for file in folder.glob("*.pid")]


def test_services_start_in_order(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")

    assert product.output.index("first is ready") < product.output.index("all ready")


def test_what_a_child_prints_before_it_is_ready_stays_hidden(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        (tmp_path / "say").touch()
        product.wait_for("at work", times=2)

    assert "chatter" not in product.output


def test_a_childs_line_carries_its_name(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        (tmp_path / "say").touch()
        product.wait_for("at work", times=2)

    assert "first    │ at work" in product.output
    assert "second   │ at work" in product.output


def test_ctrl_c_leaves_no_process_behind(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        product.signal(signal.SIGINT)
        status = product.end()

    assert status == 0
    assert len(all_pids(tmp_path)) == 4
    assert gone(*all_pids(tmp_path))


def test_services_stop_in_the_opposite_order(tmp_path):
    with small_product(tmp_path, "stubborn", "patient") as product:
        product.wait_for("all ready")
        product.signal(signal.SIGTERM)
        # As long as "second" takes, "first" must stay alive.
        asked = eventually((tmp_path / "second.asked").exists)
        first_outlived = not eventually(lambda: gone(pid_in(tmp_path / "first.pid")), seconds=0.5)
        os.kill(pid_in(tmp_path / "second.pid"), signal.SIGKILL)
        product.end()

    assert asked
    assert first_outlived
    assert gone(*all_pids(tmp_path))


def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path):
    with small_product(tmp_path, "stubborn") as product:
        product.wait_for("all ready")
        product.signal(signal.SIGTERM)
        product.end()

    assert gone(*all_pids(tmp_path))


def test_a_second_ctrl_c_does_not_wait_for_a_stubborn_child(tmp_path):
    with small_product(tmp_path, "stubborn", "patient") as product:
        product.wait_for("all ready")
        product.signal(signal.SIGINT)
        # It took notice of the first; what came at once after it would not be a second.
        assert eventually((tmp_path / "second.asked").exists)
        still_waiting = not eventually(lambda: product.process.poll() is not None, seconds=1.5)
        product.signal(signal.SIGINT)
        product.end()

    assert still_waiting
    assert gone(*all_pids(tmp_path))


def test_one_ctrl_c_that_arrives_twice_counts_once(tmp_path):
    with small_product(tmp_path, "stubborn", "patient") as product:
        product.wait_for("all ready")
        # It sees both at the same moment, however long we take between them.
        product.signal(signal.SIGSTOP)
        product.signal(signal.SIGINT)
        product.signal(signal.SIGTERM)
        product.signal(signal.SIGCONT)
        assert eventually((tmp_path / "second.asked").exists)
        still_waiting = not eventually(lambda: product.process.poll() is not None, seconds=1.5)
        product.process.kill()

    assert still_waiting


def test_ctrl_c_during_the_start_stops_what_has_started(tmp_path):
    with small_product(tmp_path, "late") as product:
        product.wait_for("first is ready")
        pid_in(tmp_path / "second.helper.pid")
        product.signal(signal.SIGINT)
        product.end()

    assert "asked to stop during the start" in product.output
    assert gone(*all_pids(tmp_path))


def test_killing_the_supervisor_leaves_no_process_behind(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        everything = [*all_pids(tmp_path), *processes.children_of(product.process.pid)]
        product.signal(signal.SIGKILL)
        product.end()

        assert eventually(lambda: gone(*everything))
    assert len(everything) == 7  # two programs, counted twice, two helpers, the guard


def test_killing_the_supervisor_ends_a_child_that_ignores_the_kernels_signal(tmp_path):
    with small_product(tmp_path, "stubborn") as product:
        product.wait_for("all ready")
        product.signal(signal.SIGKILL)
        product.end()

        assert eventually(lambda: gone(*all_pids(tmp_path)))


def test_a_killed_child_is_started_again_and_that_is_said(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        before = pid_in(tmp_path / "second.pid")
        os.kill(before, signal.SIGKILL)
        product.wait_for("second is back.")

        assert pid_in(tmp_path / "second.pid") != before
    assert "second was ended by SIGKILL" in product.output
    assert "starting it again in 0.5 s" in product.output


def test_what_a_killed_child_had_started_goes_with_it(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        helper = pid_in(tmp_path / "second.helper.pid")
        os.kill(pid_in(tmp_path / "second.pid"), signal.SIGKILL)
        product.wait_for("second is back.")

        assert eventually(lambda: gone(helper))


def test_each_failure_makes_the_pause_longer(tmp_path):
    with small_product(tmp_path) as product:
        product.wait_for("all ready")
        before = None
        for times in (1, 2, 3):
            before = pid_in(tmp_path / "second.pid", other_than=before)
            os.kill(before, signal.SIGKILL)
            product.wait_for("second is back.", times=times)

    pauses = [
        line.rpartition(" in ")[2] for line in product.output.splitlines() if "starting it again" in line
    ]
    assert pauses == ["0.5 s.", "1.0 s.", "2.0 s."]


def test_a_start_that_fails_shows_what_the_child_said(tmp_path):
    with small_product(tmp_path, "broken") as product:
        status = product.end()

    assert status == 1
    assert "second ended while it started. It said:\n  no luck today" in product.output
    assert gone(*all_pids(tmp_path))
