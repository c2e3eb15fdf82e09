"""Getting a canary set ready: what its provider can answer, and the questions of the starter set.

A set that is made waits in the state *preparing*. One worker leases it, asks, and writes everything in one
transaction: the questions' first answers as interactions, through the record stage, the canaries, an
empty baseline, the schedule. A worker that dies leaves nothing but a lease that runs out.

Requests are set aside from the day's budget before the first leaves, and what was not asked is given back
at the end, whatever the end is: neither failures nor dead workers let a day cost more than its budget.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import F, Q

from reviewapp.models import (
    Canary,
    CanaryBaseline,
    CanarySet,
    CanaryState,
    Endpoint,
    UnreadableSecret,
)
from reviewapp.models.interaction import CANARY_SOURCE, CANARY_TAG
from reviewapp.pure.drift import starter
from reviewapp.pure.drift.dialect import Dialect
from reviewapp.pure.drift.panel import (
    FIRST_SEED,
    SEED_PROBES,
    SEED_QUESTIONS,
    TEXT_PROMPTS,
    TOKEN_PROMPTS,
    Abilities,
    Question,
    SeedProbe,
    is_seed_honoured,
)
from reviewapp.pure.exchange import Reply
from reviewapp.pure.ids import new_id
from reviewapp.pure.said import figure, said, text_of, to_store
from reviewapp.stages import record
from reviewapp.stages.administer import ensure_source
from reviewapp.stages.watch.asking import spent_today
from reviewapp.stages.watch.schedules import write_schedule

if TYPE_CHECKING:
    from reviewapp.providers.client import Answer
    from reviewapp.providers.panel import Asker, Budget

log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=5)
AGAIN: Final = timedelta(seconds=30)
MOST_TRIES: Final = 5
AT_ONCE: Final = 4
# Learning the dialect, then at most this for the seed.
LEARNING_REQUESTS: Final = 12 + 2 * SEED_PROBES * SEED_QUESTIONS
# All of it, where the provider gives neither log probabilities nor heeds a seed.
MOST_REQUESTS: Final = (
    LEARNING_REQUESTS
    + starter.plan(Abilities(alternatives=0, seed_honoured=False)).requests
    + starter.GREEDY_TEXTS
)


class TooLittleBudget(Exception):
    """The day's budget does not pay for preparing; the message is for people."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question asked: the bytes that went out and came back, and what they say."""

    question: Question
    wire: record.Wire
    reply: Reply


@dataclass(frozen=True, slots=True)
class Learnt:
    """What preparing found out, and the answers that begin the starter set's canaries."""

    dialect: Dialect
    seed_honoured: bool
    kept: tuple[Answered, ...]


def waiting(*, now: datetime) -> list[UUID]:
    """Sets that are to be prepared and nobody prepares."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    rows = CanarySet.objects.filter(free, state=CanaryState.PREPARING)
    return list(rows.order_by("created_at").values_list("pk", flat=True))


def prepare(*, set_id: UUID, clock: Callable[[], datetime]) -> bool:
    """Prepare a set; False when another worker does, or it could not be done now."""
    now = clock()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    mine = CanarySet.objects.filter(free, pk=set_id, state=CanaryState.PREPARING)
    if not mine.update(lease_until=now + LEASE, tries=F("tries") + 1):
        return False
    from reviewapp.providers.errors import CallFailed  # the SDK, which only workers load
    from reviewapp.providers.panel import Budget

    canaries = CanarySet.objects.select_related("provider").get(pk=set_id)
    if canaries.tries > MOST_TRIES:
        _put_off(canaries, said("prepare_stopped"), again=False, now=now)
        return False
    left = canaries.daily_budget - spent_today(canaries=canaries, now=now)
    purse = Budget(limit=min(max(left, 0), MOST_REQUESTS))
    before = _count(canaries, purse.limit, now)
    try:
        learnt = asyncio.run(_learn(canaries, purse=purse, clock=clock))
        _count(canaries, purse.spent - before, now)
        _store(canaries, learnt, now=clock())
    except CallFailed as error:
        _count(canaries, purse.spent - before, now)
        _put_off(canaries, text_of(error), again=error.may_pass, now=clock())
        return False
    except (TooLittleBudget, UnreadableSecret) as error:
        _count(canaries, purse.spent - before, now)
        _put_off(canaries, text_of(error), again=False, now=clock())
        return False
    return True


def _count(canaries: CanarySet, requests: int, now: datetime) -> int:
    """Add these to the requests that preparing took from the day's budget; gives the same number."""
    day = now.date().isoformat()
    canaries.prepared = canaries.prepared | {day: canaries.prepared.get(day, 0) + requests}
    CanarySet.objects.filter(pk=canaries.pk).update(prepared=canaries.prepared)
    return requests


