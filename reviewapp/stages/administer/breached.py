"""The operator's file of breached passwords, as Have I Been Pwned's downloader writes it.

A line each, sorted: forty hexadecimal digits of a SHA-1, a colon, how often it was seen. It has tens of
gigabytes, so it is searched where it lies, and nobody outside is asked.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import IO, Final

_DIGITS: Final = 40
_LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(?::\d+)?\s*")
# Longer lines are none of such a file.
_LONGEST: Final = 200
_SAMPLES: Final = 500


def is_breached(password: str, *, path: str) -> bool:
    """Whether the file has the password. Raises OSError where it can't be read."""
    # The file's own digest; it is kept nowhere.
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with Path(path).open("rb") as file:
        low, high = 0, file.seek(0, 2)
        # The line that is looked for, if there is one, begins at `low` or later and before `high`.
        while low < high:
            middle = (low + high) // 2
            start, line = _line_from(file, middle)
            found = line[:_DIGITS].upper()
            if found == digest:
                return True
            if line and found < digest:
                low = start + len(line)
            else:
                high = middle
    return False


def problem_of(path: str) -> str | None:
    """Why the file can't be searched, as a sentence; a few hundred of its lines are looked at."""
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            before = b""
            for place in sorted({size * n // _SAMPLES for n in range(_SAMPLES)}):
                start, line = _line_from(file, place)
                if line and not _LINE.fullmatch(line):
                    return f"at byte {start} it has no line of 40 hexadecimal digits (SHA-1) and a count"
                if line and line[:_DIGITS].upper() < before:
                    return f"it is not sorted by its digests (at byte {start})"
                before = line[:_DIGITS].upper() or before
    except OSError as error:
        return error.strerror or str(error)
    return None if before else "it is empty"


def _line_from(file: IO[bytes], place: int) -> tuple[int, bytes]:
    """The first line that begins at this byte or after it, and where; the line is empty behind the last."""
    file.seek(max(0, place - 1))
    if place:
        # From the byte before, so that a line which begins right here is not taken for a rest.
        file.readline(_LONGEST)
    return file.tell(), file.readline(_LONGEST)
