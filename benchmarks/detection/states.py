"""What is measured on: regimes, the models behind them, and the changes made to all of them alike.

- quiet: one server, one slot: the same request gives the same numbers, always;
- loaded: one server with four slots and other traffic: batches move the last digits;
- fleet: six replicas that differ by 1 % noise of their weights, one drawn for each request;
- crowd: forty such replicas.

A change is made to every replica of a regime, and the row of a single-slot replica is a function of the
question alone. So the replicas are asked once for each question, and a request to the pool is a draw.
Noise, quantisation and fine-tuning of `weights` are made anew with seeds of our own; they are not the
files of `../shared/tiny-llm/models`, apart from the two ends of the fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.detection.servers import TINY
from benchmarks.detection.weights import (
    BF16,
    Q4_0,
    Q8_0,
    Weights,
    read_weights,
    with_noise,
    with_step,
    with_type,
    write_weights,
)

FLEET, CROWD = 6, 40
REPLICA_NOISE = 0.01


@dataclass(frozen=True)
class Change:
    """What was done, and to the request instead of the weights where it is the sampler's doing."""

    name: str
    weights: Callable[[Weights], Weights] = lambda one: one
    request: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Regime:
    """One way of being served, and the changes that are tried on it."""

    name: str
    replicas: int
    changes: tuple[str, ...]
    short_changes: tuple[str, ...]

    @property
    def batched(self) -> bool:
        """Whether rows vary from request to request."""
        return self.name == "loaded"


SAME = "same"
REGIMES = (
    Regime(
        "quiet",
        1,
        ("noise 3e-4", "ft 1 step", "bf16", "q8_0", "noise 1e-2", "top_p 0.95"),
        ("ft 1 step", "q8_0"),
    ),
    Regime("loaded", 1, ("noise 3e-4", "ft 1 step", "bf16", "q8_0", "top_p 0.95"), ("ft 1 step", "q8_0")),
    Regime(
        "fleet",
        FLEET,
        ("ft 1 step", "bf16", "noise 3e-3", "ft 10 steps", "q8_0", "noise 1e-2", "q4_0", "top_p 0.95"),
        ("bf16", "noise 3e-3", "q8_0", "top_p 0.95"),
    ),
    Regime("crowd", CROWD, ("noise 3e-3", "q8_0", "noise 1e-2", "ft 100 steps", "q4_0"), ("q8_0",)),
)


class Models:
    """Model files made on demand in a folder, and kept there for the next run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._base = read_weights(TINY / "models" / "base.gguf")
        self._one_step = read_weights(TINY / "models" / "ft1.gguf")
        self._hundred_steps = read_weights(TINY / "models" / "ft100.gguf")
        self.changes = {change.name: change for change in self._made_changes()}

    def _made_changes(self) -> tuple[Change, ...]:
        base = self._base

        def noise(share: float, seed: int) -> Callable[[Weights], Weights]:
            moved = with_noise(base, share=share, rng=np.random.default_rng(seed))
            return lambda one: with_step(one, start=base, end=moved, factor=1.0)

        def tuned(end: Weights, factor: float) -> Callable[[Weights], Weights]:
            return lambda one: with_step(one, start=base, end=end, factor=factor)

        return (
            Change(SAME),
            Change("noise 3e-4", noise(3e-4, 11)),
            Change("noise 3e-3", noise(3e-3, 12)),
            Change("noise 1e-2", noise(1e-2, 13)),
            Change("bf16", lambda one: with_type(one, kind=BF16)),
            Change("q8_0", lambda one: with_type(one, kind=Q8_0)),
            Change("q4_0", lambda one: with_type(one, kind=Q4_0)),
            Change("ft 1 step", tuned(self._one_step, 1.0)),
            Change("ft 10 steps", tuned(self._hundred_steps, 0.1)),
            Change("ft 100 steps", tuned(self._hundred_steps, 1.0)),
            Change("top_p 0.95", request=(("top_p", 0.95),)),
        )

    def files(self, regime: Regime, change: str) -> list[Path]:
        """The model file of every replica of this regime after this change."""
        made = self.changes[change]
        name = SAME if made.request else change
        return [self._file(regime, number, name) for number in range(regime.replicas)]

    def _file(self, regime: Regime, number: int, change: str) -> Path:
        single = regime.replicas == 1
        stem = "single" if single else f"replica {number}"
        path = self.folder / f"{stem}, {change}.gguf"
        if not path.exists():
            base = self._base
            if not single:
                base = with_noise(base, share=REPLICA_NOISE, rng=np.random.default_rng(700 + number))
            write_weights(path, self.changes[change].weights(base))
        return path
