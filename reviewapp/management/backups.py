"""Backups: everything that an installation would miss, in one file, and back again.

What was acknowledged before the backup began is in it: the journal is copied before the database, so an
interaction is either still in the journal or in the tables by then; one that is in both is recorded once.
The secrets are in it too, because without them stored keys can't be read: keep the file as you keep them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from reviewapp.embedded import paths, postgres

FORMAT: Final = 1
_SECRETS: Final = ("secret_key", "encryption_keys")
# Files being imported stand before the database like the journal: one that ended meanwhile is only left over.
_FOLDERS: Final = ("journal", "exports", "imports")


class BackupFailed(Exception):
    """The sentence says why and what to do."""


def back_up(*, target: Path, now: datetime) -> int:
    """Write the backup; gives its size. A file that is there is replaced once the new one is whole."""
    part = target.with_name(f"{target.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with database(), os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
            _add_text(tar, "manifest.json", json.dumps({"format": FORMAT, "made_at": now.isoformat()}))
            for name in (*_SECRETS, *_FOLDERS):
                _add_path(tar, settings.DATA_DIR / name, f"data/{name}")
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                dump = Path(folder) / "database.dump"
                _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")
                tar.add(dump, "database.dump")
            tar.close()
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def restore(*, source: Path) -> dict[str, Any]:
    """Put a backup into an empty installation; gives its manifest. Raises BackupFailed."""
    try:
        with tarfile.open(source) as tar:
            return _restore(tar)
    except (tarfile.TarError, OSError, KeyError, ValueError) as error:
        raise BackupFailed(f"{source} can't be restored: {error}") from error


def _restore(tar: tarfile.TarFile) -> dict[str, Any]:
    told = tar.extractfile("manifest.json")
    manifest: dict[str, Any] = json.load(told) if told else {}
    if manifest.get("format") != FORMAT:
        raise BackupFailed("The file is no backup of this version or an earlier one.")
    data: Path = settings.DATA_DIR
    if any(inner.is_file() for name in _FOLDERS for inner in (data / name).rglob("*")):
        raise BackupFailed(
            f"{data} holds a journal, exports or imports already: restore into an empty data folder."
        )
    with database():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            if cursor.fetchone()[0]:
                raise BackupFailed("The database holds tables already: restore into an empty one.")
        connection.close()
        with tempfile.TemporaryDirectory(dir=data) as folder:
            tar.extractall(folder, filter="data")
            _run(
                "pg_restore",
                "--exit-on-error",
                "--single-transaction",
                "--no-owner",
                f"--dbname={connection.settings_dict['NAME']}",
                str(Path(folder) / "database.dump"),
            )
            for name in (*_SECRETS, *_FOLDERS):
                _put_back(Path(folder) / "data" / name, data / name)
    return manifest


@contextlib.contextmanager
def database() -> Iterator[None]:
    """The database running: the one that is, or the embedded one for as long as it is needed."""
    ours = paths.database_url(settings.DATA_DIR) == settings.DATABASE_URL
    if not ours or postgres.is_ready(settings.DATA_DIR):
        yield
        return
    with postgres.running(settings.DATA_DIR, durable=True):
        try:
            yield
        finally:
            connection.close()


def _run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs on our database; the password never stands in its arguments."""
    told = connection.settings_dict
    variables = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
    given = {variable: str(told[name]) for name, variable in variables.items() if told[name]}
    given |= {f"PG{name.upper()}": str(value) for name, value in told["OPTIONS"].items() if name[:3] == "ssl"}
    done = subprocess.run(
        [_program(program), *arguments],
        env={**os.environ, **given, "PGDATABASE": str(told["NAME"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupFailed(f"{program}: {done.stderr.strip()[-500:]}")


def _program(name: str) -> str:
    with contextlib.suppress(postgres.DatabaseUnavailable):
        found = postgres.find_programs() / name
        if found.exists():
            return str(found)
    there = shutil.which(name)
    if there is None:
        raise BackupFailed(f"{name} is not there: install PostgreSQL's client programs.")
    return there


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    member.mode = 0o600
    tar.addfile(member, io.BytesIO(text.encode()))


def _add_path(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """A file, or a folder with all in it; what vanishes meanwhile was recorded, so it is in the database."""
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file():
                with contextlib.suppress(FileNotFoundError):
                    _add_file(tar, inner, f"{name}/{inner.relative_to(path)}")
    elif path.exists():
        _add_file(tar, path, name)


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    # Piece by piece, however large. A journal's file grows meanwhile: what it held at first is copied.
    with path.open("rb") as file:
        told = os.fstat(file.fileno())
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = told.st_size, 0o600, int(told.st_mtime)
        tar.addfile(member, file)


def _put_back(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copyfile(source, target)
        target.chmod(0o600)
