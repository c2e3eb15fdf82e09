"""`make bench`: each figure beside the floor measured in the same run, and the ratio of the two.

usage: python -m benchmarks [part…] [--rows N [--grown M]]

Servers of its own in a folder of its own; nothing of a running product is touched. Absolute
figures depend on the machine and on what else it does; the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = (
    *("recording", "receiving", "reading", "finding", "reviewing"),
    *("exporting", "erasing", "replaying", "seeds", "storms", "detection"),
)

# From so many on the rows are multiplied; see multiplying.py.
MANY = 20_000
# How much longer anything may take among ten times as many.
GROWTH = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rows", type=int, default=5_000, help="interactions to work on (default 5,000)")
    parser.add_argument("--grown", type=int, help="again with so many, and how much each figure grew")
    parser.add_argument("--data", type=Path, help="keep the database in this folder, and go on with it")
    parser.add_argument("--explain", action="store_true", help="tell how PostgreSQL answered what is slow")
    parser.add_argument("--rounds", type=int, default=40, help="requests for each figure (default 40)")
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if options.grown:
        return compare(options)
    os.environ["BENCH_ROUNDS"] = str(options.rounds)
    if options.explain:
        os.environ["BENCH_EXPLAIN"] = "1"
    with contextlib.ExitStack() as stack:
        folder = options.data or stack.enter_context(tempfile.TemporaryDirectory(prefix="ra-bench-"))
        os.environ.update(
            REVIEWAPP_DATA=str(folder),
            REVIEWAPP_LOG_LEVEL="ERROR",
            DJANGO_SETTINGS_MODULE="reviewapp.settings",
            # Whoever measures calls more often than a person does.
            REVIEWAPP_KEY_RATE="1000000",
            REVIEWAPP_ADDRESS_RATE="1000000",
        )
        for name in ("REVIEWAPP_DATABASE_URL", "REVIEWAPP_BROKER_URL", "REVIEWAPP_ENV"):
            os.environ.pop(name, None)
        from reviewapp.embedded import broker, postgres

        # Indexes of many rows are made without writing them to the log as well.
        more = {"wal_level": "minimal", "max_wal_senders": "0"} if options.rows >= MANY else {}
        stack.enter_context(postgres.running(Path(folder), durable=True, more=more))
        stack.enter_context(broker.running(Path(folder)))
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        chosen = [part for part in PARTS if part in (options.parts or PARTS)]
        return run(chosen, options.rows, options.figures)


def run(parts: list[str], rows: int, figures: Path | None = None) -> int:
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()},"
        f" {rows:,} rows, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'figure':<62} {'ours':>12} {'floor':>12} {'ratio':>7}  target")
    missed = 0
    found = {}
    for part in parts:
        for line in importlib.import_module(f"benchmarks.{part}").measure(rows=rows):
            print(line, flush=True)
            missed += not line.met
            found[f"{line.name} ({line.unit})"] = line.ours
    print(f"load {os.getloadavg()[0]:.1f}, {missed} missed")
    if figures is not None:
        figures.write_text(json.dumps(found))
    return 1 if missed else 0


def compare(options: argparse.Namespace) -> int:
    """The same parts at two sizes, each in a process and a database of its own."""
    found = []
    status = 0
    with tempfile.TemporaryDirectory(prefix="ra-bench-") as folder:
        for rows in (options.rows, options.grown):
            figures = Path(folder) / f"{rows}.json"
            command = [sys.executable, "-m", "benchmarks", *options.parts, f"--rows={rows}"]
            command += [f"--rounds={options.rounds}"]
            command += ["--explain"] if options.explain else []
            command += [f"--data={options.data / str(rows)}"] if options.data else []
            status |= subprocess.run([*command, f"--figures={figures}"], check=False).returncode
            found.append(json.loads(figures.read_text()))
    print(f"\n{'figure':<62} {options.rows:>12,} {options.grown:>12,}  growth")
    for name, small in found[0].items():
        large = found[1].get(name)
        if large is None or not small:
            continue
        growth = large / small
        mark = "ok" if growth <= GROWTH else "MISSED"
        status |= growth > GROWTH
        print(f"{name:<62} {small:>12,.1f} {large:>12,.1f}  {growth:.2f} ≤ {GROWTH:g} {mark}")
    return status


if __name__ == "__main__":
    sys.exit(main())
