"""`make test-postgresql`: what depends on the database, on this machine's PostgreSQL beside the embedded one.

usage: python -m tests.postgresql [pytest's arguments]

The embedded server is the newest; in production people run the one of their system. The programs are
Debian's (the newest of /usr/lib/postgresql) or those of the folder that `REVIEWAPP_TEST_POSTGRES_BIN` names,
in a cluster of their own; each database is migrated there, from an empty one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from reviewapp.embedded import postgres
from tests.embedded.processes import ROOT

# Every query and every migration; what pages, gateway and files do with the answers is the same on any.
TESTS = ("tests/models", "tests/stages", "tests/test_counting.py", "tests/management/test_doctor.py")


def programs() -> Path | None:
    """The folder with the server's programs, or None."""
    named = os.environ.get("REVIEWAPP_TEST_POSTGRES_BIN")
    if named:
        return Path(named)
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def main(arguments: list[str]) -> int:
    folder = programs()
    if folder is None:
        sys.stdout.write(
            "No PostgreSQL server is installed here (apt-get install postgresql): nothing more is tested.\n"
        )
        return 0
    os.environ["REVIEWAPP_POSTGRES_BIN"] = str(folder)
    sys.stdout.write(f"PostgreSQL {postgres.major_version(folder)}: {folder}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="ra-pg-") as data, postgres.running(data) as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or TESTS)],
            cwd=ROOT,
            env=os.environ | {"REVIEWAPP_TEST_DATABASE_URL": url},
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
