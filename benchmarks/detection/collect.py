"""Rows asked once over HTTP and kept, so that thousands of checks can be drawn from them offline.

Five kinds of questions are asked of every state: `token` (one token at temperature 0 with 20
alternatives), `seeded` (50 tokens at temperature 1 with a seed), `border` (one token at temperature 0,
questions whose first token is nearly tied), `free` (50 tokens at temperature 1, every time another
seed, for Model Equality Testing) and `greedy` (50 tokens at temperature 0 with log probabilities).
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import numpy as np

from benchmarks.detection.servers import TINY, ask, batching, fleet, http, traffic
from benchmarks.detection.states import Models, Regime
from reviewapp.formats.openai import read_reply
from reviewapp.providers.panel import WIDTHS
from reviewapp.pure.drift.panel import TEXT_PROMPTS, TOKEN_PROMPTS
from reviewapp.pure.drift.rows import Row, row_from_reply
from reviewapp.pure.exchange import Token

OPEN = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "cache_prompt": False}
TOKENS = 50
# Loads of the loaded regime's sessions: other clients at a time. Our own requests come besides, as the
# product asks them (see reviewapp/providers/panel.py).
LOADS = (0, 1, 2, 3, 4, 6)
ROWS_A_SESSION = 9
# Model Equality Testing draws without putting back: 14 rows of a baseline and 24 of a check.
FREE_ROWS = 60


@dataclass
class Rows:
    """What one state answered. Keyed by kind; a `member` is a replica, or a session of the loaded regime."""

    by_member: dict[str, list[list[Row]]] = field(default_factory=dict)
    greedy: list[list[list[tuple[Token, ...]]]] = field(default_factory=list)
    repeated: int = 0
    compared: int = 0


def border_prompts() -> list[str]:
    """Questions whose two likeliest tokens are nearly tied for this model, as found by its makers."""
    found: list[str] = json.loads((TINY / "canaries.json").read_text())["border"]
    return found


def _bodies() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The questions of each kind: a name and the request."""

    def body(prompt: str, **more: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": prompt}], **OPEN, **more}

    logprobs = {"logprobs": True, "top_logprobs": 20}
    return {
        "token": [
            (prompt, body(prompt, temperature=0, max_tokens=1, seed=1, **logprobs))
            for prompt in TOKEN_PROMPTS
        ],
        "seeded": [
            (prompt, body(prompt, temperature=1, max_tokens=TOKENS, seed=1001 + place))
            for place, prompt in enumerate(TEXT_PROMPTS)
        ],
        "border": [
            (prompt, body(prompt, temperature=0, max_tokens=1, seed=1)) for prompt in border_prompts()
        ],
        "free": [(prompt, body(prompt, temperature=1, max_tokens=TOKENS)) for prompt in TEXT_PROMPTS],
        "greedy": [
            (prompt, body(prompt, temperature=0, max_tokens=TOKENS, seed=1, **logprobs))
            for prompt in TEXT_PROMPTS
        ],
    }


class Collector:
    """Asks what is not in the cache yet."""

    def __init__(self, *, cache: Path, models: Models) -> None:
        self.cache = cache
        self.models = models
        cache.mkdir(parents=True, exist_ok=True)

    def rows(self, regime: Regime, change: str) -> Rows:
        """All rows of one state of one regime."""
        path = self.cache / f"{regime.name}, {change}.rows.gz"
        if path.exists():
            with gzip.open(path, "rb") as kept:
                # Our own file of an earlier run; nothing foreign is read here.
                found: Rows = pickle.load(kept)
                return found
        collect = self._batched if regime.batched else self._replicas
        rows = asyncio.run(collect(regime, change))
        with gzip.open(path, "wb", compresslevel=1) as kept:
            pickle.dump(rows, kept)
        return rows

    async def _replicas(self, regime: Regime, change: str) -> Rows:
        """Single-slot replicas: one row for each replica and question, and one more to see it repeat."""
        rows = Rows(by_member={kind: [] for kind in ("token", "seeded", "border", "free")})
        overrides = dict(self.models.changes[change].request)
        free_each = max(2, FREE_ROWS // regime.replicas)
        seeds = itertools.count(50_000)
        with fleet(self.models.files(regime, change)) as urls:
            async with http() as session:
                for number, url in enumerate(urls):
                    for kind, questions in _bodies().items():
                        copies = free_each if kind == "free" else 1
                        asked = [
                            await _ask(session, url, kind, question, overrides, seed=next(seeds))
                            for _ in range(copies)
                            for question in questions
                        ]
                        if kind == "greedy":
                            rows.greedy.append([[tokens] for _, tokens in asked])
                        else:
                            rows.by_member[kind].append([row for row, _ in asked])
                        if number == 0 and kind in {"token", "seeded"}:
                            again = [
                                await _ask(session, url, kind, one, overrides, seed=0) for one in questions
                            ]
                            pairs = list(zip(asked, again, strict=True))
                            rows.compared += len(pairs)
                            rows.repeated += sum(
                                (one.text, one.top) == (two.text, two.top) for (one, _), (two, _) in pairs
                            )
        return rows

    async def _batched(self, regime: Regime, change: str) -> Rows:
        """One server under traffic: several rows for each question in sessions of different loads."""
        rows = Rows(by_member={kind: [] for kind in ("token", "seeded", "border", "free")})
        overrides = dict(self.models.changes[change].request)
        seeds = itertools.count(50_000)
        rng = np.random.default_rng(4)
        with batching(self.models.files(regime, change)[0]) as url:
            async with http() as session:
                for number, clients in enumerate(LOADS):
                    async with traffic(url, clients=clients, seed=number):
                        for kind, questions in _bodies().items():
                            copies = {"greedy": 2}.get(kind, ROWS_A_SESSION)
                            asked = await _at_several_widths(
                                lambda one, gate, kind=kind: _ask(  # type: ignore[misc]
                                    session, url, kind, one, overrides, seed=next(seeds), gate=gate
                                ),
                                questions,
                                copies=copies,
                                rng=rng,
                            )
                            if kind == "greedy":
                                width = len(questions)
                                tokens = [found for _, found in asked]
                                rows.greedy.append([tokens[place::width] for place in range(width)])
                            else:
                                rows.by_member[kind].append([row for row, _ in asked])
        return rows


Asked: TypeAlias = tuple[Row, tuple[Token, ...]]


async def _at_several_widths(
    ask_one: Callable[[tuple[str, dict[str, Any]], asyncio.Semaphore], Awaitable[Asked]],
    questions: list[tuple[str, dict[str, Any]]],
    *,
    copies: int,
    rng: np.random.Generator,
) -> list[Asked]:
    """All questions so many times, by copy and then by question, each going through the product's widths."""
    gates = [asyncio.Semaphore(width) for width in WIDTHS]
    told: dict[int, Asked] = {}

    async def one(place: int, gate: asyncio.Semaphore) -> None:
        told[place] = await ask_one(questions[place % len(questions)], gate)

    jobs = rng.permutation(copies * len(questions))
    for number, gate in enumerate(gates):
        await asyncio.gather(
            *(
                one(int(place), gate)
                for place in jobs
                if sum(divmod(int(place), len(questions))) % len(gates) == number
            )
        )
    return [told[place] for place in range(len(told))]


async def _ask(
    session: aiohttp.ClientSession,
    url: str,
    kind: str,
    question: tuple[str, dict[str, Any]],
    overrides: dict[str, Any],
    *,
    seed: int,
    gate: asyncio.Semaphore | None = None,
) -> Asked:
    prompt, body = question
    sent = {**body, **overrides, **({"seed": seed} if kind == "free" else {})}
    async with gate or asyncio.Semaphore(1):
        told = await ask(session, url, sent)
    reply = read_reply("chat.completions", told)
    row = row_from_reply(prompt=prompt, session="", kind=kind, reply=reply, requested=20)
    return row, reply.tokens
