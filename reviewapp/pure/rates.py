"""How often somebody may come: a bucket each, which fills up again evenly (token bucket).

Kept in memory and bounded: whoever has not come for long has a full bucket, which needs no place. Several
processes share their buckets by telling each other what was taken (`untold`), and hearing what is left.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Mapping
from typing import Final

_MOST: Final = 50_000


class Rate:
    """So many times a minute, by name; all of a minute's at once if none came before."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: dict[Hashable, tuple[float, float]] = {}
        self._untold: dict[Hashable, int] = {}
        self._is_late = False
        self._lock = threading.Lock()

    def take(self, name: Hashable, *, now: float) -> float:
        """Come once, at this second of a steady clock; gives the seconds to wait if that is too often."""
        if self.per_minute == 0:
            return 0.0
        with self._lock:
            left = self._refilled(name, now)
            if left < 1:
                self._left[name] = (left, now)
                return (1 - left) * 60 / self.per_minute
            if name not in self._left and len(self._left) >= _MOST:
                self._forget(now)
            self._left[name] = (left - 1, now)
            if name in self._untold or len(self._untold) < _MOST:
                self._untold[name] = self._untold.get(name, 0) + 1
            return 0.0

    def untold(self, *, now: float) -> dict[Hashable, int]:
        """How often who came since this was asked last: a minute's worth at most.

        Who came for an hour while nobody could be told kept the limit here, and owes no hour: after that, as
        much as has not filled up again here. Every process tells of its own, so a minute's worth of each
        might be several times what the limit allows, though all calls together kept it. At other times all
        is told: what fills up here fills up in the common bucket too, and each process would have the limit.
        """
        with self._lock:
            untold, self._untold = self._untold, {}
            is_late, self._is_late = self._is_late, False
            for name in untold if is_late else ():
                untold[name] = min(untold[name], math.ceil(self.per_minute - self._refilled(name, now)))
        return {name: min(times, self.per_minute) for name, times in untold.items() if times > 0}

    def tell_later(self, untold: Mapping[Hashable, int]) -> None:
        """Nobody could be told of it now."""
        with self._lock:
            self._is_late = True
            for name, times in untold.items():
                if name in self._untold or len(self._untold) < _MOST:
                    self._untold[name] = self._untold.get(name, 0) + times

    def hear(self, name: Hashable, left: float, *, now: float) -> None:
        """So many are left in all, before what was taken here and not told yet; below nought: owed."""
        with self._lock:
            if name not in self._left and len(self._left) >= _MOST:
                self._forget(now)
            self._left[name] = (left - self._untold.get(name, 0), now)

    def _refilled(self, name: Hashable, now: float) -> float:
        left, at = self._left.get(name, (float(self.per_minute), now))
        return min(float(self.per_minute), left + (now - at) * self.per_minute / 60)

    def _forget(self, now: float) -> None:
        """Drop the full ones; if all are in use the longest unseen half, who then begin with a full one."""
        for name in [name for name in self._left if self._refilled(name, now) >= self.per_minute]:
            del self._left[name]
        if len(self._left) >= _MOST:
            by_age = sorted(self._left, key=lambda one: self._left[one][1])
            for name in by_age[: _MOST // 2]:
                del self._left[name]
