"""The figures as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.detection.methods import LEVELS
from benchmarks.detection.states import SAME


def _share(value: float) -> str:
    """.87, 1, 0: as short as it can be read."""
    if value in (0.0, 1.0):
        return f"{value:.0f}"
    return f"{value:.2f}".lstrip("0") if value < 0.995 else "1"


def _cells(figures: dict[str, Any], *, null: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for regime, told in figures["regimes"].items():
        for change, cell in told["cells"].items():
            if (change == SAME) == null:
                size = f" ({cell['size']:.1e})" if not null else ""
                yield f"{regime}, {change}{size}", cell


def _methods(figures: dict[str, Any]) -> list[str]:
    first = next(cell for _, cell in _cells(figures, null=True))
    return list(first["rates"])


def rates_table(figures: dict[str, Any], *, null: bool, level: int) -> Iterator[str]:
    """One line for each cell, one column for each method: shares at each budget."""
    methods = _methods(figures)
    yield "| regime, change | " + " | ".join(methods) + " |"
    yield "|---" * (len(methods) + 1) + "|"
    for name, cell in _cells(figures, null=null):
        columns = []
        for method in methods:
            shares = [_share(at[level]) for at in cell["rates"][method].values()]
            columns.append(shares[0] if len(set(shares)) == 1 else " / ".join(shares))
        yield f"| {name} | " + " | ".join(columns) + " |"


def rule_table(figures: dict[str, Any]) -> Iterator[str]:
    """The whole rule: changed / same / inconclusive, and the requests it took."""
    rules = list(next(cell for _, cell in _cells(figures, null=True))["rule"])
    yield (
        "| regime, change | "
        + " | ".join(f"{rule}: changed / same / open (requests)" for rule in rules)
        + " |"
    )
    yield "|---" * (len(rules) + 1) + "|"
    for null in (True, False):
        for name, cell in _cells(figures, null=null):
            told = []
            for rule in rules:
                found = cell["rule"][rule]
                shares = " / ".join(_share(found[key]) for key in ("changed", "same", "inconclusive"))
                told.append(f"{shares} ({found['requests']:.0f})")
            yield f"| {name} | " + " | ".join(told) + " |"


def margin_table(figures: dict[str, Any]) -> Iterator[str]:
    """Single replays at temperature 0."""
    yield "| regime, change | leave their record | by a narrow margin (z to 4) | by a wide one (z over 5) |"
    yield "|---|---|---|---|"
    for null in (True, False):
        for name, cell in _cells(figures, null=null):
            told = cell["margins"]
            yield f"| {name} | {_share(told['left'])} | {_share(told['narrow'])} | {_share(told['wide'])} |"


def days_lines(figures: dict[str, Any]) -> Iterator[str]:
    """Hourly canaries without a change."""
    told = figures["days"]
    yield (
        f"{told['endpoints']} endpoints, {told['days']} days, {told['checks']} hourly checks without a "
        f"change: {told['false_alarms']} false alarms. "
        f"p at or below 0.01 alone: {100 * told['p_alone']:.1f} % of {told['sampled']} checks. "
        f"{told['requests_a_check']:.1f} requests a check, fresh ones included."
    )


def delay_table(figures: dict[str, Any]) -> Iterator[str]:
    """Hourly canaries of which one changes."""
    told = figures["delays"]
    columns = list(next(iter(told.values())))
    yield "| change (nat) | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for size, found in told.items():
        values = []
        for column in columns:
            value = found[column]
            values.append(
                _share(value) if column == "found" else "not found" if value < 0 else f"{value:.0f}"
            )
        yield f"| {size} | " + " | ".join(values) + " |"


def tables(figures: dict[str, Any]) -> Iterator[str]:
    """All of it, with a heading for each."""
    if "regimes" in figures:
        yield from _server_tables(figures)
    if "days" in figures:
        yield "\nHourly canaries without a change"
        yield from days_lines(figures)
    if "delays" in figures:
        yield "\nHourly canaries, hours until one of fifty endpoints that changed is told"
        yield from delay_table(figures)


def _server_tables(figures: dict[str, Any]) -> Iterator[str]:
    budgets = " / ".join(str(budget) for budget in next(iter(_cells(figures, null=True)))[1]["rates"]["MET"])
    for place, level in enumerate(LEVELS):
        yield f"\nFalse alarms between sessions, level {level:g}, {budgets} requests a check"
        yield from rates_table(figures, null=True, level=place)
        yield f"\nPower, level {level:g}, {budgets} requests a check"
        yield from rates_table(figures, null=False, level=place)
    yield "\nThe whole rule: a look, then fresh requests"
    yield from rule_table(figures)
    yield "\nSingle records, replayed at temperature 0"
    yield from margin_table(figures)
