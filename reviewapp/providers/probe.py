"""What the *Test* button finds out about a provider, with a dozen short calls.

Each finding is a sentence and whether it is good news; None means that it could not be told. The
seed is probed as published practice does it: the same seed asked again must agree more often than
other seeds do, at a temperature where chance shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reviewapp.formats.openai import read_reply
from reviewapp.providers.client import Client, Target
from reviewapp.providers.errors import BadRequest, CallFailed
from reviewapp.pure import rawjson
from reviewapp.pure.exchange import Reply

ASKED = 4
_PROMPT = "Write one sentence about a journey that nobody has written before."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the test found: `good` is None where it could not be told."""

    name: str
    good: bool | None
    text: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def probe(*, target: Target, model: str = "") -> list[Finding]:
    """Ask the provider a few things; the first finding says whether it can be reached at all."""
    async with Client(target) as client:
        try:
            models = _models((await client.list_models()).body)
            found = [Finding("reachable", True, _offers(models))]
        except BadRequest:
            models, found = [], [Finding("reachable", True, "It answers, and lists no models.")]
        except CallFailed as error:
            return [Finding("reachable", False, str(error))]
        chosen = model or (models[0] if models else "")
        if not chosen:
            return [*found, Finding("answers", None, "Name a model to test the rest.")]
        try:
            first = await _ask(client, chosen, seed=11)
        except CallFailed as error:
            return [*found, Finding("answers", False, f"{chosen}: {error}")]
        found.append(Finding("answers", True, f"{chosen} answers."))
        found.append(_fingerprint(first))
        found.append(await _logprobs(client, chosen))
        found.append(await _seed(client, chosen, first))
        return found


def _models(body: bytes) -> list[str]:
    text, is_json = rawjson.read_body(body)
    value = rawjson.parse(text) if is_json else None
    rows = value.get("data") if isinstance(value, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [name for name in names if isinstance(name, str)]


def _offers(models: Sequence[str]) -> str:
    if not models:
        return "It answers, and lists no models."
    shown = ", ".join(models[:3])
    return f"It answers, and offers {len(models)} models: {shown}{' …' if len(models) > 3 else ''}."


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
        return Finding("fingerprint", False, "It reports no fingerprint: only behaviour can show a change.")
    return Finding("fingerprint", True, f"It reports a fingerprint: {reply.fingerprint}.")


async def _logprobs(client: Client, model: str) -> Finding:
    try:
        reply = await _ask(client, model, seed=11, logprobs=True, top_logprobs=5)
    except BadRequest:
        return Finding("logprobs", False, "It refuses requests for log probabilities.")
    except CallFailed as error:
        return Finding("logprobs", None, str(error))
    if not any(token.logprob is not None for token in reply.tokens):
        return Finding("logprobs", False, "It gives no log probabilities.")
    return Finding("logprobs", True, "It gives log probabilities.")


async def _seed(client: Client, model: str, first: Reply) -> Finding:
    """Whether the same seed agrees with itself more than other seeds agree with it."""
    try:
        same = await asyncio.gather(*(_ask(client, model, seed=11) for _ in range(ASKED)))
        others = await asyncio.gather(*(_ask(client, model, seed=100 + n) for n in range(ASKED)))
    except CallFailed as error:
        return Finding("seed", None, f"Whether the seed is honoured can't be told: {error}")
    agree = sum(reply.text == first.text for reply in same)
    chance = sum(reply.text == first.text for reply in others)
    echo = " It echoes the seed." if first.echoed_seed is not None else ""
    if chance == ASKED:
        return Finding(
            "seed", None, f"It gives one answer whatever the seed, so the seed can't be judged.{echo}"
        )
    if agree > chance:
        often = "always" if agree == ASKED else f"{agree} of {ASKED} times"
        return Finding(
            "seed", True, f"It honours the seed: the same seed gave the same answer {often}.{echo}"
        )
    return Finding("seed", False, f"It ignores the seed: the same seed gave different answers.{echo}")
