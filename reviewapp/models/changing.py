"""Backend changes as the screens and the API show them: with their events and what verifying showed.

Figures are counted from the run's comparisons each time, so that they follow what people decide about
single ones, and can't go stale.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from reviewapp.models.change import BackendChange, CarriedVerdict, ChangeEvent, Verification
from reviewapp.models.comparison import Comparison
from reviewapp.models.replaying import WORST_FIRST, RunRow, run_rows
from reviewapp.models.review import Flag, FlagState
from reviewapp.pure.approval import Share, share_of
from reviewapp.pure.outcomes import Outcome, is_same, outcome_of
from reviewapp.pure.said import Figure, Joined, Said, figure, say
from reviewapp.pure.verdicts.messages import percent


@dataclass(frozen=True, slots=True)
class Asked:
    """One judged answer with the comparisons of its attempts, the gravest first."""

    original: UUID
    comparisons: list[Comparison]

    @property
    def outcome(self) -> Outcome:
        return outcome_of([(one.verdict, one.decision) for one in self.comparisons])

    @property
    def worst(self) -> Comparison:
        """The one that a person should look at."""
        return self.comparisons[0]

    @property
    def same(self) -> list[Comparison]:
        """The attempts whose answers stand for the judged one."""
        return [one for one in self.comparisons if is_same(one.verdict, one.decision)]


_GRAVITY: dict[str, int] = {name: place for place, name in enumerate(WORST_FIRST)}


def asked_in(*, runs: Sequence[UUID]) -> dict[UUID, list[Asked]]:
    """By run, the answers that were asked again, as far as they are compared; one query."""
    rows = Comparison.objects.filter(run__in=runs).only(
        "run", "original", "attempt", "verdict", "decision", "confidence"
    )
    found: dict[UUID, dict[UUID, list[Comparison]]] = defaultdict(lambda: defaultdict(list))
    for row in rows.order_by("attempt"):
        found[row.run_id][row.original_id].append(row)
    return {
        run: [
            Asked(original, sorted(own, key=lambda one: (_GRAVITY[one.verdict], -(one.confidence or 0.0))))
            for original, own in by_original.items()
        ]
        for run, by_original in found.items()
    }


@dataclass(frozen=True, slots=True)
class Figures:
    """A verification in figures. `asked` of `in_scope` judged answers were asked again."""

    verification: Verification
    run: RunRow
    outcomes: dict[Outcome, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        return self.verification.asked

    @property
    def in_scope(self) -> int:
        return self.verification.in_scope

    @property
    def kept(self) -> int:
        return self.outcomes.get(Outcome.KEPT, 0)

    @property
    def changed(self) -> int:
        return self.outcomes.get(Outcome.CHANGED, 0)

    @property
    def varied(self) -> int:
        return self.outcomes.get(Outcome.VARIED, 0)

    @property
    def unclear(self) -> int:
        return self.outcomes.get(Outcome.UNCLEAR, 0)

    @property
    def unmeasured(self) -> int:
        """What got no answer that could be compared; while it runs, those that have surely not."""
        if self.is_running or self.verification.was_cancelled:
            return self.outcomes.get(Outcome.UNMEASURED, 0)
        return self.asked - self.measured

    @property
    def measured(self) -> int:
        return self.kept + self.changed + self.varied + self.unclear

    @property
    def is_running(self) -> bool:
        return self.verification.finished_at is None

    @property
    def changed_share(self) -> Share | None:
        """The share of changed answers among all that were judged, with its error bar."""
        return share_of(found=self.changed, measured=self.measured, population=self.in_scope)

    @property
    def sentence(self) -> Said:
        """What verifying showed, in words."""
        kept, asked = figure(self.kept), figure(self.asked)
        clauses = [say("verified_kept", kept=kept, asked=asked, n=self.asked)]
        for key, number in (
            ("changed", self.changed),
            ("unclear", self.unclear),
            ("varied", self.varied),
            ("unmeasured", self.unmeasured),
        ):
            if number:
                clauses.append(say(f"verified_{key}", shown=figure(number), n=number))
            elif key == "changed":
                clauses.append(say("verified_none_changed"))
        parts = [say("verified", clauses=Joined(tuple(clauses), by="; "))]
        share = self.changed_share
        if self.verification.is_sample and share is not None:
            low, high = Figure(percent(share.low)), Figure(percent(share.high))
            parts.append(
                say("verified_sample", asked=asked, in_scope=figure(self.in_scope), low=low, high=high)
            )
        return Said(*parts)


def figures_of(*, verification: Verification) -> Figures:
    """The figures of one verification."""
    return _figures([verification])[verification.pk]


def _figures(verifications: Sequence[Verification]) -> dict[UUID, Figures]:
    """By verification; three queries for all of them."""
    rows = {row.run.pk: row for row in run_rows([one.run for one in verifications])}
    asked = asked_in(runs=list(rows))
    counts = {run: Counter(one.outcome for one in asked.get(run, [])) for run in rows}
    return {
        one.pk: Figures(verification=one, run=rows[one.run_id], outcomes=dict(counts[one.run_id]))
        for one in verifications
    }


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change with its events, the first first, and its verifications, the last first."""

    change: BackendChange
    events: list[ChangeEvent]
    figures: list[Figures]

    @property
    def last(self) -> Figures | None:
        """The verification that counts: the last that was not cancelled."""
        return next((one for one in self.figures if not one.verification.was_cancelled), None)

    @property
    def values(self) -> list[str]:
        """The fingerprints it is about."""
        kinds = {"new_value", "parts_changed", "value_returned", "shares_shifted"}
        return list(
            dict.fromkeys(value for event in self.events if event.kind in kinds for value in event.values)
        )


