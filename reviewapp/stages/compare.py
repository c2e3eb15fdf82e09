"""Compare: original against attempt, with a verdict, kept and versioned.

What a comparison says depends on its siblings: other attempts of the same interaction show how
much it varies by itself. So whenever an attempt comes in, all of its interaction's attempts in
the run are judged together again. A person's decision about a comparison stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from reviewapp.models import (
    Actor,
    Attempt,
    AttemptState,
    Comparison,
    Decision,
    Interaction,
    Permission,
)
from reviewapp.models.bodies import exchange_of
from reviewapp.pure import verdicts
from reviewapp.pure.differences.equivalence import answer_digest
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts import METHOD_VERSION, Evidence, SetVerdict, Verdict
from reviewapp.stages.administer import Refused, write_audit

BATCH = 100
_BODIES = ("source", "provider", "body")


def compare_new(*, now: datetime, run_id: UUID | None = None) -> int:
    """Compare attempts that are done and not compared yet; gives how many there were (0: caught up)."""
    waiting = Attempt.objects.filter(state=AttemptState.DONE, compared_at__isnull=True)
    if run_id is not None:
        waiting = waiting.filter(run=run_id)
    found = list(waiting.order_by("run", "id").values_list("pk", "run", "original")[:BATCH])
    for run, original in dict.fromkeys((run, original) for _, run, original in found):
        _compare(run, original, now)
    return len(found)


@transaction.atomic
def _compare(run_id: UUID, original_id: UUID, now: datetime) -> None:
    attempts = list(
        Attempt.objects.select_for_update(of=("self",))
        .filter(run=run_id, original=original_id, state=AttemptState.DONE)
        .order_by("number")
    )
    judged = judge(original_id=original_id, attempts=attempts)
    for attempt, verdict in zip(attempts, judged.verdict.verdicts, strict=True):
        Comparison.objects.update_or_create(
            attempt=attempt,
            defaults={
                "verdict": verdict.kind.value,
                "confidence": verdict.confidence,
                "sentence": verdict.sentence,
                "figures": verdict.as_json(),
                "answer_digest": answer_digest(judged.answers[attempt.pk].reply),
                "method": METHOD_VERSION,
            },
            create_defaults={
                "project_id": attempt.project_id,
                "run_id": run_id,
                "original_id": original_id,
                "verdict": verdict.kind.value,
                "confidence": verdict.confidence,
                "sentence": verdict.sentence,
                "figures": verdict.as_json(),
                "answer_digest": answer_digest(judged.answers[attempt.pk].reply),
                "method": METHOD_VERSION,
                "created_at": now,
            },
        )
    Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(compared_at=now)


@dataclass(frozen=True, slots=True)
class Judged:
    """Several attempts of one interaction, read and judged together."""

    original: Exchange
    answers: dict[UUID, Exchange]
    verdict: SetVerdict


def judge(*, original_id: UUID, attempts: Sequence[Attempt]) -> Judged:
    """Read the original and the attempts' answers, and say what they show together."""
    # A check constraint holds that what is done has an answer, whose id is the attempt's.
    ids = [attempt.pk for attempt in attempts]
    rows: dict[UUID, Interaction] = Interaction.objects.select_related(*_BODIES).in_bulk([original_id, *ids])
    original = exchange_of(rows[original_id])
    answers = {attempt.pk: exchange_of(rows[attempt.pk]) for attempt in attempts}
    overrides = attempts[0].run.overrides if attempts else {}
    return Judged(
        original=original,
        answers=answers,
        verdict=verdicts.summarise(original, list(answers.values()), context=evidence_of(overrides)),
    )


def evidence_of(overrides: Mapping[str, Any]) -> Evidence:
    """What is known beside the two exchanges."""
    return Evidence(overrides=dict(overrides))


@transaction.atomic
def recompute(*, run_id: UUID, now: datetime) -> int:
    """Judge a run's attempts by the present method; gives how many verdicts changed."""
    before = dict(Comparison.objects.filter(run=run_id).values_list("pk", "verdict"))
    originals = (
        Attempt.objects.filter(run=run_id, state=AttemptState.DONE)
        .order_by()
        .values_list("original", flat=True)
        .distinct()
    )
    for original in originals:
        _compare(run_id, original, now)
    after = dict(Comparison.objects.filter(run=run_id).values_list("pk", "verdict"))
    return sum(before.get(pk) != verdict for pk, verdict in after.items())


@transaction.atomic
def decide(
    *, actor: Actor, comparison: Comparison, decision: str | None, now: datetime, note: str = ""
) -> bool:
    """A person's word on a comparison; None takes it back. False when somebody else decided meanwhile.

    Raises Refused for a decision that is none.
    """
    actor.check(Permission.REVIEW)
    if decision is not None and decision not in Decision.values:
        raise Refused(f"Choose one of {', '.join(Decision.values)}.", field="decision")
    if len(note) > 10_000:
        raise Refused("The note is longer than 10,000 characters.", field="note")
    moved = Comparison.objects.filter(
        pk=comparison.pk, project=actor.project, decision=comparison.decision
    ).update(
        decision=decision,
        decided_by=actor.person if decision else None,
        decided_at=now if decision else None,
        decision_note=note.replace("\x00", "") if decision else "",
    )
    if moved:
        write_audit(
            actor=actor,
            action="comparison.decide",
            target=comparison,
            now=now,
            before=comparison.decision,
            after=decision,
        )
    return bool(moved)


@dataclass(frozen=True, slots=True)
class Group:
    """Attempts with the same answer; the first stands for all."""

    kind: str
    attempts: list[Attempt]

    @property
    def first(self) -> Attempt:
        return self.attempts[0]


@dataclass(frozen=True, slots=True)
class View:
    """What the compare page draws: one attempt beside the original, and its siblings in groups."""

    attempt: Attempt
    original_row: Interaction
    answer_row: Interaction
    original: Exchange
    answer: Exchange
    verdict: Verdict
    together: SetVerdict
    groups: list[Group]
    siblings: list[Attempt]
    overrides: dict[str, Any] = field(default_factory=dict)


def view(*, attempt: Attempt) -> View:
    """Everything about one attempt's comparison, judged now from the bodies."""
    siblings = list(
        Attempt.objects.filter(run=attempt.run_id, original=attempt.original_id, state=AttemptState.DONE)
        .select_related("answer", "comparison", "run")
        .order_by("number")
    )
    judged = judge(original_id=attempt.original_id, attempts=siblings)
    place = next(i for i, sibling in enumerate(siblings) if sibling.pk == attempt.pk)
    rows = Interaction.objects.select_related(*_BODIES).in_bulk([attempt.original_id, attempt.answer_id])
    return View(
        attempt=siblings[place],
        original_row=rows[attempt.original_id],
        answer_row=rows[attempt.answer_id],
        original=judged.original,
        answer=judged.answers[attempt.pk],
        verdict=judged.verdict.verdicts[place],
        together=judged.verdict,
        groups=[
            Group(kind=group.kind, attempts=[siblings[member] for member in group.members])
            for group in judged.verdict.groups
            if group.members
        ],
        siblings=siblings,
        overrides=attempt.run.overrides,
    )
