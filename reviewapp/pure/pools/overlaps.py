"""How long an old value stays valid beside a new one, and which state a value begins in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from reviewapp.pure.pools.grades import Life

# So many calls of a model are needed before a value can be called new: until then the pool is being
# learnt, and nobody is asked about what it shows. Large enough for the usual members of a rotating
# pool, small enough that an installation of a few minutes notices its first change.
LEARNING_CALLS: Final = 20
# Recorded so much later than it was asked: history that somebody imported, not news.
HISTORY_AFTER: Final = timedelta(days=2)

SHORTEST: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=30)
USUAL: Final = timedelta(days=7)


def first_state(
    *, calls_before: int, asked_at: datetime, recorded_at: datetime, reported: bool
) -> Literal["new", "accepted", "retired"]:
    """The state of a value at its first sight.

    - No value at all is nothing to decide about: accepted.
    - The first calls of a model teach the pool its values: accepted.
    - A value met only in imported history is no news: retired, until a live answer carries it.
    - Everything else is new, and waits for a person.
    """
    if not reported or calls_before < LEARNING_CALLS:
        return "accepted"
    return "retired" if recorded_at - asked_at > HISTORY_AFTER else "new"


def overlap_length(lives: Sequence[Life]) -> timedelta:
    """How long an older value has usually gone on being seen after a newer one began.

    The median over the pool's successions, within a day and thirty; a week where none was seen yet.
    """
    known = sorted((life for life in lives if life.value and life.count > 1), key=lambda life: life.first)
    together = sorted(
        before.last - after.first for before, after in itertools.pairwise(known) if before.last > after.first
    )
    if not together:
        return USUAL
    return min(max(together[len(together) // 2], SHORTEST), LONGEST)
