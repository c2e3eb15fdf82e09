"""Agreement on marked stretches of text.

Three views, since people disagree in three ways: about where a stretch ends, about whether there
is one, and about its label. `span_f1` counts characters and forgives borders in proportion;
`span_matches` counts whole marks, matched one to one where they overlap by at least half (as in
object detection); `span_alpha` corrects for chance, and takes any number of people: it is
Krippendorff's alpha over characters, each marked with a label or with none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reviewapp.pure.agreement.chance import Floats, alpha_of_counts, nominal_distances

_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, order=True)
class MarkedSpan:
    """The characters from `start` up to `end`, with a label."""

    start: int
    end: int
    label: str = ""

    @property
    def length(self) -> int:
        return max(0, self.end - self.start)

    def shared(self, other: MarkedSpan) -> int:
        """How many characters both have."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))


def span_f1(
    first: Iterable[MarkedSpan], second: Iterable[MarkedSpan], *, labels: bool = True
) -> float | None:
    """The share of marked characters that both marked alike (F1, or Dice); None when nobody marked any."""
    a, b = _characters(first, labels=labels), _characters(second, labels=labels)
    marked = _total(a) + _total(b)
    if not marked:
        return None
    return 2 * sum(_overlap(a.get(label, []), b.get(label, [])) for label in a) / marked


def span_matches(
    first: Sequence[MarkedSpan], second: Sequence[MarkedSpan], *, labels: bool = True, least: float = _HALF
) -> float | None:
    """The share of marks that have a partner: overlap over union of at least `least`, one to one."""
    if not first and not second:
        return None
    if not first or not second:
        return 0.0
    overlaps = np.array([[_union_share(a, b, labels=labels) for b in second] for a in first])
    near = overlaps >= least
    if near.sum(axis=0).max() <= 1 and near.sum(axis=1).max() <= 1:
        # Nearly always: nobody has a choice.
        return 2 * int(near.sum()) / (len(first) + len(second))
    # As many partners as possible, and among those the closest.
    gain = np.where(overlaps >= least, 1 + overlaps / (1 + len(first) + len(second)), 0.0)
    # Here, not above: 60 MB, which only who computes shall pay.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    partners = int((overlaps[rows, columns] >= least).sum())
    return 2 * partners / (len(first) + len(second))


def span_alpha(marked: Mapping[str, Sequence[MarkedSpan]], *, length: int) -> float | None:
    """Krippendorff's alpha over the text's characters; who marked nothing marked each with none."""
    rows, sizes = pieces(list(marked.values()), length=length)
    values = {value: at for at, value in enumerate({value for row in rows for value in row})}
    counts = np.zeros((len(rows), len(values)))
    for at, row in enumerate(rows):
        np.add.at(counts[at], [values[value] for value in row], 1)
    return alpha_of_counts(counts, nominal_distances(len(values)), sizes=sizes)


def pieces(
    marked: Sequence[Sequence[MarkedSpan]], *, length: int
) -> tuple[list[list[frozenset[str]]], Floats]:
    """The text cut where a mark begins or ends: each piece's labels by each person, and its characters."""
    if length <= 0:
        return [], np.zeros(0)
    borders = {0, length}
    for spans in marked:
        borders |= {min(max(border, 0), length) for span in spans for border in (span.start, span.end)}
    edges = sorted(borders)
    rows = [
        [frozenset(span.label for span in spans if span.start <= start < span.end) for spans in marked]
        for start in edges[:-1]
    ]
    return rows, np.diff(np.array(edges, dtype=np.float64))


def _characters(spans: Iterable[MarkedSpan], *, labels: bool) -> dict[str, list[tuple[int, int]]]:
    """The marked stretches of each label, merged where they touch or overlap, in order."""
    found: dict[str, list[tuple[int, int]]] = {}
    for span in sorted(spans):
        if not span.length:
            continue
        stretches = found.setdefault(span.label if labels else "", [])
        if stretches and span.start <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], span.end))
        else:
            stretches.append((span.start, span.end))
    return found


def _total(stretches: Mapping[str, list[tuple[int, int]]]) -> int:
    return sum(end - start for each in stretches.values() for start, end in each)


def _overlap(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> int:
    shared = i = j = 0
    while i < len(a) and j < len(b):
        shared += max(0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return shared


def _union_share(a: MarkedSpan, b: MarkedSpan, *, labels: bool) -> float:
    if labels and a.label != b.label:
        return 0.0
    shared = a.shared(b)
    union = a.length + b.length - shared
    return shared / union if union else 0.0
