"""All that is told of marks on words: of those with one label, and of all.

People disagree on two things: whether a text has such a thing at all, and where it stands. The first
is asked of each text like any question (marked so or not), so all coefficients of a question suit. The
second has three views of its own (see `spans`): the overlap, the marks that meet, and alpha over the
characters of all texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reviewapp.pure.agreement.asked import RESAMPLES, Answers, Coefficients, coefficients
from reviewapp.pure.agreement.chance import (
    Floats,
    alpha_of_coincidences,
    coincidences_of_counts,
    nominal_distances,
)
from reviewapp.pure.agreement.intervals import Interval, bootstrap_counts
from reviewapp.pure.agreement.spans import MarkedSpan, pieces, span_f1, span_matches

_GIVEN = Answers(values=(True, False))


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text of so many characters, and what each person marked in it; None for who did not judge it."""

    length: int
    marks: Sequence[Sequence[MarkedSpan] | None]

    def only(self, label: str) -> MarkedText:
        """With the marks of one label alone."""
        return MarkedText(
            self.length,
            [None if one is None else [span for span in one if span.label == label] for one in self.marks],
        )

    @property
    def judged(self) -> list[Sequence[MarkedSpan]]:
        """Of those who judged it."""
        return [one for one in self.marks if one is not None]


@dataclass(frozen=True, slots=True)
class MarkAgreement:
    """How well people agree on marks.

    `overlap` and `meet` are means over the pairs of people, text by text, of whom one marked anything.
    """

    marks: int
    pairs: int
    overlap: float | None
    meet: float | None
    # Over characters, with an interval that draws whole texts.
    alpha: Interval
    # Whether a text was marked at all.
    given: Coefficients


def marks_agreement(texts: Sequence[MarkedText]) -> MarkAgreement:
    """Of all these marks, whatever their labels; `only` leaves one label."""
    overlaps, meetings = [], []
    for text in texts:
        for first, second in combinations(text.judged, 2):
            overlap, meeting = span_f1(first, second), span_matches(first, second)
            if overlap is not None and meeting is not None:
                overlaps.append(overlap)
                meetings.append(meeting)
    given = [[None if one is None else bool(one) for one in text.marks] for text in texts]
    return MarkAgreement(
        marks=sum(len(one) for text in texts for one in text.judged),
        pairs=len(overlaps),
        overlap=_mean(overlaps),
        meet=_mean(meetings),
        alpha=_alpha(texts),
        given=coefficients(given, _GIVEN),
    )


def _alpha(texts: Sequence[MarkedText]) -> Interval:
    cut = [pieces(text.judged, length=text.length) for text in texts]
    values = {value: at for at, value in enumerate({one for rows, _ in cut for row in rows for one in row})}
    tables = np.zeros((len(texts), len(values) ** 2))
    for at, (rows, sizes) in enumerate(cut):
        counts = np.zeros((len(rows), len(values)))
        for place, row in enumerate(rows):
            np.add.at(counts[place], [values[one] for one in row], 1)
        tables[at] = coincidences_of_counts(counts, sizes).reshape(-1)
    return bootstrap_counts(tables, _over(len(values)), resamples=RESAMPLES)


def _over(values: int) -> Callable[[Floats, Floats], float | None]:
    distance = nominal_distances(values)
    return lambda tables, times: alpha_of_coincidences((times @ tables).reshape(values, values), distance)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
