"""The verdict of several attempts at one interaction.

Equal answers are grouped, and the attempts among themselves are the measure of ordinary
variation. The rules, in order:

1. no answer at all: failed; none yet: inconclusive;
2. every answer the original's: identical or equivalent;
3. asked differently, or more than one in five failed: inconclusive;
4. two or more replays moved further than noise explains, or more than half of them did: changed; a single
   one, while others stayed: some requests are answered by another backend, inconclusive;
5. the original's answer is given seldomer than was measured before (see `earlier`): changed or inconclusive;
6. those that differ do so by chance, all of them: nondeterministic;
7. the texts together (see `together`), then the canaries;
8. otherwise what the attempts' own verdicts say.

With one attempt the verdict is that attempt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import fingerprints
from reviewapp.pure.verdicts.earlier import judge_drop
from reviewapp.pure.verdicts.messages import Message, percent, say, told_apart
from reviewapp.pure.verdicts.noise import STILL_SHIFT, measure_noise
from reviewapp.pure.verdicts.single import Comparing, drop_among, fault, judge_texts
from reviewapp.pure.verdicts.together import REPLAYS_TO_AGREE, Together, gather
from reviewapp.pure.verdicts.values import (
    CERTAIN,
    GOOD,
    NO_EVIDENCE,
    STRONG,
    Evidence,
    Rule,
    SetVerdict,
    Verdict,
    VerdictKind,
)

# With more failures than this share, those that came through may not speak for the rest.
_MOST_FAILED: Final = 0.2
# The attempt whose verdict speaks for the set where no rule on the set does: the gravest.
_GRAVITY: Final = {
    VerdictKind.BACKEND_CHANGED: 3,
    VerdictKind.INCONCLUSIVE: 2,
    VerdictKind.NONDETERMINISTIC: 1,
}

Judgement: TypeAlias = tuple[VerdictKind, float | None, list[Message], Rule]


def summarise(
    original: Exchange, attempts: Sequence[Exchange], *, context: Evidence = NO_EVIDENCE
) -> SetVerdict:
    """What the attempts show together. They are each other's `context.others`, which is not read."""
    return _Set(original, attempts, context).verdict()


