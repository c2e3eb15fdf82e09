"""Backend changes as the screens and the API show them: with their events and what verifying showed.

Figures are counted from the run's comparisons each time, so that they follow what people decide about
single ones, and can't go stale.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from reviewapp.models.change import BackendChange, CarriedVerdict, ChangeEvent, Verification
from reviewapp.models.comparison import Comparison, Decision, VerdictName
from reviewapp.models.replaying import RunRow, run_rows
from reviewapp.models.review import Flag, FlagState
from reviewapp.pure.approval import Share, share_of
from reviewapp.pure.verdicts.messages import percent


class Outcome(enum.StrEnum):
    """What asking a judged answer again showed."""

    # The same answer: what people said of it still holds.
    KEPT = "kept"
    # Another answer, and chance does not explain it.
    CHANGED = "changed"
    # Another answer, as would have come without a change too.
    VARIED = "varied"
    # Another answer, and nobody can tell why.
    UNCLEAR = "unclear"
    # No answer that could be compared: never a difference.
    UNMEASURED = "unmeasured"


_OUTCOMES: dict[str, Outcome] = {
    VerdictName.IDENTICAL: Outcome.KEPT,
    VerdictName.EQUIVALENT: Outcome.KEPT,
    VerdictName.NONDETERMINISTIC: Outcome.VARIED,
    VerdictName.BACKEND_CHANGED: Outcome.CHANGED,
    VerdictName.INCONCLUSIVE: Outcome.UNCLEAR,
    VerdictName.FAILED: Outcome.UNMEASURED,
}


def outcome_of(comparison: Comparison) -> Outcome:
    """A person's word on the comparison counts more than its verdict."""
    return _outcome(comparison.verdict, comparison.decision)


def _outcome(verdict: str, decision: str | None) -> Outcome:
    if decision == Decision.SAME:
        return Outcome.KEPT
    if decision == Decision.REGRESSION:
        return Outcome.CHANGED
    return _OUTCOMES[verdict]


@dataclass(frozen=True, slots=True)
class Figures:
    """A verification in figures. `asked` of `in_scope` judged answers were asked again."""

    verification: Verification
    run: RunRow
    outcomes: dict[Outcome, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        return self.run.total

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
        return self.outcomes.get(Outcome.UNMEASURED, 0)

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
    def sentence(self) -> str:
        """What verifying showed, in words."""
        said = [f"{self.kept:,} of {self.asked:,} judged answers came out the same and keep their verdicts"]
        said.append(f"{self.changed:,} changed" if self.changed else "none changed")
        if self.unclear:
            said.append(f"for {self.unclear:,} that came out otherwise nobody can tell why")
        if self.varied:
            said.append(f"{self.varied:,} came out otherwise as could have happened without a change")
        if self.unmeasured:
            said.append(f"{self.unmeasured:,} could not be measured")
        text = "; ".join(said) + "."
        share = self.changed_share
        if self.verification.is_sample and share is not None:
            text += (
                f" A sample of {self.asked:,} from {self.in_scope:,}: between {percent(share.low)} and "
                f"{percent(share.high)} of all have changed."
            )
        return text


def figures_of(*, verification: Verification) -> Figures:
    """The figures of one verification."""
    return _figures([verification])[verification.pk]


def _figures(verifications: Sequence[Verification]) -> dict[UUID, Figures]:
    """By verification; three queries for all of them."""
    rows = {row.run.pk: row for row in run_rows([one.run for one in verifications])}
    counts: dict[UUID, Counter[Outcome]] = defaultdict(Counter)
    for run, verdict, decision, n in (
        Comparison.objects.filter(run__in=list(rows))
        .order_by()
        .values_list("run", "verdict", "decision")
        .annotate(n=Count("attempt"))
    ):
        counts[run][_outcome(verdict, decision)] += n
    for run, row in rows.items():
        # An attempt that never got an answer has no comparison.
        counts[run][Outcome.UNMEASURED] += row.failed
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
    """One answer that people should look at: the attempt with its comparison, and what it was."""

    comparison: Comparison
    outcome: Outcome
    is_flagged: bool


def differing(*, verification: Verification, limit: int) -> list[Differing]:
    """The answers that changed, then those of which nobody can tell; flagged ones first of their kind."""
    rows = (
        Comparison.objects.filter(run=verification.run_id)
        .filter(
            Q(verdict__in=[VerdictName.BACKEND_CHANGED, VerdictName.INCONCLUSIVE])
            | Q(decision=Decision.REGRESSION)
        )
        .exclude(decision=Decision.SAME)
        .annotate(flagged=Exists(Flag.objects.filter(interaction=OuterRef("original"), state=FlagState.OPEN)))
        .select_related("original", "attempt", "attempt__answer")
        .defer("figures")
        # Alphabet happens to put `backend_changed` before `inconclusive`.
        .order_by("verdict", "-flagged", "-confidence", "attempt")
    )
    return [Differing(row, outcome_of(row), row.flagged) for row in rows[:limit]]


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
