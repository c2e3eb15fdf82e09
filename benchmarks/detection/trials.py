"""Checks drawn from collected rows: a baseline of three sessions, and a look of so many requests.

A pool's request is a draw of a replica, independent for each. Under load a session is one of six that
were really asked under different traffic; the check's session is never one of the baseline's, so a null
check contains the difference between sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.collect import Rows
from benchmarks.detection.states import Regime
from reviewapp.pure.drift import statistics
from reviewapp.pure.drift.rows import Row, Stratum, logprob_strata, text_strata

SESSIONS, ROWS_A_SESSION = 3, 5
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Bank:
    """All rows of two states (one twice, for a null), one stratum for each question.

    `members` is the number of replicas, or of sessions under load; `copies` the rows each has.
    """

    strata: list[Stratum]
    members: int
    copies: int
    batched: bool
    null: bool


def _rows(rows: Rows, kind: str) -> tuple[list[Row], int, int]:
    members = rows.by_member[kind]
    prompts = len({row.prompt for row in members[0]})
    return [row for member in members for row in member], len(members), len(members[0]) // prompts


def make_bank(regime: Regime, before: Rows, after: Rows, kind: str, *, as_numbers: bool) -> Bank:
    """The bank of one kind of question. Rows stand by member, then by copy, in every stratum."""
    known, members, copies = _rows(before, kind)
    new, _, _ = _rows(after, kind)
    if as_numbers:
        strata = logprob_strata(baseline=known, tested=new)
    elif kind == "border":
        strata = statistics.border_strata(baseline=known, tested=new)
    elif kind == "free":
        strata = statistics.hamming_strata(baseline=known, tested=new)
    else:
        strata = text_strata(baseline=known, tested=new)
    return Bank(strata=strata, members=members, copies=copies, batched=regime.batched, null=before is after)


@dataclass(frozen=True)
class Draw:
    """Which sessions a trial uses (under load), so that every statistic of it sees the same ones."""

    baseline: tuple[int, ...]
    check: int


def draw_sessions(bank: Bank, rng: np.random.Generator) -> Draw:
    """Three sessions for the baseline and another for the check."""
    if not bank.batched:
        return Draw(baseline=(0, 1, 2), check=3)
    order = rng.permutation(bank.members)
    return Draw(baseline=tuple(int(one) for one in order[:SESSIONS]), check=int(order[SESSIONS]))


def draw(
    bank: Bank,
    *,
    questions: int,
    rows: int,
    sessions: Draw,
    rng: np.random.Generator,
    baseline_rng: np.random.Generator | None = None,
) -> list[Stratum]:
    """A baseline of 3 x 5 rows and `rows` rows under test for each of so many questions.

    With the same `baseline_rng` two looks meet the same baseline.
    """
    chosen = rng.permutation(len(bank.strata))[:questions] if questions < len(bank.strata) else None
    strata = bank.strata if chosen is None else [bank.strata[place] for place in chosen]
    known = [_baseline_places(bank, sessions, baseline_rng or rng) for _ in strata]
    return [
        _taken(stratum, places, _check_places(bank, stratum, rows=rows, sessions=sessions, rng=rng))
        for stratum, places in zip(strata, known, strict=True)
    ]


def _baseline_places(bank: Bank, sessions: Draw, rng: np.random.Generator) -> Places:
    if not bank.batched:
        return rng.integers(bank.members, size=SESSIONS * ROWS_A_SESSION)
    return np.concatenate(
        [
            one * bank.copies + rng.choice(bank.copies, ROWS_A_SESSION, replace=False)
            for one in sessions.baseline
        ]
    )


def _check_places(
    bank: Bank, stratum: Stratum, *, rows: int, sessions: Draw, rng: np.random.Generator
) -> Places:
    offset = 0 if bank.null else stratum.baseline
    if not bank.batched:
        return np.asarray(offset + rng.integers(bank.members, size=rows))
    picked = rng.choice(bank.copies, rows, replace=rows > bank.copies)
    return np.asarray(offset + sessions.check * bank.copies + picked)


def draw_free(bank: Bank, *, rows: int, rng: np.random.Generator) -> list[Stratum]:
    """For texts whose seed changes each time: every row is used once, on one side."""
    strata = []
    for stratum in bank.strata:
        order = rng.permutation(stratum.baseline)
        known = order[: SESSIONS * ROWS_A_SESSION]
        if bank.null:
            new = order[len(known) : len(known) + rows]
        else:
            new = stratum.baseline + rng.permutation(stratum.tested)[:rows]
        strata.append(_taken(stratum, known, new))
    return strata


def _taken(stratum: Stratum, known: Places, new: Places) -> Stratum:
    order = np.concatenate([known, new])
    names = tuple(f"day {place // ROWS_A_SESSION}" for place in range(len(known)))
    return Stratum(
        prompt=stratum.prompt,
        distances=stratum.distances[np.ix_(order, order)],
        baseline=len(known),
        sessions=(*names, *(("check",) * len(new))),
        vectors=None if stratum.vectors is None else stratum.vectors[order],
        partings=None if stratum.partings is None else stratum.partings[np.ix_(order, order)],
    )
