"""Checking answers to a rubric's questions, and marks on spans of text. Values in, values out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reviewapp.pure.said.templates.marking import gettext_noop
from reviewapp.pure.words import storable

KINDS = ("boolean", "choice", "number", "text")
TEXT_LIMIT = 20_000
SPANS_LIMIT = 500


class InvalidAnswer(Exception):
    """An annotation that can't be kept; `field` names what is wrong, the message says what to write.

    It is in English; `template` and what stands in its `places` say it in other languages.
    """

    def __init__(self, field: str, template: str, **places: Any) -> None:
        self.field = field
        self.template = template
        self.places = places
        self.reason = template % places if places else template
        super().__init__(f"{field}: {self.reason}")


def check_scores(
    *, questions: Sequence[Mapping[str, Any]], scores: Any, partial: bool = False
) -> dict[str, Any]:
    """The answers as they are kept: known questions only, each of its kind.

    `partial` leaves out the check that required questions are answered. Raises InvalidAnswer.
    """
    if not isinstance(scores, Mapping):
        raise InvalidAnswer("scores", gettext_noop("must be an object of answers by question"))
    known = {question["key"]: question for question in questions}
    result: dict[str, Any] = {}
    for key, value in scores.items():
        question = known.get(key)
        if question is None:
            raise InvalidAnswer(
                f"scores.{key}",
                gettext_noop("is no question of this rubric; it asks %(choices)s"),
                choices=", ".join(known),
            )
        if value is None or value == "":
            continue
        result[key] = _check(key, question, value)
    if not partial:
        for key, question in known.items():
            if question.get("required") and key not in result:
                raise InvalidAnswer(
                    f"scores.{key}", gettext_noop("is required: %(label)s"), label=question["label"]
                )
    return result


def _check(key: str, question: Mapping[str, Any], value: Any) -> Any:
    name = f"scores.{key}"
    kind = question["kind"]
    if kind == "boolean":
        if not isinstance(value, bool):
            raise InvalidAnswer(name, gettext_noop("must be true or false"))
        return value
    if kind == "choice":
        choices = [choice["value"] for choice in question.get("choices", [])]
        if value not in choices:
            raise InvalidAnswer(
                name, gettext_noop("must be one of %(choices)s"), choices=", ".join(map(str, choices))
            )
        return value
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise InvalidAnswer(name, gettext_noop("must be a number"))
        low, high = question.get("min"), question.get("max")
        if (low is not None and value < low) or (high is not None and value > high):
            raise InvalidAnswer(
                name, gettext_noop("must lie between %(low)s and %(high)s"), low=low, high=high
            )
        return value
    if not isinstance(value, str):
        raise InvalidAnswer(name, gettext_noop("must be a text"))
    if len(value) > TEXT_LIMIT:
        raise InvalidAnswer(
            name, gettext_noop("is longer than %(text_limit)s characters"), text_limit=f"{TEXT_LIMIT:,}"
        )
    return storable(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float reaches
        return False


def check_spans(*, spans: Any, length: int, labels: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Marks on the answer's text, in characters from its start; `length` is how many it has.

    `labels` names those the rubric has; None allows any. Raises InvalidAnswer.
    """
    if not isinstance(spans, Sequence) or isinstance(spans, str):
        raise InvalidAnswer("spans", gettext_noop("must be an array"))
    if len(spans) > SPANS_LIMIT:
        raise InvalidAnswer(
            "spans", gettext_noop("holds more than %(spans_limit)s marks"), spans_limit=SPANS_LIMIT
        )
    result = []
    for index, span in enumerate(spans):
        name = f"spans.{index}"
        if not isinstance(span, Mapping):
            raise InvalidAnswer(name, gettext_noop('must be an object with "start", "end" and "label"'))
        start, end = span.get("start"), span.get("end")
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= length:
            raise InvalidAnswer(
                name,
                gettext_noop(
                    "must start before it ends, inside the answer's %(length)s characters (0 to %(length)s)"
                ),
                length=length,
            )
        label = span.get("label")
        if not isinstance(label, str) or not label or len(label) > 80:
            raise InvalidAnswer(f"{name}.label", gettext_noop("must be a label of at most 80 characters"))
        if labels is not None and label not in labels:
            raise InvalidAnswer(
                f"{name}.label", gettext_noop("must be one of %(choices)s"), choices=", ".join(labels)
            )
        note = span.get("note") or ""
        if not isinstance(note, str) or len(note) > TEXT_LIMIT:
            raise InvalidAnswer(
                f"{name}.note",
                gettext_noop("must be a text of at most %(text_limit)s characters"),
                text_limit=f"{TEXT_LIMIT:,}",
            )
        result.append({"start": start, "end": end, "label": storable(label), "note": storable(note)})
    return sorted(result, key=lambda span: (span["start"], span["end"]))


