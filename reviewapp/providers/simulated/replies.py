"""Chat completions and completions, whole and in chunks, as the real API words them.

A stream is a list of events, each with the number of the token it carries, so that the application knows
when each is due. Every event is complete JSON of its own; nothing here knows about HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reviewapp.providers.simulated.answering import Answer, seed_of
from reviewapp.providers.simulated.asking import Ask
from reviewapp.providers.simulated.behaviour import Serving
from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.language import Written
from reviewapp.providers.simulated.logprobs import Shown, chat_entry, completion_logprobs, shown
from reviewapp.providers.simulated.sampling import GREEDY_BELOW

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EPOCH = 1_576_800_000
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of a stream, and after how many tokens it is due."""

    data: bytes
    due: int


def base62(value: int, length: int) -> str:
    """A number in the digits that identifiers are written in."""
    digits = []
    for _ in range(length):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def identifier(prefix: str, *, created: int, key: bytes) -> str:
    """An id as OpenAI's are: the first five characters are the second of creation, in base 62."""
    tail = int.from_bytes(key_of(key, created, "id") + key_of(key, created, "tail"), "little")
    return prefix + base62(max(0, created - _EPOCH), 5) + base62(tail, 24)


def sse(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def usage(ask: Ask, tokens: int) -> dict[str, Any]:
    """The usage of chat completions and completions."""
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": ask.prompt_tokens + tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def shown_positions(ask: Ask, serving: Serving, written: Written) -> list[Shown]:
    """The log probabilities of an answer."""
    return [
        shown(
            position,
            layers=serving.weights.layers,
            noise=serving.noise,
            top=ask.top_logprobs,
            greedy=ask.temperature < GREEDY_BELOW,
            sampled_first=ask.model.sampled_first,
        )
        for position in written.positions
    ]


class _Frame:
    """What all parts of one reply share: id, time, model, fingerprint, echoed seed."""

    def __init__(self, ask: Ask, serving: Serving, *, created: int, prefix: str, kind: str) -> None:
        self.ask = ask
        self.serving = serving
        self.seed = seed_of(ask, serving)
        self._policy = ask.model.fingerprints.kind
        self._place = ask.model.fingerprint_in_stream
        self._head = {
            "id": identifier(prefix, created=created, key=serving.key),
            "object": kind,
            "created": created,
            "model": ask.model.served_name,
        }

    def whole(self, choices: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
        """The reply in one piece."""
        body = {
            **self._head,
            "choices": choices,
            "usage": usage(self.ask, tokens),
            "service_tier": "default",
        }
        if self._policy != "absent":
            body["system_fingerprint"] = self.serving.fingerprint
        return self._echoed(body, tokens)

    def chunk(
        self, choices: list[dict[str, Any]], *, first: bool = False, last: bool = False
    ) -> dict[str, Any]:
        """One chunk of the reply."""
        body = {**self._head, "service_tier": "default"}
        shows = {"all": True, "first": first, "last": last, "not_first": not first}[self._place]
        if self._policy != "absent" and shows:
            body["system_fingerprint"] = self.serving.fingerprint
        body["choices"] = choices
        if self.ask.include_usage:
            body["usage"] = None
        return self._echoed(body, None) if last else body

    def _echoed(self, body: dict[str, Any], tokens: int | None) -> dict[str, Any]:
        echo = self.ask.model.echo_seed
        if echo == "choices":
            for choice in body["choices"]:
                choice["seed"] = self.seed
        elif echo == "x_groq":
            body["x_groq"] = {"id": "req_" + self.serving.key.hex()[:26], "seed": self.seed}
        elif echo == "details":
            body["details"] = {"seed": self.seed, "generated_tokens": tokens}
        return body


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if answer.written is not None:
        message["content"] = answer.written.text
    else:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.written.text},
            }
            for call in answer.calls
        ]
    return message


def _chat_logprobs(positions: Sequence[Shown]) -> dict[str, Any]:
    return {"content": [chat_entry(each) for each in positions], "refusal": None}


def chat_reply(ask: Ask, serving: Serving, answers: Sequence[Answer], *, created: int) -> dict[str, Any]:
    """The response of /v1/chat/completions."""
    frame = _Frame(ask, serving, created=created, prefix="chatcmpl-", kind="chat.completion")
    choices = []
    for answer in answers:
        logprobs = None
        if ask.logprobs and answer.written is not None:
            logprobs = _chat_logprobs(shown_positions(ask, serving, answer.written))
        choices.append(
            {
                "index": answer.index,
                "message": _message(answer),
                "logprobs": logprobs,
                "finish_reason": answer.finish_reason,
            }
        )
    return frame.whole(choices, sum(answer.tokens for answer in answers))


