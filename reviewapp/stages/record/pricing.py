"""Costs of what was recorded before its price was known, by the present prices.

A cost that is there stays: it is what the call cost by the prices of its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db.models import F, FloatField, Value
from django.db.models.functions import Coalesce, Greatest

from reviewapp.models import Interaction, Provider
from reviewapp.pure.prices import price_of

BATCH: Final = 5_000
_FIRST: Final = UUID(int=0)


def fill_costs(*, project_id: UUID | None = None) -> Iterator[int]:
    """Write the costs that are missing; gives how many each batch wrote. May be stopped and run again."""
    providers = Provider.objects.exclude(prices={})
    if project_id is not None:
        providers = providers.filter(project=project_id)
    for provider in providers:
        for model in provider.prices:
            yield from _fill(provider, model)


def _fill(provider: Provider, model: str) -> Iterator[int]:
    price = price_of(provider.prices, model)
    if price is None:
        return
    cost = (_known("input_tokens") * price.input + _known("output_tokens") * price.output) / Value(1e6)
    rows = Interaction.objects.filter(
        project=provider.project_id, provider=provider, model=model, cost__isnull=True
    ).exclude(input_tokens__isnull=True, output_tokens__isnull=True)
    after = _FIRST
    while True:
        ids = list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        after = ids[-1]
        yield rows.filter(pk__in=ids).update(cost=cost)


def _known(column: str) -> Greatest:
    return Greatest(Coalesce(F(column), 0), 0, output_field=FloatField())
