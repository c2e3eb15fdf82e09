"""What templates need to draw rubrics and the answers people gave to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from django import template
from django.utils.translation import gettext as _

from reviewapp.pure import words
from reviewapp.pure.differences.words import compare_texts
from reviewapp.templatetags.faces import hue_class

register = template.Library()
# The keys that answer the question asked, by the place of the answer.
DIGITS: Final = "1234567890"
register.filter("storable", words.storable)


@register.filter
def answers(judged: Any, rubric: Any = None) -> list[tuple[str, str]]:
    """Question and answer in words, in the rubric's order; questions without an answer are left out."""
    asked = rubric or judged.rubric
    questions = {question["key"]: question for question in asked.questions} if asked else {}
    order = [key for key in questions if key in judged.scores] + [
        key for key in judged.scores if key not in questions
    ]
    return [
        (questions.get(key, {}).get("label", key), _in_words(questions.get(key, {}), judged.scores[key]))
        for key in order
    ]


def _in_words(question: dict[str, Any], value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    for choice in question.get("choices", []):
        if choice["value"] == value:
            return str(choice["label"])
    if question.get("kind") == "number":
        return _("%(value)s of %(most)s") % {"value": value, "most": question.get("max")}
    return str(value)


@register.filter
def quotes(annotation: Any, text: str) -> list[tuple[str, dict[str, Any]]]:
    """The words that each mark is on, and the mark with its label's name."""
    names = _names(annotation)
    return [
        (
            words.storable(text[span["start"] : span["end"]]),
            {**span, "name": names.get(span["label"], span["label"])},
        )
        for span in annotation.spans
    ]


@register.filter
def marks_json(annotation: Any) -> str:
    """The marks as they are drawn on the answer: where, by which label and by whom."""
    names = _names(annotation)
    return json.dumps(
        [
            {
                "start": span["start"],
                "end": span["end"],
                "name": names.get(span["label"], span["label"]),
                "hue": hue_class(span["label"]),
                "by": str(annotation.made_by),
            }
            for span in annotation.spans
        ]
    )


def _names(annotation: Any) -> dict[str, str]:
    """What the labels of its rubric are called."""
    labels = annotation.rubric.labels if annotation.rubric else []
    return {label["key"]: label["label"] for label in labels}


@register.filter
def correction_marks(annotation: Any, text: str) -> Iterator[dict[str, str]]:
    """What a correction took away and put in, in order."""
    for segment in compare_texts(words.storable(text), annotation.correction).segments:
        if segment.kind == "equal":
            yield {"kind": "equal", "text": segment.left.text}
            continue
        if segment.left.text:
            yield {"kind": "removed", "text": segment.left.text}
        if segment.right.text:
            yield {"kind": "added", "text": segment.right.text}


@register.filter
def questions(rubric: Any, annotation: Any) -> list[tuple[dict[str, Any], Any]]:
    """Each question, with its options, their keys, and the answer given before, if any."""
    scores = annotation.scores if annotation else {}
    return [
        ({**question, "options": _keyed(_options(question, scores))}, scores.get(question["key"]))
        for question in rubric.questions
    ]


def _keyed(options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**option, "key": DIGITS[at] if at < len(DIGITS) else ""} for at, option in enumerate(options)]


def _options(question: dict[str, Any], scores: dict[str, Any]) -> list[dict[str, Any]]:
    value = scores.get(question["key"])
    if question["kind"] == "boolean":
        return [
            {"value": "true", "label": _("Yes"), "chosen": value is True},
            {"value": "false", "label": _("No"), "chosen": value is False},
        ]
    if question["kind"] == "choice":
        return [{**choice, "chosen": choice["value"] == value} for choice in question["choices"]]
    if question["kind"] == "number":
        low, high, step = question["min"], question["max"], question["step"]
        steps = int((high - low) / step) + 1
        found = [low + step * i for i in range(min(steps, 21))]
        return [
            {"value": f"{number:g}", "label": f"{number:g}", "chosen": number == value} for number in found
        ]
    return []


@register.filter
def labels_json(labels: Any) -> str:
    """Labels for the module that marks text."""
    return json.dumps([{**label, "hue": hue_class(label["key"])} for label in labels])


@register.filter
def spans_json(annotation: Any) -> str:
    """The marks given before, for the module that marks text."""
    spans = annotation.spans if annotation else []
    return json.dumps(spans if isinstance(spans, list) else [])


@register.filter
def as_json(text: str) -> str:
    """A text for a module that counts its characters: each arrives as it is, whatever HTML makes of it."""
    return json.dumps(text)
