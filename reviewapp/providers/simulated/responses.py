"""The Responses API: its requests, its responses and its stream of typed events.

As on the real API it has neither seed nor fingerprint; a `seed` that comes along is not used. Conversations
that go on with `previous_response_id` are kept in memory, the last thousand of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from reviewapp.providers.simulated import refusals
from reviewapp.providers.simulated.answering import Answer
from reviewapp.providers.simulated.asking import Ask, find_model, refuse_unknown, text_of_parts
from reviewapp.providers.simulated.behaviour import Serving
from reviewapp.providers.simulated.chance import key_of
from reviewapp.providers.simulated.config import Config
from reviewapp.providers.simulated.grammar import count_tokens
from reviewapp.providers.simulated.logprobs import chat_entry
from reviewapp.providers.simulated.offers import read_format, read_tool_choice, read_tools
from reviewapp.providers.simulated.prompts import Message
from reviewapp.providers.simulated.refusals import integer, invalid, json_object, missing, number, wrong_type
from reviewapp.providers.simulated.replies import Event, shown_positions, sse
from reviewapp.providers.simulated.words import words

_KNOWN = words(
    """model input instructions stream stream_options temperature top_p max_output_tokens max_tool_calls tools
    tool_choice parallel_tool_calls text top_logprobs include previous_response_id store metadata user
    truncation reasoning service_tier background prompt conversation prompt_cache_key
    safety_identifier"""
)
_REMEMBERED = 1000


class Conversations:
    """What was said before, by the id of the response that it ended with."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, tuple[Message, ...]] = OrderedDict()

    def keep(self, response_id: str, messages: tuple[Message, ...]) -> None:
        """Keeps a conversation, and forgets the oldest beyond a thousand."""
        self._messages[response_id] = messages
        if len(self._messages) > _REMEMBERED:
            self._messages.popitem(last=False)

    def before(self, response_id: str) -> tuple[Message, ...]:
        """The conversation that ended with this response."""
        found = self._messages.get(response_id)
        if found is None:
            raise invalid(
                f"Previous response with id '{response_id}' not found.",
                "previous_response_id",
                "previous_response_not_found",
            )
        return found


def read_responses(body: Mapping[str, Any], config: Config, conversations: Conversations) -> Ask:
    """Reads a request to /v1/responses."""
    model = find_model(body, config, kind="chat", status=400)
    refuse_unknown(body, _KNOWN, config)
    if "response_format" in body:
        raise invalid(
            "Unsupported parameter: 'response_format'. In the Responses API, this parameter has moved to"
            " 'text.format'. Try again with the new parameter.",
            None,
            "unsupported_parameter",
        )
    messages = _input(body.get("input"))
    if isinstance(previous := body.get("previous_response_id"), str):
        messages = (*conversations.before(previous), *messages)
    if isinstance(instructions := body.get("instructions"), str) and instructions:
        messages = (Message("system", instructions), *messages)
    tools = read_tools(body.get("tools"), nested=False)
    text = json_object(body, "text") or {}
    wants_json, schema = read_format(json_object(text, "format", param="text.format"), "text.format")
    top = integer(body, "top_logprobs", 0, low=0, high=min(20, model.max_top_logprobs)) or 0
    include = body.get("include") or []
    if not isinstance(include, list):
        raise wrong_type("include", "an array", include)
    tokens = 3 + sum(3 + count_tokens(message.text) for message in messages)
    return Ask(
        model=model,
        messages=messages,
        prompt_tokens=tokens + sum(8 + count_tokens(tool.description) for tool in tools),
        stream=refusals.flag(body, "stream"),
        temperature=number(body, "temperature", 1.0, low=0, high=2),
        top_p=number(body, "top_p", 1.0, low=0, high=1),
        max_tokens=integer(body, "max_output_tokens", None, low=16, high=16_384),
        logprobs="message.output_text.logprobs" in include,
        top_logprobs=top,
        tools=tools,
        tool_choice=read_tool_choice(body.get("tool_choice"), tools),
        wants_json=wants_json,
        schema=schema,
    )


def _input(value: Any) -> tuple[Message, ...]:
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        return (Message("user", value),)
    if not isinstance(value, list):
        raise wrong_type("input", "one of a string or an array", value)
    if not value:
        raise invalid("Invalid 'input': empty array.", "input", "empty_array")
    found = []
    for index, item in enumerate(value):
        param = f"input[{index}]"
        if not isinstance(item, dict):
            raise wrong_type(param, "an object", item)
        kind = item.get("type", "message")
        if kind == "message":
            role = refusals.supported(item.get("role"), ("assistant", "system", "developer", "user"), param)
            found.append(Message(role, text_of_parts(item.get("content"), f"{param}.content")))
        elif kind == "function_call_output":
            found.append(Message("tool", text_of_parts(item.get("output"), f"{param}.output")))
        else:
            found.append(Message("assistant", f"[{kind} {key_of(item).hex()}]"))
    return tuple(found)


