"""All that is told of one question: every coefficient that suits its answers, and each answer by itself.

Which coefficients suit hangs on what the answers are: names, names in an order, or numbers. Numbers are
both ordered and measured, so they are told at both levels: ordinal alpha asks only who rated higher.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from reviewapp.pure.agreement.chance import (
    Floats,
    Level,
    Ratings,
    Value,
    again_of_counts,
    alpha_of_counts,
    cohen_kappa,
    counts_of,
    fleiss_kappa,
    level_alpha_of_counts,
    nominal_distances,
    percent_of_counts,
)
from reviewapp.pure.agreement.intervals import Interval, bootstrap_counts

RESAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Answers:
    """What a question's answers are. `values` are its choices, in the order in which it offers them."""

    values: tuple[Value, ...] = ()
    is_ordered: bool = False
    is_number: bool = False

    @property
    def order(self) -> tuple[Value, ...] | None:
        """For what needs an order; numbers have one of their own."""
        return None if self.is_number or not self.is_ordered else self.values

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels at which their agreement can be told, the one to go by first."""
        if self.is_number:
            return ("interval", "ordinal")
        return ("ordinal", "nominal") if self.is_ordered else ("nominal",)


@dataclass(frozen=True, slots=True)
class Kappa:
    """A kappa, and which: Cohen, Fleiss, linear or quadratic (Cohen's with such weights)."""

    name: str
    value: float | None


@dataclass(frozen=True, slots=True)
class ChoiceAgreement:
    """One answer against all others.

    `chosen` counts the judgements that gave it; `again` is how often another judgement of the item gives
    it too.
    """

    value: Value
    chosen: int
    again: float | None
    kappa: Kappa | None
    alpha: Interval


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of one question."""

    percent: Interval
    kappas: tuple[Kappa, ...]
    alphas: tuple[tuple[Level, Interval], ...]


def coefficients(ratings: Ratings, answers: Answers) -> Coefficients:
    """Percent agreement, the kappas and the alphas, with intervals."""
    counts, values = counts_of(ratings, order=answers.order)

    def alpha(level: Level) -> Callable[[Floats, Floats], float | None]:
        return lambda rows, sizes: level_alpha_of_counts(
            rows, sizes, values, level=level, order=answers.order
        )

    return Coefficients(
        percent=bootstrap_counts(counts, percent_of_counts, resamples=RESAMPLES),
        kappas=_kappas(ratings, answers),
        alphas=tuple(
            (level, bootstrap_counts(counts, alpha(level), resamples=RESAMPLES)) for level in answers.levels
        ),
    )


def by_choice(ratings: Ratings, answers: Answers) -> tuple[ChoiceAgreement, ...]:
    """Each answer that somebody gave, in the order in which they are offered; none for numbers."""
    if answers.is_number:
        return ()
    counts, values = counts_of(ratings)
    place = {value: at for at, value in enumerate(values)}
    offered = [value for value in answers.values if value in place]
    return tuple(
        _choice(ratings, counts, place[value], value)
        for value in [*offered, *[value for value in values if value not in answers.values]]
    )


def _choice(ratings: Ratings, counts: Floats, at: int, value: Value) -> ChoiceAgreement:
    chosen = counts[:, at]
    against = np.stack([chosen, counts.sum(axis=1) - chosen], axis=1)
    distance = nominal_distances(2)
    alone = [[None if one is None else one == value for one in row] for row in ratings]
    kappas = _kappas(alone, Answers())
    return ChoiceAgreement(
        value=value,
        chosen=int(chosen.sum()),
        again=again_of_counts(counts, np.ones(len(counts)), at),
        kappa=kappas[0] if kappas else None,
        alpha=bootstrap_counts(
            against,
            lambda rows, sizes: alpha_of_counts(rows, distance, sizes=sizes),
            resamples=RESAMPLES,
        ),
    )


def _kappas(ratings: Ratings, answers: Answers) -> tuple[Kappa, ...]:
    if not ratings:
        return ()
    if len(ratings[0]) == 2:
        first, second = ([row[at] for row in ratings] for at in (0, 1))
        found = [Kappa("Cohen", cohen_kappa(first, second))]
        if answers.is_ordered or answers.is_number:
            found += [
                Kappa("linear", cohen_kappa(first, second, weights="linear", order=answers.order)),
                Kappa("quadratic", cohen_kappa(first, second, weights="quadratic", order=answers.order)),
            ]
        return tuple(found)
    if len({sum(value is not None for value in row) for row in ratings}) == 1:
        return (Kappa("Fleiss", fleiss_kappa(ratings)),)
    return ()
