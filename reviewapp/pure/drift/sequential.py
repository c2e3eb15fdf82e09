"""Many looks and many endpoints: alarms that keep their promise over days and over a fleet.

Daily p < 0.01 gives ten false alarms in 1,000 endpoint-days by construction. The e-detector gathers
evidence over days instead: with e = 0.5 / sqrt(p), a calibrator whose expectation under the null is at
most one, M = (M + 1) * e is an e-detector (Shin, Ramdas & Rinaldo, "E-detectors", arXiv 2203.03532;
p-to-e calibration: Vovk & Wang, 2021), so the mean time to a false alarm at level 1000 is at least
1,000 looks, whatever was looked at before. It is the quickest rule on weak, lasting changes.

Over endpoints: Benjamini and Hochberg (1995) for the list view, e-BH (Wang & Ramdas, 2022) for alerts,
which needs no independence between endpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

ALARM_LEVEL = 1000.0
FALSE_DISCOVERY_RATE = 0.05


def e_value(p: float) -> float:
    """The bet on the null being false that a p-value pays: 0.5 / sqrt(p)."""
    if not 0 < p <= 1:
        raise ValueError(f"A p-value lies above 0 and not above 1, not at {p}.")
    return 0.5 / math.sqrt(p)


@dataclass(frozen=True, slots=True)
class Detector:
    """The running evidence of one endpoint. Starts at zero; `after` is called once for each check."""

    evidence: float = 0.0
    level: float = ALARM_LEVEL

    def after(self, *, p: float, effect: float = math.inf, floor: float = 0.0) -> Detector:
        """The detector after one more check.

        A check whose effect is below its floor counts as p = 1: what is ordinary is no evidence, and
        replacing a p-value by a larger one keeps the promise.
        """
        p = p if effect >= floor else 1.0
        return Detector(evidence=(self.evidence + 1.0) * e_value(p), level=self.level)

    @property
    def alarms(self) -> bool:
        """Whether the evidence has reached the level."""
        return self.evidence >= self.level


def first_alarm(p_values: Iterable[float], *, level: float = ALARM_LEVEL) -> int | None:
    """The number of the check (from 0) at which the detector alarms; None when it never does."""
    detector = Detector(level=level)
    for number, p in enumerate(p_values):
        detector = detector.after(p=p)
        if detector.alarms:
            return number
    return None


def discoveries(p_values: Sequence[float], *, rate: float = FALSE_DISCOVERY_RATE) -> list[bool]:
    """Benjamini and Hochberg: which endpoints of one round differ, at this false discovery rate."""
    if not p_values:
        return []
    # Here, not above: 60 MB, which only who computes shall pay.
    from scipy import stats

    adjusted = stats.false_discovery_control(np.asarray(p_values, dtype=np.float64), method="bh")
    return [bool(value <= rate) for value in adjusted]


def e_discoveries(e_values: Sequence[float], *, rate: float = FALSE_DISCOVERY_RATE) -> list[bool]:
    """e-BH: which endpoints to alert on, valid under any dependence between them."""
    total = len(e_values)
    order = sorted(range(total), key=lambda place: -e_values[place])
    chosen = 0
    for rank, place in enumerate(order, start=1):
        if e_values[place] >= total / (rate * rank):
            chosen = rank
    picked = set(order[:chosen])
    return [place in picked for place in range(total)]
