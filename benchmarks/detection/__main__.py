"""Change detection measured on a real server.

usage: python -m benchmarks.detection [--short] [--cache FOLDER] [--json FILE] [--plot FILE] [--trials N]

Collects rows from llama.cpp servers once (kept in the cache folder), then draws checks from them. The
short form takes a few minutes and tries fewer changes with fewer trials.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.detection.measuring import run
from benchmarks.detection.plot import draw_power
from benchmarks.detection.servers import ROOT, TINY
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
    options = parser.parse_args()
    if not TINY.is_dir():
        print(f"The tiny model is not at {TINY}; nothing can be measured without it.")
        return 1
    started = time.monotonic()
    figures: dict[str, Any] = run(
        cache=options.cache,
        short=options.short,
        trials=options.trials or (60 if options.short else 200),
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for line in tables(figures):
        print(line)
    print(f"{time.monotonic() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if options.plot:
        options.plot.write_text(draw_power(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
