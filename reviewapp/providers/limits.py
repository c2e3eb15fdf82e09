"""When the next calls may start, so that a provider's limits a minute hold for all workers together.

Pure arithmetic on one small value, the pace: whoever keeps it (a row, locked while it changes)
makes it hold across processes and machines, whichever broker there is.

Calls are spread evenly over the minute, not let loose in bursts: vendors measure their limits in
seconds although they state them in minutes, and an even pace is at no place of any window above
the limit. In every span of 60 seconds start at most `requests_per_minute` calls and at most
`tokens_per_minute` tokens; MARGIN of both is left for calls that take their time on the way.

Why no window holds too many tokens: a call of c tokens moves the next one by 60·c/(T - L) seconds,
where T is the limit and L the largest call of the last minute. Of the calls in one minute all but
the last have moved the next, so they sum to less than T - L, and the last is at most L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

MARGIN: Final = 0.02
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider allows in a minute; None means no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def any(self) -> bool:
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


@dataclass(frozen=True, slots=True)
class Pace:
    """From when on the next call may start; times are Unix seconds."""

    next_request_at: float = 0.0
    next_tokens_at: float = 0.0
    largest: int = 0
    largest_at: float = 0.0
    paused_until: float = 0.0


def reserve(
    *, pace: Pace, limits: Limits, tokens: Sequence[int], now: float, horizon: float
) -> tuple[Pace, list[float]]:
    """Starting times for as many of these calls, in order, as may start before now + horizon.

    `tokens` is what each call is expected to use. A start that was reserved and not used is lost,
    so reserve no further ahead than needed.
    """
    starts: list[float] = []
    for cost in tokens:
        start, following = _next(pace, limits, max(1, cost), now)
        if start > now + horizon:
            break
        starts.append(start)
        pace = following
    return pace, starts


def settle(*, pace: Pace, limits: Limits, surplus: int) -> Pace:
    """The pace after calls turned out to use `surplus` tokens more (or fewer) than was reserved."""
    if limits.tokens_per_minute is None or surplus == 0:
        return pace
    usable = limits.tokens_per_minute * (1 - MARGIN)
    moved = MINUTE * surplus / max(usable - pace.largest, usable / 2)
    return replace(pace, next_tokens_at=pace.next_tokens_at + moved)


def pause(*, pace: Pace, until: float) -> Pace:
    """Nothing starts before then: the provider asked to wait."""
    return replace(pace, paused_until=max(pace.paused_until, until))


def _next(pace: Pace, limits: Limits, cost: int, now: float) -> tuple[float, Pace]:
    """When a call of this cost may start, and the pace after it."""
    start = max(now, pace.paused_until)
    delay = charge = 0.0
    largest, largest_at = pace.largest, pace.largest_at
    if limits.requests_per_minute is not None:
        start = max(start, pace.next_request_at)
    if limits.tokens_per_minute is not None:
        usable = limits.tokens_per_minute * (1 - MARGIN)
        if largest_at + MINUTE < max(start, pace.next_tokens_at):
            largest = 0
        if cost >= largest:
            # A larger call than any of the last minute needs room that those before did not leave.
            delay = _seconds(cost - largest, usable - cost)
            largest, largest_at = cost, max(start, pace.next_tokens_at + delay)
        start = max(start, pace.next_tokens_at + delay)
        charge = _seconds(cost, usable - largest)
    interval = 0.0
    if limits.requests_per_minute is not None:
        interval = MINUTE / (limits.requests_per_minute * (1 - MARGIN))
    following = Pace(
        next_request_at=start + interval,
        next_tokens_at=start + charge,
        largest=largest,
        largest_at=largest_at,
        paused_until=pace.paused_until,
    )
    return start, following


def _seconds(tokens: float, usable: float) -> float:
    """How long so many tokens take; a minute is always enough, for then the window is empty."""
    return MINUTE if usable <= 0 else min(MINUTE, MINUTE * tokens / usable)
