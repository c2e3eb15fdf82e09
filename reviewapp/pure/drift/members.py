"""The known members of a pool: kept as rows, named by clusters, recognised when they come back.

A pool of backends is a mixture of a few numeric states. Rows are clustered for each question (single
linkage, cut at the floor), because the same machine shows itself only within one question; the labels
that the vendor reports are set against the clusters in a table. From that follow four sentences:

- a new label on rows of known members: relabelled, behaviour known;
- a known label on rows off all members: a change that the vendor did not announce;
- known members in new proportions: the mix of the pool moved, which is information and not a change;
- rows that match an earlier baseline in the archive: the same as before its date (a rollback).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from reviewapp.pure.drift import permutation
from reviewapp.pure.drift.rows import Row, Stratum, logprob_strata, text_strata

MEMBER_LEAVES_AFTER = timedelta(days=30)
RETURNS_TO_ALTERNATE = 2


@dataclass(frozen=True, slots=True)
class Archived:
    """A baseline that was in use until `until`, kept so that a rollback is recognised by name."""

    name: str
    until: datetime
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """What the members of a pool look like: how many, and how the check's rows fall on them."""

    members: int
    known_rows: int
    total_rows: int
    mix_distance: float
    mix_p: float


def clusters(stratum: Stratum, *, cut: float) -> list[int]:
    """The cluster number of every baseline row, by single linkage cut at `cut`."""
    if stratum.baseline < 2:
        return [1] * stratum.baseline
    known = stratum.distances[: stratum.baseline, : stratum.baseline]
    # Here, not above: 60 MB, which only who computes shall pay.
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform((known + known.T) / 2, checks=False), method="single")
    return [int(number) for number in fcluster(tree, t=cut, criterion="distance")]


def _with_memberships(stratum: Stratum, *, cut: float) -> tuple[Stratum, int]:
    """The stratum with one-hot membership vectors, and the number of members that were met twice.

    A row under test belongs to its nearest baseline row's member.
    """
    numbers = clusters(stratum, cut=cut)
    nearest = stratum.distances[stratum.baseline :, : stratum.baseline].argmin(axis=1)
    numbers = [*numbers, *(numbers[place] for place in nearest)]
    width = max(numbers)
    met_again = sum(count > 1 for count in Counter(numbers[: stratum.baseline]).values())
    one_hot = np.zeros((len(numbers), width))
    one_hot[np.arange(len(numbers)), np.array(numbers) - 1] = 1.0
    return replace(stratum, vectors=one_hot), met_again


def describe_pool(
    strata: Sequence[Stratum], *, cut: float, rng: np.random.Generator, permutations: int = 999
) -> Pool:
    """How many members the baseline shows, and whether the check met them in other proportions."""
    described = [_with_memberships(stratum, cut=cut) for stratum in strata]
    marked = [stratum for stratum, _ in described]
    value, p, _ = permutation.permutation_test(
        permutation.total_variation, marked, rng=rng, permutations=permutations
    )
    distances = [stratum.distances[stratum.baseline :, : stratum.baseline].min(axis=1) for stratum in strata]
    nearest = np.concatenate(distances)
    return Pool(
        members=round(float(np.median([count for _, count in described]))),
        known_rows=int(np.count_nonzero(nearest <= cut)),
        total_rows=len(nearest),
        mix_distance=value,
        mix_p=p,
    )


def label_table(strata: Sequence[Stratum], *, cut: float) -> Counter[tuple[str, int]]:
    """How often each fingerprint met each cluster, summed over questions; "none" where none was reported.

    Clusters are numbered within a question by their size, so that number 1 is always the largest.
    """
    table: Counter[tuple[str, int]] = Counter()
    for stratum in strata:
        numbers = clusters(stratum, cut=cut)
        sizes = Counter(numbers)
        by_size = sorted(sizes, key=lambda number: (-sizes[number], number))
        rank = {number: place for place, number in enumerate(by_size, start=1)}
        for number, label in zip(numbers, stratum.labels, strict=False):
            table[label or "none", rank[number]] += 1
    return table


def recognise(
    *, tested: Sequence[Row], archive: Sequence[Archived], cut: float, share: float = 0.9
) -> Archived | None:
    """The latest archived baseline on whose members nearly all rows under test lie."""
    for earlier in sorted(archive, key=lambda one: one.until, reverse=True):
        strata = logprob_strata(baseline=earlier.rows, tested=tested)
        limit = cut
        if not strata:
            strata = text_strata(baseline=earlier.rows, tested=tested)
            limit = 0.0
        if not strata:
            continue
        nearest = np.concatenate(
            [stratum.distances[stratum.baseline :, : stratum.baseline].min(axis=1) for stratum in strata]
        )
        if np.count_nonzero(nearest <= limit) >= share * len(nearest):
            return earlier
    return None


def is_alternating(states: Sequence[str]) -> bool:
    """Whether a series of daily states has come back to one it had left, for the second time."""
    returns = 0
    left: set[str] = set()
    for before, after in itertools.pairwise(states):
        if after != before:
            left.add(before)
            returns += after in left
    return returns >= RETURNS_TO_ALTERNATE


def still_members(rows: Sequence[Row], *, now: datetime) -> list[Row]:
    """The rows that stay in a rolling baseline: those of the last thirty days, and those without a date."""
    return [row for row in rows if row.at is None or now - row.at <= MEMBER_LEAVES_AFTER]
