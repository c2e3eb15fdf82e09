from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def manage(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, where no database runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REVIEWAPP_")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=kept | {"REVIEWAPP_DATA": str(data)} | more,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("create_api_key", "--project", "demo", "--name", "bot"),
        ("export_interactions", "--format", "jsonl", "--out", "-"),
        ("import_interactions", "/dev/null"),
        ("replay", "--flagged", "yes"),
        ("sign_in_link",),
        ("add_member", "--email", "me@example.org"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_without_a_database_says_what_is_missing_and_the_mend_in_one_line(tmp_path, arguments):
    done = manage(tmp_path, *arguments)

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("The database can't be reached. Start the app")
    assert done.stdout == ""


def test_a_database_of_ones_own_that_is_away_is_looked_for_where_it_was_said_to_be(tmp_path):
    done = manage(tmp_path, "sign_in_link", REVIEWAPP_DATABASE_URL="postgres://me@127.0.0.1:9/x")

    assert done.returncode == 1
    assert "REVIEWAPP_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
