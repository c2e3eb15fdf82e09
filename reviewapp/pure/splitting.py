"""A plain response as the stream that would have given it: the inverse of merging chunks.

Where a stored answer is served again as a stream and did not come as one. One chunk has all that a
choice says, one its end, the last one the usage if it was asked for; `merge_chunks` of them is the
response again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reviewapp.pure.exchange import Endpoint, JsonObject

_OBJECTS = {"chat.completions": "chat.completion.chunk", "completions": "text_completion"}


def split_response(
    endpoint: Endpoint, response: Mapping[str, Any], *, usage: bool = False
) -> list[JsonObject]:
    """The chunks of a chat or text completion. `usage`: with a last chunk that tells the tokens used."""
    frame = {name: value for name, value in response.items() if name not in {"choices", "usage"}}
    frame["object"] = _OBJECTS[endpoint]
    chunks: list[JsonObject] = []
    ends: list[JsonObject] = []
    choices = response.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, Mapping):
            continue
        said = {name: value for name, value in choice.items() if name not in {"message", "finish_reason"}}
        said.setdefault("index", position)
        end: JsonObject = {"index": said["index"], "finish_reason": choice.get("finish_reason")}
        if endpoint == "chat.completions":
            said["delta"] = _delta(choice.get("message"))
            end["delta"] = {}
        else:
            end["text"] = ""
        chunks.append({**frame, "choices": [{**said, "finish_reason": None}]})
        ends.append({**frame, "choices": [end]})
    chunks += ends
    if usage and response.get("usage") is not None:
        chunks.append({**frame, "choices": [], "usage": response["usage"]})
    return chunks


def _delta(message: Any) -> JsonObject:
    if not isinstance(message, Mapping):
        return {}
    delta = dict(message)
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {"index": at, **call} if isinstance(call, Mapping) else call for at, call in enumerate(calls)
        ]
    return delta
