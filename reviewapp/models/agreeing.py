"""How well people agree in a queue: by question, by pair of people, and on which items they don't.

Read from the judgements that count for an item's present round. The newest items that were judged
at least twice, up to a bound, so that the figures come in a second or two whatever the queue holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Q
from django.utils.translation import gettext as _

from reviewapp.models.bodies import answer_text
from reviewapp.models.interaction import Interaction
from reviewapp.models.people import Person
from reviewapp.models.queue import Queue, QueueItem, QueueSlot, SlotState
from reviewapp.models.review import Annotation, Preference, Rubric
from reviewapp.pure import agreement
from reviewapp.pure.agreement import (
    Answers,
    ChoiceAgreement,
    Interval,
    Kappa,
    Level,
    MarkAgreement,
    MarkedSpan,
    MarkedText,
    PairAgreement,
    Stretch,
)
from reviewapp.pure.disagreement import PREFERENCE, disagreements

MOST_ITEMS: Final = 1000
_COUNTED = Q(slots__state=SlotState.JUDGED, slots__round=F("round"), slots__annotation__isnull=False)


@dataclass(frozen=True, slots=True)
class QuestionAgreement:
    """Of one question (or the preference): coefficients with their intervals, and of each pair."""

    key: str
    label: str
    items: int
    percent: Interval
    # At each level of measurement that suits the answers, the one to go by first.
    alphas: tuple[tuple[Level, Interval], ...]
    # Cohen's for two people (weighted too, where answers are ordered), Fleiss' where each item was judged
    # equally often; else none.
    kappas: tuple[Kappa, ...]
    # Each answer against all others, with its words.
    choices: tuple[tuple[str, ChoiceAgreement], ...]
    is_ordered: bool
    pairs: tuple[PairAgreement, ...]
    stretches: tuple[Stretch, ...] = ()

    @property
    def alpha(self) -> Interval:
        """The one to go by."""
        return self.alphas[0][1]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item on which people disagree, and on which questions."""

    item: QueueItem
    questions: list[str]


@dataclass(frozen=True, slots=True)
class QueueAgreement:
    """What the agreement page shows."""

    people: list[Person]
    items: int
    bounded: bool
    questions: list[QuestionAgreement]
    # Of all marks, where there are any; and of those with each label, in the rubric's order and words.
    marks: MarkAgreement | None
    marks_by_label: list[tuple[str, MarkAgreement]]
    disagreements: list[Disagreement]


def agreement_of(*, queue: Queue, rubric: Rubric | None) -> QueueAgreement:
    """Computed now, from the newest items judged twice or more."""
    items = list(
        QueueItem.objects.filter(queue=queue)
        .annotate(judgements=Count("slots", filter=_COUNTED))
        .filter(judgements__gte=2)
        .select_related("interaction")
        .order_by("-id")[: MOST_ITEMS + 1]
    )
    bounded, items = len(items) > MOST_ITEMS, items[:MOST_ITEMS]
    judged: dict[UUID, dict[UUID, Annotation]] = {item.pk: {} for item in items}
    people: dict[UUID, Person] = {}
    moments: dict[UUID, datetime] = {}
    slots = QueueSlot.objects.filter(
        item__in=items, state=SlotState.JUDGED, round=F("item__round"), annotation__isnull=False
    ).select_related("annotation", "person")
    for slot in slots.order_by("person__name", "person__email"):
        assert slot.annotation is not None
        judged[slot.item_id][slot.person_id] = slot.annotation
        people[slot.person_id] = slot.person
        assert slot.finished_at is not None
        moments[slot.item_id] = max(moments.get(slot.item_id, slot.finished_at), slot.finished_at)
    questions = [_agreement(asked, items, judged, people, moments) for asked in _asked(rubric)]
    texts = _texts(items, judged, people)
    return QueueAgreement(
        people=list(people.values()),
        items=len(items),
        bounded=bounded,
        questions=[question for question in questions if question.items],
        marks=agreement.marks_agreement(texts) if texts else None,
        marks_by_label=[
            (words, agreement.marks_agreement([text.only(label) for text in texts]))
            for label, words in _labels(rubric, texts).items()
        ],
        disagreements=_disagreements(queue, rubric, items, judged),
    )


def _asked(rubric: Rubric | None) -> list[Mapping[str, Any]]:
    own = [question for question in (rubric.questions if rubric else []) if question["kind"] != "text"]
    return [{"key": PREFERENCE, "label": "", "kind": "preference"}, *own]


def _value(annotation: Annotation | None, question: Mapping[str, Any]) -> agreement.Value | None:
    if annotation is None:
        return None
    if question["kind"] == "preference":
        return annotation.preference
    found: agreement.Value | None = annotation.scores.get(question["key"])
    # An earlier version may have asked otherwise under this key: what has no place in the order is left out.
    if question["kind"] == "number" and (isinstance(found, bool) or not isinstance(found, int | float)):
        return None
    if question.get("ordered") and found not in _words(question):
        return None
    return found


def _words(question: Mapping[str, Any]) -> dict[agreement.Value, str]:
    """The answers that it offers, in their order, each in words."""
    if question["kind"] == "preference":
        return {value: str(label) for value, label in Preference.choices}
    if question["kind"] == "boolean":
        return {True: _("Yes"), False: _("No")}
    return {choice["value"]: choice["label"] for choice in question.get("choices", ())}


