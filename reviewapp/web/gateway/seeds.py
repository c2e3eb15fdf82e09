"""The seeds that the gateway gives to requests without one, none twice, and no database in the call's way.

A block of the source's next seeds is taken at a time, and the next block before the first is used up.
A process that dies loses the rest of its block: those seeds are skipped. While the database is away
calls go on with random seeds of the source's range, of which some may then come twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from reviewapp.models import SeedRange, Source
from reviewapp.pure.canonical import request_hash
from reviewapp.pure.exchange import Endpoint
from reviewapp.pure.seeds import DEFAULT_RANGE, seed_at
from reviewapp.stages import administer
from reviewapp.web.gateway.directory import SourceEntry

log = logging.getLogger(__name__)

BLOCK: Final = 64
REFILL_AT: Final = 16


@dataclass
class _Stock:
    """What is left of a source's block, and the ranges it came from."""

    ranges: tuple[UUID, ...]
    seeds: deque[int] = field(default_factory=deque)
    filling: asyncio.Task[None] | None = None


class Seeds:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._stocks: dict[UUID, _Stock] = {}

    async def next(self, source: SourceEntry, endpoint: Endpoint, request: dict[str, Any]) -> int:
        """The seed of this request: by the first open range of its source, else of a new range."""
        first = source.seed_ranges[0] if source.seed_ranges else None
        if first is not None and not first.counts:
            digest = request_hash(endpoint, request) if first.policy == "derived" else ""
            return seed_at(policy=first.rule, number=0, request_hash=digest)
        stock = self._stock(source)
        if not stock.seeds:
            await self._fill(stock, source)
        seed = stock.seeds.popleft()
        if len(stock.seeds) < REFILL_AT and stock.filling is None:
            # Nobody waits for it; it is kept, so that it is not collected while it runs.
            stock.filling = asyncio.create_task(self._add(stock, source))
        return seed

    def _stock(self, source: SourceEntry) -> _Stock:
        ranges = tuple(one.pk for one in source.seed_ranges)
        found = self._stocks.get(source.id)
        if found is None or found.ranges != ranges:
            # A range was closed or added: what is left of the block is not given any more.
            found = self._stocks[source.id] = _Stock(ranges)
        return found

    async def _fill(self, stock: _Stock, source: SourceEntry) -> None:
        while not stock.seeds:
            if stock.filling is None:
                stock.filling = asyncio.create_task(self._add(stock, source))
            await asyncio.shield(stock.filling)

    async def _add(self, stock: _Stock, source: SourceEntry) -> None:
        try:
            stock.seeds.extend(await asyncio.to_thread(_take, source))
        except Exception as error:
            # Whatever it is: a call does not fail for want of a seed.
            log.warning("A seed is drawn at random, for the next can't be taken: %s", error)
            one = source.seed_ranges[0].rule.range if source.seed_ranges else DEFAULT_RANGE
            # As many as a block: to find out that the database is away takes seconds each time.
            stock.seeds.extend(one.first + secrets.randbelow(one.size) for _ in range(BLOCK))
        finally:
            stock.filling = None


def _take(source: SourceEntry) -> tuple[int, ...]:
    now = timezone.now()
    try:
        counting = [one for one in source.seed_ranges if one.counts] or [_new_range(source.id, now)]
        for one in counting:
            found = administer.take_seeds(seed_range=one, count=BLOCK, now=now).seeds
            if found:
                return found
        # All were given. A call does not fail for it: they come again, in the same order.
        return administer.take_seeds(seed_range=counting[-1], count=BLOCK, now=now, around=True).seeds
    finally:
        connection.close()


def _new_range(source: UUID, now: datetime) -> SeedRange:
    with transaction.atomic():
        # Another process may be at it too: the one that comes second finds the first one's.
        found = Source.objects.select_for_update(of=("self",)).select_related("project").get(pk=source)
        made = SeedRange.objects.filter(source=source, is_open=True).order_by("first").first()
        if made is not None and not made.counts:
            raise LookupError("its range was reserved this moment, and its seeds do not count up")
        return made or administer.reserve_automatically(source=found, now=now)
