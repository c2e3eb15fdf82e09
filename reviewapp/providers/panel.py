"""Asks endpoints the questions of a panel, and makes rows of what they answer.

One side is one endpoint or a pool of them; from a pool one is drawn for each request. Requests are
counted as they leave, retries included, and none leaves once the budget is spent. Retrying is decided
here and only here: what may pass is asked again twice, after a pause.

How many questions are under way at once is part of the design. A server that batches rounds otherwise when
it is busy, and its answer to a lone request is one that it gives at no other time. So every session makes
a load of its own, of several widths and never of one request alone: the baseline has met the states that a
check meets, whatever else the server is doing meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from reviewapp.formats.openai import read_reply
from reviewapp.providers.addresses import operators_rule
from reviewapp.providers.client import Answer, Client, Target
from reviewapp.providers.errors import BadRequest, CallFailed, RateLimited
from reviewapp.pure import rawjson
from reviewapp.pure.addresses import ANYWHERE
from reviewapp.pure.drift.dialect import Dialect
from reviewapp.pure.drift.panel import Question
from reviewapp.pure.drift.rows import Row, row_from_reply
from reviewapp.pure.exchange import Reply
from reviewapp.pure.said import said, say

RETRIES: Final = 2
PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 20.0
TIMEOUT_SECONDS: Final = 60.0
DIALECT_STEPS: Final = 10
# How many requests are under way at once, in turn. Slow servers are shared, and would take hours two by two.
SLOW_SECONDS: Final = 0.5
WIDTHS: Final = (2, 5, 8)
SLOW_WIDTHS: Final = (4, 8, 16)
ONE_BY_ONE: Final = (1,)


class BudgetSpent(Exception):
    """No request may leave any more."""


@dataclass
class Budget:
    """How many requests may still leave, and how many have."""

    limit: int
    spent: int = 0

    @property
    def left(self) -> int:
        """Requests that may still leave."""
        return self.limit - self.spent

    def take(self) -> None:
        """Count one request, or refuse it."""
        if self.left <= 0:
            raise BudgetSpent("The budget of requests is spent.")
        self.spent += 1


@dataclass
class Tally:
    """What became of one side's requests. To be asked to slow down is no failure."""

    asked: int = 0
    failed: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Side:
    """The endpoints of one side, their key, and the model to name (None: ask the endpoint)."""

    name: str
    urls: tuple[str, ...]
    key: str | None = None
    model: str | None = None
    # An operator who names the addresses on the command line may name any.
    anywhere: bool = False


def asked_with(
    questions: Sequence[Question], *, first: Sequence[int], rows: int, widths: int, number: int
) -> list[Question]:
    """What one of so many widths asks of `rows` rows: the question whose `first` is 0 begins with width 0."""
    return [
        question
        for place, question in zip(first, questions, strict=True)
        for row in range(rows)
        if (place + row) % widths == number
    ]


def base_url(url: str) -> str:
    """The address the API's paths are joined to: `/v1` is added where there is no path at all."""
    address = url.rstrip("/")
    for ending in ("/chat/completions", "/models"):
        address = address.removesuffix(ending)
    host = address.partition("://")[2]
    return address if "/" in host else f"{address}/v1"


