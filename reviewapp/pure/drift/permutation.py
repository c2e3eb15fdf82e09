"""Permutation tests that are stratified by question, fast enough to run on every check.

Under the null hypothesis it makes no difference which rows of a question are called baseline and which
are called new, so the labels are dealt again within each question, many times, and the statistic is
computed for each deal. p = (1 + number of deals at least as extreme) / (1 + deals): never zero, and
valid whatever the distribution (Phipson & Smyth, 2010, "Permutation p-values should never be zero").

Rows of one session are not independent of each other. With six or more sessions on each side, whole
sessions are dealt instead of rows (`deal_sessions`).

A deal is an array of the row numbers that are "under test", one line per permutation, one array per
question. Statistics take deals and return one value per line, so the observed value is the same code
with a single line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reviewapp.pure.drift.rows import Floats, Stratum

Masks: TypeAlias = NDArray[np.bool_]
Statistic: TypeAlias = Callable[[Sequence[Stratum], Sequence[Masks]], Floats]

ROUTINE_PERMUTATIONS = 999
CONFIRMING_PERMUTATIONS = 9_999
WORTH_MORE_P = 0.05
SESSIONS_TO_PERMUTE = 6
# Differences below this are rounding of sums that are equal on paper.
TIE = 1e-12
# What an early parting counts beside a new text.
PARTING_WEIGHT = 1e-3
# Bounds the memory of one slice of permutations (elements of the gathered distances).
SLICE_ELEMENTS = 4_000_000


def observed(strata: Sequence[Stratum]) -> list[Masks]:
    """The labels as they are: one line per question, true for rows under test."""
    masks = []
    for stratum in strata:
        mask = np.zeros((1, len(stratum.distances)), dtype=np.bool_)
        mask[0, stratum.baseline :] = True
        masks.append(mask)
    return masks


def deal_rows(strata: Sequence[Stratum], *, permutations: int, rng: np.random.Generator) -> list[Masks]:
    """Random labels within each question; each keeps its number of rows under test."""
    masks = []
    for stratum in strata:
        size = len(stratum.distances)
        ranks = rng.random((permutations, size)).argsort(axis=1)
        masks.append(ranks < stratum.tested)
    return masks


def deal_sessions(strata: Sequence[Stratum], *, permutations: int, rng: np.random.Generator) -> list[Masks]:
    """Random labels for whole sessions, the same deal in every question."""
    tested = sorted({name for stratum in strata for name in stratum.sessions[stratum.baseline :]})
    known = sorted({name for stratum in strata for name in stratum.sessions[: stratum.baseline]})
    names = [*known, *tested]
    ranks = rng.random((permutations, len(names))).argsort(axis=1)
    chosen = ranks < len(tested)
    places = {name: place for place, name in enumerate(names)}
    return [
        np.ascontiguousarray(chosen[:, [places[name] for name in stratum.sessions]]) for stratum in strata
    ]


def enough_sessions(strata: Sequence[Stratum]) -> bool:
    """Whether both sides have sessions enough to deal sessions instead of rows."""
    known = {name for stratum in strata for name in stratum.sessions[: stratum.baseline]}
    tested = {name for stratum in strata for name in stratum.sessions[stratum.baseline :]}
    return min(len(known), len(tested)) >= SESSIONS_TO_PERMUTE and not known & tested


def p_value(*, value: float, null: Floats) -> float:
    """One-sided, with the observed deal counted among the deals."""
    return float((1 + np.count_nonzero(null >= value - TIE)) / (len(null) + 1))


def nearest(strata: Sequence[Stratum], masks: Sequence[Masks]) -> Floats:
    """Mean over questions of the mean distance of rows under test to their nearest baseline row.

    A deal that leaves a question without baseline or without rows under test skips that question.
    """
    lines = len(masks[0])
    total = np.zeros(lines)
    counted = np.zeros(lines)
    for stratum, mask in zip(strata, masks, strict=True):
        distances = stratum.distances
        size = len(distances)
        step = max(1, SLICE_ELEMENTS // (size * size))
        for start in range(0, lines, step):
            part = mask[start : start + step]
            value, usable = _nearest_slice(distances, part)
            total[start : start + step] += value
            counted[start : start + step] += usable
    return np.divide(total, counted, out=np.zeros(lines), where=counted > 0)


def unseen(strata: Sequence[Stratum], masks: Sequence[Masks]) -> Floats:
    """The share of new texts, and among equal shares the value of the deal whose texts part sooner.

    Where most of the baseline's own texts are new too, nearly every deal has the same share, and a changed
    model shows in how soon its texts leave the nearest known one. The weight is too small to outrank a text.
    """
    weight = PARTING_WEIGHT / max(1, sum(stratum.tested for stratum in strata))
    ranked = [
        stratum
        if stratum.partings is None
        else replace(stratum, distances=stratum.distances + weight * stratum.partings)
        for stratum in strata
    ]
    return nearest(ranked, masks)


def _nearest_slice(distances: Floats, mask: Masks) -> tuple[Floats, Floats]:
    tested = mask.sum(axis=1)
    lines, size = mask.shape
    usable = (tested > 0) & (tested < size)
    if not distances.any():
        return np.zeros(lines), usable.astype(np.float64)
    if usable.all() and np.all(tested == tested[0]):
        # All deals of one size: gather only the rows and columns that count.
        new = np.nonzero(mask)[1].reshape(lines, -1)
        known = np.nonzero(~mask)[1].reshape(lines, -1)
        gathered = distances[new[:, :, None], known[:, None, :]]
        return gathered.min(axis=2).mean(axis=1), np.ones(lines)
    blocked = np.where(mask[:, None, :], np.inf, distances[None, :, :]).min(axis=2)
    sums = np.where(mask & usable[:, None], blocked, 0.0).sum(axis=1)
    return np.divide(sums, tested, out=np.zeros(lines), where=usable), usable.astype(np.float64)


def shift(strata: Sequence[Stratum], masks: Sequence[Masks]) -> Floats:
    """Mean over questions and tokens of the absolute difference of the two groups' means."""
    lines = len(masks[0])
    total = np.zeros(lines)
    counted = np.zeros(lines)
    for stratum, mask in zip(strata, masks, strict=True):
        if stratum.vectors is None:
            continue
        tested = mask.sum(axis=1)
        known = mask.shape[1] - tested
        usable = (tested > 0) & (known > 0)
        sums = mask.astype(np.float64) @ stratum.vectors
        rest = stratum.vectors.sum(axis=0)[None, :] - sums
        difference = sums / np.maximum(tested, 1)[:, None] - rest / np.maximum(known, 1)[:, None]
        total += np.where(usable, np.abs(difference).mean(axis=1), 0.0)
        counted += usable
    return np.divide(total, counted, out=np.zeros(lines), where=counted > 0)


