"""A backup, the loss of the data folder, and everything back: by the commands, on servers of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tracemalloc

import pytest

from reviewapp.management import backups
from tests.conftest import ROOT

MAKE = """
from django.utils import timezone
from reviewapp.management.backups import database
from django.core.management import call_command
with database():
    call_command("migrate", verbosity=0)
    from reviewapp.models import Provider
    from reviewapp.stages import administer
    now = timezone.now()
    project = administer.create_project(name="Kept", now=now)
    Provider.objects.create(project=project, name="openai", api_key="sk-kept", created_at=now)
"""
LOOK = """
from reviewapp.management.backups import database
with database():
    from reviewapp.models import AuditEntry, Provider
    provider = Provider.objects.select_related("project").get()
    print(provider.project.name, provider.api_key, AuditEntry.objects.count())
"""


@pytest.fixture
def run(tmp_path):
    """Runs a management command on a data folder of its own."""
    data = tmp_path / "data"

    def run(*arguments: str, good: bool = True) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REVIEWAPP_")}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "manage.py", *arguments],
            env=kept | {"REVIEWAPP_DATA": str(data)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == good, done.stderr
        return done.stdout if good else done.stderr

    run.data = data
    return run


def test_what_was_backed_up_is_back_after_the_data_folder_was_lost(run, tmp_path):
    backup = tmp_path / "backup.tar"
    run("shell", "-v", "0", "-c", MAKE)
    waiting = run.data / "journal" / "w" / "1.seg"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(b"frames that wait")
    brought = run.data / "imports" / "project" / "file"
    brought.parent.mkdir(parents=True)
    brought.write_bytes(b"lines to import")
    run("backup", str(backup))

    shutil.rmtree(run.data)
    run("restore", str(backup))

    assert run("shell", "-v", "0", "-c", LOOK).split()[:2] == ["Kept", "sk-kept"]
    assert waiting.read_bytes() == b"frames that wait"
    assert brought.read_bytes() == b"lines to import"
    assert backup.stat().st_mode & 0o077 == 0
    assert (run.data / "encryption_keys").stat().st_mode & 0o077 == 0
    # Never over what is there.
    assert "already" in run("restore", str(backup), good=False)


def test_what_is_no_backup_is_refused(run, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no backup")

    assert "can't be restored" in run("restore", str(file), good=False)


def test_a_large_file_is_copied_without_being_read_whole(tmp_path):
    large = tmp_path / "export.jsonl"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)

    tracemalloc.start()
    with tarfile.open(tmp_path / "backup.tar", "w") as tar:
        backups._add_path(tar, large, "data/exports/export.jsonl")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 8 * 1024 * 1024
    with tarfile.open(tmp_path / "backup.tar") as tar:
        assert tar.getmember("data/exports/export.jsonl").size == 64 * 1024 * 1024
