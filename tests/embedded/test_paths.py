"""Where the embedded servers live."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reviewapp.embedded import paths


def test_a_short_data_folder_holds_its_sockets():
    places = paths.layout("/srv/reviewapp")

    assert places.database_socket == Path("/srv/reviewapp/run/database/.s.PGSQL.5432")
    assert places.broker_socket == Path("/srv/reviewapp/run/broker/broker.sock")


@pytest.mark.parametrize("length", [10, 50, 60, 70, 80, 200])
def test_a_sockets_path_is_never_too_long_for_the_system(length):
    places = paths.layout(f"/srv/{'x' * length}")

    assert len(os.fsencode(places.database_socket)) <= 103
    assert len(os.fsencode(places.broker_socket)) <= 103


@pytest.mark.parametrize("name", ["with space", "per%20cent", "ümläut", "what?", "a#b"])
def test_a_name_that_a_url_would_escape_gets_short_sockets(name):
    assert paths.layout(f"/srv/{name}").database_sockets.parts[:2] == ("/", "tmp")


def test_every_process_works_out_the_same_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")

    assert paths.layout("data") == paths.layout(tmp_path / "data") == paths.layout(tmp_path / "link")


def test_two_long_folders_do_not_share_their_sockets():
    one, other = paths.layout(f"/srv/{'x' * 100}/a"), paths.layout(f"/srv/{'x' * 100}/b")

    assert one.database_sockets != other.database_sockets


def test_a_private_folder_is_closed_to_others(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)

    paths.private_folder(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is another user's")
def test_a_folder_that_somebody_else_made_first_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, 12345, 12345)

    with pytest.raises(paths.FolderNotPrivate, match="belongs to another user"):
        paths.private_folder(folder)


def test_a_link_in_the_place_of_a_private_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to("elsewhere")

    with pytest.raises(paths.FolderNotPrivate):
        paths.private_folder(tmp_path / "run")
