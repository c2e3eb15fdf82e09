"""What beat and the workers do for canaries, done on request and by a clock of the test's own."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from reviewapp.models import Actor, CanaryCheck, CanarySession, CanarySet, Provider
from reviewapp.stages import compare, replay, watch
from reviewapp.stages.watch import CanaryValues
from tests.factories import NOW

# Of each kind.
KEPT = {"token": 6, "seeded": 3, "plain": 0}


@dataclass
class Watched:
    """A set, who watches it, and the time it is there."""

    set: CanarySet
    actor: Actor
    now: datetime

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def session(self, *, capture: bool = False, forced: bool = True) -> UUID | None:
        """Begin what is due, and have it asked, compared and read, fresh requests included."""
        run = watch.begin(set_id=self.set.pk, now=self.now, capture=capture, forced=forced)
        first = run
        while run is not None:
            self.now += timedelta(seconds=20)
            replay.work(run_id=run, worker="w1", seconds=60)
            while compare.compare_new(now=self.now, run_id=run):
                pass
            following = watch.advance(now=self.now)
            run = following[0] if following else None
        self.set.refresh_from_db()
        return first

    def check(self, *, after: timedelta = timedelta(hours=1)) -> CanaryCheck:
        """One check, at its time."""
        self.now += after
        self.session()
        found: CanaryCheck = self.set.checks.order_by("-created_at").first()
        return found

    def learn(self) -> None:
        """Three sessions of the baseline."""
        for _ in range(3):
            self.now += timedelta(minutes=self.set.learn_every_minutes)
            self.session(forced=False)

    @property
    def sessions(self) -> list[CanarySession]:
        return list(self.set.sessions.order_by("created_at"))


def watched(
    *,
    actor: Actor,
    provider: Provider,
    model: str,
    learn: bool = True,
    whole: bool = False,
    now: datetime = NOW,
    **values: Any,
) -> Watched:
    """A prepared starter set, with its baseline; of its canaries only some unless `whole`, for speed."""
    made = watch.make_set(actor=actor, provider=provider, model=model, values=CanaryValues(**values), now=now)
    assert watch.prepare(set_id=made.pk, clock=lambda: now)
    made.refresh_from_db()
    if not whole:
        for kind, most in KEPT.items():
            spare = made.canaries.filter(kind=kind).order_by("interaction__prompt_preview")[most:]
            made.canaries.filter(pk__in=[canary.pk for canary in spare]).delete()
    found = Watched(set=made, actor=actor, now=now)
    if learn:
        found.learn()
    return found


def tell(base_url: str, path: str, **body: Any) -> Any:
    """Press one of the simulated provider's buttons."""
    call = urllib.request.Request(
        f"{base_url.removesuffix('/v1')}/_sim/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(call) as answer:
        return json.load(answer)
