"""Whether people agree more or less as time goes on.

The items are cut by the time of their last judgement into stretches of equally many, so that each figure
rests on as much as the next: weeks would compare a busy one with one in which two items were judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reviewapp.pure.agreement.chance import Level, Ratings, Value, krippendorff_alpha, percent_agreement

MOST_STRETCHES: Final = 6
# Fewer items than this make a figure that jumps by chance.
LEAST_ITEMS: Final = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """How well people agreed on the items whose last judgements lie between two moments."""

    first: datetime
    last: datetime
    items: int
    percent: float | None
    alpha: float | None


def stretches(
    ratings: Ratings,
    moments: Sequence[datetime],
    *,
    level: Level = "nominal",
    order: Sequence[Value] | None = None,
) -> tuple[Stretch, ...]:
    """The agreement of each stretch, the oldest first; none where there are too few items to compare two."""
    by_time = sorted(range(len(ratings)), key=lambda at: moments[at])
    count = min(MOST_STRETCHES, len(by_time) // LEAST_ITEMS)
    if count < 2:
        return ()
    found = []
    for number in range(count):
        part = by_time[number * len(by_time) // count : (number + 1) * len(by_time) // count]
        rows = [ratings[at] for at in part]
        found.append(
            Stretch(
                first=moments[part[0]],
                last=moments[part[-1]],
                items=len(part),
                percent=percent_agreement(rows),
                alpha=krippendorff_alpha(rows, level=level, order=order),
            )
        )
    return tuple(found)