def response_id(serving: Serving, *, created: int) -> str:
    """The id of a response."""
    return f"resp_{key_of(serving.key, created).hex()}{key_of(serving.key, 'response').hex()[:16]}"


def response_reply(
    ask: Ask,
    serving: Serving,
    answer: Answer,
    body: Mapping[str, Any],
    *,
    created: int,
) -> dict[str, Any]:
    """The response of /v1/responses."""
    cut = answer.finish_reason == "length"
    status = "incomplete" if cut else "completed"
    output = [_item(ask, serving, answer, number, status) for number in range(max(1, len(answer.calls)))]
    return {
        **_head(ask, serving, body, created=created, status=status),
        "completed_at": None if cut else created,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "usage": {
            "input_tokens": ask.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": ask.prompt_tokens + answer.tokens,
        },
    }


def _head(
    ask: Ask, serving: Serving, body: Mapping[str, Any], *, created: int, status: str
) -> dict[str, Any]:
    text = body.get("text") or {}
    return {
        "id": response_id(serving, created=created),
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": ask.max_tokens,
        "max_tool_calls": None,
        "model": ask.model.served_name,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": ask.temperature,
        "text": {
            "format": text.get("format") or {"type": "text"},
            "verbosity": text.get("verbosity") or "medium",
        },
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_logprobs": ask.top_logprobs,
        "top_p": ask.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _item(ask: Ask, serving: Serving, answer: Answer, number: int, status: str) -> dict[str, Any]:
    if answer.written is None:
        call = answer.calls[number]
        return {
            "id": "fc_" + key_of(serving.key, "item", number).hex(),
            "type": "function_call",
            "status": status,
            "arguments": call.written.text,
            "call_id": call.id,
            "name": call.name,
        }
    logprobs = []
    if ask.logprobs:
        logprobs = [chat_entry(each) for each in shown_positions(ask, serving, answer.written)]
    part = {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": answer.written.text}
    return {
        "id": "msg_" + key_of(serving.key, "item", number).hex(),
        "type": "message",
        "status": status,
        "content": [part],
        "role": "assistant",
    }


def response_events(
    ask: Ask,
    serving: Serving,
    answer: Answer,
    body: Mapping[str, Any],
    *,
    created: int,
) -> list[Event]:
    """The stream of /v1/responses."""
    events: list[Event] = []

    def send(kind: str, due: int, **fields: Any) -> None:
        value = {"type": kind, "sequence_number": len(events), **fields}
        events.append(Event(b"event: " + kind.encode() + b"\n" + sse(value), due))

    whole = response_reply(ask, serving, answer, body, created=created)
    begun = _head(ask, serving, body, created=created, status="in_progress")
    send("response.created", 0, response=begun)
    send("response.in_progress", 0, response=begun)
    due = 0
    for index, item in enumerate(whole["output"]):
        at: dict[str, Any] = {"output_index": index, "item_id": item["id"]}
        empty: dict[str, Any] = {"content": []} if "content" in item else {"arguments": ""}
        started = {**item, "status": "in_progress", **empty}
        send("response.output_item.added", due, output_index=index, item=started)
        if item["type"] == "function_call":
            for text in answer.calls[index].written.emitted:
                due += 1
                send("response.function_call_arguments.delta", due, **at, delta=text)
            send(
                "response.function_call_arguments.done",
                due,
                **at,
                arguments=item["arguments"],
                name=item["name"],
            )
        else:
            assert answer.written is not None
            part = item["content"][0]
            at["content_index"] = 0
            send("response.content_part.added", due, **at, part={**part, "text": "", "logprobs": []})
            for position, text in enumerate(answer.written.emitted):
                due += 1
                logprobs = part["logprobs"][position : position + 1]
                send("response.output_text.delta", due, **at, delta=text, logprobs=logprobs)
            send("response.output_text.done", due, **at, text=part["text"], logprobs=part["logprobs"])
            send("response.content_part.done", due, **at, part=part)
        send("response.output_item.done", due, output_index=index, item=item)
    send(
        "response.incomplete" if whole["status"] == "incomplete" else "response.completed",
        due,
        response=whole,
    )
    return events
