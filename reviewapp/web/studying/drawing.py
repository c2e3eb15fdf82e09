"""The plots of a study, as geometry: positions along the width are percentages, heights are pixels.

So a drawing is as wide as its place without its marks or its text being stretched, and needs no script.
Every mark is a link to the comparison behind it, has words of its own, and is told from others by its
shape before its colour. The same figures stand in a table under each plot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from reviewapp.models.studying import Condition
from reviewapp.pure.edits import EditKind
from reviewapp.pure.studies import Share
from reviewapp.templatetags.figures import percent
from reviewapp.web.studying.telling import condition_words, edit_words, share_words

HEIGHT: Final = 260
_TOP: Final = 14.0
_FOOT: Final = 222.0
# Where sizes begin and end, in percent of the width; the axis' figures stand left of it.
_LEFT: Final = 10.0
_WIDE: Final = 86.0
_TICKS: Final = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
# Answers of one condition lie side by side, so many percent of the width apart; and so do kinds of edits,
# whose sizes may be the same.
_APART: Final = 0.35
_KINDS_APART: Final = 0.7

# Around the origin, about ten pixels wide.
_SHAPES: Final = {
    "circle": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "square": "M-4.5,-4.5h9v9h-9z",
    "diamond": "M0,-6.2L6.2,0L0,6.2L-6.2,0z",
    "up": "M0,-5.8L5.8,4.6H-5.8z",
    "down": "M0,5.8L5.8,-4.6H-5.8z",
    "plus": "M-1.8,-5.5h3.6v3.7h3.7v3.6h-3.7v3.7h-3.6v-3.7h-3.7v-3.6h3.7z",
    "left": "M-5.8,0L4.6,-5.8V5.8z",
    "right": "M5.8,0L-4.6,-5.8V5.8z",
    "hexagon": "M-3,-5.2h6L6,0L3,5.2h-6L-6,0z",
    "bow": "M-5.5,-5L5.5,5V-5L-5.5,5z",
}
_FACES: Final = {
    EditKind.NONE: ("circle", "hue-none"),
    EditKind.WHITE_SPACE: ("circle", "hue-14"),
    EditKind.CASE: ("square", "hue-3"),
    EditKind.PUNCTUATION: ("diamond", "hue-10"),
    EditKind.TYPO: ("up", "hue-1"),
    EditKind.SYNONYM: ("down", "hue-19"),
    EditKind.PARAPHRASE: ("plus", "hue-17"),
    EditKind.REORDER: ("left", "hue-6"),
    EditKind.APPEND: ("right", "hue-12"),
    EditKind.SYSTEM: ("hexagon", "hue-21"),
}


@dataclass(frozen=True, slots=True)
class Face:
    """How a kind of edit is drawn."""

    kind: str
    words: str
    path: str
    hue: str


def face_of(kind: str) -> Face:
    """The kind's shape and hue."""
    shape, hue = _FACES.get(EditKind(kind), ("circle", "hue-none"))
    return Face(kind, edit_words(kind), _SHAPES[shape], hue)


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark, the stretch that it may as well be at, and where it leads."""

    face: Face
    x: str
    y: str
    low: str
    high: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A figure on an axis."""

    at: str
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Plot:
    """What the page draws."""

    marks: list[Mark]
    across: list[Tick]
    up: list[Tick]
    floor_y: str = ""
    floor_top: str = ""
    floor_height: str = ""
    floor_title: str = ""
    height: int = HEIGHT
    foot: str = f"{_FOOT:g}"
    left: str = f"{_LEFT:g}%"
    right: str = f"{_LEFT + _WIDE:g}%"
    wide: str = f"{_WIDE:g}%"
    legend: list[Face] = field(default_factory=list)


def draw_shares(conditions: Sequence[Condition]) -> Plot:
    """How often the answer came back against the size of the edit, each with its interval."""
    edited, floor = _parted(conditions)
    most = _most(edited)
    aside = _aside(edited)
    marks = []
    for one in sorted(edited, key=lambda each: each.size):
        if not one.points or one.telling is None:
            continue
        back = one.came_back
        marks.append(
            Mark(
                face=face_of(one.kind),
                x=_x(one.size, most, aside[one.kind]),
                y=_y(back.value or 0.0),
                low=_y(back.low),
                high=_y(back.high),
                title=_("%(what)s: came back in %(share)s")
                % {"what": condition_words(one), "share": share_words(back)},
                url=reverse("compare", args=[one.telling.attempt]),
            )
        )
    return _with_floor(_plot(marks, edited, most), floor)


