"""What the texts of several replays say together, where probabilities can't.

Replays among themselves are the measure of ordinary variation. One replay with the original's
answer shows that the backend still gives it; replays that differ from each other show that it
varies by itself; replays that all agree, but not with the original, are what a change looks
like, and so is a rare outcome at the time of recording. Of n equal replays and one other
original, the odd one is the original by chance in one of n + 1 cases, so that even ten decide
nothing without a sign from elsewhere: a fingerprint that differs, or a canary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Final, Literal, TypeAlias

from reviewapp.pure.differences.equivalence import Equivalence, answer_digest, likeness
from reviewapp.pure.exchange import Exchange, Reply
from reviewapp.pure.verdicts.values import AnswerGroup

# So many replays must agree before their agreement says anything.
REPLAYS_TO_AGREE: Final = 5
# The chance, among replays under two fingerprints, of being parted by them by accident.
_SEPARATED_P: Final = 0.01

# one: there is only one replay; agree: all replays agree, not with the original; settled: each of their
# answers came more than once, none is the original's; vary: some answer came only once.
Pattern: TypeAlias = Literal["same", "some_same", "one", "agree", "settled", "vary"]


@dataclass(frozen=True, slots=True)
class Together:
    """Answered replays, grouped by their answers; the original's group comes first."""

    groups: tuple[AnswerGroup, ...]
    # Replays with the original's answer, of so many.
    same: int
    count: int
    # The numbers of replays under the original's fingerprint and under the other one, where all of the
    # first gave the original's answer, none of the second did, and chance does not explain that.
    separated: tuple[int, int] | None

    @property
    def pattern(self) -> Pattern:
        if self.same:
            return "same" if self.same == self.count else "some_same"
        if self.count == 1:
            return "one"
        if len(self.groups) == 1:
            return "agree"
        return "vary" if any(len(group.members) == 1 for group in self.groups) else "settled"

    @property
    def agreement(self) -> float | None:
        """The share of pairs of replays with the same answer."""
        if self.count < 2:
            return None
        return sum(comb(len(group.members), 2) for group in self.groups) / comb(self.count, 2)


def gather(original: Reply, replays: Sequence[tuple[int, Exchange]], rules: Equivalence) -> Together:
    """The replays, each with its place, by their answers."""
    leaders: list[tuple[Reply, list[int]]] = []
    by_digest: dict[bytes, list[int]] = {}
    replies = {place: exchange.reply for place, exchange in replays}
    for place, reply in replies.items():
        digest = answer_digest(reply)
        members = by_digest.get(digest)
        if members is None:
            members = _members_alike(original, reply, leaders, rules)
            by_digest[digest] = members
            if not members:
                leaders.append((reply, members))
        members.append(place)
    groups = [
        AnswerGroup(
            likeness(original, leader, rules=rules).sameness, tuple(members), _fingerprints(members, replies)
        )
        for leader, members in leaders
    ]
    groups.sort(key=lambda group: (_ORDER[group.kind], -len(group.members), group.members))
    same = {place for group in groups if group.kind != "different" for place in group.members}
    return Together(tuple(groups), len(same), len(replies), _separated(original, replies, same))


_ORDER: Final = {"identical": 0, "equivalent": 1, "different": 2}


def _members_alike(
    original: Reply, reply: Reply, leaders: Sequence[tuple[Reply, list[int]]], rules: Equivalence
) -> list[int]:
    """The members of the group whose answer is equivalent to this one; a new list if there is none.

    What is the original's answer but for white space stays apart from what is so to the letter.
    """
    if likeness(original, reply, rules=rules).same:
        return []
    return next((members for leader, members in leaders if likeness(leader, reply, rules=rules).same), [])


def _fingerprints(members: Sequence[int], replies: dict[int, Reply]) -> tuple[tuple[str | None, int], ...]:
    counts = Counter(replies[place].fingerprint or None for place in members)
    return tuple(counts.most_common())


def _separated(original: Reply, replies: dict[int, Reply], same: set[int]) -> tuple[int, int] | None:
    """Whether the fingerprint alone decides who gives the original's answer (Fisher's exact test)."""
    old = original.fingerprint
    values = {reply.fingerprint for reply in replies.values()}
    if not old or None in values or "" in values or len(values | {old}) != 2:
        return None
    under_old = {place for place, reply in replies.items() if reply.fingerprint == old}
    if under_old != same or not same or len(same) == len(replies):
        return None
    other = len(replies) - len(same)
    return (len(same), other) if 1 / comb(len(replies), other) <= _SEPARATED_P else None
