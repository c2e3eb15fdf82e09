"""The embedded database: a real server for each test."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from reviewapp.embedded import paths, postgres, processes

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def keep(url: str, value: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def test_a_first_start_makes_the_database(tmp_path):
    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT current_database()") == "reviewapp"


def test_a_second_start_keeps_the_data(tmp_path):
    with postgres.running(tmp_path, durable=True) as url:
        keep(url, "yesterday")

    with postgres.running(tmp_path, durable=True) as url:
        assert ask(url, "SELECT value FROM kept") == "yesterday"


def test_the_server_does_not_listen_on_the_network(tmp_path):
    with postgres.running(tmp_path) as url:
        assert ask(url, "SHOW listen_addresses") == ""


def test_the_socket_is_in_a_folder_that_nobody_else_enters(tmp_path):
    with postgres.running(tmp_path):
        folder = paths.layout(tmp_path).database_sockets
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_letters_outside_ascii_are_known_to_the_database(tmp_path):
    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT lower('ÄÖÜ')") == "äöü"


def test_trigrams_are_there_for_search(tmp_path):
    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'") == 1


def test_a_long_path_with_odd_letters_works(tmp_path):
    data = tmp_path / f"dätä {'x' * 90}"

    with postgres.running(data) as url:
        assert ask(url, "SELECT 1") == 1
    assert not paths.layout(data).database_sockets.parent.exists()


def test_a_half_finished_first_start_is_done_again(tmp_path):
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    (unfinished / "base").mkdir()

    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_folder_with_files_but_no_database_is_left_alone(tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "somebodys.txt").write_text("mine")

    with pytest.raises(postgres.DatabaseUnavailable, match="holds files but no database"):
        postgres.prepare(tmp_path)
    assert (tmp_path / "postgres" / "somebodys.txt").read_text() == "mine"


def test_a_database_of_another_version_is_refused_by_name(tmp_path):
    with postgres.running(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(postgres.DatabaseUnavailable, match="made by PostgreSQL 12"):
        postgres.prepare(tmp_path)


def test_a_stale_lock_file_that_names_a_living_process_is_no_obstacle(tmp_path):
    with postgres.running(tmp_path, durable=True):
        left = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    with subprocess.Popen(["sleep", "600"]) as other:
        (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join([str(other.pid), *left[1:]]))

        with postgres.running(tmp_path) as url:
            assert ask(url, "SELECT 1") == 1
        assert other.poll() is None
        other.kill()


def test_an_empty_lock_file_is_no_obstacle(tmp_path):
    with postgres.running(tmp_path, durable=True):
        pass
    (tmp_path / "postgres" / "postmaster.pid").touch()

    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_server_that_was_left_running_is_stopped_first(tmp_path):
    way = postgres.prepare(tmp_path)
    left = processes.spawn(postgres.command(tmp_path, way), stdout=subprocess.DEVNULL)
    assert processes.wait_until(lambda: postgres.is_ready(tmp_path), seconds=120)

    with postgres.running(tmp_path) as url:
        assert left.poll() is not None
        assert ask(url, "SELECT 1") == 1


def test_nothing_that_was_committed_is_lost_with_a_killed_server(tmp_path):
    way = postgres.prepare(tmp_path)
    server = processes.spawn(postgres.command(tmp_path, way), stdout=subprocess.DEVNULL)
    assert processes.wait_until(lambda: postgres.is_ready(tmp_path), seconds=120)
    for number in range(20):
        keep(paths.database_url(tmp_path), str(number))

    server.send_signal(signal.SIGKILL)
    server.wait()

    with postgres.running(tmp_path) as url:
        assert ask(url, "SELECT count(*) FROM kept") == 20


def test_a_server_ends_with_the_process_that_runs_it(tmp_path):
    code = (
        "import sys, time\n"
        "from reviewapp.embedded import postgres\n"
        "with postgres.running(sys.argv[1]) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        server = int((tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        holder.kill()

    assert processes.wait_until(lambda: not processes.is_alive(server), seconds=120)


@as_root
def test_started_by_root_the_server_runs_without_privileges(tmp_path):
    with postgres.running(tmp_path):
        server = (tmp_path / "postgres" / "postmaster.pid").read_text().split("\n")[0]
        status = Path(f"/proc/{server}/status").read_text().splitlines()
        capabilities = next(line for line in status if line.startswith("CapEff"))

    assert int(capabilities.split()[1], 16) == 0


@as_root
def test_started_by_root_no_permissions_of_parent_folders_change(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with postgres.running(closed / "data") as url:
        assert ask(url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_where_user_namespaces_are_refused_the_server_runs_as_nobody(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "setpriv").symlink_to(str(shutil.which("setpriv")))
    monkeypatch.setenv("PATH", str(programs))

    with postgres.running(closed / "data") as url:
        assert ask(url, "SELECT 1") == 1
        assert (closed / "data" / "postgres").stat().st_uid == paths.NOBODY
    monkeypatch.undo()

    # Where they are allowed again, the same data serves on.
    with postgres.running(closed / "data") as url:
        assert ask(url, "SELECT 1") == 1


def test_a_wrong_folder_of_programs_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("REVIEWAPP_POSTGRES_BIN", str(tmp_path))

    with pytest.raises(postgres.DatabaseUnavailable, match="REVIEWAPP_POSTGRES_BIN"):
        postgres.find_programs()
