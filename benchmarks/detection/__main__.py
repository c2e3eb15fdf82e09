"""Change detection measured on a real server.

usage: python -m benchmarks.detection [--short] [--part servers|days|delays] [--regime NAME]
                                       [--trials N] [--cache FOLDER] [--json FILE] [--plot FILE]

Collects rows from llama.cpp servers once (kept in the cache folder), then draws checks from them. The
short form takes a few minutes and tries fewer changes with fewer trials. With `--json` the figures are
written as they come, and a run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.detection.measuring import Figures, measure_days, measure_delays, measure_servers
from benchmarks.detection.plot import draw_power
from benchmarks.detection.servers import ROOT, TINY
from benchmarks.detection.states import REGIMES
from benchmarks.detection.tables import tables


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer changes, fewer trials")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "var" / "bench-detection", help="where rows are kept"
    )
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--plot", type=Path, help="draw power against requests here (SVG)")
    parser.add_argument("--trials", type=int, help="checks drawn for each cell")
    parser.add_argument("--part", choices=("servers", "days", "delays"), help="only this one (default: all)")
    parser.add_argument(
        "--regime",
        action="append",
        choices=[regime.name for regime in REGIMES],
        help="of the servers only this one; can be given again (default: all)",
    )
    options = parser.parse_args()
    if options.part in {None, "servers"} and not TINY.is_dir():
        print(f"The tiny model is not at {TINY}; nothing can be measured on it. There is --part days.")
        return 1
    started = time.monotonic()
    path: Path | None = options.json
    figures: Figures = json.loads(path.read_text()) if path and path.exists() else {}

    def report(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    def keep(found: Figures) -> None:
        if path:
            path.write_text(json.dumps(found, indent=1))

    if options.part in {None, "servers"}:
        figures = measure_servers(
            cache=options.cache,
            regimes=options.regime,
            short=options.short,
            trials=options.trials or (60 if options.short else 200),
            known=figures,
            report=report,
            keep=keep,
        )
    if options.part in {None, "days"}:
        figures = measure_days(short=options.short, known=figures, report=report)
    if options.part in {None, "delays"}:
        figures = measure_delays(short=options.short, known=figures, report=report)
    keep(figures)
    for line in tables(figures):
        print(line)
    print(f"{time.monotonic() - started:.0f} s")
    if options.plot and "regimes" in figures:
        options.plot.write_text(draw_power(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
