"""The simulated provider as an ASGI application.

The OpenAI endpoints are dispatched before Starlette's router, because benchmarks pay for every microsecond;
the rest (`/_sim/…`, the page for people, errors) is an ordinary Starlette application. Every response says
`X-Simulated-Provider: 1`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reviewapp.providers.simulated.answering import seed_of
from reviewapp.providers.simulated.asking import Ask, read_chat, read_completions
from reviewapp.providers.simulated.behaviour import Serving
from reviewapp.providers.simulated.config import Model
from reviewapp.providers.simulated.embeddings import embeddings_reply, read_embeddings
from reviewapp.providers.simulated.prompts import Message as Said
from reviewapp.providers.simulated.refusals import Refusal, invalid
from reviewapp.providers.simulated.replies import chat_events, chat_reply, completion_events, completion_reply
from reviewapp.providers.simulated.responses import (
    read_responses,
    response_events,
    response_id,
    response_reply,
)
from reviewapp.providers.simulated.sending import (
    SIMULATED,
    Headers,
    Reply,
    fault_refusal,
    limit_headers,
    refused_by_limit,
)
from reviewapp.providers.simulated.simulator import Received, Simulator

_LARGEST_BODY = 32 * 1024 * 1024
_KEPT_BODY = 64 * 1024
_SECRET_HEADERS = (b"authorization", b"api-key", b"x-api-key", b"cookie")


class Application:
    """The ASGI application."""

    def __init__(self, simulator: Simulator, rest: ASGIApp) -> None:
        self.simulator = simulator
        self._rest = rest
        self._endpoints: dict[str, Callable[[_Call], Awaitable[None]]] = {}
        for path, endpoint in (
            ("/chat/completions", self._chat),
            ("/completions", self._completions),
            ("/responses", self._responses),
            ("/embeddings", self._embeddings),
        ):
            self._endpoints["/v1" + path] = endpoint
            self._endpoints[path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = None
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            await self._rest(scope, receive, _labelled(send))
            return
        began = time.time()
        reply = Reply(receive, send, [])
        received: Received | None = None
        try:
            raw = await _body(receive)
            if raw is None:
                return
            key = _key(scope)
            self.authorise(key)
            body = _parsed(raw)
            if await self._answered_fast(scope, body, reply, key=key, now=began):
                return
            received = Received(began, scope["path"], _shown_headers(scope), raw[:_KEPT_BODY])
            self.simulator.received.append(received)
            await endpoint(_Call(self.simulator, body, reply, received, key, began))
        except Refusal as refusal:
            if received is None:
                received = Received(began, scope["path"], _shown_headers(scope), b"")
                self.simulator.received.append(received)
            await reply.refusal(refusal)
        finally:
            if received is not None:
                received.status = reply.status

    def authorise(self, key: str) -> None:
        """Refuses a key that is not configured; without configured keys any will do."""
        allowed = self.simulator.config.api_keys
        if not allowed or key in allowed:
            return
        if not key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header"
            )
            raise Refusal(401, message + " using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")
        shown = key[:3] + "*" * min(20, max(0, len(key) - 7)) + key[-4:] if len(key) > 8 else "***"
        raise Refusal(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")

    async def _answered_fast(
        self, scope: Scope, body: Mapping[str, Any], reply: Reply, *, key: str, now: float
    ) -> bool:
        state = (
            self.simulator.models.get(body.get("model", "")) if isinstance(body.get("model"), str) else None
        )
        if state is None or not state.model.fast or not scope["path"].endswith("/chat/completions"):
            return False
        limit = state.model.rate_limit
        if (
            state.fault_shares
            or state.next_faults
            or limit.requests
            or limit.tokens
            or not body.get("messages")
        ):
            return False
        latency = state.model.latency
        if latency.median_ms:
            await asyncio.sleep(latency.median_ms * self.simulator.config.time_scale / 1000)
        if body.get("stream") is True:
            seconds = latency.token_ms * self.simulator.config.time_scale / 1000
            events = self.simulator.canned.events(body, state, now=now, paced=seconds > 0)
            await reply.canned_stream(events, seconds)
        else:
            await reply.whole(200, self.simulator.canned.reply(body, state, now=now))
        return True

    async def _chat(self, call: _Call) -> None:
        ask = read_chat(call.body, call.simulator.config)
        serving = await call.begin(ask.model, ask=ask)
        answers = call.simulator.writer.answers(ask, serving)
        created = int(call.began)
        if ask.stream:
            events = chat_events(ask, serving, answers, created=created)
            await call.reply.stream(events, serving, ask.model, token_seconds=call.token_seconds(ask.model))
            return
        await call.wait_for_tokens(ask.model, max(answer.tokens for answer in answers))
        await call.reply.json(chat_reply(ask, serving, answers, created=created), serving, ask.model)

    async def _completions(self, call: _Call) -> None:
        asks = read_completions(call.body, call.simulator.config)
        model = asks[0].model
        serving = await call.begin(
            model, ask=replace(asks[0], prompt_tokens=sum(each.prompt_tokens for each in asks))
        )
        answers = [call.simulator.writer.answers(each, serving) for each in asks]
        created, echo = int(call.began), call.body.get("echo") is True
        if asks[0].stream:
            events = completion_events(asks, serving, answers, created=created, echo=echo)
            await call.reply.stream(events, serving, model, token_seconds=call.token_seconds(model))
            return
        await call.wait_for_tokens(model, max(answer.tokens for group in answers for answer in group))
        await call.reply.json(
            completion_reply(asks, serving, answers, created=created, echo=echo), serving, model
        )

    async def _responses(self, call: _Call) -> None:
        conversations = call.simulator.conversations
        ask = read_responses(call.body, call.simulator.config, conversations)
        serving = await call.begin(ask.model, ask=ask)
        answer = call.simulator.writer.answers(ask, serving)[0]
        created = int(call.began)
        said = answer.written.text if answer.written else "[called a function]"
        kept = tuple(message for message in ask.messages if message.role not in ("system", "developer"))
        conversations.keep(response_id(serving, created=created), (*kept, Said("assistant", said)))
        if ask.stream:
            events = response_events(ask, serving, answer, call.body, created=created)
            seconds = call.token_seconds(ask.model)
            await call.reply.stream(events, serving, ask.model, token_seconds=seconds, done=b"")
            return
        await call.wait_for_tokens(ask.model, answer.tokens)
        await call.reply.json(
            response_reply(ask, serving, answer, call.body, created=created), serving, ask.model
        )

    async def _embeddings(self, call: _Call) -> None:
        ask = read_embeddings(call.body, call.simulator.config)
        serving = await call.begin(ask.model, tokens=ask.tokens)
        await call.reply.json(embeddings_reply(ask, serving), serving, ask.model)


@dataclass(slots=True)
class _Call:
    """One request on its way through."""

    simulator: Simulator
    body: dict[str, Any]
    reply: Reply
    received: Received
    key: str
    began: float

    async def begin(self, model: Model, *, ask: Ask | None = None, tokens: int = 0) -> Serving:
        """Decides who answers, takes from the rate limit, waits, and fails where it shall."""
        serving = self.simulator.models[model.name].serve(now=self.began)
        received = self.received
        received.model, received.fingerprint, received.fault = model.name, serving.fingerprint, serving.fault
        if ask is not None:
            received.seed, received.used_seed = ask.seed, seed_of(ask, serving)
            tokens = ask.prompt_tokens + (ask.max_tokens or 64) * ask.n
        allowance = self.simulator.limiter.take(model=model, key=self.key, tokens=tokens, now=self.began)
        headers: Headers = [
            (b"x-request-id", b"req_" + serving.key.hex().encode()),
            (b"openai-version", b"2020-10-01"),
            (b"openai-organization", b"simulated"),
            (b"openai-processing-ms", str(int(serving.latency * 1000) + 1).encode()),
            *limit_headers(allowance),
        ]
        self.reply.headers = headers
        if allowance is not None and allowance.wait:
            raise refused_by_limit(model, allowance)
        if serving.latency:
            await asyncio.sleep(serving.latency)
        if refusal := fault_refusal(serving.fault, model):
            raise refusal
        return serving

    def token_seconds(self, model: Model) -> float:
        """The time between tokens."""
        return model.latency.token_ms * self.simulator.config.time_scale / 1000

    async def wait_for_tokens(self, model: Model, tokens: int) -> None:
        """The time that a reply in one piece takes to write."""
        if seconds := self.token_seconds(model) * tokens:
            await asyncio.sleep(seconds)


async def _body(receive: Receive) -> bytes | None:
    """The body; None when the client went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > _LARGEST_BODY:
            raise Refusal(413, "The request is larger than 32 MiB.", code="request_too_large")
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = _parsed_leniently(raw)
    if not isinstance(body, dict):
        raise invalid("We could not parse the JSON body of your request: expected an object.", None)
    return body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _parsed_leniently(raw: bytes) -> Any:
    """What the fast parser refuses and real backends take: halves of characters, and numbers of any
    length."""
    try:
        value = json.loads(raw, parse_constant=_no_constant)
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        message = (
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your"
            " HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid"
            " JSON.)"
        )
        raise invalid(message, None) from error


def _key(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1").removeprefix("Bearer ").strip())
        if name in (b"api-key", b"x-api-key"):
            return str(value.decode("latin-1"))
    return ""


def _shown_headers(scope: Scope) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), "…" if name in _SECRET_HEADERS else value.decode("latin-1"))
        for name, value in scope["headers"]
    ]


def _labelled(send: Send) -> Send:
    async def labelled(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [SIMULATED, *message.get("headers", [])]}
        await send(message)

    return labelled
