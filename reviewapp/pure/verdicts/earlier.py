"""What the same request was answered earlier: the noise that was measured before these replays.

Replays that differ among themselves look like ordinary nondeterminism, unless it is known that the
backend did not vary before. Earlier answers to the same request, seed and settings tell: the test is
Fisher's exact one, on how often the original's answer was given before and after, in the direction
*seldomer than before*. The moment of a change is not known, so each gap between two sessions is
tried, and the p-value is that of the best one times their number. An earlier set that differed too
then belongs to *after* and does not water down what was measured before it.

Under honest nondeterminism the answers can be swapped between before and after, whatever the share
that differs, so that at most 1 in 100 sets is called changed and 5 in 100 are left open. Sessions may
differ in what no replay shows (load, the machine they meet), so where the earlier answers were not all
the same, it takes three sessions to say *changed*: the original's and two more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import comb
from typing import Final

from reviewapp.pure.differences.equivalence import DEFAULT_EQUIVALENCE, Equivalence, likeness
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts.messages import Message, percent, say
from reviewapp.pure.verdicts.values import FAIR, GOOD, EarlierAnswer, Evidence, VerdictKind

CHANGED_P: Final = 0.01
UNSURE_P: Final = 0.05
# A hiccup may spoil one or two answers; a change stays.
LEAST_AFTER: Final = 3
# Beside the original's own session, where the earlier answers were not all the original's.
SESSIONS_NEEDED: Final = 2


@dataclass(frozen=True, slots=True)
class Drop:
    """How much seldomer the original's answer is given than before, at the likeliest moment of a change."""

    same_before: int
    before: int
    same_after: int
    after: int
    p: float
    # Sessions before it.
    sessions: int
    # Of the replays that are judged now.
    same: int
    count: int
    groups: int

    @property
    def clear(self) -> bool:
        """Whether it shows a change by itself, where the probabilities don't speak against it."""
        known = self.same_before == self.before or self.sessions >= SESSIONS_NEEDED
        return self.p <= CHANGED_P and self.mostly and self.after >= LEAST_AFTER and known

    @property
    def mostly(self) -> bool:
        """Whether most of the replays that are judged now are not the original's answer."""
        return 2 * self.same < self.count


def earlier_answer(
    original: Exchange, answer: Exchange, *, session: str, rules: Equivalence = DEFAULT_EQUIVALENCE
) -> EarlierAnswer:
    """An answer that the original's request got before the replays in question."""
    return EarlierAnswer(
        session=session,
        same=likeness(original.reply, answer.reply, rules=rules).same,
        fingerprint=answer.reply.fingerprint or None,
    )


def find_drop(
    evidence: Evidence, *, same: int, count: int, groups: int, fingerprints: Collection[str | None]
) -> Drop | None:
    """Where the original's answer became seldomer, `same` of `count` replays giving it now."""
    known: Sequence[EarlierAnswer] = evidence.earlier
    if evidence.grade == "rotating":
        # Members of a pool may differ for good, so like is held against like.
        known = [answer for answer in known if answer.fingerprint in fingerprints]
    if not known or not count:
        return None
    sessions = [
        [answer.same for answer in answers] for _, answers in groupby(known, key=lambda one: one.session)
    ]
    told = [(sum(answers), len(answers)) for answers in sessions] + [(same, count)]
    best: Drop | None = None
    for at in range(1, len(told)):
        same_before, before = (sum(column) for column in zip(*told[:at], strict=True))
        same_after, after = (sum(column) for column in zip(*told[at:], strict=True))
        if same_before * after <= same_after * before:
            continue
        p = min(1.0, fisher(same_before, before, same_after, after) * (len(told) - 1))
        if best is None or p < best.p:
            best = Drop(same_before, before, same_after, after, p, at, same, count, groups)
    return best


def fisher(same_before: int, before: int, same_after: int, after: int) -> float:
    """Fisher's exact test, two-sided: the chance of a table as unlikely as this or more."""
    same, total = same_before + same_after, before + after
    weights = {
        here: comb(before, here) * comb(after, same - here)
        for here in range(max(0, same - after), min(before, same) + 1)
    }
    observed = weights[same_before]
    return sum(weight for weight in weights.values() if weight <= observed) / comb(total, same)


def judge_drop(
    drop: Drop | None, *, probabilities_stayed: bool, steady: bool
) -> tuple[VerdictKind, float | None, tuple[Message, ...]] | None:
    """What it says; None where chance explains it, or the probabilities explain more."""
    if drop is None or drop.p > UNSURE_P:
        return None
    told = _told(drop)
    if probabilities_stayed:
        # A p-value alone is no verdict where the size of the change was measured and is none.
        if drop.p > CHANGED_P:
            return None
        return VerdictKind.INCONCLUSIVE, None, (*told, say("earlier_not_probabilities"))
    if drop.clear:
        confidence = FAIR if steady or drop.sessions < SESSIONS_NEEDED else GOOD
        return VerdictKind.BACKEND_CHANGED, confidence, (*told, *_varying(drop))
    if not drop.mostly:
        if drop.p > CHANGED_P:
            return None
        differing = drop.count - drop.same
        outliers = say("earlier_outliers", differing=differing, count=drop.count)
        return VerdictKind.INCONCLUSIVE, None, (*told, outliers)
    unsure = "earlier_few" if drop.p > CHANGED_P or drop.after < LEAST_AFTER else "earlier_sessions"
    return VerdictKind.INCONCLUSIVE, None, (*told, say(unsure))


def _told(drop: Drop) -> tuple[Message, ...]:
    key = "earlier_now" if drop.after == drop.count else "earlier_lately"
    return (
        say(
            key,
            same_before=drop.same_before,
            before=drop.before,
            same=drop.same_after,
            count=drop.after,
            p=percent(drop.p),
        ),
    )


def _varying(drop: Drop) -> tuple[Message, ...]:
    """Why it does not matter that the replays differ among themselves too."""
    if drop.groups < 2 or drop.same or drop.same_before < drop.before:
        return ()
    return (say("earlier_vary", groups=drop.groups, count=drop.count),)
