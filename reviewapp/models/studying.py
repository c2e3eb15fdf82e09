"""What a study has shown so far: its conditions with their answers, and the figures over them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from reviewapp.models.provider import Provider
from reviewapp.models.replay import Attempt, AttemptState, ReplayVariant
from reviewapp.models.study import Study, StudyPoint
from reviewapp.pure.edits import EditKind
from reviewapp.pure.prices import price_of
from reviewapp.pure.studies import (
    Determination,
    Deviation,
    Share,
    Trial,
    determination,
    deviation,
    share,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer of a study."""

    attempt: UUID
    original: UUID
    repeat: int
    identical: bool
    equivalent: bool
    similarity: float
    digest: bytes
    provider: UUID
    model: str
    fingerprint: str | None
    latency_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    preview: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which the study asked, and its answers in the order of asking."""

    variant: ReplayVariant
    asked: int
    failed: int
    points: list[Measured] = field(default_factory=list)
    prices: Mapping[UUID, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Of a deviation study: the kind of edit."""
        return str(self.variant.about.get("kind", ""))

    @property
    def size(self) -> float:
        """Of a deviation study: the size of the edit."""
        return float(self.variant.about.get("size", 0.0))

    @property
    def came_back(self) -> Share:
        """How often the answer was the same, word for word."""
        return share(sum(point.identical for point in self.points), len(self.points))

    @property
    def same(self) -> Share:
        """How often it was the same but for what does not matter."""
        return share(sum(point.equivalent for point in self.points), len(self.points))

    @property
    def similarity(self) -> float | None:
        return statistics.fmean(point.similarity for point in self.points) if self.points else None

    @property
    def latency_ms(self) -> float | None:
        """The middle one."""
        known = [point.latency_ms for point in self.points if point.latency_ms is not None]
        return statistics.median(known) if known else None

    @property
    def tokens(self) -> int:
        return sum((point.input_tokens or 0) + (point.output_tokens or 0) for point in self.points)

    @property
    def cost(self) -> float | None:
        """US dollars by the present prices; None where a model has none."""
        total = 0.0
        for point in self.points:
            price = price_of(self.prices.get(point.provider), point.model)
            if price is None:
                return None
            total += price.of(point.input_tokens, point.output_tokens)
        return total if self.points else None

    @property
    def distinct(self) -> int:
        """How many different answers there were."""
        return len({(point.original, point.digest) for point in self.points})

    @property
    def fingerprints(self) -> dict[str | None, int]:
        """How many answers reported which fingerprint, the most frequent first."""
        counted: dict[str | None, int] = {}
        for point in self.points:
            counted[point.fingerprint] = counted.get(point.fingerprint, 0) + 1
        return dict(sorted(counted.items(), key=lambda one: -one[1]))

    @property
    def telling(self) -> Measured | None:
        """The answer to look at first: the one least like what it is held against."""
        return min(self.points, key=lambda point: point.similarity, default=None)


def conditions_of(study: Study) -> list[Condition]:
    """The study's conditions in their order, in four queries."""
    variants = list(ReplayVariant.objects.filter(run=study.run_id).order_by("position"))
    states: dict[UUID, dict[str, int]] = {}
    counted = Attempt.objects.filter(run=study.run_id, variant__isnull=False).order_by()
    for variant, state, n in counted.values_list("variant", "state").annotate(n=Count("pk")):
        states.setdefault(variant, {})[state] = n
    points: dict[UUID, list[Measured]] = {}
    rows = StudyPoint.objects.filter(study=study).select_related("attempt__answer").order_by("attempt")
    for row in rows:
        points.setdefault(row.variant_id, []).append(_measured(row, study.run.attempts))
    providers = {point.provider for found in points.values() for point in found}
    prices = dict(Provider.objects.filter(pk__in=providers).values_list("pk", "prices"))
    return [
        Condition(
            variant=variant,
            asked=sum(states.get(variant.pk, {}).values()),
            failed=states.get(variant.pk, {}).get(AttemptState.FAILED, 0),
            points=points.get(variant.pk, []),
            prices=prices,
        )
        for variant in variants
    ]


def _measured(row: StudyPoint, repeats: int) -> Measured:
    attempt, answer = row.attempt, row.attempt.answer
    assert answer is not None  # a point is made of an answer
    return Measured(
        attempt=attempt.pk,
        original=attempt.original_id,
        repeat=(attempt.number - 1) % repeats + 1,
        identical=row.identical,
        equivalent=row.equivalent,
        similarity=row.similarity,
        digest=bytes(row.digest),
        provider=attempt.provider_id,
        model=answer.model,
        fingerprint=answer.fingerprint,
        latency_ms=answer.latency_ms,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        preview=answer.answer_preview,
    )


@dataclass(frozen=True, slots=True)
class AskedBy:
    """A study that asked an interaction: how many answers came, and how many were the same."""

    study: Study
    answers: int
    same: int


def studies_of(interaction: UUID) -> list[AskedBy]:
    """The studies that asked this interaction, newest first."""
    counted = (
        StudyPoint.objects.filter(attempt__original=interaction)
        .values("study")
        .annotate(n=Count("pk"), same=Count("pk", filter=Q(equivalent=True)))
    )
    figures = {study: (n, same) for study, n, same in counted.values_list("study", "n", "same")}
    runs = Attempt.objects.filter(original=interaction, variant__isnull=False).values("run")
    studies = Study.objects.filter(run__in=runs).order_by("-created_at", "-id")
    return [AskedBy(study, *figures.get(study.pk, (0, 0))) for study in studies]


def deviation_of(conditions: Sequence[Condition]) -> Deviation:
    """What a deviation study shows; its first condition is the prompt as it was."""
    floor = next((one for one in conditions if one.kind == EditKind.NONE), None)
    return deviation(
        floor=floor.came_back if floor is not None else share(0, 0),
        floor_similarity=floor.similarity if floor is not None else None,
        trials=[
            Trial(
                kind=one.kind,
                size=one.size,
                same=one.came_back.part,
                asked=one.came_back.whole,
                similarity=one.similarity,
            )
            for one in conditions
            if one.kind != EditKind.NONE
        ],
    )


@dataclass(frozen=True, slots=True)
class AtTemperature:
    """What a seed study shows at one temperature; None is the vendor's own."""

    temperature: float | None
    conditions: list[Condition]
    shown: Determination


def temperatures_of(conditions: Sequence[Condition]) -> list[AtTemperature]:
    """A seed study's temperatures, in the order in which they were asked."""
    found: dict[float | None, list[Condition]] = {}
    for one in conditions:
        found.setdefault(one.variant.about.get("temperature"), []).append(one)
    return [
        AtTemperature(
            temperature, those, determination([[point.digest for point in one.points] for one in those])
        )
        for temperature, those in found.items()
    ]


@dataclass(frozen=True, slots=True)
class OfFingerprint:
    """The answers of one condition that reported one fingerprint."""

    condition: Condition
    fingerprint: str | None
    came_back: Share
    same: Share
    similarity: float


def fingerprints_of(conditions: Sequence[Condition]) -> list[OfFingerprint]:
    """The answers of each condition by fingerprint, where it reported more than one."""
    found = []
    for one in conditions:
        for value in one.fingerprints if len(one.fingerprints) > 1 else ():
            points = [point for point in one.points if point.fingerprint == value]
            found.append(
                OfFingerprint(
                    condition=one,
                    fingerprint=value,
                    came_back=share(sum(point.identical for point in points), len(points)),
                    same=share(sum(point.equivalent for point in points), len(points)),
                    similarity=statistics.fmean(point.similarity for point in points),
                )
            )
    return found
