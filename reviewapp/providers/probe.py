"""What the *Test* button finds out about a provider, with a dozen short calls or some more.

Each finding is a sentence and whether it is good news; None means that it could not be told. The
seed is probed as published practice does it: the same seed asked again must agree more often than
other seeds do, at a temperature where chance shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp.formats.openai import read_reply
from reviewapp.providers.client import Client, Target
from reviewapp.providers.errors import BadRequest, CallFailed
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply
from reviewapp.pure.said import Said, said, say, text_of, to_store
from reviewapp.pure.seeding import ROUNDS, SeedTrials, judge_seed

PROBED_SEED = 11
OTHER_SEEDS = 100
_PROMPT = "Write one sentence about a journey that nobody has written before."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the test found: `good` is None where it could not be told."""

    name: str
    good: bool | None
    text: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "good": self.good,
            "text": str(self.text),
            "said": to_store(text=self.text),
        }


@dataclass(frozen=True, slots=True)
class SeedFound:
    """What the seed does at a model. `honoured` is None where it could not be told."""

    model: str
    trials: SeedTrials
    honoured: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Tested:
    """All that a test found; `seed` is None where no question was answered."""

    findings: list[Finding]
    seed: SeedFound | None = None


async def probe(*, target: Target, model: str = "") -> Tested:
    """Ask the provider a few things; the first finding says whether it can be reached at all."""
    async with Client(target) as client:
        try:
            models = _models((await client.list_models()).body)
            found = [Finding("reachable", True, _offers(models))]
        except BadRequest:
            models, found = [], [Finding("reachable", True, said("test_no_models"))]
        except CallFailed as error:
            return Tested([Finding("reachable", False, text_of(error))])
        chosen = model or (models[0] if models else "")
        if not chosen:
            return Tested([*found, Finding("answers", None, said("test_name_model"))])
        try:
            first = await _ask(client, chosen, seed=PROBED_SEED)
        except CallFailed as error:
            told = said("test_no_answer", model=chosen, why=text_of(error))
            return Tested([*found, Finding("answers", False, told)])
        found.append(Finding("answers", True, said("test_answers", model=chosen)))
        found.append(_fingerprint(first))
        found.append(await _logprobs(client, chosen))
        seed = await _seed(client, chosen, first)
        found.append(Finding("seed", seed.honoured, seed.sentence))
        return Tested(found, seed)


async def probe_seed(*, target: Target, model: str) -> SeedFound:
    """Only whether the model heeds a seed. Raises CallFailed where it does not answer at all."""
    async with Client(target) as client:
        return await _seed(client, model, await _ask(client, model, seed=PROBED_SEED))


def _models(body: bytes) -> list[str]:
    text, is_json = rawjson.read_body(body)
    value = rawjson.parse(text) if is_json else None
    rows = value.get("data") if isinstance(value, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name for name in names if isinstance(name, str)]


def _offers(models: Sequence[str]) -> str:
    if not models:
        return said("test_no_models")
    shown = ", ".join(models[:3])
    shown += " …" if len(models) > 3 else ""
    return said("test_models", count=len(models), models=shown)


async def _ask(client: Client, model: str, **more: Any) -> Reply:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": _PROMPT}],
        "temperature": 1,
        "max_tokens": 24,
        **more,
    }
    answer = await client.send(endpoint="chat.completions", request=json.dumps(body).encode())
    text, is_json = rawjson.read_body(answer.body)
    return read_reply("chat.completions", rawjson.parse(text) if is_json else None, answer.status)


def _fingerprint(reply: Reply) -> Finding:
    if reply.fingerprint is None:
        return Finding("fingerprint", False, said("test_no_fingerprint"))
    return Finding("fingerprint", True, said("test_fingerprint", fingerprint=reply.fingerprint))


async def _logprobs(client: Client, model: str) -> Finding:
    try:
        reply = await _ask(client, model, seed=PROBED_SEED, logprobs=True, top_logprobs=5)
    except BadRequest:
        return Finding("logprobs", False, said("test_logprobs_refused"))
    except CallFailed as error:
        return Finding("logprobs", None, text_of(error))
    if not any(token.logprob is not None for token in reply.tokens):
        return Finding("logprobs", False, said("test_no_logprobs"))
    return Finding("logprobs", True, said("test_logprobs"))


async def _seed(client: Client, model: str, first: Reply) -> SeedFound:
    """Ask with the same seed and with others, until it is sure whether the seed counts."""
    trials = SeedTrials(0, 0, 0, 0, echoed=_echoed([first], [PROBED_SEED]))
    judged = judge_seed(trials)
    for more in ROUNDS:
        seeds = [OTHER_SEEDS + trials.others + n for n in range(more)]
        try:
            same = await asyncio.gather(*(_ask(client, model, seed=PROBED_SEED) for _ in range(more)))
            others = await asyncio.gather(*(_ask(client, model, seed=seed) for seed in seeds))
        except CallFailed as error:
            unknown = said("seed_unknown", why=text_of(error))
            return SeedFound(model, trials, None, unknown)
        told = _echoed([*same, *others], [*[PROBED_SEED] * more, *seeds])
        trials = SeedTrials(
            same=trials.same + sum(reply.text == first.text for reply in same),
            asked=trials.asked + more,
            chance=trials.chance + sum(reply.text == first.text for reply in others),
            others=trials.others + more,
            echoed=told if trials.echoed is None or told is False else trials.echoed,
        )
        judged = judge_seed(trials)
        if judged.sure:
            break
    return SeedFound(model, trials, judged.honoured, _told(trials, judged.honoured))


def _echoed(replies: Sequence[Reply], seeds: Sequence[int]) -> bool | None:
    """Whether the seeds that came back are those that were sent; None where none came back."""
    pairs = [
        (r.echoed_seed, sent) for r, sent in zip(replies, seeds, strict=True) if r.echoed_seed is not None
    ]
    return all(echoed == sent for echoed, sent in pairs) if pairs else None


def _told(trials: SeedTrials, honoured: bool | None) -> Said:
    parts = []
    if honoured is True and trials.same == trials.asked:
        parts.append(say("seed_honoured_always"))
    elif honoured is True:
        parts.append(say("seed_honoured", same=trials.same, asked=trials.asked))
    elif honoured is False:
        counts = {"chance": trials.chance, "others": trials.others}
        parts.append(say("seed_ignored_often", same=trials.same, asked=trials.asked, **counts))
    elif trials.chance == trials.others and trials.same == trials.asked:
        parts.append(say("seed_one_answer"))
    else:
        parts.append(say("seed_unclear", same=trials.same, asked=trials.asked))
    if trials.echoed is not None:
        parts.append(say("seed_echoed" if trials.echoed else "seed_echoed_other"))
    return Said(*parts)
