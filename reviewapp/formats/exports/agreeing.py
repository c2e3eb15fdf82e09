"""How well the people of an export agree: of each interaction, and over all of them for the manifest.

Of somebody who judged an answer more than once, the newest judgement speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reviewapp.pure import agreement
from reviewapp.pure.agreement import Level, MarkedSpan
from reviewapp.pure.disagreement import PREFERENCE

# With more items than this the interval is narrower than anybody asks, and drawing it takes minutes.
_MOST_DRAWN: Final = 2_000
_RESAMPLES: Final = 200
# Of questions of free text nobody agrees, and that says nothing.
_LEVELS: Final[dict[str, Level]] = {"boolean": "nominal", "choice": "nominal", "number": "interval"}

Rows = list[dict[str, Any]]


def shares_of(annotations: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """By question, the share of pairs of people who gave the same answer; empty where one judged alone."""
    if len(annotations) < 2:
        return {}
    found = {}
    said = _by_person(annotations)
    for key in dict.fromkeys(key for one in said.values() for key in _answers(one)):
        share = agreement.percent_agreement([[_answers(one).get(key) for one in said.values()]])
        if share is not None:
            found[key] = round(share, 4)
    return found


def share_of(annotations: Sequence[Mapping[str, Any]]) -> float | None:
    """The same over all questions, as one number."""
    shares = shares_of(annotations)
    return round(sum(shares.values()) / len(shares), 4) if shares else None


def _by_person(annotations: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(one["created_by"]): one for one in annotations}


def _answers(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """What can be counted as alike or not."""
    found = {
        key: value
        for key, value in annotation["scores"].items()
        if isinstance(value, bool | int | float | str)
    }
    if annotation.get("preference"):
        found[PREFERENCE] = annotation["preference"]
    return found


@dataclass(slots=True)
class AgreementTally:
    """Gathers what several people said of the same answers, as rows go by; a row takes some bytes."""

    # By rubric and question: for each interaction what each person said.
    _ratings: dict[tuple[str, str], Rows] = field(default_factory=dict)
    _asked: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    _marks: list[float] = field(default_factory=list)
    _judged: int = 0
    _twice: int = 0

    def add(self, annotations: Sequence[Mapping[str, Any]], rubrics: Iterable[Mapping[str, Any]]) -> None:
        """Take in the judgements of one answer."""
        if not annotations:
            return
        self._judged += 1
        said = _by_person(annotations)
        if len(said) < 2:
            return
        self._twice += 1
        for rubric in rubrics:
            of_rubric = {person: one for person, one in said.items() if one["rubric"] == _named(rubric)}
            for question in rubric["questions"]:
                if question["kind"] in _LEVELS:
                    self._note(f"{rubric['name']} (version {rubric['version']})", question, of_rubric)
        self._note("", {"key": PREFERENCE, "label": "Preference", "kind": "choice"}, said)
        self._note_marks(list(said.values()))

    def _note(self, rubric: str, question: Mapping[str, Any], said: Mapping[str, Mapping[str, Any]]) -> None:
        key = question["key"]
        given = {
            person: value for person, one in said.items() if (value := _answers(one).get(key)) is not None
        }
        if len(given) >= 2:
            self._ratings.setdefault((rubric, key), []).append(given)
            self._asked[rubric, key] = question

    def _note_marks(self, said: Sequence[Mapping[str, Any]]) -> None:
        marks = [
            [MarkedSpan(span["start"], span["end"], span["label"]) for span in one["spans"]] for one in said
        ]
        for at, first in enumerate(marks):
            for second in marks[at + 1 :]:
                alike = agreement.span_f1(first, second)
                if alike is not None:
                    self._marks.append(alike)

    def values(self) -> dict[str, Any]:
        """As the manifest has it; empty where nobody judged anything."""
        if not self._judged:
            return {}
        return {
            "judged": self._judged,
            "judged_by_several": self._twice,
            "questions": [self._figures(rubric, key) for rubric, key in self._ratings],
            "marks": {"pairs": len(self._marks), "f1": _rounded(sum(self._marks) / len(self._marks))}
            if self._marks
            else None,
        }

    def _figures(self, rubric: str, key: str) -> dict[str, Any]:
        given, question = self._ratings[rubric, key], self._asked[rubric, key]
        level = _LEVELS[question["kind"]]
        people = list(dict.fromkeys(person for row in given for person in row))
        ratings = [[row.get(person) for person in people] for row in given]

        def alpha(drawn: agreement.Ratings) -> float | None:
            return agreement.krippendorff_alpha(drawn, level=level)

        if len(ratings) <= _MOST_DRAWN:
            drawn = agreement.bootstrap(ratings, alpha, resamples=_RESAMPLES)
        else:
            drawn = agreement.Interval(alpha(ratings), None, None, len(ratings))
        return {
            "rubric": rubric or None,
            "question": key,
            "label": question["label"],
            "level": level,
            "items": len(ratings),
            "people": len(people),
            "percent": _rounded(agreement.percent_agreement(ratings)),
            "alpha": _rounded(drawn.value),
            "alpha_95": [_rounded(drawn.low), _rounded(drawn.high)] if drawn.low is not None else None,
            **_kappa(ratings, len(people)),
        }


def _named(rubric: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": rubric["name"], "version": rubric["version"]}


def _kappa(ratings: agreement.Ratings, people: int) -> dict[str, Any]:
    if people == 2:
        return {
            "kappa": _rounded(
                agreement.cohen_kappa([row[0] for row in ratings], [row[1] for row in ratings])
            ),
            "kappa_of": "Cohen",
        }
    if len({sum(value is not None for value in row) for row in ratings}) == 1:
        return {"kappa": _rounded(agreement.fleiss_kappa(ratings)), "kappa_of": "Fleiss"}
    return {"kappa": None, "kappa_of": None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
