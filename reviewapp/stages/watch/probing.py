"""Probing on a schedule whether seeds count for anything: what a replay relies on may end any day.

Probed are the models that were asked with a seed lately, and those that were probed before. Beat's row
of a provider says how often; an admin changes it on the provider's page.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from reviewapp.models import Interaction, Provider, SeedProbe, UnreadableSecret
from reviewapp.stages.administer import SeedSeen, note_seed

log = logging.getLogger(__name__)

LATELY: Final = timedelta(days=14)
MOST_MODELS: Final = 5
_PATIENCE_SECONDS: Final = 30
# The newest interactions in which models are looked for.
_LOOKED_AT: Final = 2_000


def models_to_probe(*, provider: Provider, now: datetime) -> list[str]:
    """The models whose seeds somebody may rely on, the busiest first."""
    rows = Interaction.objects.filter(
        project=provider.project_id, provider=provider, seed__isnull=False, started_at__gt=now - LATELY
    )
    counted: dict[str, int] = {}
    for model in rows.order_by("-started_at").values_list("model", flat=True)[:_LOOKED_AT]:
        counted[model] = counted.get(model, 0) + 1
    probed = SeedProbe.objects.filter(provider=provider, at__gt=now - LATELY).values_list("model", flat=True)
    found = [*sorted(counted, key=lambda model: -counted[model]), *sorted(set(probed))]
    return [model for model in dict.fromkeys(found) if model][:MOST_MODELS]


def probe_seeds(*, provider_id: UUID, now: datetime) -> int:
    """Probe the provider's models; gives how many answered."""
    provider = Provider.objects.filter(pk=provider_id, probe_every_hours__isnull=False).first()
    if provider is None or not provider.can_be_called:
        return 0
    from reviewapp.providers.client import Target  # the SDK, which only workers load
    from reviewapp.providers.errors import CallFailed
    from reviewapp.providers.probe import probe_seed

    probed = 0
    for model in models_to_probe(provider=provider, now=now):
        try:
            target = Target(
                name=provider.name,
                base_url=provider.base_url,
                api_key=provider.api_key,
                timeout_seconds=min(provider.timeout_seconds, _PATIENCE_SECONDS),
            )
            found = asyncio.run(probe_seed(target=target, model=model))
        except (CallFailed, UnreadableSecret) as error:
            # Nothing is known by that; what was found before stands, with its age.
            log.warning("the seed of %s at %s can't be probed: %s", model, provider.name, error)
            continue
        seen = SeedSeen(found.model, found.trials, found.honoured, found.sentence)
        note_seed(provider=provider, seed=seen, now=now, scheduled=True)
        probed += 1
    return probed
