"""Stream chunks merged into the response that the plain endpoint would have given.

Vendors spread one answer over the chunks in their own ways: the fingerprint stands in the
first chunk, in the last, in each, or in all but the first; usage comes in a last chunk without
choices; tool calls come in fragments; reasoning has several names. A merge that follows one
vendor loses the others' fingerprints and log probabilities, so this one goes by what is there:
a value once reported is never replaced by null, log probabilities and fragments add up, and
fields that nobody knows are kept.

Never raises, whatever the chunks: one that is no object is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.sse import SseEvent, SseEvents, SseParser, parse_sse

__all__ = ["SseEvent", "SseEvents", "SseParser", "merge_chunks", "parse_sse"]

# Says how the chunk was sent and nothing of the answer.
_PADDING = frozenset(["obfuscation"])
_OBJECTS = {"chat.completions": "chat.completion", "completions": "text_completion"}
# Fields of a delta that come in pieces, always.
_PIECES = frozenset(
    ["content", "refusal", "reasoning_content", "reasoning", "arguments", "data", "transcript", "text"]
)


def merge_chunks(endpoint: Endpoint, chunks: Sequence[JsonObject]) -> JsonObject:
    """The response that these chunks, in the order they came, add up to."""
    objects = [chunk for chunk in chunks if isinstance(chunk, dict)]
    if endpoint == "responses":
        return _merge_events(objects)
    merged: JsonObject = {}
    choices: dict[Any, JsonObject] = {}
    for chunk in objects:
        for name, value in chunk.items():
            if name == "choices":
                for choice in value if isinstance(value, list) else ():
                    if isinstance(choice, dict):
                        _add_choice(choices, choice, chat=endpoint == "chat.completions")
            elif name not in _PADDING:
                _keep(merged, name, value)
    merged["object"] = _OBJECTS.get(endpoint, merged.get("object"))
    merged["choices"] = [choices[index] for index in sorted(choices, key=_order)]
    return merged


def _order(index: Any) -> tuple[int, int]:
    return (0, index) if type(index) is int else (1, 0)


def _keep(target: JsonObject, name: str, value: Any) -> None:
    """Set a field that describes the whole: what says nothing doesn't replace what says something."""
    old = target.get(name)
    if isinstance(old, dict) and isinstance(value, dict):
        target[name] = {
            **old,
            **{key: item for key, item in value.items() if item is not None or key not in old},
        }
    elif name not in target or value not in (None, "", [], {}):
        target[name] = value


def _add_choice(choices: dict[Any, JsonObject], choice: JsonObject, *, chat: bool) -> None:
    index = choice.get("index")
    index = index if type(index) is int else 0
    merged = choices.setdefault(index, {"index": index})
    for name, value in choice.items():
        if name == "index":
            continue
        if name == "logprobs":
            merged[name] = _added_logprobs(merged.get(name), value)
        elif name in ("delta", "message") and chat:
            if isinstance(value, dict):
                _add_delta(merged.setdefault("message", {}), value)
        elif name == "text" and not chat and isinstance(value, str):
            merged[name] = (merged.get(name) or "") + value
        else:
            _keep(merged, name, value)


def _added_logprobs(old: Any, new: Any) -> Any:
    """The log probabilities of all chunks: lists under the same name follow each other."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old if new is None else new
    added = dict(old)
    for name, value in new.items():
        before = added.get(name)
        added[name] = (
            before + value if isinstance(before, list) and isinstance(value, list) else value or before
        )
    return added


def _add_delta(message: JsonObject, delta: JsonObject) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            for position, fragment in enumerate(value if isinstance(value, list) else ()):
                if isinstance(fragment, dict):
                    _add_call(message.setdefault(name, []), fragment, position)
        elif name in ("function_call", "audio") and isinstance(value, dict):
            _add_fragment(message.setdefault(name, {}), value)
        elif name in _PIECES and isinstance(value, str) and isinstance(message.get(name), str):
            message[name] += value
        elif isinstance(value, list) and isinstance(message.get(name), list):
            message[name] = message[name] + value
        else:
            _keep(message, name, value)


def _add_call(calls: list[JsonObject], fragment: JsonObject, position: int) -> None:
    index = fragment.get("index", position)
    for call in calls:
        if call.get("index", 0) == index:
            _add_fragment(call, fragment)
            return
    call = {"index": index}
    _add_fragment(call, fragment)
    calls.append(call)


def _add_fragment(target: JsonObject, fragment: JsonObject) -> None:
    for name, value in fragment.items():
        if isinstance(value, dict):
            inner = target.setdefault(name, {})
            if isinstance(inner, dict):
                _add_fragment(inner, value)
        elif name in _PIECES and isinstance(value, str) and isinstance(target.get(name), str):
            target[name] += value
        else:
            _keep(target, name, value)


_TERMINAL = frozenset(["response.completed", "response.incomplete", "response.failed", "response.cancelled"])


def _merge_events(events: list[JsonObject]) -> JsonObject:
    """The response of a stream of events: the last one that an event holds, with what that one lacks."""
    response: JsonObject = {}
    items: dict[int, JsonObject] = {}
    for event in events:
        if isinstance(event.get("response"), dict):
            response = event["response"]
        if event.get("type") == "response.output_item.done" and isinstance(event.get("item"), dict):
            items[event.get("output_index", len(items))] = event["item"]
    if not response.get("output") and items:
        response = {**response, "output": [items[index] for index in sorted(items)]}
    return response