class _Set:
    """Several attempts in the making of one verdict."""

    def __init__(self, original: Exchange, attempts: Sequence[Exchange], context: Evidence) -> None:
        self.original = original
        self.attempts = attempts
        answered = [(place, attempt) for place, attempt in enumerate(attempts) if not fault(attempt)]
        self.noise = measure_noise([attempt for _, attempt in answered])
        self.together: Together = gather(original.reply, answered, context.equivalence)
        self.drop = drop_among([attempt for _, attempt in answered], self.together, context)
        self.comparings: dict[int, Comparing] = {}
        verdicts: list[Verdict] = []
        for place, attempt in enumerate(attempts):
            others = tuple(other for at, other in answered if at != place)
            own = replace(context, others=others)
            comparing = Comparing(original, attempt, own, self.noise, self.together, self.drop)
            verdicts.append(comparing.verdict())
            if not fault(attempt):
                self.comparings[place] = comparing
        self.verdicts = tuple(verdicts)
        self.odd = [place for place, comparing in self.comparings.items() if not comparing.alike.same]

    def verdict(self) -> SetVerdict:
        kind, confidence, parts, rule = self._missing() or self._same() or self._differing()
        together, moved = self.together, self._moved()
        spokesman = self._gravest() if self.odd else None
        return SetVerdict(
            kind=kind,
            confidence=confidence,
            parts=tuple(parts),
            rule=rule,
            groups=together.groups,
            failed=tuple(place for place in range(len(self.attempts)) if place not in self.comparings),
            verdicts=self.verdicts,
            share_same=together.same / together.count if together.count else None,
            agreement=together.agreement,
            all_agree=[group.kind for group in together.groups] == ["identical"],
            reasons=() if spokesman is None else self.verdicts[spokesman].reasons,
            figures={
                "attempts": len(self.attempts),
                "answered": together.count,
                "same": together.same,
                "groups": len(together.groups),
                "moved": len(moved),
                "gap_noise": self.noise.gap,
                "shift_floor": self._shift_floor(),
                "noise_replays": self.noise.replays,
                "smallest_detectable": self.noise.wide_from,
                "earlier_p": self.drop.p if self.drop else None,
            },
        )

    # ---- 1 to 3 ----

    def _missing(self) -> Judgement | None:
        count = len(self.attempts)
        if not count:
            return VerdictKind.INCONCLUSIVE, None, [say("set_empty")], "missing"
        if count == 1 or fault(self.original):
            first = self.verdicts[min(self.comparings, default=0)]
            return first.kind, first.confidence, list(first.parts), first.rule
        if not self.comparings:
            parts = [say("set_failed", count=count), self.verdicts[0].parts[0]]
            return VerdictKind.FAILED, CERTAIN, parts, "missing"
        return None

    def _same(self) -> Judgement | None:
        if self.odd:
            return None
        exact = all(group.kind == "identical" for group in self.together.groups)
        kind = VerdictKind.IDENTICAL if exact else VerdictKind.EQUIVALENT
        count = self.together.count
        same = say(f"set_{kind}", count=count) if count > 1 else say(f"set_{kind}_one")
        parts = [same, *self._failures()]
        moved = [self.comparings[place].weight.shift for place in self._moved()]
        shifts = [shift.probability for shift in moved if shift is not None]
        if 2 * len(shifts) > self.together.count:
            most, floor = told_apart(max(shifts), self._shift_floor())
            parts.append(say("identical_but_moved", moved=most, floor=floor))
        return kind, CERTAIN, parts, "same"

    def _differing(self) -> Judgement:
        gravest = self.verdicts[self._gravest()]
        if gravest.rule in ("settings", "cut", "vectors"):
            return gravest.kind, gravest.confidence, [*gravest.parts, *self._failures()], gravest.rule
        if len(self.attempts) - len(self.comparings) > _MOST_FAILED * len(self.attempts):
            parts = [*self._failures(), self._counts(), say("set_too_many_failed")]
            return VerdictKind.INCONCLUSIVE, None, parts, "missing"
        kind, confidence, parts, rule = (
            self._by_moved()
            or self._by_earlier()
            or self._by_chance()
            or self._by_texts()
            or self._as_gravest()
        )
        return kind, confidence, [*parts, *self._failures()], rule

    # ---- 4 to 8 ----

    def _moved(self) -> list[int]:
        """The attempts whose probabilities moved further than noise explains, whatever their text."""
        return [place for place, one in self.comparings.items() if one.weight.leaning == "moved"]

    def _by_moved(self) -> Judgement | None:
        count = self.together.count
        moved = sorted({*self._moved(), *(p for p in self.odd if self.comparings[p].names_other_model)})
        if not moved:
            return None
        clear = [place for place in self.odd if self.comparings[place].convincing]
        if len(clear) >= 2 or (clear and 2 * len(moved) > count):
            clearest = self.comparings[max(clear, key=self._size)]
            by_name = all(self.comparings[place].names_other_model for place in clear)
            told = say("set_other_model" if by_name else "set_changed", moved=len(moved), count=count)
            parts = [*clearest.head(), told, *clearest.unexplained()]
            return VerdictKind.BACKEND_CHANGED, STRONG, parts, "probabilities"
        if 2 * len(moved) < count:
            parts = [self._counts(), say("set_outliers", moved=len(moved), count=count)]
            return VerdictKind.INCONCLUSIVE, None, parts, "probabilities"
        return self._as_gravest()

    def _by_earlier(self) -> Judgement | None:
        """What the same request was answered before: the noise that was measured then."""
        leader = self._leader()
        stayed = all(self.comparings[place].weight.leaning == "chance" for place in self.odd)
        steady = all(comparing.steady for comparing in self.comparings.values())
        found = judge_drop(self.drop, probabilities_stayed=stayed, steady=steady)
        if found is None:
            return None
        kind, confidence, told = found
        if kind == VerdictKind.BACKEND_CHANGED:
            return kind, confidence, [*leader.head(), *told], "earlier"
        return kind, confidence, [self._counts(), *told], "earlier"

    def _leader(self) -> Comparing:
        """The first of the commonest answer that is not the original's."""
        groups = self.together.groups
        return self.comparings[next(group.representative for group in groups if group.kind == "different")]

    def _by_chance(self) -> Judgement | None:
        """Where the probabilities show each difference as chance; replays that agree too well need more."""
        comparings = [self.comparings[place] for place in self.odd]
        if any(one.weight.leaning != "chance" for one in comparings):
            return None
        together = self.together
        stable = together.pattern in ("agree", "settled") and together.count >= REPLAYS_TO_AGREE
        if stable and not comparings[0].greedy:
            otherwise = self._drawn_otherwise(comparings)
            if otherwise is not None:
                return otherwise
        parts = [self._counts(), say("set_vary" if together.same else "set_chance")]
        return VerdictKind.NONDETERMINISTIC, STRONG, parts, "probabilities"

    def _drawn_otherwise(self, comparings: Sequence[Comparing]) -> Judgement | None:
        """The text changed and the probabilities did not: that is the draw, the stop rule or the seed.

        One interaction can't tell that from a rare outcome; several together can.
        """
        shifts = [one.weight.shift.probability for one in comparings if one.weight.shift is not None]
        found = judge_texts(self.together, announced=False)
        if found is None or not shifts or max(shifts) > STILL_SHIFT:
            return None
        kind, confidence, told = found
        why = say("agree_not_probabilities", moved=percent(sum(shifts) / len(shifts)))
        return kind, confidence, [told[0], why, *told[1:]], "probabilities"

    def _by_texts(self) -> Judgement | None:
        leader = self._leader()
        unknown = leader.relation in fingerprints.UNKNOWN_VALUES
        found = judge_texts(self.together, announced=unknown)
        if found is None:
            return None
        kind, confidence, told = found
        if kind == VerdictKind.BACKEND_CHANGED:
            return kind, confidence, [*leader.head(), *told], "replays"
        if self.together.same:
            return kind, confidence, [self._counts(), say("set_still_given")], "replays"
        return kind, confidence, list(told), "replays"

    def _as_gravest(self) -> Judgement:
        gravest = self.verdicts[self._gravest()]
        confidence = gravest.confidence if gravest.confidence is None else min(gravest.confidence, GOOD)
        return gravest.kind, confidence, [self._counts(), *gravest.parts], gravest.rule

    # ---- parts ----

    def _gravest(self) -> int:
        return max(self.odd, key=lambda place: (_GRAVITY.get(self.verdicts[place].kind, 0), -place))

    def _size(self, place: int) -> float:
        """How clear a move is, in units of what would count."""
        weight = self.comparings[place].weight
        shift = weight.shift.probability / weight.shift_floor if weight.shift else 0.0
        return max(shift, (weight.moved or 0.0) / weight.noise.wide_from)

    def _shift_floor(self) -> float:
        return self.noise.shift_floor(len(self.noise.profile))

    def _counts(self) -> Message:
        if not self.together.same and self.together.count > 1:
            return say("set_counts_none", count=self.together.count)
        return say("set_counts", same=self.together.same, count=self.together.count)

    def _failures(self) -> list[Message]:
        failed = len(self.attempts) - len(self.comparings)
        return [say("set_some_failed", failed=failed, count=len(self.attempts))] if failed else []