async def _learn(canaries: CanarySet, *, purse: Budget, clock: Callable[[], datetime]) -> Learnt:
    from reviewapp.providers.panel import Asker, BudgetSpent, Side

    provider = canaries.provider
    side = Side(provider.name, (provider.base_url,), provider.api_key, canaries.model)
    rng = np.random.default_rng(canaries.pk.int)
    async with Asker(side, budget=purse, rng=rng, clock=clock) as asker:
        try:
            dialect = await asker.learn_dialect(
                Question(TOKEN_PROMPTS[0], "token", FIRST_SEED), model=canaries.model, dialect=Dialect()
            )
            honoured = await _is_honoured(asker, canaries, dialect, rng)
        except BudgetSpent:
            raise TooLittleBudget(_too_little(canaries, LEARNING_REQUESTS)) from None
    kept: tuple[Answered, ...] = ()
    if canaries.starter:
        plan = starter.plan(Abilities(alternatives=dialect.alternatives, seed_honoured=honoured))
        if plan.requests + starter.GREEDY_TEXTS > purse.left:
            wanted = purse.spent + plan.requests + starter.GREEDY_TEXTS
            raise TooLittleBudget(_too_little(canaries, wanted))
        kept = await _choose(canaries, plan, dialect, purse, clock)
    return Learnt(dialect=dialect, seed_honoured=honoured, kept=kept)


def _too_little(canaries: CanarySet, wanted: int) -> str:
    return said("prepare_budget", wanted=figure(wanted), budget=figure(canaries.daily_budget))


async def _is_honoured(asker: Asker, canaries: CanarySet, dialect: Dialect, rng: np.random.Generator) -> bool:
    """Whether the seed counts: as the provider's test found, else asked now."""
    if not dialect.seed:
        return False
    known = canaries.provider.seed_honoured
    if known is not None:
        return known
    probes: list[SeedProbe] = []
    for prompt in TEXT_PROMPTS[:SEED_QUESTIONS]:
        question = Question(prompt, "seeded", FIRST_SEED)
        seeds = [FIRST_SEED + 1 + number for number in range(SEED_PROBES)]
        same = await asker.ask_seeds(
            question, [FIRST_SEED] * SEED_PROBES, dialect=dialect, model=canaries.model
        )
        other = await asker.ask_seeds(question, seeds, dialect=dialect, model=canaries.model)
        probes.append(SeedProbe(same=tuple(same), different=tuple(other)))
        if is_seed_honoured(probes, rng=rng):
            return True
    return False


async def _choose(
    canaries: CanarySet, plan: starter.Plan, dialect: Dialect, purse: Budget, clock: Callable[[], datetime]
) -> tuple[Answered, ...]:
    """The answers of the questions that are kept."""
    found = await _ask_all(canaries, [*plan.candidates * plan.probes, *plan.texts], dialect, purse, clock)
    candidates = [one for one in found if one.question in plan.candidates]
    picked = starter.chosen([(one.question, one.reply) for one in candidates]) if candidates else []
    if plan.candidates and plan.candidates[0].kind == "border" and len(picked) < starter.FEWEST_BORDERS:
        greedy = starter.greedy_texts()
        found += await _ask_all(canaries, greedy, dialect, purse, clock)
        wanted: list[Question] = list(greedy)
    else:
        wanted = [*picked, *plan.texts]
    first = {one.question: one for one in reversed(found)}
    return tuple(first[question] for question in wanted if question in first)