def total_variation(strata: Sequence[Stratum], masks: Sequence[Masks]) -> Floats:
    """Mean over questions of half the sum of differences of frequencies (`vectors` are one-hot)."""
    lines = len(masks[0])
    total = np.zeros(lines)
    for stratum, mask in zip(strata, masks, strict=True):
        assert stratum.vectors is not None
        tested = np.maximum(mask.sum(axis=1), 1)
        known = np.maximum(mask.shape[1] - mask.sum(axis=1), 1)
        sums = mask.astype(np.float64) @ stratum.vectors
        rest = stratum.vectors.sum(axis=0)[None, :] - sums
        total += 0.5 * np.abs(sums / tested[:, None] - rest / known[:, None]).sum(axis=1)
    return total / max(1, len(strata))


def mean_discrepancy(strata: Sequence[Stratum], masks: Sequence[Masks]) -> Floats:
    """Mean over questions of MMD^2 with the kernel 1 - distance, without each row's own pair.

    A group of one row has no pair of its own; its term is left out, in every deal alike.
    """
    lines = len(masks[0])
    total = np.zeros(lines)
    for stratum, mask in zip(strata, masks, strict=True):
        kernel = 1.0 - stratum.distances
        own = np.diag(kernel)
        new = mask.astype(np.float64)
        known = 1.0 - new
        tested, rest = new.sum(axis=1), known.sum(axis=1)
        value = -2.0 * ((new @ kernel) * known).sum(axis=1) / np.maximum(tested * rest, 1)
        for group, count in ((new, tested), (known, rest)):
            pairs = ((group @ kernel) * group).sum(axis=1) - group @ own
            value += np.divide(pairs, count * (count - 1), out=np.zeros(lines), where=count > 1)
        total += value
    return total / max(1, len(strata))


def is_sparse(strata: Sequence[Stratum], *, within: float) -> bool:
    """Whether most rows have no other within that distance: too little is known of a large pool, or of noise.

    It says nothing about labels, so what is chosen by it leaves the permutation test exact.
    """
    alone, rows = 0, 0
    for stratum in strata:
        others = stratum.distances + np.diag(np.full(len(stratum.distances), np.inf))
        alone += int(np.count_nonzero(others.min(axis=1) > within))
        rows += len(others)
    return 2 * alone > rows


def joint_p(values: Sequence[float], nulls: Sequence[Floats]) -> float:
    """The p of several statistics on the same deals: how often the smallest of their p is so small by chance.

    One statistic sees what another is blind to, and looking at both costs next to nothing, for they mostly
    move together (min-P; Westfall & Young, "Resampling-Based Multiple Testing", 1993).
    """
    least: Floats | None = None
    for value, null in zip(values, nulls, strict=True):
        every = np.concatenate([[value], null])
        beaten = np.searchsorted(np.sort(every), every - TIE, side="left")
        own = (len(every) - beaten) / len(every)
        least = own if least is None else np.minimum(least, own)
    assert least is not None
    return float(np.count_nonzero(least <= least[0] + TIE) / len(least))


def joint_test(
    statistics: Sequence[Statistic],
    strata: Sequence[Stratum],
    *,
    rng: np.random.Generator,
    permutations: int = ROUTINE_PERMUTATIONS,
) -> tuple[list[float], float, list[Floats]]:
    """The observed values of several statistics, one p for all, and the values of each in all deals."""
    values = [float(statistic(strata, observed(strata))[0]) for statistic in statistics]
    deal = deal_sessions if enough_sessions(strata) else deal_rows

    def nulls(permutations: int) -> list[Floats]:
        masks = deal(strata, permutations=permutations, rng=rng)
        return [statistic(strata, masks) for statistic in statistics]

    found = nulls(min(permutations, ROUTINE_PERMUTATIONS))
    p = joint_p(values, found)
    if permutations > ROUTINE_PERMUTATIONS and p <= WORTH_MORE_P:
        found = nulls(permutations)
        p = joint_p(values, found)
    return values, p, found


def permutation_test(
    statistic: Statistic,
    strata: Sequence[Stratum],
    *,
    rng: np.random.Generator,
    permutations: int = ROUTINE_PERMUTATIONS,
) -> tuple[float, float, Floats]:
    """The observed value, its p and the values of all deals.

    Where more than the routine number of deals is wanted, the routine number is dealt first; only a
    small p is worth the rest, which is then dealt afresh.
    """
    (value,), p, (null,) = joint_test([statistic], strata, rng=rng, permutations=permutations)
    return value, p, null
