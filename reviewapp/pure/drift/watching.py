"""Watching over days: what a baseline holds, what one check adds to the evidence, and when it alarms.

The stage that runs canaries and the bench that simulates a month of them both decide by this module.

**The baseline rolls.** Sessions that were captured on purpose stay; of the checks that found nothing
out of the ordinary one for each two hours of the last week comes in, so that all hours of the day are
known. Once its rows are of three days or more, a session of the baseline is a day, for a day is what
the next one may differ by. What was unusual never enters.

**A check** asks each question once, or five times where the baseline's own texts are mostly new. When it
is not clear, fresh requests decide (see `decision`).

**An alarm** takes a change that fresh requests confirmed, or evidence gathered over many checks
(`sequential`), and in both cases e-BH over everything that the project watches, so that watching fifty
endpoints does not alarm fifty times as often. The e-values of one endpoint share its baseline and so are
not independent: the guarantee holds for each check, over days it is what the bench measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from reviewapp.pure.drift.decision import Decision
from reviewapp.pure.drift.measures import Measure
from reviewapp.pure.drift.members import MEMBER_LEAVES_AFTER
from reviewapp.pure.drift.panel import CONFIRMING_ROWS, OWN_UNSEEN_LIMIT
from reviewapp.pure.drift.rows import Row
from reviewapp.pure.drift.sequential import Detector, e_discoveries
from reviewapp.pure.verdicts.values import VerdictKind

# Stored with each check. Raise it when the same rows may get another verdict.
METHOD_VERSION: Final = 2
ROUTINE_ROWS: Final = 1
CAPTURED_ROWS: Final = 5
SESSIONS_TO_LEARN: Final = 3
# A routine look's p may need to be small enough to speak for itself among many endpoints.
ROUTINE_PERMUTATIONS: Final = 9_999
WINDOW: Final = timedelta(days=7)
BUCKET: Final = timedelta(hours=2)
# From so many days on a day is a session.
DAYS_TO_COUNT: Final = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """A session that may stand in a baseline: captured on purpose, or a check that found nothing."""

    id: UUID
    at: datetime
    captured: bool


def rolling(sessions: Iterable[Kept], *, now: datetime) -> list[UUID]:
    """The sessions that are the baseline now, oldest first."""
    chosen: list[UUID] = []
    buckets: set[int] = set()
    for one in sorted(sessions, key=lambda session: (session.at, session.id)):
        age = now - one.at
        if one.captured:
            if age <= MEMBER_LEAVES_AFTER:
                chosen.append(one.id)
            continue
        bucket = int(one.at.timestamp() // BUCKET.total_seconds())
        if age <= WINDOW and bucket not in buckets:
            buckets.add(bucket)
            chosen.append(one.id)
    return chosen


def in_sessions(rows: Sequence[Row]) -> list[Row]:
    """The baseline's rows with the sessions they count as: their days, once there are enough of them."""
    days = {row.at.date() for row in rows if row.at is not None}
    if len(days) < DAYS_TO_COUNT:
        return list(rows)
    return [row if row.at is None else replace(row, session=row.at.date().isoformat()) for row in rows]


def routine_rows(*, wanted: int, own_unseen: float) -> int:
    """How often a check asks each question: as wanted, and oftener where one reply says too little."""
    return max(wanted, CONFIRMING_ROWS) if own_unseen > OWN_UNSEEN_LIMIT else wanted


def own_unseen(decision: Decision) -> float:
    """The largest share of the baseline's own texts that were new to the rest of it."""
    first = decision.looks[0] if decision.looks else ()
    return max((one.ordinary for one in first if one.statistic == "unseen_text"), default=0.0)


def strongest(look: Sequence[Measure]) -> tuple[float, Measure | None]:
    """What one look says altogether: the smallest p of the measures above their floor, times their number.

    p is 1 where nothing is above its floor: what is ordinary is no evidence.
    """
    telling = [one for one in look if one.can_tell]
    above = [one for one in telling if not one.below_floor]
    if not above:
        return 1.0, None
    best = min(above, key=lambda one: one.p)
    return min(1.0, best.p * len(telling)), best


def gathered(detector: Detector, looks: Sequence[Sequence[Measure]]) -> Detector:
    """The evidence after a check: a step for its first look, and one for the fresh requests, if any."""
    for look in looks:
        p, _ = strongest(look)
        detector = detector.after(p=p)
    return detector


def is_confirmed(decision: Decision) -> bool:
    """Whether fresh requests showed a change again."""
    return decision.verdict is VerdictKind.BACKEND_CHANGED


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of one endpoint: its evidence, and whether its last check confirmed a change."""

    evidence: float
    confirmed: bool = False


def alarms(*, own: Standing, others: Sequence[Standing]) -> bool:
    """Whether this endpoint alarms, among all that are watched."""
    wants = own.confirmed or Detector(evidence=own.evidence).alarms
    return wants and e_discoveries([own.evidence, *(one.evidence for one in others)])[0]
