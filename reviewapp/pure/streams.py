"""Stream chunks merged into the response that the plain endpoint would have given.

Vendors spread one answer over the chunks in their own ways: the fingerprint stands in the
first chunk, in the last, in each, or in all but the first; usage comes in a last chunk without
choices; tool calls come in fragments; reasoning has several names. A merge that follows one
vendor loses the others' fingerprints and log probabilities, so this one goes by what is there:
a value once reported is never replaced by null or by nothing, log probabilities and fragments
add up, and fields that nobody knows are kept.

Never raises, whatever the chunks: one that is no object is left out. The chunks stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from reviewapp.pure.events import merge_events
from reviewapp.pure.exchange import Endpoint, JsonObject
from reviewapp.pure.sse import SseEvent, SseEvents, SseParser, parse_sse

__all__ = ["SseEvent", "SseEvents", "SseParser", "merge_chunks", "parse_sse"]

# Characters that hide the length of a token, by OpenAI's and Mistral's name; nothing of the answer.
_PADDING: Final = frozenset(["obfuscation", "p"])
# What identifies the whole: the first chunk that says it is right (some send a new time with each).
_FIRST: Final = frozenset(["id", "created", "model"])
# Parts of a delta that are said once, or again and again, but never in pieces.
_WHOLE: Final = frozenset(["role", "id", "type", "index", "format"])


def merge_chunks(endpoint: Endpoint, chunks: Sequence[Any]) -> JsonObject:
    """The response that these chunks, in the order they came, add up to."""
    objects = [chunk for chunk in chunks if isinstance(chunk, dict)]
    if endpoint == "responses":
        return merge_events(objects)
    chat = endpoint == "chat.completions"
    merged: JsonObject = {
        "id": None,
        "object": "chat.completion" if chat else "text_completion",
        "created": None,
        "model": None,
        "choices": [],
        "usage": None,
    }
    choices: dict[int, JsonObject] = {}
    for chunk in objects:
        for name, value in chunk.items():
            if name == "choices":
                for position, choice in enumerate(value if isinstance(value, list) else ()):
                    if isinstance(choice, dict):
                        _add_choice(choices, choice, position, chat=chat)
            elif name in _FIRST:
                merged[name] = merged[name] or value or None
            elif name != "object" and name not in _PADDING:
                _keep(merged, name, value)
    merged["choices"] = [choices[index] for index in sorted(choices)]
    return merged


def _keep(target: JsonObject, name: str, value: Any) -> None:
    """Set a field that describes the whole: what says nothing doesn't replace what says something."""
    old = target.get(name)
    if isinstance(old, dict) and isinstance(value, dict):
        news = {key: item for key, item in value.items() if item is not None or key not in old}
        target[name] = {**old, **news}
    elif name not in target or value not in (None, "", [], {}):
        target[name] = value


def _add_choice(choices: dict[int, JsonObject], choice: JsonObject, position: int, *, chat: bool) -> None:
    index = choice.get("index")
    if type(index) is not int:
        index = position
    if index not in choices:
        said: JsonObject = {"message": {"role": "assistant", "content": None}} if chat else {"text": ""}
        choices[index] = {"index": index, **said, "logprobs": None, "finish_reason": None}
    merged = choices[index]
    for name, value in choice.items():
        if name == "logprobs":
            merged[name] = _added_logprobs(merged[name], value)
        elif name in ("delta", "message"):
            if isinstance(value, dict):
                _add_delta(merged["message"] if chat else merged.setdefault("delta", {}), value)
        elif name == "text":
            if isinstance(value, str):
                merged[name] = merged.get(name, "") + value
        elif name != "index":
            _keep(merged, name, value)


def _added_logprobs(old: Any, new: Any) -> Any:
    """The log probabilities of all chunks: lists under the same name follow each other."""
    if not isinstance(new, dict):
        return new if old is None else old
    added = old if isinstance(old, dict) else {}
    for name, value in new.items():
        if not isinstance(value, list):
            _keep(added, name, value)
        elif isinstance(added.get(name), list):
            added[name].extend(value)
        else:
            added[name] = list(value)
    return added


def _add_delta(message: JsonObject, delta: JsonObject) -> None:
    for name, value in delta.items():
        if name != "tool_calls":
            _add_piece(message, name, value)
            continue
        calls = message.setdefault(name, None)
        if isinstance(value, list):
            calls = message[name] = calls or []
            for fragment in value:
                if isinstance(fragment, dict):
                    _add_call(calls, fragment)


def _add_piece(target: JsonObject, name: str, value: Any) -> None:
    """Add a part of a delta: texts and lists go on where the last ones ended, objects part by part."""
    old = target.get(name)
    if isinstance(value, dict):
        inner = target[name] = old if isinstance(old, dict) else {}
        for key, item in value.items():
            _add_piece(inner, key, item)
    elif isinstance(value, list):
        # A list of the target's own: a chunk's list is never written to.
        target[name] = [*old, *value] if isinstance(old, list) else list(value)
    elif name in _WHOLE:
        target[name] = old or value
    elif isinstance(old, str) and isinstance(value, str):
        target[name] = _named(old, value) if name == "name" else old + value
    elif old is None or value is not None:
        target[name] = value


def _named(old: str, new: str) -> str:
    """A function's name, which some send in pieces, some again with each fragment, some ever longer."""
    return new if new.startswith(old) else old if not new or old.startswith(new) else old + new


def _add_call(calls: list[JsonObject], fragment: JsonObject) -> None:
    call = _call_of(calls, fragment)
    if call is None:
        call = {}
        calls.append(call)
    for name, value in fragment.items():
        _add_piece(call, name, value)


def _call_of(calls: list[JsonObject], fragment: JsonObject) -> JsonObject | None:
    """The call that a fragment goes on with; None where it begins one.

    That is the call of its index. But some servers send several calls under one index, told apart
    by id, some send no index, and some another id with each fragment of one call.
    """
    index, identity = fragment.get("index"), fragment.get("id")
    name = _function(fragment).get("name")
    if identity:
        for call in calls:
            if call.get("id") == identity and index in (None, call.get("index")):
                return call
    if index is None:
        return calls[-1] if calls and not name else None
    for call in reversed(calls):
        if call.get("index") == index:
            return None if identity and call.get("id") and _begins(name, call) else call
    return None


def _begins(name: Any, call: JsonObject) -> bool:
    """Whether a fragment of this function name can't go on with the call: that is of another, or ended."""
    if not name:
        return False
    if name != _function(call).get("name"):
        return True
    try:
        json.loads(_function(call).get("arguments") or "")
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _function(call: JsonObject) -> JsonObject:
    function = call.get("function")
    return function if isinstance(function, dict) else {}