def check_questions(questions: Any) -> list[dict[str, Any]]:
    """A rubric's questions as they are kept. Raises InvalidAnswer."""
    if not isinstance(questions, Sequence) or isinstance(questions, str) or len(questions) > 50:
        raise InvalidAnswer("questions", gettext_noop("must be an array of at most 50 questions"))
    keys: set[str] = set()
    result = []
    for index, question in enumerate(questions):
        name = f"questions.{index}"
        if not isinstance(question, Mapping):
            raise InvalidAnswer(name, gettext_noop("must be an object"))
        key, label, kind = question.get("key"), question.get("label"), question.get("kind")
        if not isinstance(key, str) or not key.isidentifier() or key in keys or len(key) > 60:
            raise InvalidAnswer(
                f"{name}.key", gettext_noop("must be a name of its own: letters, digits and _")
            )
        if not isinstance(label, str) or not label.strip() or len(label) > 300:
            raise InvalidAnswer(
                f"{name}.label", gettext_noop("must be the question in words, at most 300 characters")
            )
        if kind not in KINDS:
            raise InvalidAnswer(
                f"{name}.kind", gettext_noop("must be one of %(choices)s"), choices=", ".join(KINDS)
            )
        keys.add(key)
        kept: dict[str, Any] = {
            "key": key,
            "label": label.strip(),
            "kind": kind,
            "required": bool(question.get("required")),
            "help": str(question.get("help") or "")[:1000],
        }
        if kind == "choice":
            kept["choices"] = _choices(name, question.get("choices"))
            if question.get("ordered"):
                # Left out where it is not so, as in rubrics from before.
                kept["ordered"] = True
        if kind == "number":
            kept |= _bounds(name, question)
        result.append(kept)
    return result


def _choices(name: str, choices: Any) -> list[dict[str, str]]:
    if not isinstance(choices, Sequence) or isinstance(choices, str) or not 2 <= len(choices) <= 20:
        raise InvalidAnswer(f"{name}.choices", gettext_noop("must have 2 to 20 choices"))
    result = []
    for choice in choices:
        value = choice.get("value") if isinstance(choice, Mapping) else choice
        label = choice.get("label", value) if isinstance(choice, Mapping) else choice
        if not isinstance(value, str) or not value or not isinstance(label, str) or len(label) > 100:
            raise InvalidAnswer(f"{name}.choices", gettext_noop('must have a "value" and a "label" each'))
        result.append({"value": value, "label": label})
    if len({choice["value"] for choice in result}) != len(result):
        raise InvalidAnswer(f"{name}.choices", gettext_noop("must differ from one another"))
    return result


def _bounds(name: str, question: Mapping[str, Any]) -> dict[str, float]:
    low, high, step = question.get("min", 1), question.get("max", 5), question.get("step", 1)
    for bound in (low, high, step):
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise InvalidAnswer(name, gettext_noop("needs numbers as min, max and step"))
    if low >= high or step <= 0:
        raise InvalidAnswer(name, gettext_noop("needs a min below its max and a step above 0"))
    return {"min": low, "max": high, "step": step}


def check_labels(labels: Any) -> list[dict[str, str]]:
    """A rubric's labels for marks on text, as they are kept. Raises InvalidAnswer."""
    if not isinstance(labels, Sequence) or isinstance(labels, str) or len(labels) > 20:
        raise InvalidAnswer("labels", gettext_noop("must be an array of at most 20 labels"))
    result: list[dict[str, str]] = []
    for index, label in enumerate(labels):
        key = label.get("key") if isinstance(label, Mapping) else None
        word = label.get("label", key) if isinstance(label, Mapping) else None
        if not isinstance(key, str) or not key or len(key) > 40 or any(key == one["key"] for one in result):
            raise InvalidAnswer(
                f"labels.{index}", gettext_noop('must have a "key" of its own, at most 40 characters')
            )
        if not isinstance(word, str) or not word or len(word) > 80:
            raise InvalidAnswer(
                f"labels.{index}", gettext_noop('must have a "label" of at most 80 characters')
            )
        result.append({"key": key, "label": word})
    return result
