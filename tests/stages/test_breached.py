"""Breached passwords, in a sorted file of their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reviewapp.stages.administer import breached


def digest_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize("count", [1, 2, 3, 500])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_each_line_is_found_and_nothing_else(tmp_path: Path, count: int, end: str):
    passwords = [f"one {n}" for n in range(count)]
    lines = sorted(f"{digest_of(one)}:{n}" for n, one in enumerate(passwords))
    file = tmp_path / "breached.txt"
    file.write_text((end or "\n").join(lines) + end, newline="")

    assert all(breached.is_breached(one, path=str(file)) for one in passwords)
    assert not any(breached.is_breached(f"{one}!", path=str(file)) for one in passwords)
    assert breached.problem_of(str(file)) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"password\n123456\n", "at byte 0 it has no line of 40 hexadecimal digits (SHA-1) and a count"),
        (f"{'B' * 40}:1\n{'A' * 40}:1\n".encode(), "it is not sorted by its digests (at byte 43)"),
        (bytes(range(256)) * 100, "at byte 0 it has no line of 40 hexadecimal digits (SHA-1) and a count"),
    ],
)
def test_what_is_no_such_file_ends_the_search_and_is_told(tmp_path: Path, content: bytes, problem: str):
    file = tmp_path / "breached.txt"
    file.write_bytes(content)

    assert not breached.is_breached("anything", path=str(file))
    assert breached.problem_of(str(file)) == problem


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    assert breached.problem_of(str(tmp_path / "none")) == "No such file or directory"