async def _ask_all(
    canaries: CanarySet,
    questions: Sequence[Question],
    dialect: Dialect,
    purse: Budget,
    clock: Callable[[], datetime],
) -> list[Answered]:
    """Ask each once, a few at a time; one that stays without an answer is left out.

    Raises the last error when fewer than half are answered.
    """
    from reviewapp.providers.client import Client, Target
    from reviewapp.providers.errors import CallFailed

    provider = canaries.provider
    target = Target(
        name=provider.name,
        base_url=provider.base_url,
        api_key=provider.api_key,
        timeout_seconds=provider.timeout_seconds,
    )
    gate = asyncio.Semaphore(min(AT_ONCE, provider.max_concurrency))
    pace = 60 / provider.requests_per_minute if provider.requests_per_minute else 0.0
    failures: list[CallFailed] = []

    async with Client(target) as client:

        async def one(question: Question, place: int) -> Answered | None:
            await asyncio.sleep(place * pace)
            async with gate:
                body = json.dumps(dialect.request(question, model=canaries.model), ensure_ascii=False)
                started_at = clock()
                purse.take()
                try:
                    answer = await client.send(endpoint="chat.completions", request=body.encode())
                except CallFailed as error:
                    failures.append(error)
                    return None
            return _answered(question, body.encode(), answer, started_at)

        told = await asyncio.gather(*(one(question, place) for place, question in enumerate(questions)))
    answered = [one for one in told if one is not None and one.reply.choices]
    if failures and 2 * len(answered) < len(questions):
        raise failures[-1]
    return answered


def _answered(question: Question, body: bytes, answer: Answer, started_at: datetime) -> Answered:
    from reviewapp.formats.openai import read_reply
    from reviewapp.pure import rawjson

    text, is_json = rawjson.read_body(answer.body)
    wire = record.Wire(
        endpoint="chat.completions",
        request=body,
        started_at=started_at,
        response=answer.body,
        content_type=answer.content_type,
        status=answer.status,
        latency_ms=answer.latency_ms,
        tags=(CANARY_TAG,),
        headers=answer.headers,
    )
    reply = read_reply("chat.completions", rawjson.parse(text) if is_json else None, answer.status)
    return Answered(question=question, wire=wire, reply=reply)


@transaction.atomic
def _store(canaries: CanarySet, learnt: Learnt, *, now: datetime) -> None:
    """All of it at once, if the set still waits for it."""
    locked = CanarySet.objects.select_for_update().filter(pk=canaries.pk, state=CanaryState.PREPARING).first()
    if locked is None:
        return
    source = ensure_source(project=canaries.project, name=CANARY_SOURCE, now=now)
    arrivals = [
        record.Arrival(
            id=new_id(),
            project_id=canaries.project_id,
            received_at=now,
            content=one.wire,
            source_id=source.pk,
            provider_id=canaries.provider_id,
        )
        for one in learnt.kept
    ]
    outcome = record.record_now(arrivals=arrivals, now=now) if arrivals else record.Outcome()
    recorded = set(outcome.recorded)
    Canary.objects.bulk_create(
        Canary(set=locked, interaction_id=arrival.id, kind=one.question.kind, created_at=now)
        for arrival, one in zip(arrivals, learnt.kept, strict=True)
        if arrival.id in recorded
    )
    first = said("baseline_first")
    CanaryBaseline.objects.get_or_create(
        set=locked,
        ended_at__isnull=True,
        defaults={"started_at": now, "reason": first, "said": to_store(reason=first)},
    )
    locked.state = CanaryState.WATCHING
    locked.endpoint = Endpoint.CHAT
    locked.alternatives = learnt.dialect.alternatives
    locked.seed_honoured = learnt.seed_honoured
    locked.not_taken = list(learnt.dialect.given_up)
    locked.lease_until, locked.tries, locked.trouble, locked.said = None, 0, "", None
    locked.save()
    write_schedule(locked)


def _put_off(canaries: CanarySet, sentence: str, *, again: bool, now: datetime) -> None:
    """Try later, or say that it can't be done."""
    waits = CanarySet.objects.filter(pk=canaries.pk, state=CanaryState.PREPARING)
    messages = to_store(trouble=sentence)
    if again and canaries.tries < MOST_TRIES:
        waits.update(lease_until=now + AGAIN, trouble=sentence, said=messages)
    else:
        waits.update(state=CanaryState.FAILED, lease_until=None, trouble=sentence, said=messages)
