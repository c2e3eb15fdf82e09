"""Change detection, measured against published methods on a real llama.cpp server.

`python -m benchmarks.detection` prints all tables; `measure` is the handful of figures for `make bench`.
What is measured on stands in `states`, how rows are collected in `collect`, how checks are drawn from
them in `trials`, the methods in `methods`, the whole rule in `rule`, a month of canaries in `canaries`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.lines import Line

TRIALS = 60


def measure(*, rows: int) -> Iterator[Line]:
    """The bar in a few lines; nothing where the tiny model is not beside the project."""
    from benchmarks.detection.servers import ROOT, TINY

    if not TINY.is_dir():
        return
    yield from _figures(cache=ROOT / "var" / "bench-detection")


def _figures(*, cache: Path) -> Iterator[Line]:
    from benchmarks.detection import methods
    from benchmarks.detection.canaries import watch_days
    from benchmarks.detection.collect import Collector
    from benchmarks.detection.rule import verdicts
    from benchmarks.detection.states import REGIMES, SAME, Models
    from benchmarks.detection.trials import draw_sessions, make_bank

    collector = Collector(cache=cache / "rows", models=Models(cache / "models"))
    rng = np.random.default_rng(1)
    regimes = {regime.name: regime for regime in REGIMES}

    def banks(name: str, change: str) -> methods.Banks:
        regime = regimes[name]
        before = collector.rows(regime, SAME)
        after = before if change == SAME else collector.rows(regime, change)
        kinds = ("token", "seeded", "free")
        return {kind: make_bank(regime, before, after, kind, as_numbers=kind == "token") for kind in kinds}

    def rate(found: methods.Banks, method: methods.Method, budget: int) -> float:
        alarms = [method(found, budget, draw_sessions(found["token"], rng), rng).at[0] for _ in range(TRIALS)]
        return 100 * float(np.mean(alarms))

    for name in ("fleet", "loaded"):
        null = banks(name, SAME)
        for label, method in (("numbers", methods.ours_numbers), ("texts", methods.ours_texts)):
            yield Line(
                f"false alarms, {name}, {label}, 20 requests",
                rate(null, method, 20),
                None,
                "% of checks",
                at_most=5 + 100 * 2 * (0.05 * 0.95 / TRIALS) ** 0.5,
            )
        yield Line(
            f"false alarms, {name}, LT over 20 prompts", rate(null, methods.tracking_panel, 20), None, "%"
        )
    changed = banks("fleet", "q8_0")
    yield Line("found, fleet, q8_0, numbers, 20", rate(changed, methods.ours_numbers, 20), None, "%", 99)
    yield Line("found, fleet, q8_0, texts, 10", rate(changed, methods.ours_texts, 10), None, "%", 90)
    yield Line("found, fleet, q8_0, Model Equality, 50", rate(changed, methods.model_equality, 50), None, "%")
    outcome = verdicts(changed, kinds=("token", "seeded"), trials=20, rng=rng)
    yield Line("whole rule, fleet, q8_0, changed", 100 * outcome["changed"], None, "%", 95)
    days = watch_days(rng=rng, days=1)
    yield Line("false alarms, 50 endpoints, a day hourly", days.false_alarms, None, "alarms", at_most=0)
