"""The events of a streamed Responses API answer, merged into the response that they tell of.

The last event holds the whole response, and that is the answer. But streams break off, some
servers send that last response without its output or without the log probabilities that the
deltas had, so the output is put together from its events too, and fills what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reviewapp.pure.exchange import JsonObject

# What each delta event adds to: the kind of item; the list in it, which of the event's fields says
# where in that list, and the kind of part; and the field. Without a list the field is the item's own.
_DELTAS: Final = {
    "response.output_text": ("message", "content", "content_index", "output_text", "text"),
    "response.refusal": ("message", "content", "content_index", "refusal", "refusal"),
    "response.reasoning_text": ("reasoning", "content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("reasoning", "summary", "summary_index", "summary_text", "text"),
    "response.function_call_arguments": ("function_call", "", "", "", "arguments"),
    "response.mcp_call_arguments": ("mcp_call", "", "", "", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "", "", "", "input"),
    "response.code_interpreter_call_code": ("code_interpreter_call", "", "", "", "code"),
}
_PARTS: Final = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}


def merge_events(events: Sequence[JsonObject]) -> JsonObject:
    """The response that these events, in the order they came, add up to."""
    response: JsonObject = {}
    items: dict[int, JsonObject] = {}
    error: JsonObject | None = None
    for event in events:
        kind = event.get("type")
        if isinstance(event.get("response"), dict):
            response = event["response"]
        elif kind == "error" or (kind is None and "error" in event):
            error = _error_of(event)
        elif isinstance(kind, str):
            _add_event(items, event, kind)
    output = [items[index] for index in sorted(items)]
    merged = {**response, "output": _completed(response.get("output"), output)}
    if error is not None and not merged.get("error"):
        merged["error"] = error
    return merged


def _error_of(event: JsonObject) -> JsonObject:
    inner = event.get("error")
    if isinstance(inner, dict):
        return inner
    told = {name: value for name, value in event.items() if name not in ("type", "sequence_number")}
    return told if inner is None else {**told, "message": inner}


def _add_event(items: dict[int, JsonObject], event: JsonObject, kind: str) -> None:
    index = event.get("output_index")
    if type(index) is not int:
        return
    if kind in ("response.output_item.added", "response.output_item.done"):
        item = event.get("item")
        if isinstance(item, dict):
            items[index] = _filled(_own(item), items.get(index))
        return
    stem, _, stage = kind.rpartition(".")
    if stem in _DELTAS:
        item_type, where, at, part_type, field = _DELTAS[stem]
        item = items.setdefault(index, {"type": item_type})
        target = _part(item, where, event.get(at), part_type) if where else item
        _add_text(target, field, event, stage)
    elif stem in _PARTS and isinstance(event.get("part"), dict):
        where, at = _PARTS[stem]
        part = event["part"]
        item = items.setdefault(index, {})
        target = _part(item, where, event.get(at), part.get("type"))
        target.update(_filled(_own(part), target))


def _part(item: JsonObject, where: str, at: Any, part_type: Any) -> JsonObject:
    """The part of an item at this place, made where it is not there yet."""
    parts = item.get(where)
    if not isinstance(parts, list):
        parts = item[where] = []
    if type(at) is not int:
        at = len(parts) - 1
    if not (0 <= at < len(parts) and isinstance(parts[at], dict)):
        parts.append({"type": part_type})
        at = len(parts) - 1
    part: JsonObject = parts[at]
    return part


def _add_text(target: JsonObject, field: str, event: JsonObject, stage: str) -> None:
    """Add a delta's text and log probabilities, or set the text that the end of the part repeats."""
    if stage == "delta":
        delta, old = event.get("delta"), target.get(field)
        if isinstance(delta, str):
            target[field] = old + delta if isinstance(old, str) else delta
        logprobs, before = event.get("logprobs"), target.get("logprobs")
        if isinstance(logprobs, list) and logprobs:
            if isinstance(before, list):
                before.extend(logprobs)
            else:
                target["logprobs"] = list(logprobs)
    elif stage == "done" and isinstance(whole := event.get(field), str) and whole:
        target[field] = whole


def _own(item: JsonObject) -> JsonObject:
    """A copy of an item or part as far as deltas write into it; an event is never written to."""
    own = dict(item)
    for name in ("content", "summary"):
        if isinstance(own.get(name), list):
            own[name] = [_own(part) if isinstance(part, dict) else part for part in own[name]]
    if isinstance(own.get("logprobs"), list):
        own["logprobs"] = list(own["logprobs"])
    return own


def _filled(item: JsonObject, gathered: JsonObject | None) -> JsonObject:
    """An item or part as the vendor summed it up, with what only its deltas had."""
    for name, value in (gathered or {}).items():
        if name in ("content", "summary"):
            item[name] = _completed(item.get(name), value)
        elif item.get(name) in (None, "", []) and value not in (None, "", []):
            item[name] = value
    return item


def _completed(summed: Any, gathered: Any) -> Any:
    """A list as the vendor summed it up, each entry filled from the one gathered at its place."""
    if not isinstance(gathered, list):
        return summed
    if not isinstance(summed, list) or not summed:
        return gathered
    return [
        _filled(dict(entry), gathered[at])
        if at < len(gathered) and _same_kind(entry, gathered[at])
        else entry
        for at, entry in enumerate(summed)
    ]


def _same_kind(entry: Any, other: Any) -> bool:
    return isinstance(entry, dict) and isinstance(other, dict) and entry.get("type") == other.get("type")
