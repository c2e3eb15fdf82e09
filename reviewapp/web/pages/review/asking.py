"""What focus mode asks of an item: questions with the keys that answer them, labels with theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _

from reviewapp.models import Annotation, Preference, QueueItem, QueueKind, QueueSlot, Rubric
from reviewapp.templatetags.judgements import DIGITS
from reviewapp.templatetags.judgements import questions as drawn_questions

# The same in focus mode and on an interaction's page, so that a hand learns each label once: without the
# letters that do something in either (annotate, copy, correct, flag, go, link, Markdown, note, the next and
# the previous question, previous and Python, replay, skip, talk, undo and the least certain token, and the
# toast's undo).
_LETTERS: Final = "bdhioqvwxy"


@dataclass(frozen=True, slots=True)
class Option:
    """One answer, and the key that gives it while its question is the one asked."""

    value: str
    label: str
    chosen: bool
    key: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question; without options it is answered in words."""

    name: str
    label: str
    required: bool = False
    help: str = ""
    options: list[Option] = field(default_factory=list)
    text: str = ""
    row: bool = False

    @property
    def is_answered(self) -> bool:
        return bool(self.text) or any(option.chosen for option in self.options)


@dataclass(frozen=True, slots=True)
class Label:
    """A label for marks on words, and its key."""

    key: str
    label: str
    letter: str


def questions_of(*, slot: QueueSlot, item: QueueItem, rubric: Rubric | None) -> list[Question]:
    """The preference first, where two answers are compared; then the rubric's questions."""
    annotation = slot.annotation
    found = []
    if item.attempt_id is not None:
        found.append(_preference(slot, item, annotation))
    if item.queue.kind == QueueKind.PAIRWISE or rubric is None:
        return found
    for question, value in drawn_questions(rubric, annotation):
        options = _options(
            (option["value"], option["label"], option["chosen"]) for option in question["options"]
        )
        found.append(
            Question(
                name=f"score-{question['key']}",
                label=question["label"],
                # Beside its original a replay's answer is compared; the rubric may be left out.
                required=bool(question["required"]) and item.attempt_id is None,
                help=question.get("help", ""),
                options=options,
                text=str(value or "") if question["kind"] == "text" else "",
                row=question["kind"] != "choice",
            )
        )
    return found


def _preference(slot: QueueSlot, item: QueueItem, annotation: Annotation | None) -> Question:
    chosen = annotation.preference if annotation is not None else None
    if item.queue.kind == QueueKind.PAIRWISE:
        first, second = Preference.ORIGINAL, Preference.REPLAY
        if slot.replay_first:
            first, second = second, first
        values = [
            (first, _("A is better")),
            (second, _("B is better")),
            (Preference.EQUAL, _("Equally good")),
        ]
        label = _("Which answer is better?")
    else:
        values = [
            (Preference.SAME, _("As good as the original")),
            (Preference.REGRESSION, _("Worse than the original")),
        ]
        label = _("How is the new answer?")
    options = _options((str(value), word, value == chosen) for value, word in values)
    return Question(name="preference", label=label, required=True, options=options)


def _options(values: Iterable[tuple[str, str, bool]]) -> list[Option]:
    return [
        Option(value=value, label=label, chosen=chosen, key=DIGITS[at] if at < len(DIGITS) else "")
        for at, (value, label, chosen) in enumerate(values)
    ]


def labels_of(labels: Sequence[Mapping[str, Any]]) -> list[Label]:
    """Each label with a letter of its own, wherever it is pressed: one from its word where that is free."""
    free = list(_LETTERS)
    found = []
    for label in labels:
        letter = next((one for one in [*label["label"].lower(), *free] if one in free), "")
        if letter:
            free.remove(letter)
        found.append(Label(key=label["key"], label=label["label"], letter=letter))
    return found
