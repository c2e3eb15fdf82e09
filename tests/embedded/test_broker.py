"""The embedded broker: a real server for each test."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from reviewapp.embedded import broker, paths, processes


def client(data: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(paths.layout(data).broker_socket))


def append_only_file(data: Path) -> Path:
    return next((data / "broker" / "appendonlydir").glob("*.incr.aof"))


def test_messages_survive_a_stop(tmp_path):
    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        connection.lpush("queue", "message")

    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        assert connection.lrange("queue", 0, -1) == [b"message"]


def test_an_answered_message_survives_a_kill(tmp_path):
    broker.prepare(tmp_path)
    server = processes.spawn(broker.command(tmp_path), stdout=subprocess.DEVNULL)
    assert processes.wait_until(lambda: broker.is_ready(tmp_path), seconds=60)
    with client(tmp_path) as connection:
        for number in range(100):
            connection.lpush("queue", number)

    server.kill()
    server.wait()

    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        assert connection.llen("queue") == 100


def test_the_server_does_not_listen_on_the_network(tmp_path):
    with broker.running(tmp_path), client(tmp_path) as connection:
        assert connection.config_get("port") == {"port": "0"}


def test_the_socket_is_in_a_folder_that_nobody_else_enters(tmp_path):
    with broker.running(tmp_path):
        folder = paths.layout(tmp_path).broker_sockets
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"*3\r\n$5\r\nLPUSH\r\n$5\r\nqu", b"garbage\r\n" * 50])
def test_a_damaged_end_of_the_file_costs_only_what_is_damaged(tmp_path, rubbish):
    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        connection.lpush("queue", "message")
    with append_only_file(tmp_path).open("ab") as file:
        file.write(rubbish)

    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        assert connection.lrange("queue", 0, -1) == [b"message"]


def test_what_a_repair_cuts_off_is_kept(tmp_path):
    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        connection.lpush("queue", "message")
    with append_only_file(tmp_path).open("ab") as file:
        file.write(b"\0" * 100)

    said = broker.repair(tmp_path)

    assert said is not None
    assert "100 damaged bytes" in said
    assert [file.read_bytes() for file in (tmp_path / "broker").glob("*.cut-at-*")] == [b"\0" * 100]


def test_a_sound_file_is_not_touched_by_a_repair(tmp_path):
    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        connection.lpush("queue", "message")
    before = append_only_file(tmp_path).read_bytes()

    assert broker.repair(tmp_path) is None
    assert append_only_file(tmp_path).read_bytes() == before


def test_a_broker_that_was_left_running_is_stopped_first(tmp_path):
    broker.prepare(tmp_path)
    left = processes.spawn(broker.command(tmp_path), stdout=subprocess.DEVNULL)
    assert processes.wait_until(lambda: broker.is_ready(tmp_path), seconds=60)
    with client(tmp_path) as connection:
        connection.lpush("queue", "message")

    with broker.running(tmp_path, durable=True), client(tmp_path) as connection:
        assert left.wait(timeout=60) == 0
        assert connection.lrange("queue", 0, -1) == [b"message"]


def test_a_long_path_with_odd_letters_works(tmp_path):
    data = tmp_path / f"dätä {'x' * 90}"

    with broker.running(data), client(data) as connection:
        assert connection.ping()


def test_a_broker_ends_with_the_process_that_runs_it(tmp_path):
    code = (
        "import sys, time\n"
        "from reviewapp.embedded import broker\n"
        "with broker.running(sys.argv[1]) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        holder.kill()

    assert processes.wait_until(lambda: not broker.is_ready(tmp_path), seconds=60)


def test_a_wrong_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("REVIEWAPP_BROKER_BIN", str(tmp_path / "nothing"))

    with pytest.raises(broker.BrokerUnavailable, match="REVIEWAPP_BROKER_BIN"):
        broker.find_program()
