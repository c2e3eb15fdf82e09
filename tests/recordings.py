"""The recorded exchanges beside the project, read once for all tests that go over them."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any


@functools.cache
def recorded_lines(shared: Path) -> tuple[str, ...]:
    """Each recorded exchange as its line of JSON."""
    with gzip.open(shared / "data" / "recorded_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(line.rstrip("\n") for line in lines)


@functools.cache
def recorded_rows(shared: Path) -> tuple[dict[str, Any], ...]:
    """Each recorded exchange as a value; read by the standard library alone."""
    return tuple(json.loads(line) for line in recorded_lines(shared))
