"""Where the embedded servers live, worked out from the data folder alone.

The app, the supervisor and a command typed into a second terminal must find the same
sockets without talking to each other, so nothing here reads the environment or the
state of the disk: the data folder's path decides.

A Unix socket's path may have about a hundred bytes. A data folder whose path is too
long for that, or has characters that a URL would need to escape, gets its sockets in a
short folder in /tmp, named by a digest of the data folder. `private_folder` makes both
kinds and refuses one that belongs to somebody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

# The ordinary user that stands in where PostgreSQL refuses to run as root.
NOBODY = 65534

DATABASE_NAME = "reviewapp"
DATABASE_USER = "reviewapp"

# PostgreSQL names its socket after a port even when it listens on none.
POSTGRES_PORT = 5432
POSTGRES_SOCKET = f".s.PGSQL.{POSTGRES_PORT}"
BROKER_SOCKET = "broker.sock"

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 100
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


class FolderNotPrivate(Exception):
    """A folder that must be ours alone belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places inside one data folder. Database and broker have folders of their own
    because the database may have to run as another user."""

    data: Path
    database: Path
    broker: Path
    database_sockets: Path
    broker_sockets: Path
    static: Path
    lock: Path

    @property
    def database_socket(self) -> Path:
        return self.database_sockets / POSTGRES_SOCKET

    @property
    def broker_socket(self) -> Path:
        return self.broker_sockets / BROKER_SOCKET


def layout(data_dir: Path | str) -> Layout:
    # Two names of one folder (a link, a relative path) must lead to the same sockets.
    data = Path(data_dir).resolve()
    sockets = data / "run"
    longest = os.fsencode(sockets / "database" / POSTGRES_SOCKET)
    if len(longest) > LONGEST_SOCKET_PATH or not PLAIN_PATH.fullmatch(str(sockets)):
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        # Not TMPDIR: it may differ between two terminals.
        sockets = Path("/tmp") / f"reviewapp-{digest}"
    return Layout(
        data=data,
        database=data / "postgres",
        broker=data / "broker",
        database_sockets=sockets / "database",
        broker_sockets=sockets / "broker",
        static=data / "static",
        lock=data / "up.lock",
    )


def database_url(data_dir: Path | str) -> str:
    """The embedded database of a data folder, in the form that libpq and django-environ both read."""
    return socket_database_url(layout(data_dir).database_sockets)


def socket_database_url(socket_folder: Path) -> str:
    return f"postgresql://{DATABASE_USER}@/{DATABASE_NAME}?host={socket_folder}"


def broker_url(data_dir: Path | str) -> str:
    """The embedded broker of a data folder, in Celery's form."""
    return f"redis+socket://{layout(data_dir).broker_socket}"


def private_folder(folder: Path, *, owner: int | None = None) -> Path:
    """Make a folder that only we may enter, or `owner` where root makes it for another user.

    In /tmp somebody else may have made it first, to read along: that is refused.
    """
    me = os.geteuid()
    wanted = me if owner is None else owner
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid not in {me, wanted, NOBODY if me == 0 else me}:
        raise FolderNotPrivate(
            f"{folder} belongs to another user. Remove it, or set REVIEWAPP_DATA to a folder of your own."
        )
    if state.st_uid != wanted:
        os.chown(folder, wanted, -1)
    if stat.S_IMODE(state.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def remove_empty_sockets_folder(places: Layout) -> None:
    """Leave nothing behind in /tmp; inside the data folder the folders stay."""
    for folder in (places.database_sockets, places.broker_sockets, places.database_sockets.parent):
        if places.data not in folder.parents:
            with contextlib.suppress(OSError):
                folder.rmdir()