def draw_similarities(conditions: Sequence[Condition]) -> Plot:
    """How alike each answer is to what it is held against, against the size of the edit."""
    edited, floor = _parted(conditions)
    most = _most(edited)
    asides = _aside(edited)
    marks = []
    for one in sorted(edited, key=lambda each: each.size):
        for place, point in enumerate(one.points):
            aside = asides[one.kind] + (place - (len(one.points) - 1) / 2) * _APART
            marks.append(
                Mark(
                    face=face_of(one.kind),
                    x=_x(one.size, most, aside),
                    y=_y(point.similarity),
                    low="",
                    high="",
                    title=_("%(what)s, answer %(n)s: %(share)s of the words stayed")
                    % {
                        "what": condition_words(one),
                        "n": point.repeat,
                        "share": percent(point.similarity),
                    },
                    url=reverse("compare", args=[point.attempt]),
                )
            )
    plot = _plot(marks, edited, most)
    if floor is None or floor.similarity is None:
        return plot
    told = _("No edit: %(share)s of the words stayed") % {"share": percent(floor.similarity)}
    return replace(plot, floor_y=_y(floor.similarity), floor_title=told)


def _parted(conditions: Sequence[Condition]) -> tuple[list[Condition], Condition | None]:
    edited = [one for one in conditions if one.kind != EditKind.NONE]
    return edited, next((one for one in conditions if one.kind == EditKind.NONE), None)


def _aside(edited: Sequence[Condition]) -> dict[str, float]:
    """How far each kind's marks lie aside from where they belong."""
    kinds = list(dict.fromkeys(one.kind for one in edited))
    return {kind: (place - (len(kinds) - 1) / 2) * _KINDS_APART for place, kind in enumerate(kinds)}


def _most(edited: Sequence[Condition]) -> float:
    return max((one.size for one in edited), default=0.0) or 1.0


def _plot(marks: list[Mark], edited: Sequence[Condition], most: float) -> Plot:
    kinds = dict.fromkeys(one.kind for one in edited)
    return Plot(
        marks=marks,
        across=[
            Tick(_x(size, most), percent(size), "start" if not size else "middle")
            for size in _TICKS
            if size <= most
        ],
        up=[Tick(_y(share), percent(share), "end") for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
        legend=[face_of(kind) for kind in kinds],
    )


def _with_floor(plot: Plot, floor: Condition | None) -> Plot:
    """With the noise floor: what asking again shows without any edit, with its interval."""
    if floor is None or not floor.points:
        return plot
    back = floor.came_back
    top, foot = float(_y(back.high)), float(_y(back.low))
    return replace(
        plot,
        floor_y=_y(back.value or 0.0),
        floor_top=f"{top:.1f}",
        floor_height=f"{max(foot - top, 1.0):.1f}",
        floor_title=_("No edit: came back in %(share)s") % {"share": share_words(back)},
    )


def _x(size: float, most: float, aside: float = 0.0) -> str:
    # By the root: most edits are small, and there the answer is decided.
    return f"{_LEFT + _WIDE * math.sqrt(size / most) + aside:.2f}%"


def _y(share: float) -> str:
    return f"{_FOOT - (_FOOT - _TOP) * share:.1f}"


@dataclass(frozen=True, slots=True)
class Range:
    """A share on a line from 0 to 1, with its interval."""

    low: str
    width: str
    at: str
    words: str


def draw_range(share: Share) -> Range | None:
    """None where nothing is known."""
    if share.value is None:
        return None
    return Range(
        low=f"{100 * share.low:.2f}%",
        width=f"{100 * (share.high - share.low):.2f}%",
        at=f"{100 * share.value:.2f}%",
        words=share_words(share),
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer in the field of a seed study: which of the different answers it is."""

    letter: str
    hue: str
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One seed's answers, in the order of asking."""

    seed: int
    cells: list[Cell]


def draw_seeds(conditions: Sequence[Condition]) -> list[SeedRow]:
    """Which answer each seed got each time; equal answers have the same letter and hue."""
    places: dict[bytes, int] = {}
    for one in conditions:
        for point in one.points:
            places.setdefault(point.digest, len(places))
    rows = []
    for one in conditions:
        cells = [
            Cell(
                letter=_letter(places[point.digest]),
                hue=f"hue-{places[point.digest] * 7 % 24}",
                url=reverse("compare", args=[point.attempt]),
                title=_("%(what)s, time %(n)s: answer %(letter)s")
                % {"what": condition_words(one), "n": point.repeat, "letter": _letter(places[point.digest])},
            )
            for point in one.points
        ]
        rows.append(SeedRow(seed=one.variant.about["seed"], cells=cells))
    return rows


def _letter(place: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