class Asker:
    """Asks one side. An asynchronous context manager over its connections."""

    def __init__(
        self,
        side: Side,
        *,
        budget: Budget,
        rng: np.random.Generator,
        clock: Callable[[], datetime],
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.side = side
        self.tally = Tally()
        self.models: dict[str, str] = {}
        self._budget = budget
        self._rng = rng
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._clients: list[Client] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Asker:
        for url in self.side.urls:
            target = Target(
                name=url,
                base_url=base_url(url),
                api_key=self.side.key,
                timeout_seconds=TIMEOUT_SECONDS,
                rule=ANYWHERE if self.side.anywhere else operators_rule(),
            )
            self._clients.append(await self._stack.enter_async_context(Client(target)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def widths(self) -> tuple[int, ...]:
        """How many requests at once a session goes through, from how fast the endpoint answered so far."""
        seconds = sorted(self.tally.seconds)
        typical = seconds[len(seconds) // 2] if seconds else 0.0
        return WIDTHS if typical < SLOW_SECONDS else SLOW_WIDTHS

    async def list_models(self) -> list[str]:
        """What the first endpoint says it serves; nothing where it does not say."""
        self._budget.take()
        try:
            answer = await self._clients[0].list_models()
        except CallFailed:
            return []
        return _model_names(answer)

    async def learn_dialect(self, question: Question, *, model: str, dialect: Dialect) -> Dialect:
        """The richest dialect the first endpoint takes. Raises CallFailed where it takes none."""
        for _ in range(DIALECT_STEPS):
            try:
                reply = await self._patiently(self._clients[0], question, model=model, dialect=dialect)
            except BadRequest as error:
                # A refusal is how the dialect is learnt, not a failure.
                self.tally = Tally(seconds=self.tally.seconds)
                weaker = dialect.without(str(error))
                if weaker is None:
                    raise
                dialect = weaker
                continue
            tokens = reply.tokens
            told = bool(tokens and len(tokens[0].alternatives) > 1)
            return dialect if told or not dialect.alternatives else _mute(dialect)
        raise BadRequest(said("call_no_way", name=self.side.name))

    async def ask(
        self,
        questions: Sequence[Question],
        *,
        session: str,
        rows: int,
        widths: Sequence[int],
        dialect: Dialect,
        model: str,
    ) -> list[Row]:
        """`rows` rows of every question, an equal part of them with each width of requests at once.

        Which questions begin with which width is drawn, each goes on through all of them, and the order is
        shuffled, so that neighbours in a batch differ. A question that failed gives no row.
        """
        first = [int(place) for place in self._rng.permutation(len(questions))]
        answered: list[Row] = []
        for number, width in enumerate(widths):
            asked = asked_with(questions, first=first, rows=rows, widths=len(widths), number=number)
            gate = asyncio.Semaphore(width)
            drawn = self._rng.integers(len(self._clients), size=len(asked))
            told = await asyncio.gather(
                *(
                    self._row(asked[place], self._clients[drawn[place]], session, gate, dialect, model)
                    for place in self._rng.permutation(len(asked))
                )
            )
            answered += [row for row in told if row is not None]
        return answered

    async def ask_seeds(
        self, question: Question, seeds: Sequence[int], *, dialect: Dialect, model: str
    ) -> list[str]:
        """The texts of one question under these seeds."""
        asked = [Question(question.prompt, question.kind, seed) for seed in seeds]
        texts: list[str] = []
        for one in asked:
            rows = await self.ask(
                [one], session="seeds", rows=1, widths=ONE_BY_ONE, dialect=dialect, model=model
            )
            texts += [row.text for row in rows if row.text is not None]
        return texts

    async def _row(
        self,
        question: Question,
        client: Client,
        session: str,
        gate: asyncio.Semaphore,
        dialect: Dialect,
        model: str,
    ) -> Row | None:
        async with gate:
            try:
                reply = await self._patiently(client, question, model=model, dialect=dialect)
            except (CallFailed, BudgetSpent):
                return None
        return row_from_reply(
            prompt=question.name,
            session=session,
            kind=question.kind,
            reply=reply,
            requested=dialect.alternatives or None,
            at=self._clock(),
        )

    async def _patiently(self, client: Client, question: Question, *, model: str, dialect: Dialect) -> Reply:
        for attempt in range(RETRIES + 1):
            try:
                return await self._send(client, question, model=model, dialect=dialect)
            except CallFailed as error:
                self.tally.errors.append(str(error))
                self.tally.failed += not isinstance(error, RateLimited)
                if not error.may_pass or attempt == RETRIES:
                    raise
                asked = error.retry_after if isinstance(error, RateLimited) else None
                pause = asked if asked is not None else self._pause_seconds * 2**attempt
                await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send(self, client: Client, question: Question, *, model: str, dialect: Dialect) -> Reply:
        self._budget.take()
        self.tally.asked += 1
        body = dialect.request(question, model=model)
        answer = await client.send(
            endpoint="chat.completions", request=json.dumps(body, ensure_ascii=False).encode()
        )
        self.tally.seconds.append(answer.latency_ms / 1000)
        return _reply(answer)


def _mute(dialect: Dialect) -> Dialect:
    """The dialect of an endpoint that takes the request for log probabilities and gives none."""
    return Dialect(
        alternatives=0,
        seed=dialect.seed,
        cache_switch=dialect.cache_switch,
        sampler_switches=dialect.sampler_switches,
        temperature=dialect.temperature,
        least_tokens=dialect.least_tokens,
        tokens_field=dialect.tokens_field,
    )


def _reply(answer: Answer) -> Reply:
    try:
        parsed = rawjson.parse(answer.body)
    except rawjson.InvalidJson as error:
        raise BadRequest(said("call_no_json", why=str(error)), status=answer.status) from error
    reply = read_reply("chat.completions", parsed, answer.status)
    if not reply.choices:
        raise BadRequest(said("call_no_choice", why=reply.error or say("call_nothing_more")))
    return reply


def _model_names(answer: Answer) -> list[str]:
    try:
        parsed = rawjson.parse(answer.body)
    except rawjson.InvalidJson:
        return []
    listed = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        return []
    return [one["id"] for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