def chat_events(ask: Ask, serving: Serving, answers: Sequence[Answer], *, created: int) -> list[Event]:
    """The stream of /v1/chat/completions, without its end mark."""
    frame = _Frame(ask, serving, created=created, prefix="chatcmpl-", kind="chat.completion.chunk")
    events: list[Event] = []

    def send(index: int, delta: dict[str, Any], due: int, logprobs: Any = None, **more: Any) -> None:
        reason = more.get("reason")
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        events.append(Event(sse(frame.chunk([choice], first=not events, last=reason is not None)), due))

    for answer in answers:
        empty: dict[str, Any] | None = None
        if ask.logprobs and answer.written is not None:
            empty = {"content": [], "refusal": None}
        content = "" if answer.written is not None else None
        send(answer.index, {"role": "assistant", "content": content, "refusal": None}, 0, empty)
        if answer.written is None:
            for number, call in enumerate(answer.calls):
                function = {"name": call.name, "arguments": ""}
                head = {"index": number, "id": call.id, "type": "function", "function": function}
                send(answer.index, {"tool_calls": [head]}, 1)
                for due, text in enumerate(call.written.emitted, 2):
                    delta = {"tool_calls": [{"index": number, "function": {"arguments": text}}]}
                    send(answer.index, delta, due)
            continue
        positions = shown_positions(ask, serving, answer.written) if ask.logprobs else ()
        for due, text in enumerate(answer.written.emitted, 1):
            logprobs = _chat_logprobs(positions[due - 1 : due]) if positions else None
            send(answer.index, {"content": text}, due, logprobs)
    longest = max((event.due for event in events), default=0)
    for answer in answers:
        send(answer.index, {}, longest, reason=answer.finish_reason)
    return _ended(events, frame, sum(answer.tokens for answer in answers))


def _ended(events: list[Event], frame: _Frame, tokens: int) -> list[Event]:
    # Choices are written side by side: what is due earlier goes first, whichever choice it belongs to.
    events.sort(key=lambda event: event.due)
    if frame.ask.include_usage:
        body = frame.chunk([])
        body["usage"] = usage(frame.ask, tokens)
        events.append(Event(sse(body), events[-1].due))
    return events


def _offsets(written: Written, start: int) -> list[int]:
    offsets = []
    for text in written.emitted:
        offsets.append(start)
        start += len(text)
    return offsets


def completion_reply(
    asks: Sequence[Ask],
    serving: Serving,
    answers: Sequence[Sequence[Answer]],
    *,
    created: int,
    echo: bool,
) -> dict[str, Any]:
    """The response of /v1/completions."""
    frame = _Frame(asks[0], serving, created=created, prefix="cmpl-", kind="text_completion")
    choices: list[dict[str, Any]] = []
    for ask, group in zip(asks, answers, strict=True):
        before = ask.messages[0].text if echo else ""
        for answer in group:
            assert answer.written is not None
            logprobs = None
            if ask.logprobs:
                positions = shown_positions(ask, serving, answer.written)
                offsets = _offsets(answer.written, len(before))
                logprobs = completion_logprobs(positions, offsets, top=ask.top_logprobs)
            choices.append(
                {
                    "text": before + answer.written.text,
                    "index": len(choices),
                    "logprobs": logprobs,
                    "finish_reason": answer.finish_reason,
                }
            )
    body = frame.whole(choices, sum(answer.tokens for group in answers for answer in group))
    prompt_tokens = sum(ask.prompt_tokens for ask in asks)
    body["usage"]["prompt_tokens"] = prompt_tokens
    body["usage"]["total_tokens"] = prompt_tokens + body["usage"]["completion_tokens"]
    return body


def completion_events(
    asks: Sequence[Ask],
    serving: Serving,
    answers: Sequence[Sequence[Answer]],
    *,
    created: int,
    echo: bool,
) -> list[Event]:
    """The stream of /v1/completions, without its end mark."""
    frame = _Frame(asks[0], serving, created=created, prefix="cmpl-", kind="text_completion")
    events: list[Event] = []
    index = 0
    ends: list[tuple[int, Answer]] = []

    def send(index: int, text: str, due: int, logprobs: Any = None, reason: str | None = None) -> None:
        choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}
        events.append(Event(sse(frame.chunk([choice], first=not events, last=reason is not None)), due))

    for ask, group in zip(asks, answers, strict=True):
        for answer in group:
            assert answer.written is not None
            before = ask.messages[0].text if echo else ""
            if before:
                send(index, before, 0)
            positions = shown_positions(ask, serving, answer.written) if ask.logprobs else ()
            offsets = _offsets(answer.written, len(before))
            for due, text in enumerate(answer.written.emitted, 1):
                logprobs = None
                if positions:
                    one = slice(due - 1, due)
                    logprobs = completion_logprobs(positions[one], offsets[one], top=ask.top_logprobs)
                send(index, text, due, logprobs)
            ends.append((index, answer))
            index += 1
    longest = max((event.due for event in events), default=0)
    for number, answer in ends:
        send(number, "", longest, reason=answer.finish_reason)
    return _ended(events, frame, sum(answer.tokens for group in answers for answer in group))
