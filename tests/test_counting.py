"""The line about bad inputs that a run of the tests ends with."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from tests import counting


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts of this test's own."""
    counts: Counter[str] = Counter()
    monkeypatch.setattr(counting, "_tried", counts)
    return counts


def test_what_inputs_got_is_told_by_the_kind_of_answer(counted):
    for status in (400, 404, 422, 200, 302, 500):
        counting.tried(status=status)

    assert counting.sentence(counted) == (
        "bad inputs: 6 tried: 3 refused with 4xx, 2 accepted as harmless, 1 answered with 5xx"
    )


def test_what_processes_hand_over_is_added_up(counted):
    for count in (1_000, 234):
        counting.pytest_testnodedown(SimpleNamespace(workeroutput={"bad_inputs": {"refused": count}}))
    counting.pytest_testnodedown(SimpleNamespace())

    assert counting.sentence(counted).startswith("bad inputs: 1,234 tried: 1,234 refused")
