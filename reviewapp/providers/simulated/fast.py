"""Canned answers for benchmarks.

What is measured should be the client, so a model that is `fast` answers with the same text whatever it is
asked, made once a second: the body only gets a new id. It needs far below a third of a millisecond a
request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reviewapp.providers.simulated.answering import Writer
from reviewapp.providers.simulated.asking import Ask
from reviewapp.providers.simulated.behaviour import ModelState
from reviewapp.providers.simulated.prompts import Message
from reviewapp.providers.simulated.replies import DONE, Event, base62, chat_events, chat_reply

_QUESTION = Message("user", "My parcel has not arrived yet. What can I do?")
_TAIL = 24


class Canned:
    """Keeps the answers of one second."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._second = -1
        self._whole: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
        self._streams: dict[tuple[object, ...], tuple[list[Event], bytes]] = {}

    def reply(self, body: Mapping[str, Any], state: ModelState, *, now: float) -> bytes:
        """The body of an answer in one piece."""
        key, ask = self._asked(body, state, now)
        known = self._whole.get(key)
        if known is None:
            made, mark = self._made(ask, state, stream=False)
            known = self._whole[key] = (made[0].data, mark)
        data, mark = known
        return data.replace(mark, self._new(state, mark))

    def events(self, body: Mapping[str, Any], state: ModelState, *, now: float, paced: bool) -> list[Event]:
        """The events of a stream; without a pace all of them as one."""
        key, ask = self._asked(body, state, now)
        key = (*key, paced)
        known = self._streams.get(key)
        if known is None:
            events, mark = self._made(ask, state, stream=True)
            if not paced:
                events = [Event(b"".join(event.data for event in events) + DONE, 0)]
            known = self._streams[key] = (events, mark)
        events, mark = known
        new = self._new(state, mark)
        return [Event(event.data.replace(mark, new), event.due) for event in events]

    def _asked(
        self, body: Mapping[str, Any], state: ModelState, now: float
    ) -> tuple[tuple[object, ...], Ask]:
        if int(now) != self._second:
            self._second = int(now)
            self._whole.clear()
            self._streams.clear()
        options = body.get("stream_options")
        usage = bool(isinstance(options, dict) and options.get("include_usage"))
        logprobs = body.get("logprobs") is True
        top = body.get("top_logprobs")
        top = top if logprobs and isinstance(top, int) and 0 <= top <= 20 else 0
        ask = Ask(
            state.model,
            (_QUESTION,),
            prompt_tokens=24,
            include_usage=usage,
            seed=1,
            temperature=0.0,
            logprobs=logprobs,
            top_logprobs=top,
        )
        return (id(state.model), usage, logprobs, top), ask

    def _made(self, ask: Ask, state: ModelState, *, stream: bool) -> tuple[list[Event], bytes]:
        serving = state.serve(now=float(self._second))
        answers = self._writer.answers(ask, serving)
        body = chat_reply(ask, serving, answers, created=self._second)
        mark = body["id"].encode()
        if stream:
            return chat_events(ask, serving, answers, created=self._second), mark
        return [Event(orjson.dumps(body), 0)], mark

    def _new(self, state: ModelState, mark: bytes) -> bytes:
        state.requests += 1
        return mark[:-_TAIL] + base62(state.requests, _TAIL).encode()
