"""All figures of the bench: for each regime the null and the changes, and thirty days of canaries."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.detection.canaries import SIZES, time_to_detection, watch_days
from benchmarks.detection.collect import Collector, Rows
from benchmarks.detection.methods import BUDGETS, rates
from benchmarks.detection.rule import margins, verdicts
from benchmarks.detection.states import REGIMES, SAME, Models, Regime
from benchmarks.detection.trials import Bank, make_bank
from reviewapp.pure.drift.statistics import lp_shift

SHORT_BUDGETS = (20, 50)
RULES = {"numbers and texts": ("token", "seeded"), "numbers": ("token",), "texts": ("seeded",)}
MARGIN_TRIALS = 600


Figures: TypeAlias = dict[str, Any]


def measure_servers(
    *,
    cache: Path,
    regimes: Container[str] | None,
    short: bool,
    trials: int,
    known: Figures,
    report: Callable[[str], None],
    keep: Callable[[Figures], None],
) -> Figures:
    """The figures by regime and change, as plain values.

    `keep` gets them after each cell; cells that are `known` from a run that was broken off stay as they are.
    Without names of `regimes`, all are measured.
    """
    collector = Collector(cache=cache / "rows", models=Models(cache / "models"))
    figures: Figures = {**known, "trials": trials, "short": short}
    measured: Figures = figures.setdefault("regimes", {})
    for regime in REGIMES:
        if regimes is not None and regime.name not in regimes:
            continue
        before = collector.rows(regime, SAME)
        told = measured.setdefault(regime.name, {"cells": {}, "repeated": [before.repeated, before.compared]})
        for change in (SAME, *(regime.short_changes if short else regime.changes)):
            if change in told["cells"]:
                continue
            report(f"{regime.name}, {change}")
            told["cells"][change] = _cell(
                regime,
                before,
                before if change == SAME else collector.rows(regime, change),
                trials=trials,
                budgets=SHORT_BUDGETS if short else BUDGETS,
                # Each cell has its own random numbers, so that a run of fewer cells gives the same figures.
                rng=np.random.default_rng(zlib.crc32(f"{regime.name}, {change}".encode())),
            )
            keep(figures)
    return figures


def measure_days(*, short: bool, known: Figures, report: Callable[[str], None]) -> Figures:
    """Thirty days of hourly canaries on fifty endpoints without a change."""
    report("thirty days of hourly canaries on fifty endpoints")
    days = watch_days(rng=np.random.default_rng(30), days=5 if short else 30)
    return {**known, "days": asdict(days)}


def measure_delays(*, short: bool, known: Figures, report: Callable[[str], None]) -> Figures:
    """How soon hourly canaries find a change of one endpoint among fifty."""
    report("time to detection")
    sizes = (0.007,) if short else SIZES
    return {**known, "delays": time_to_detection(rng=np.random.default_rng(31), sizes=sizes)}


def _cell(
    regime: Regime,
    before: Rows,
    after: Rows,
    *,
    trials: int,
    budgets: tuple[int, ...],
    rng: np.random.Generator,
) -> dict[str, Any]:
    banks: dict[str, Bank] = {
        kind: make_bank(regime, before, after, kind, as_numbers=kind == "token")
        for kind in ("token", "seeded", "border", "free")
    }
    return {
        "size": _size(regime, before, after),
        "rates": rates(banks, trials=trials, budgets=budgets, rng=rng),
        "rule": {
            name: verdicts(banks, kinds=kinds, trials=max(40, trials // 2), rng=rng)
            for name, kinds in RULES.items()
        },
        "margins": margins(before, after, rng=rng, trials=MARGIN_TRIALS),
    }


def _size(regime: Regime, before: Rows, after: Rows) -> float:
    """Mean absolute difference of log probabilities, replica by replica."""
    if before is after:
        return 0.0
    sizes = []
    for known, new in zip(before.by_member["token"], after.by_member["token"], strict=True):
        pair = Rows(by_member={"token": [known]}), Rows(by_member={"token": [new]})
        sizes.append(lp_shift(make_bank(regime, *pair, "token", as_numbers=True).strata))
    return float(np.mean(sizes))
