"""`make bench`: each figure beside the floor measured in the same run, and the ratio of the two.

usage: python -m benchmarks [part…] [--rows N]

Servers of its own in a folder of its own; nothing of a running product is touched. Absolute
figures depend on the machine and on what else it does; the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import tempfile
from pathlib import Path

PARTS = (
    *("recording", "receiving", "reading", "finding", "reviewing"),
    *("exporting", "replaying", "seeds", "storms", "detection"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rows", type=int, default=5_000, help="interactions to work on (default 5,000)")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="ra-bench-") as folder:
        os.environ.update(
            REVIEWAPP_DATA=folder,
            REVIEWAPP_LOG_LEVEL="ERROR",
            DJANGO_SETTINGS_MODULE="reviewapp.settings",
        )
        for name in ("REVIEWAPP_DATABASE_URL", "REVIEWAPP_BROKER_URL", "REVIEWAPP_ENV"):
            os.environ.pop(name, None)
        from reviewapp.embedded import broker, postgres

        with postgres.running(Path(folder), durable=True), broker.running(Path(folder)):
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            return run([part for part in PARTS if part in (options.parts or PARTS)], options.rows)


def run(parts: list[str], rows: int) -> int:
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {rows} rows"
    )
    print(f"{'figure':<52} {'ours':>12} {'floor':>12} {'ratio':>7}  target")
    missed = 0
    for part in parts:
        for line in importlib.import_module(f"benchmarks.{part}").measure(rows=rows):
            print(line, flush=True)
            missed += not line.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
