"""Commands as a person runs them: what the machine lacks is one line with the mend, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.core.management import execute_from_command_line
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

# PostgreSQL's codes for a table or column that is not there, as before `prepare`.
_NOT_PREPARED = frozenset(["42P01", "42703"])


def run(argv: Sequence[str]) -> None:
    """Run the command; exit status 1 where the database it needs is not there. `--traceback` tells all."""
    try:
        execute_from_command_line(list(argv))
    except (OperationalError, InterfaceError, ProgrammingError) as error:
        sentence = lacking(error)
        if sentence is None or "--traceback" in argv:
            raise
        sys.stderr.write(f"{sentence}\n")
        sys.exit(1)


def lacking(error: DatabaseError | InterfaceError) -> str | None:
    """What is missing and the mend, in a line; None for an error that says something else."""
    from django.conf import settings

    from reviewapp.embedded import paths

    code = getattr(error.__cause__, "sqlstate", None)
    if code in _NOT_PREPARED:
        return "The database's tables are not up to date. Make them so: manage.py prepare"
    if isinstance(error, ProgrammingError):
        return None
    # No code: nobody answered. Class 57 and 53: it stops, starts, or takes no more connections; 28 and 3D:
    # the password or the database's name is wrong; 08: the line broke.
    if code is not None and code[:2] not in {"08", "28", "3D", "53", "57"}:
        return None
    ours = paths.database_url(settings.DATA_DIR) == settings.DATABASE_URL
    mend = (
        f"Start the app, which brings its own (make run); it keeps its data in {settings.DATA_DIR} "
        "(REVIEWAPP_DATA)."
        if ours
        else "Look at that server, and at REVIEWAPP_DATABASE_URL."
    )
    return f"The database can't be reached. {mend} ({_in_a_line(error)})"


def _in_a_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
