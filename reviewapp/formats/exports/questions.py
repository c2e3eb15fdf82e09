"""The questions of all rubrics in an export, as one list: other tools ask the same of all records.

Each question becomes a control with a name. Versions of a rubric may ask the same question differently,
and somebody may have answered what no rubric asks; where the kind of an answer is another, it gets a
control of its own, so that what was written of earlier rows holds for the whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PREFERENCES: Final = {
    "same": "As good as the original",
    "regression": "Worse than the original",
    "original": "The original is better",
    "replay": "The replay is better",
    "equal": "Equally good",
}
_YES_NO: Final = ({"value": "true", "label": "Yes"}, {"value": "false", "label": "No"})
_MOST_STARS: Final = 10


@dataclass(slots=True)
class Control:
    """A question as another tool asks it; `kind` is boolean, choice, rating, number or text."""

    name: str
    key: str
    kind: str
    label: str
    help: str = ""
    required: bool = False
    choices: list[dict[str, str]] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    step: float | None = None


@dataclass(slots=True)
class Asked:
    """What was asked, gathered as rows go by. `name` makes a name that the tool takes of a key and a kind."""

    controls: dict[tuple[str, str], Control] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    instructions: dict[str, str] = field(default_factory=dict)

    def add(self, rubrics: Iterable[Mapping[str, Any]]) -> None:
        """Take in what was asked of one answer."""
        for rubric in rubrics:
            for question in rubric["questions"]:
                self._take(question["key"], _kind(question), question)
            for label in rubric["labels"]:
                self.labels.setdefault(label["key"], label["label"])
            if rubric["instructions"]:
                self.instructions.setdefault(rubric["name"], rubric["instructions"])

    def control_of(self, key: str, value: Any) -> Control:
        """The control in which this answer has its place."""
        for (known, kind), control in self.controls.items():
            if known == key and _fits(control, value):
                return self.controls[known, kind]
        if isinstance(value, bool):
            kind = "boolean"
        else:
            kind = "number" if isinstance(value, int | float) else "text"
        return self._take(key, kind, {"label": key})

    def _take(self, key: str, kind: str, question: Mapping[str, Any]) -> Control:
        control = self.controls.get((key, kind))
        if control is None:
            taken = any(known == key for known, _ in self.controls)
            control = Control(
                name=f"{key}-{kind}" if taken else key,
                key=key,
                kind=kind,
                label=question["label"],
                help=question.get("help", ""),
                required=bool(question.get("required")),
                choices=list(_YES_NO) if kind == "boolean" else [],
            )
            self.controls[key, kind] = control
        there = {choice["value"] for choice in control.choices}
        control.choices += [one for one in question.get("choices", []) if one["value"] not in there]
        if kind in ("rating", "number") and "min" in question:
            control.low = min(question["min"], question["min"] if control.low is None else control.low)
            control.high = max(question["max"], question["max"] if control.high is None else control.high)
            control.step = min(question["step"], question["step"] if control.step is None else control.step)
        return control

    @property
    def renamed(self) -> dict[str, str]:
        """Names of controls that are not their question's key."""
        return {one.name: one.key for one in self.controls.values() if one.name != one.key}


def _kind(question: Mapping[str, Any]) -> str:
    low, high, step = question.get("min"), question.get("max"), question.get("step", 1)
    if question["kind"] == "number" and low == 1 and step == 1 and high is not None and high <= _MOST_STARS:
        return "rating"
    return str(question["kind"])


def _fits(control: Control, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if control.kind == "boolean":
        return isinstance(value, bool)
    if control.kind == "choice":
        return any(value == one["value"] for one in control.choices)
    if control.kind == "rating":
        return type(value) is int and 1 <= value <= _MOST_STARS
    return is_number if control.kind == "number" else isinstance(value, str)
