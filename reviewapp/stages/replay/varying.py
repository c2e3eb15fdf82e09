"""Runs that ask each interaction in several ways: what studies are made of.

Unlike a run's overrides, a way may change the question itself: whoever starts such a run wants to know
what that does. All else is as with any run: attempts as rows, one pace, one record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext

from reviewapp.models import (
    Actor,
    Interaction,
    Permission,
    Provider,
    ReplayRun,
    ReplayVariant,
    RunKind,
)
from reviewapp.pure.prices import price_of
from reviewapp.stages.administer import Refused, write_audit
from reviewapp.stages.replay.starting import (
    MOST_ATTEMPTS,
    Estimate,
    check_storable,
    insert_attempts,
)

# What such a run may ask altogether: all its answers are measured together.
MOST_VARIED_CALLS: Final = 5_000
MOST_WAYS: Final = 500


@dataclass(frozen=True, slots=True)
class Way:
    """One way of asking: what it changes, and of whom it asks if not of the interaction's own provider.

    `longer` is how many times as long as the recorded one its question is.
    """

    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    provider: Provider | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    longer: float = 1.0


def estimate_ways(
    *, actor: Actor, interactions: Sequence[UUID], ways: Sequence[Way], attempts: int
) -> Estimate:
    """What asking all of them in all of these ways would take. Raises Refused."""
    actor.check(Permission.REPLAY)
    if not 1 <= attempts <= MOST_ATTEMPTS:
        raise Refused(
            gettext("Choose from 1 to %(most_attempts)s times each.") % {"most_attempts": MOST_ATTEMPTS},
            field="repeats",
        )
    rows = Interaction.objects.filter(project=actor.project, pk__in=interactions)
    groups = list(
        rows.order_by()
        .values("provider", "model")
        .annotate(n=Count("pk"), i=Sum("input_tokens"), o=Sum("output_tokens"))
    )
    asked = Provider.objects.filter(pk__in={group["provider"] for group in groups}).defer("api_key")
    providers = {provider.pk: provider for provider in asked}
    kept = rows.aggregate(
        n=Count("pk"),
        unseeded=Count("pk", filter=Q(seed__isnull=True)),
        errors=Count("pk", filter=Q(status__isnull=True) | Q(status__gte=300)),
    )
    sums = _Sums()
    for way in ways:
        for group in groups:
            provider = way.provider or providers[group["provider"]]
            sums.add(group, way, provider, attempts)
    calls = kept["n"] * len(ways) * attempts
    return Estimate(
        interactions=kept["n"],
        calls=calls,
        input_tokens=round(sums.input_tokens),
        output_tokens=round(sums.output_tokens),
        cost=None if sums.unpriced else sums.cost,
        unseeded=kept["unseeded"],
        uncallable=sums.uncallable,
        errors=kept["errors"],
        providers=tuple(sorted(sums.providers)),
    )


@dataclass(slots=True)
class _Sums:
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost: float = 0.0
    unpriced: bool = False
    uncallable: int = 0
    providers: set[str] = field(default_factory=set)

    def add(self, group: Mapping[str, Any], way: Way, provider: Provider, attempts: int) -> None:
        """One way of asking the interactions of one provider and model."""
        read = (group["i"] or 0) * attempts * way.longer
        written = (group["o"] or 0) * attempts
        self.input_tokens += read
        self.output_tokens += written
        self.providers.add(provider.name)
        if not provider.can_be_called:
            self.uncallable += group["n"]
        price = price_of(provider.prices, way.overrides.get("model") or group["model"])
        if price is None:
            self.unpriced = True
            return
        self.cost += price.of(read, written)


@transaction.atomic
def start_varied_run(
    *,
    actor: Actor,
    interactions: Sequence[UUID],
    ways: Sequence[Way],
    attempts: int,
    note: str,
    now: datetime,
) -> ReplayRun:
    """Queue a run that asks each interaction in each way; the caller nudges the workers. Raises Refused."""
    if not ways or len(ways) > MOST_WAYS:
        raise Refused(
            gettext("Choose from 1 to %(most_ways)s ways of asking; these are %(count)s.")
            % {"most_ways": MOST_WAYS, "count": number_format(len(ways), force_grouping=True)},
            field="ways",
        )
    for way in ways:
        check_storable(way.overrides)
        if way.provider is not None and way.provider.project_id != actor.project.pk:
            raise Refused(gettext("That provider belongs to another project."), field="providers")
    expected = estimate_ways(actor=actor, interactions=interactions, ways=ways, attempts=attempts)
    if expected.interactions == 0:
        raise Refused(gettext("There is no such interaction in this project."), field="interactions")
    if expected.calls > MOST_VARIED_CALLS:
        raise Refused(
            gettext(
                "That would be %(calls)s calls; at most %(most_varied_calls)s fit into one "
                "study. Ask fewer times, or in fewer ways."
            )
            % {
                "calls": number_format(expected.calls, force_grouping=True),
                "most_varied_calls": number_format(MOST_VARIED_CALLS, force_grouping=True),
            },
            field="repeats",
        )
    if expected.uncallable:
        raise Refused(
            gettext(
                "%(choices)s: not all of them have a base URL. An admin gives it under Settings, Providers."
            )
            % {"choices": ", ".join(expected.providers)},
            field="providers",
        )
    run: ReplayRun = ReplayRun.objects.create(
        project=actor.project,
        kind=RunKind.STUDY,
        note=note,
        selection={"interactions": expected.interactions},
        attempts=attempts,
        overrides={},
        estimate=expected.as_json(),
        created_by=actor.person,
        created_by_key=actor.key,
        created_at=now,
    )
    ReplayVariant.objects.bulk_create(
        ReplayVariant(
            project=actor.project,
            run=run,
            position=position,
            label=way.label[:200],
            overrides=dict(way.overrides),
            provider=way.provider,
            about=dict(way.about),
        )
        for position, way in enumerate(ways)
    )
    rows = Interaction.objects.filter(project=actor.project, pk__in=interactions)
    insert_attempts(run=run, rows=rows, provider=None, now=now)
    write_audit(actor=actor, action="replay.start", target=run, now=now, calls=expected.calls, ways=len(ways))
    return run
