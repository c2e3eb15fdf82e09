"""A full disk under the journal: a clear error, and nothing acknowledged that is not kept."""

from __future__ import annotations

import subprocess

import pytest

from reviewapp.models import Interaction
from tests.serving import settle

URL = "/api/v1/interactions"
ONE = {"request": {"model": "m", "messages": []}, "response": {"choices": []}}
CALL = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}


class Disk:
    """A file system of its own under the journal."""

    def __init__(self, path) -> None:
        self._path = str(path)

    def mount(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self._path]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def grow(self) -> None:
        subprocess.run(["mount", "-o", "remount,size=200m", self._path], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", self._path], check=False)


@pytest.fixture
def disk(tmp_path):
    """Too small for a segment of the journal, until it grows; needs the right to mount one."""
    folder = tmp_path / "journal"
    folder.mkdir(exist_ok=True)
    disk = Disk(folder)
    if not disk.mount():
        pytest.skip("needs the right to mount a small file system")
    yield disk
    disk.unmount()


def test_what_the_disk_can_not_hold_is_refused_until_there_is_room(disk, gateway, provider):
    full = gateway.post(URL, json=[ONE, ONE])
    call = gateway.post("/v1/chat/completions", json=CALL)
    disk.grow()
    taken = gateway.post(URL, json=[ONE, ONE])
    settle()

    assert (full.status_code, full.headers["Retry-After"]) == (503, "5")
    assert "disk" in full.json()["detail"]
    assert call.status_code == 503
    assert "disk" in call.json()["error"]["message"]
    assert taken.status_code == 202
    stored = {str(id_) for id_ in Interaction.objects.values_list("id", flat=True)}
    assert stored == set(taken.json()["accepted"])
