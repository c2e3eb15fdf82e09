"""How many bad inputs the tests tried, and what they got: told at the end of a run, of all its processes.

Bad is what breaks a description or was made to break things; the tests that send it say so here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

_KEY = "bad_inputs"
_tried: Counter[str] = Counter()


def tried(*, status: int) -> None:
    """A bad input was answered with this HTTP status."""
    kind = "broken" if status >= 500 else "refused" if status >= 400 else "harmless"
    _tried[kind] += 1


def sentence(counts: Mapping[str, int]) -> str:
    """The counts as the one line that the run ends with."""
    return (
        f"bad inputs: {sum(counts.values()):,} tried: {counts.get('refused', 0):,} refused with 4xx, "
        f"{counts.get('harmless', 0):,} accepted as harmless, {counts.get('broken', 0):,} answered with 5xx"
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist hands its counts over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_KEY] = dict(_tried)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """The first process adds up what the others hand over; one that died hands over nothing."""
    _tried.update(getattr(node, "workeroutput", {}).get(_KEY, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Told where any were tried."""
    if _tried:
        terminalreporter.write_line(sentence(_tried))
