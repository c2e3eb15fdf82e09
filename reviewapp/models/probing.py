"""Whether seeds count for anything, by provider and model: what was probed, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext as _

from reviewapp.models.project import Project
from reviewapp.models.provider import Provider
from reviewapp.models.scoping import Scoped
from reviewapp.pure.ids import new_id
from reviewapp.pure.said import stored


class SeedProbe(Scoped):
    """One probe: the same seed asked again and again, and others beside it, at a temperature above 0."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    model = models.TextField()
    at = models.DateTimeField()
    # None where it could not be told.
    honoured = models.BooleanField(null=True)
    # Answers equal to the first one: `same` of `asked` with its seed, `chance` of `others` with others.
    same = models.PositiveSmallIntegerField()
    asked = models.PositiveSmallIntegerField()
    chance = models.PositiveSmallIntegerField()
    others = models.PositiveSmallIntegerField()
    # Whether the seeds that came back were those sent; None where none came back.
    echoed = models.BooleanField(null=True)
    sentence = models.TextField()
    # The messages of its texts, by field: see pure/said.
    said = models.JSONField(null=True)
    scheduled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(same__lte=models.F("asked"), chance__lte=models.F("others")),
                name="seed_probe_counts",
            ),
        ]
        indexes = [
            # The last probe of a provider's model.
            models.Index(fields=["provider", "model", "-at"], name="seed_probe_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Probed:
    """What is known of the seed at a provider's model, as screens tell it; `at` is None where nothing is."""

    provider: UUID
    provider_name: str
    model: str
    honoured: bool | None
    sentence: str
    at: datetime | None
    echoed: bool | None = None


def sentence_of(probe: SeedProbe) -> str:
    """Its sentence with its messages."""
    return stored(probe.sentence, (probe.said or {}).get("sentence"))


def probed_of(*, pairs: Sequence[tuple[UUID, str]]) -> list[Probed]:
    """The last probe of each provider and model, in order; one that says so where there was none."""
    wanted = list(dict.fromkeys(pairs))
    names = dict(
        Provider.objects.filter(pk__in=[provider for provider, _ in wanted]).values_list("pk", "name")
    )
    latest = _latest(wanted)
    found = []
    for provider, model in wanted:
        probe = latest.get((provider, model))
        found.append(
            Probed(
                provider=provider,
                provider_name=names.get(provider, ""),
                model=model,
                honoured=probe.honoured if probe is not None else None,
                sentence=sentence_of(probe) if probe is not None else _not_yet(),
                at=probe.at if probe is not None else None,
                echoed=probe.echoed if probe is not None else None,
            )
        )
    return found


def together(probed: Sequence[Probed]) -> list[Probed]:
    """The same, those of one provider of which nothing is known yet as one: their models in a row."""
    told: list[Probed] = []
    unknown: dict[UUID, int] = {}
    for one in probed:
        if one.at is not None or one.provider not in unknown:
            if one.at is None:
                unknown[one.provider] = len(told)
            told.append(one)
        else:
            place = unknown[one.provider]
            told[place] = replace(told[place], model=f"{told[place].model}, {one.model}")
    return told


def _not_yet() -> str:
    return _("Whether it heeds a seed was not tested yet: press Test under Settings, Providers.")


def _latest(pairs: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], SeedProbe]:
    # One look into the index for each: there are as many as a screen names.
    found = {}
    for provider, model in pairs:
        probe = SeedProbe.objects.filter(provider=provider, model=model).order_by("-at").first()
        if probe is not None:
            found[provider, model] = probe
    return found


@dataclass(slots=True)
class Probes:
    """The last probes, each read once."""

    _known: dict[tuple[UUID, str], bool | None] = field(default_factory=dict)

    def honoured(self, *, provider: Any, model: str) -> bool | None:
        """What is known of this model's seed; where it was never probed, of the provider's last test."""
        key = (provider.pk, model)
        if key not in self._known:
            probe = _latest([key]).get(key)
            self._known[key] = provider.seed_honoured if probe is None else probe.honoured
        return self._known[key]