def change_rows(changes: Sequence[BackendChange]) -> list[ChangeRow]:
    """The changes with what belongs to them, in order, in a handful of queries."""
    ids = [change.pk for change in changes]
    events: dict[Any, list[ChangeEvent]] = defaultdict(list)
    for event in ChangeEvent.objects.filter(change__in=ids).order_by("at", "id"):
        events[event.change_id].append(event)
    rows = Verification.objects.filter(change__in=ids).select_related(
        "run", "created_by", "created_by_key", "run__created_by", "run__created_by_key"
    )
    verifications = list(rows.order_by("-started_at"))
    figures = _figures(verifications) if verifications else {}
    return [
        ChangeRow(
            change=change,
            events=events[change.pk],
            figures=[figures[one.pk] for one in verifications if one.change_id == change.pk],
        )
        for change in changes
    ]


@dataclass(frozen=True, slots=True)
class Differing:
    """One answer that people should look at: its gravest comparison."""

    comparison: Comparison
    outcome: Outcome
    is_flagged: bool


def differing(*, verification: Verification, limit: int) -> list[Differing]:
    """The answers that changed, then those of which nobody can tell; flagged ones first of their kind."""
    wanted = [Outcome.CHANGED, Outcome.UNCLEAR]
    asked = asked_in(runs=[verification.run_id]).get(verification.run_id, [])
    found = [(one, one.outcome) for one in asked]
    found = [(one, outcome) for one, outcome in found if outcome in wanted]
    flagged = set(
        Flag.objects.filter(
            interaction__in=[one.original for one, _ in found], state=FlagState.OPEN
        ).values_list("interaction", flat=True)
    )
    found.sort(key=lambda pair: (wanted.index(pair[1]), pair[0].original not in flagged))
    rows = Comparison.objects.select_related("original", "attempt")
    full = rows.in_bulk([one.worst.pk for one, _ in found[:limit]])
    return [Differing(full[one.worst.pk], outcome, one.original in flagged) for one, outcome in found[:limit]]


def carried_to(*, interaction: UUID) -> list[CarriedVerdict]:
    """The judgements that hold for this replay's answer because it came out the same."""
    rows = CarriedVerdict.objects.filter(answer=interaction).select_related(
        "annotation__created_by",
        "annotation__created_by_key",
        "annotation__rubric",
        "flag__created_by",
        "flag__created_by_key",
        "verification",
        "verification__change",
    )
    return list(rows.order_by("created_at", "id"))


def carried_from(*, interaction: UUID) -> list[CarriedVerdict]:
    """Where judgements on this interaction were carried over to, one row a replay, the latest first."""
    rows = CarriedVerdict.objects.filter(original=interaction).select_related("verification__change")
    return list({row.answer_id: row for row in rows.order_by("created_at", "id")}.values())[::-1]