def _agreement(
    question: Mapping[str, Any],
    items: Sequence[QueueItem],
    judged: Mapping[UUID, Mapping[UUID, Annotation]],
    people: Mapping[UUID, Person],
    moments: Mapping[UUID, datetime],
) -> QuestionAgreement:
    told = [(item.pk, [_value(judged[item.pk].get(pk), question) for pk in people]) for item in items]
    told = [(pk, row) for pk, row in told if sum(value is not None for value in row) >= 2]
    rows = [row for _pk, row in told]
    words = _words(question)
    answers = Answers(
        values=tuple(words),
        is_ordered=bool(question.get("ordered")),
        is_number=question["kind"] == "number",
    )
    is_ordered = answers.is_ordered or answers.is_number
    found = agreement.coefficients(rows, answers)
    pairs = agreement.pair_matrix(
        rows, [str(pk) for pk in people], is_ordered=is_ordered, order=answers.order
    )
    return QuestionAgreement(
        key=question["key"],
        label=question["label"],
        items=len(rows),
        percent=found.percent,
        alphas=found.alphas,
        kappas=found.kappas,
        choices=tuple(
            (words.get(one.value, str(one.value)), one) for one in agreement.by_choice(rows, answers)
        ),
        is_ordered=is_ordered,
        stretches=agreement.stretches(
            rows, [moments[pk] for pk, _row in told], level=answers.levels[0], order=answers.order
        ),
        pairs=tuple(pair for pair in pairs if pair.items),
    )


def _texts(
    items: Sequence[QueueItem],
    judged: Mapping[UUID, Mapping[UUID, Annotation]],
    people: Mapping[UUID, Person],
) -> list[MarkedText]:
    """What everybody marked in each answer; none where nobody marked anything anywhere."""
    if not any(one.spans for given in judged.values() for one in given.values()):
        return []
    # Only then: to know how long an answer is, all of it is read.
    answers = {item.pk: item.attempt_id or item.interaction_id for item in items}
    lengths = {
        row.pk: len(answer_text(row))
        for row in Interaction.objects.filter(pk__in=answers.values()).select_related("body").iterator(100)
    }

    def marks(given: Annotation | None) -> list[MarkedSpan] | None:
        if given is None:
            return None
        return [MarkedSpan(span["start"], span["end"], span["label"]) for span in given.spans]

    return [
        MarkedText(lengths[answers[item.pk]], [marks(judged[item.pk].get(pk)) for pk in people])
        for item in items
    ]


def _labels(rubric: Rubric | None, texts: Sequence[MarkedText]) -> dict[str, str]:
    """The labels that somebody gave, in words: those of the rubric as it orders them, then others."""
    given = {span.label for text in texts for marks in text.judged for span in marks}
    words = {label["key"]: label["label"] for label in (rubric.labels if rubric else [])}
    return {key: label for key, label in words.items() if key in given} | {
        key: key for key in sorted(given - words.keys())
    }


def _disagreements(
    queue: Queue,
    rubric: Rubric | None,
    items: Sequence[QueueItem],
    judged: Mapping[UUID, Mapping[UUID, Annotation]],
) -> list[Disagreement]:
    labels = {question["key"]: question["label"] for question in (rubric.questions if rubric else [])}
    found = []
    for item in items:
        given = list(judged[item.pk].values())
        keys = disagreements(
            questions=rubric.questions if rubric else [],
            scores=[one.scores for one in given],
            preferences=[one.preference for one in given],
            rules=queue.disagreement,
        )
        if keys:
            found.append(Disagreement(item=item, questions=[labels.get(key, "") for key in keys]))
    return found


@dataclass(frozen=True, slots=True)
class PersonAgreement:
    """One person in one queue: how many they judged, and how often they said what the others said."""

    queue: Queue
    judged: int
    skipped: int
    compared: int
    share: float | None


def agreement_of_person(*, queue: Queue, person: Person, rubric: Rubric | None) -> PersonAgreement:
    """Over their newest items: the share of questions on which each other judge answered the same."""
    counts = dict(
        QueueSlot.objects.filter(queue=queue, person=person)
        .order_by()
        .values_list("state")
        .annotate(n=Count("pk"))
    )
    mine = {
        slot.item_id: slot.annotation
        for slot in QueueSlot.objects.filter(
            queue=queue, person=person, state=SlotState.JUDGED, round=F("item__round")
        )
        .select_related("annotation")
        .order_by("-finished_at")[:MOST_ITEMS]
    }
    others = (
        QueueSlot.objects.filter(item__in=list(mine), state=SlotState.JUDGED, round=F("item__round"))
        .exclude(person=person)
        .select_related("annotation")
    )
    asked = _asked(rubric)
    same = total = 0
    for slot in others:
        for question in asked:
            own, other = _value(mine[slot.item_id], question), _value(slot.annotation, question)
            if own is not None and other is not None:
                total += 1
                same += own == other
    return PersonAgreement(
        queue=queue,
        judged=counts.get(SlotState.JUDGED, 0),
        skipped=counts.get(SlotState.SKIPPED, 0),
        compared=total,
        share=same / total if total else None,
    )
